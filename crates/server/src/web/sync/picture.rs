//! The last runs of a connection as a small picture, made on the server, with the same facts as a table for those who
//! do not see it.

use vaultterm_reconcile::Counts;
use vaultterm_sync::{Run, RunState};

use super::words;
use crate::web::words::{Moment, counted};

/// Runs in a picture.
pub(crate) const RUNS: usize = 30;
const HEIGHT: u64 = 30;
const STEP: usize = 10;

/// A bar of the picture: a run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bar {
    pub(crate) x: usize,
    pub(crate) y: u64,
    pub(crate) height: u64,
    pub(crate) class: &'static str,
}

/// The same run in words.
#[derive(Debug)]
pub(crate) struct Fact {
    pub(crate) when: Moment,
    pub(crate) took: String,
    pub(crate) state: &'static str,
    pub(crate) moved: String,
}

/// Draws runs, the oldest first. `runs` has the newest first.
pub(crate) fn bars(runs: &[Run]) -> Vec<Bar> {
    let most = runs.iter().map(|run| moved(&run.counts)).max().unwrap_or(0).max(1);
    let free = RUNS - runs.len().min(RUNS);
    let newest = runs.iter().take(RUNS).rev();
    let bar = |(at, run): (usize, &Run)| {
        // A run that moved nothing is a low bar: it took place.
        let height = 4 + moved(&run.counts) * (HEIGHT - 4) / most;
        let class = match run.state {
            RunState::Failed | RunState::Halted => "bad",
            RunState::Partial | RunState::Cancelled => "waits",
            RunState::Running | RunState::Succeeded if run.counts.conflicts > 0 => "waits",
            RunState::Running | RunState::Succeeded if moved(&run.counts) == 0 => "quiet",
            RunState::Running | RunState::Succeeded => "",
        };
        Bar { x: (free + at) * STEP, y: HEIGHT - height, height, class }
    };
    newest.enumerate().map(bar).collect()
}

/// Words runs, the newest first.
pub(crate) fn facts(runs: &[Run], now_us: i64) -> Vec<Fact> {
    let fact = |run: &Run| Fact {
        when: Moment::seen(run.started.0.div_euclid(1_000), now_us),
        took: took(run),
        state: words::run_state(run.state).words,
        moved: words::moved(run),
    };
    runs.iter().take(RUNS).map(fact).collect()
}

/// Words how long a run took.
pub(crate) fn took(run: &Run) -> String {
    let Some(finished) = run.finished else { return "goes on".to_owned() };
    let seconds = u64::try_from((finished.0 - run.started.0) / 1_000_000_000).unwrap_or(0);
    match seconds {
        0 => "less than a second".to_owned(),
        1..120 => counted(seconds, "second", "seconds"),
        _ => counted(seconds / 60, "minute", "minutes"),
    }
}

fn moved(counts: &Counts) -> u64 {
    counts.created_remote
        + counts.updated_remote
        + counts.deleted_remote
        + counts.created_local
        + counts.updated_local
        + counts.deleted_local
}

#[cfg(test)]
pub(crate) mod samples {
    use uuid::Uuid;
    use vaultterm_ledger::{Actor, ActorKind};
    use vaultterm_reconcile::UnixNanos;
    use vaultterm_sync::{ConnectionId, RunId, Trigger};

    use super::*;

    pub(crate) fn run(state: RunState, updated_remote: u64) -> Run {
        Run {
            id: RunId(Uuid::nil()),
            connection_id: ConnectionId(Uuid::nil()),
            plan_id: None,
            state,
            trigger: Trigger::Manual,
            actor: Actor { kind: ActorKind::User, id: Uuid::nil(), name: "<b>".to_owned() },
            counts: Counts { updated_remote, ..Counts::default() },
            halts: Vec::new(),
            problems: Vec::new(),
            started: UnixNanos(0),
            finished: Some(UnixNanos(90_000_000_000)),
            requests: 12,
            part: vaultterm_sync::RunPart::default(),
        }
    }

    #[test]
    fn the_newest_run_stands_at_the_end_and_the_largest_is_the_highest() {
        let runs = [run(RunState::Failed, 0), run(RunState::Succeeded, 4), run(RunState::Succeeded, 0)];
        let bars = bars(&runs);
        assert_eq!(bars.iter().map(|bar| bar.class).collect::<Vec<_>>(), ["quiet", "", "bad"]);
        assert_eq!(bars.iter().map(|bar| bar.height).collect::<Vec<_>>(), [4, 30, 4]);
        assert_eq!(bars.last().map(|bar| bar.x), Some(290));
        assert_eq!(took(&runs[0]), "90 seconds");
        let told = |state, count| words::moved(&run(state, count));
        assert_eq!(told(RunState::Succeeded, 0), "nothing to do");
        assert_eq!(told(RunState::Failed, 0), "nothing: it failed before");
        assert_eq!(told(RunState::Failed, 2), "2 writes to Vault");
        assert!(super::bars(&[]).is_empty());
    }
}
