//! Kills (-9) of the server in the middle of runs, while people edit both sides.
//!
//! Three connections, one of each mode, run at the same time and are killed together. The kill comes at a
//! random moment, or exactly when a certain request is on its way to Vault. Such a request may reach Vault
//! long after the server that sent it is dead. The kills are divided into chapters of fifty, each with its
//! own house and OpenBao. At the end of a chapter the runs continue until nothing is left to do, and every
//! written value must be accounted for (`accounts.rs`).
//!
//! `VAULTTERM_KILLS` sets the number of kills. `cargo xtask kills` makes many and prints what they hit.

pub(crate) mod accounts;
mod chapter;
pub(crate) mod dice;
pub(crate) mod people;
pub(crate) mod road;

use std::{collections::BTreeMap, time::Instant};

use chapter::Chapter;
use road::{Mode, Moment};

const KILLS: u64 = 50;
const KILLS_PER_CHAPTER: u64 = 50;
/// From this number of kills on, each moment must have been hit.
const KILLS_LONG: u64 = 500;

/// The events of the kills.
#[derive(Clone, Debug, Default)]
struct Tally {
    kills: u64,
    /// The number of kills just after a certain answer came.
    answered: u64,
    /// The number of kills while a certain request was on its way.
    held: u64,
    /// Among those, the number of requests that reached Vault while other runs were in progress.
    late: u64,
    /// The number of killed runs, by mode and by their moment.
    moments: BTreeMap<(Mode, Moment), u64>,
    /// The number of runs that ended by themselves.
    ended: u64,
    /// The number of values that people saved, and of those whose saving was cut off by a kill.
    saved: u64,
    cut: u64,
    /// The number of KV versions by runs and people.
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

pub(crate) fn number(name: &str, otherwise: u64) -> u64 {
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
