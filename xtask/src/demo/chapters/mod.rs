//! The story, with one chapter per file. Each chapter announces a step, takes it, and checks the other side.

mod both_ways;
mod conflict;
mod deletion;
mod halves;
mod pull;
mod push;
mod rest;

use anyhow::{Context, Result};

use super::world::World;

type Chapter = fn(&World) -> Result<()>;

/// The chapters that follow the first. The servers start in the first chapter.
const CHAPTERS: [(&str, Chapter); 9] = [
    ("Push: people keep, programs read", push::tell),
    ("Pull: what is in Vault comes to people", pull::tell),
    ("Bidirectional: both sides edit", both_ways::tell),
    ("The same field on both sides: a conflict", conflict::tell),
    ("Two halves of a credential: never mixed", halves::tell),
    ("Deletions and restores, on either side", deletion::tell),
    ("A rename", deletion::tell_of_a_rename),
    ("Nothing changed, so nothing happens", rest::tell),
    ("Who did what: the audit", rest::tell_of_the_audit),
];

/// Tells all chapters, and ends with an error at the first step whose result is not the expected one.
pub(super) fn tell(world: &World) -> Result<()> {
    for (number, (title, chapter)) in (2..).zip(CHAPTERS) {
        world.shell.narrator.chapter(number, title);
        chapter(world).with_context(|| format!("in chapter {number}, \"{title}\""))?;
    }
    Ok(())
}
