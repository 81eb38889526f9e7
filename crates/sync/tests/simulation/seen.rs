//! Counts what the worlds reached. A branch that no world reached proves nothing.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use vaultterm_reconcile::{Action, ConflictKind, HaltKind, Step, Version};
use vaultterm_sync::{Event, FaultClass, Progress, Run};
use vaultterm_testkit::World;

use crate::people::RESTORED;

/// How often each event was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen(BTreeMap<String, u64>);

/// Every branch of the table, and every kind of run, conflict, halt, decision and fault.
const EXPECTED: &[&str] = &[
    "branch adopt: both sides hold the same",
    "branch adopt: the type changed",
    "branch create_local from the trash: the secret is new",
    "branch create_local from the trash: the side that is not authoritative changed, and on_drift is overwrite",
    "branch create_local: the secret is new",
    "branch create_local: the side that is not authoritative changed, and on_drift is overwrite",
    "branch create_remote over a deleted version: the record changed",
    "branch create_remote over a deleted version: the record is new",
    "branch create_remote over a deleted version: the side that is not authoritative changed, and on_drift is overwrite",
    "branch create_remote: the record is new",
    "branch create_remote: the side that is not authoritative changed, and on_drift is overwrite",
    "branch delete_local: the secret expired",
    "branch delete_local: the secret was deleted",
    "branch delete_remote: the record was deleted",
    "branch delete_remote: the record was renamed",
    "branch forget: both sides were deleted",
    "branch keep_accepted: the sides differ as a person accepted it",
    "branch merge: both sides changed, in different fields",
    "branch move_remote over a deleted version: the record was renamed",
    "branch move_remote: the record was renamed",
    "branch nothing: a person accepted that the sides differ",
    "branch nothing: neither side changed",
    "branch unlink: the record was deleted",
    "branch unlink: the secret expired",
    "branch unlink: the secret was deleted",
    "branch update_local: both sides changed, in different fields",
    "branch update_local: both sides hold the path, and initial says which one counts",
    "branch update_local: the secret changed",
    "branch update_local: the side that is not authoritative changed, and on_drift is overwrite",
    "branch update_remote with what was there kept first: both sides hold the path, and initial says which one counts",
    "branch update_remote with what was there kept first: the side that is not authoritative changed, and on_drift is overwrite",
    "branch update_remote: the record changed",
    "conflict both_changed",
    "conflict drift",
    "conflict foreign_owner",
    "conflict local_deleted",
    "conflict no_base",
    "conflict remote_deleted",
    "conflict rewound",
    "conflict type_changed",
    "decision keep_both",
    "decision keep_local",
    "decision keep_remote",
    "decision merge",
    "event crash",
    "event decision",
    "event decision refused",
    "event edit",
    "event fault",
    "event hint followed during a look",
    "event merge that keeps credentials whole",
    "event old news",
    "event pause",
    "event plan-only after a restore",
    "event run for some paths",
    "event run that looked at some paths",
    "event run with steps left out",
    "fault answer lost",
    "fault denied",
    "fault invalid",
    "fault misconfigured",
    "fault namespace_ignored",
    "fault protocol_error",
    "fault rate_limited",
    "fault redirected",
    "fault remote_sealed",
    "fault stale",
    "fault stale_replica",
    "fault unavailable",
    "fault unknown_outcome",
    "halt license",
    "halt mass_deletion",
    "halt namespace_ignored",
    "halt remote_replaced",
    "halt remote_replaced by a mount that was made anew",
    "halt rewound",
    "halt rewound by a database that is older than its marks",
    "halt rewound by a restore",
    "halt scope_changed",
    "halt side_emptied",
    "mishap capability_lost",
    "mishap capability_regained",
    "mishap login_again",
    "mishap mount_recreated",
    "mishap mount_removed",
    "mishap mount_returned",
    "mishap tokens_expire",
    "problem denied",
    "problem invalid",
    "problem lease_lost",
    "problem login_refused",
    "problem misconfigured",
    "problem protocol_error",
    "problem redirected",
    "problem remote_sealed",
    "problem skipped",
    "problem stale",
    "problem stale_replica",
    "problem unavailable",
    "problem unknown_outcome",
    "problem wrong_mount",
    "run cancelled",
    "run failed",
    "run halted",
    "run partial",
    "run succeeded",
    "step adopt",
    "step create_local",
    "step create_remote",
    "step delete_local",
    "step delete_remote",
    "step forget",
    "step keep_accepted",
    "step merge",
    "step move_remote",
    "step unlink",
    "step update_local",
    "step update_remote",
    "world of a server that lists names only",
    "world of two installations",
];

impl Seen {
    pub(crate) fn count(&mut self, what: impl Into<String>, times: u64) {
        if times > 0 {
            *self.0.entry(what.into()).or_default() += times;
        }
    }

    /// Returns how often an event was seen.
    pub(crate) fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or_default()
    }

    pub(crate) fn add(&mut self, other: Self) {
        for (what, times) in other.0 {
            self.count(what, times);
        }
    }

    /// Records the end of a run.
    pub(crate) fn run(&mut self, run: &Run) {
        self.count(format!("run {}", format!("{:?}", run.state).to_lowercase()), 1);
        for halt in &run.halts {
            self.count(format!("halt {}", halt.kind.as_str()), 1);
            if halt.detail.contains("database is older") {
                self.count("halt rewound by a database that is older than its marks", 1);
            }
            if halt.detail.contains(RESTORED) {
                self.count("halt rewound by a restore", 1);
            }
            if halt.detail.contains("mount accessor") {
                self.count("halt remote_replaced by a mount that was made anew", 1);
            }
        }
        self.count("branch nothing: a person accepted that the sides differ", run.counts.accepted);
        if run.counts.unchanged > 0 {
            self.count("branch nothing: neither side changed", run.counts.unchanged);
        }
        for problem in &run.problems {
            self.count(format!("problem {}", problem.class), 1);
        }
    }

    /// Records the open conflicts.
    pub(crate) fn conflicts(&mut self, world: &World) {
        for row in world.open_conflicts() {
            self.count(format!("conflict {}", row.conflict.kind.as_str()), 1);
        }
    }

    /// Asserts that every event of worlds with two nodes was seen.
    pub(crate) fn two_nodes(&self) {
        let events = [
            "event edit",
            "event lost answer",
            "event due run that two nodes wanted",
            "event run beside another node",
            "event dead node",
            "event frozen node",
            "event hint followed during a look",
        ];
        for event in events {
            assert!(self.of(event) > 0, "no world saw: {event}");
        }
    }

    /// Asserts that every expected event of worlds with one node was seen.
    pub(crate) fn everything(&self) {
        let unseen: Vec<_> = EXPECTED.iter().filter(|what| !self.0.contains_key(**what)).collect();
        assert!(unseen.is_empty(), "never reached: {unseen:?}");
        // A kind that is added later must be reached as well.
        for kind in HaltKind::ALL.iter().copied() {
            assert!(EXPECTED.contains(&format!("halt {}", kind.as_str()).as_str()), "{kind:?}");
        }
        for kind in ConflictKind::ALL.iter().copied() {
            assert!(EXPECTED.contains(&format!("conflict {}", kind.as_str()).as_str()), "{kind:?}");
        }
        for class in FaultClass::ALL.iter().copied() {
            let shown = ["fault", "problem"].map(|what| format!("{what} {}", class.as_str()));
            assert!(shown.iter().any(|what| EXPECTED.contains(&what.as_str())), "{class:?}");
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(what, times)| writeln!(f, "{times:>10}  {what}"))
    }
}

/// Returns the branch of the table from which a step comes: the action, its objects, and the reason.
fn branch(step: &Step) -> String {
    let on = match &step.action {
        Action::CreateRemote { cas, .. } | Action::MoveRemote { cas, .. } if *cas != Version::NONE => {
            " over a deleted version"
        }
        Action::UpdateRemote { archive: true, .. } => " with what was there kept first",
        Action::CreateLocal { restores: Some(_), .. } => " from the trash",
        _ => "",
    };
    format!("{}{on}: {}", step.action.as_str(), step.reason.sentence())
}

/// Listens to runs.
#[derive(Default)]
pub(crate) struct Listener(Mutex<Seen>, AtomicBool);

impl Listener {
    /// Records that the run has its lease.
    pub(crate) fn begin(&self) {
        self.1.store(true, Ordering::Relaxed);
    }

    /// Returns whether the run has got its lease.
    pub(crate) fn began(&self) -> bool {
        self.1.load(Ordering::Relaxed)
    }

    pub(crate) fn take(&self) -> Seen {
        std::mem::take(&mut *self.0.lock().expect("one thread"))
    }
}

impl Progress for Listener {
    fn tell(&self, event: Event<'_>) {
        let mut seen = self.0.lock().expect("one thread");
        match event {
            Event::Step(step) => {
                seen.count(format!("step {}", step.action.as_str()), 1);
                seen.count(format!("branch {}", branch(step)), 1);
            }
            Event::Finished(run) => seen.run(run),
            Event::Progress { .. } | Event::Problem(_) => {}
        }
    }
}
