//! People edit, delete, restore and rename on both sides in any order, and runs come in between. A run never
//! loses a value, and after a few runs nothing is left to do.
//!
//! Thousands of histories show the same for the planner alone (`reconcile`), and for the engine on fakes with
//! crashes (`sync`). Here a few of them go through the database and a real server.

use std::collections::BTreeSet;

use serde_json::json;
use vaultterm_reconcile::{HaltKind, Mode};
use vaultterm_store::RecordState;
use vaultterm_sync::{Run, RunState};
use vaultterm_testkit::Backdoor;

use crate::house::House;

const PATHS: [&str; 4] = ["a", "a/b", "c d", "é/x"];
const EVENTS: u64 = 30;
/// The maximum number of runs until nothing is left to do. A rename to a path that Vault holds needs an
/// additional one.
const RUNS_MAX: usize = 4;

/// Returns numbers that look random and are the same every time (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % sides as u64).expect("fewer than sides")
    }
}

/// Lets one event happen and returns its description.
async fn happen(house: &House, dice: &mut Dice, number: u64) -> String {
    let at = PATHS[dice.roll(PATHS.len())];
    let other = PATHS[dice.roll(PATHS.len())];
    // Most edits change one field, so that some merge and some collide.
    let (a, b) = if dice.roll(2) == 0 { (json!(number), json!("b")) } else { (json!("a"), json!(number)) };
    let fields = json!({"a": a, "note": b});
    let here = house.found(at).await;
    let there = house.heads().await.remove(at);
    match dice.roll(9) {
        0 | 1 => drop(house.save(at, fields).await),
        2 | 3 => drop(house.put(at, fields).await),
        4 if here.is_some() => drop(house.trash(at).await),
        5 if there.is_some() => house.delete(at).await,
        6 if there.is_some() => house.vault.undelete(at, there.expect("just seen").version).await,
        7 if here.is_some() && house.found(other).await.is_none() => house.rename(at, other).await,
        8 if here.is_none() => {
            let trashed = house.records(RecordState::Trash).await;
            if let Some(record) = trashed.iter().find(|record| record.path.as_str() == at) {
                house.restore(record.id).await;
            }
        }
        _ => {}
    }
    format!("{number}: {at} {other}")
}

/// Returns every reachable value of a field: in the history of a record, or in a live version.
async fn reachable(house: &House) -> BTreeSet<String> {
    let mut all = Vec::new();
    let mut records = house.records(RecordState::Live).await;
    records.extend(house.records(RecordState::Trash).await);
    for record in records {
        all.extend(house.history(record.id).await);
    }
    for (path, head) in house.heads().await {
        for version in 1..=head.version {
            all.extend(house.vault.get(&path, version).await);
        }
    }
    all.iter().flatten().map(|(name, value)| format!("{name}={value}")).collect()
}

async fn run(house: &House, told: &[String]) -> Run {
    let before = reachable(house).await;
    let run = house.run(HaltKind::ALL).await;
    assert!(matches!(run.state, RunState::Succeeded | RunState::Partial), "{told:#?}\n{run:#?}");
    let after = reachable(house).await;
    let lost: Vec<_> = before.difference(&after).collect();
    assert!(lost.is_empty(), "lost {lost:?}\n{told:#?}\n{run:#?}");
    run
}

/// Runs the connection until nothing changes. After that every path is equal on both sides, or a person was
/// told about it.
async fn settle(house: &House, told: &[String]) {
    for _ in 0..RUNS_MAX {
        let before = house.print().await;
        let last = run(house, told).await;
        if house.print().await != before {
            continue;
        }
        for path in PATHS {
            let (here, there) = (house.record(path).await, house.secret(path).await);
            let conflict = house.conflicts().await.iter().any(|row| row.conflict.path.as_str() == path);
            let problem = last.problems.iter().any(|problem| problem.path == path);
            assert!(here == there || conflict || problem, "{path}: {here:?} {there:?}\n{told:#?}\n{last:#?}");
        }
        return;
    }
    panic!("does not come to rest: {told:#?}\n{:#?}", house.print().await);
}

#[tokio::test]
async fn whatever_people_do_on_both_sides_runs_lose_nothing_and_come_to_rest() {
    for seed in 1..=4 {
        let house = House::new(Mode::Bidirectional).await;
        let mut dice = Dice(seed);
        let mut told = vec![format!("seed {seed}")];
        for number in 0..EVENTS {
            told.push(happen(&house, &mut dice, number).await);
            if dice.roll(4) == 0 {
                run(&house, &told).await;
                told.push("run".to_owned());
            }
        }
        settle(&house, &told).await;
    }
}
