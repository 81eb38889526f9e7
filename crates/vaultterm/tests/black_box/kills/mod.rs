//! Kills (-9) of the server in the middle of runs, while people edit both sides.
//!
//! Three connections, one of each mode, run at the same time and are killed together, either at a
//! random moment or just when a certain request is on its way to Vault; such a request may then
//! arrive long after the server that sent it is dead. The loop is told in chapters of fifty kills,
//! each with a house and an OpenBao of its own. At the end of a chapter runs come to rest, and
//! every value that anybody wrote is accounted for (`accounts.rs`).
//!
//! `VAULTTERM_KILLS` says how many kills; `cargo xtask kills` runs many and prints what they hit.

mod accounts;
mod chapter;
mod dice;
mod people;
mod road;

use std::{collections::BTreeMap, time::Instant};

use chapter::Chapter;
use road::{Mode, Moment};

const KILLS: u64 = 50;
const KILLS_PER_CHAPTER: u64 = 50;
/// From so many on, each moment must have been hit.
const KILLS_LONG: u64 = 500;

/// What the loop came across.
#[derive(Clone, Debug, Default)]
struct Tally {
    kills: u64,
    /// Kills just after a certain answer had come.
    answered: u64,
    /// Kills while a certain request was on its way.
    held: u64,
    /// Of those, requests that arrived when other runs went on already.
    late: u64,
    /// Runs, by mode and by what they were at when they were killed.
    moments: BTreeMap<(Mode, Moment), u64>,
    /// Runs that ended by themselves, without a kill.
    ended: u64,
    /// Values that people saved, and those whose saving was cut off with the server.
    saved: u64,
    cut: u64,
    /// KV versions that runs and people made.
    versions: u64,
    conflicts: u64,
    resolved: u64,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        let Self { kills, answered, held, late, moments, ended, saved, cut, versions, conflicts, resolved } = other;
        for (mine, theirs) in [
            (&mut self.kills, kills),
            (&mut self.answered, answered),
            (&mut self.held, held),
            (&mut self.late, late),
            (&mut self.ended, ended),
            (&mut self.saved, saved),
            (&mut self.cut, cut),
            (&mut self.versions, versions),
            (&mut self.conflicts, conflicts),
            (&mut self.resolved, resolved),
        ] {
            *mine += theirs;
        }
        for (moment, times) in moments {
            *self.moments.entry(*moment).or_default() += times;
        }
    }

    fn at(&self, moment: Moment) -> u64 {
        self.moments.iter().filter(|((_, found), _)| *found == moment).map(|(_, times)| times).sum()
    }

    fn print(&self) {
        let Self { kills, answered, held, late, ended, saved, cut, versions, conflicts, resolved, .. } = self;
        let random = kills - answered - held;
        eprintln!("{kills} kills: {random} at random moments, {answered} just after an answer of Vault,");
        eprintln!("{held} while a request was on its way, of which {late} arrived when the next runs went on already");
        eprintln!("runs, by what they were at when they were killed:");
        for moment in Moment::ALL {
            let of = |mode: Mode| self.moments.get(&(mode, moment)).copied().unwrap_or(0);
            let each: Vec<_> = Mode::ALL.iter().map(|mode| format!("{} {}", mode.as_str(), of(*mode))).collect();
            eprintln!("  {:<32} {:>6}  ({})", moment.as_str(), self.at(moment), each.join(", "));
        }
        eprintln!("{ended} runs ended by themselves; {versions} KV versions were made, none of them twice");
        eprintln!("{saved} values were saved by people, and every one is accounted for; {cut} more were cut off");
        eprintln!("{conflicts} conflicts were looked at, {resolved} of them decided");
    }
}

fn number(name: &str, otherwise: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is a number")),
        Err(_) => otherwise,
    }
}

#[tokio::test]
async fn kills_while_both_sides_are_edited_lose_no_value_and_heal() {
    let (kills, began) = (number("VAULTTERM_KILLS", KILLS), Instant::now());
    let mut tally = Tally::default();
    let mut chapter = number("VAULTTERM_KILLS_FROM", 0);
    while tally.kills < kills {
        let told = Chapter::new(chapter).await.tell(KILLS_PER_CHAPTER.min(kills - tally.kills)).await;
        tally.add(&told);
        chapter += 1;
        eprintln!("chapter {chapter}: {} of {kills} kills, {:.0} s", tally.kills, began.elapsed().as_secs_f64());
    }
    tally.print();
    if kills >= KILLS_LONG {
        for moment in Moment::ALL {
            assert!(tally.at(moment) > 0, "no run was killed {}", moment.as_str());
        }
    }
}
