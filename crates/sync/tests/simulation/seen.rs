//! What the worlds came across, counted: a branch that none of them reached proves nothing.

use std::{collections::BTreeMap, fmt, sync::Mutex};

use vaultterm_reconcile::{ConflictKind, HaltKind};
use vaultterm_sync::{Event, Progress, Run};
use vaultterm_testkit::World;

/// How often each thing was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen(BTreeMap<String, u64>);

/// Every way a plan's steps, runs, conflicts, halts and faults show themselves.
const EXPECTED: &[&str] = &[
    "step adopt",
    "step create_local",
    "step create_remote",
    "step delete_local",
    "step delete_remote",
    "step forget",
    "step merge",
    "step move_remote",
    "step unlink",
    "step update_local",
    "step update_remote",
    "run cancelled",
    "run failed",
    "run halted",
    "run partial",
    "run succeeded",
    "conflict both_changed",
    "conflict drift",
    "conflict foreign_owner",
    "conflict local_deleted",
    "conflict no_base",
    "conflict remote_deleted",
    "conflict rewound",
    "conflict type_changed",
    "halt license",
    "halt mass_deletion",
    "halt remote_replaced",
    "halt rewound",
    "halt remote_replaced by a mount that was made anew",
    "halt rewound by a database that is older than its marks",
    "halt scope_changed",
    "halt side_emptied",
    "problem denied",
    "problem invalid",
    "mishap capability_lost",
    "mishap capability_regained",
    "mishap login_again",
    "mishap mount_recreated",
    "mishap mount_removed",
    "mishap mount_returned",
    "mishap tokens_expire",
    "problem lease_lost",
    "problem login_refused",
    "problem protocol_error",
    "problem redirected",
    "problem remote_sealed",
    "problem stale",
    "problem stale_replica",
    "problem unavailable",
    "problem unknown_outcome",
    "problem wrong_mount",
    "event crash",
    "event decision",
    "event decision refused",
    "event edit",
    "event fault",
    "event old news",
    "event pause",
    "world of a server that lists names only",
    "world of two installations",
];

impl Seen {
    pub(crate) fn count(&mut self, what: impl Into<String>, times: u64) {
        *self.0.entry(what.into()).or_default() += times;
    }

    pub(crate) fn add(&mut self, other: Self) {
        for (what, times) in other.0 {
            self.count(what, times);
        }
    }

    /// Notes how a run ended.
    pub(crate) fn run(&mut self, run: &Run) {
        self.count(format!("run {}", format!("{:?}", run.state).to_lowercase()), 1);
        for halt in &run.halts {
            self.count(format!("halt {}", halt.kind.as_str()), 1);
            if halt.detail.contains("database is older") {
                self.count("halt rewound by a database that is older than its marks", 1);
            }
            if halt.detail.contains("mount accessor") {
                self.count("halt remote_replaced by a mount that was made anew", 1);
            }
        }
        for problem in &run.problems {
            self.count(format!("problem {}", problem.class.0), 1);
        }
    }

    /// Notes the conflicts that are open.
    pub(crate) fn conflicts(&mut self, world: &World) {
        for row in world.open_conflicts() {
            self.count(format!("conflict {}", row.conflict.kind.as_str()), 1);
        }
    }

    /// Fails unless everything was come across.
    pub(crate) fn everything(&self) {
        let unseen: Vec<_> = EXPECTED.iter().filter(|what| !self.0.contains_key(**what)).collect();
        assert!(unseen.is_empty(), "never reached: {unseen:?}");
        // A kind that is added later must be reached as well.
        for kind in HaltKind::ALL {
            assert!(EXPECTED.contains(&format!("halt {}", kind.as_str()).as_str()), "{kind:?}");
        }
        for kind in ConflictKind::ALL {
            assert!(EXPECTED.contains(&format!("conflict {}", kind.as_str()).as_str()), "{kind:?}");
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(what, times)| writeln!(f, "{times:>10}  {what}"))
    }
}

/// Listens to runs.
#[derive(Default)]
pub(crate) struct Listener(Mutex<Seen>);

impl Listener {
    pub(crate) fn take(&self) -> Seen {
        std::mem::take(&mut *self.0.lock().expect("one thread"))
    }
}

impl Progress for Listener {
    fn tell(&self, event: Event<'_>) {
        let mut seen = self.0.lock().expect("one thread");
        match event {
            Event::Step(step) => seen.count(format!("step {}", step.action.as_str()), 1),
            Event::Finished(run) => seen.run(run),
            Event::Progress { .. } | Event::Problem(_) => {}
        }
    }
}
