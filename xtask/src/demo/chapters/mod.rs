//! The story, a chapter a file. Each tells what it does, does it, and checks the other side.

mod both_ways;
mod conflict;
mod deletion;
mod pull;
mod push;
mod rest;

use anyhow::{Context, Result};

use super::world::World;

type Chapter = fn(&World) -> Result<()>;

/// The chapters after the first, in which the servers start.
const CHAPTERS: [(&str, Chapter); 8] = [
    ("Push: people keep, programs read", push::tell),
    ("Pull: what is in Vault comes to people", pull::tell),
    ("Bidirectional: both sides edit", both_ways::tell),
    ("The same field on both sides: a conflict", conflict::tell),
    ("Deletions and restores, on either side", deletion::tell),
    ("A rename", deletion::tell_of_a_rename),
    ("Nothing changed, so nothing happens", rest::tell),
    ("Who did what: the audit", rest::tell_of_the_audit),
];

/// Tells all chapters, or ends at the first that goes otherwise than it should.
pub(super) fn tell(world: &World) -> Result<()> {
    for (number, (title, chapter)) in (2..).zip(CHAPTERS) {
        world.shell.narrator.chapter(number, title);
        chapter(world).with_context(|| format!("in chapter {number}, \"{title}\""))?;
    }
    Ok(())
}
