//! How connections and runs stand, in the words of the pages.

use vaultterm_contract::Standing;
use vaultterm_reconcile::{ActionName, ConflictKind, Counts, HaltKind, Mode, Step};
use vaultterm_store::ConnectionSummary;
use vaultterm_sync::{Run, RunState, Trigger};

use crate::web::{parts::State, words::counted};

/// Returns the words for the state of a connection.
pub(crate) fn standing(standing: Standing) -> State {
    let (tone, words) = match standing {
        Standing::New => ("waits", "waits for its first plan"),
        Standing::Ready => ("good", "in step at the last run"),
        Standing::Running => ("off", "a run goes on"),
        Standing::Conflicts => ("waits", "conflicts need a decision"),
        Standing::Halted => ("bad", "halted: nothing is written"),
        Standing::AuthFailed => ("bad", "Vault refused the login"),
        Standing::Unreachable => ("bad", "Vault cannot be reached"),
        Standing::RemoteSealed => ("bad", "Vault is sealed"),
        Standing::Failed => ("bad", "the last run failed"),
        Standing::Partial => ("waits", "the last run left something out"),
        Standing::Paused => ("off", "paused"),
        Standing::Unlicensed => ("bad", "the license does not include it"),
    };
    State { tone, words }
}

/// Returns the direction of a connection, as a sign and in words.
pub(crate) const fn direction(mode: Mode) -> (&'static str, &'static str) {
    match mode {
        Mode::Push => ("→", "pushes to Vault"),
        Mode::Pull => ("←", "pulls from Vault"),
        Mode::Bidirectional => ("⇄", "both ways"),
    }
}

/// Returns where a connection writes or reads: mount, path and the server.
pub(crate) fn scope(found: &ConnectionSummary) -> String {
    let connection = &found.connection;
    if connection.path.is_empty() {
        format!("{}/", connection.mount)
    } else {
        format!("{}/{}", connection.mount, connection.path)
    }
}

/// Returns the words for the state of a run.
pub(crate) fn run_state(state: RunState) -> State {
    let (tone, words) = match state {
        RunState::Running => ("off", "goes on"),
        RunState::Succeeded => ("good", "done"),
        RunState::Partial => ("waits", "left something out"),
        RunState::Halted => ("bad", "halted: its plan was not carried out"),
        RunState::Failed => ("bad", "failed"),
        RunState::Cancelled => ("waits", "cancelled"),
    };
    State { tone, words }
}

/// Words what started a run.
pub(crate) fn started_by(run: &Run) -> String {
    match run.trigger {
        Trigger::Manual => format!("started by {}", run.actor.name),
        Trigger::Interval => "started by the schedule".to_owned(),
        Trigger::Change => "started by a change here".to_owned(),
        Trigger::Hint => "started by a hint about a change in Vault".to_owned(),
        Trigger::Resolution => format!("carried out a decision of {}", run.actor.name),
        Trigger::Takeover => "continues a run that was cut off".to_owned(),
    }
}

/// Words what started runs, as a choice of a list.
pub(crate) const fn trigger(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Manual => "a person",
        Trigger::Interval => "the schedule",
        Trigger::Change => "a change here",
        Trigger::Hint => "a hint about a change in Vault",
        Trigger::Resolution => "a decision",
        Trigger::Takeover => "the end of a run that was cut off",
    }
}

/// Words what a run did, or a plan would do.
pub(crate) fn counts(counts: &Counts) -> String {
    let mut parts = Vec::new();
    let mut add = |count: u64, one: &str, many: &str| {
        if count > 0 {
            parts.push(counted(count, one, many));
        }
    };
    add(counts.created_remote + counts.updated_remote, "write to Vault", "writes to Vault");
    add(counts.created_local + counts.updated_local, "write here", "writes here");
    add(counts.deleted_remote, "deletion in Vault", "deletions in Vault");
    add(counts.deleted_local, "deletion here", "deletions here");
    add(counts.adopted, "recognised as equal", "recognised as equal");
    add(counts.accepted, "accepted difference", "accepted differences");
    add(counts.conflicts, "needs a decision", "need a decision");
    add(counts.skipped, "left alone", "left alone");
    add(counts.failed, "failed", "failed");
    add(counts.stale, "changed meanwhile", "changed meanwhile");
    if parts.is_empty() { "nothing to do".to_owned() } else { parts.join(", ") }
}

/// Words what a run moved. A run that did not get to the end says that, and not that there was nothing to do.
pub(crate) fn moved(run: &Run) -> String {
    if run.counts != Counts::default() {
        return counts(&run.counts);
    }
    match run.state {
        RunState::Running => "nothing so far",
        RunState::Succeeded => "nothing to do",
        RunState::Halted => "nothing: it was halted",
        RunState::Failed => "nothing: it failed before",
        RunState::Cancelled => "nothing: it was stopped before",
        RunState::Partial => "nothing",
    }
    .to_owned()
}

/// Words a kind of conflict.
pub(crate) const fn conflict(kind: ConflictKind) -> &'static str {
    match kind {
        ConflictKind::BothChanged => "both sides changed it",
        ConflictKind::LocalDeleted => "deleted here, changed in Vault",
        ConflictKind::RemoteDeleted => "deleted in Vault, changed here",
        ConflictKind::NoBase => "both sides hold it, differently, and were never in step",
        ConflictKind::Drift => "the side that does not count changed",
        ConflictKind::Rewound => "Vault went back in time",
        ConflictKind::ForeignOwner => "another VaultTerm looks after it",
        ConflictKind::TypeChanged => "the type changed on both sides",
    }
}

/// Words a kind of halt, as something a person accepts.
pub(crate) const fn halt(kind: HaltKind) -> &'static str {
    match kind {
        HaltKind::MassDeletion => "Many deletions at once",
        HaltKind::SideEmptied => "One side looks empty",
        HaltKind::Rewound => "Vault or the database was set back to an older state",
        HaltKind::RemoteReplaced => "Another server answers",
        HaltKind::ScopeChanged => "The scope was changed",
        HaltKind::License => "The license does not include it",
        HaltKind::NamespaceIgnored => "The server ignores the namespace",
    }
}

/// The group of a plan that a step stands in: its heading and the order among the groups.
pub(crate) const fn group(action: ActionName) -> (usize, &'static str) {
    match action {
        ActionName::DeleteRemote => (0, "Deletions in Vault"),
        ActionName::DeleteLocal => (1, "Deletions here"),
        ActionName::CreateRemote | ActionName::UpdateRemote | ActionName::MoveRemote => (2, "VaultTerm → Vault"),
        ActionName::CreateLocal | ActionName::UpdateLocal | ActionName::CopyLocal => (3, "Vault → VaultTerm"),
        ActionName::Merge => (4, "Merged from both sides"),
        ActionName::Adopt | ActionName::Accept | ActionName::KeepAccepted => (5, "Nothing to carry over: only noted"),
        ActionName::Forget | ActionName::Unlink => (6, "No longer looked after"),
    }
}

/// Words the fields that a step changes.
pub(crate) fn fields(step: &Step) -> String {
    let names: Vec<_> = step.fields.iter().map(|field| field.name.as_str()).collect();
    names.join(", ")
}

/// A check of a connection.
#[derive(Debug)]
pub(crate) struct CheckRow {
    pub(crate) name: String,
    pub(crate) state: State,
    pub(crate) detail: String,
    pub(crate) hint: Option<String>,
}

/// Words a check of a connection.
pub(crate) fn check(found: vaultterm_hcv::Check) -> CheckRow {
    let state = match (found.ok, found.lacks_optional) {
        (true, false) => State { tone: "good", words: "passed" },
        (true, true) => State { tone: "off", words: "not known" },
        (false, _) => State { tone: "bad", words: "failed" },
    };
    CheckRow { name: found.name, state, detail: found.detail, hint: found.hint.as_ref().map(ToString::to_string) }
}

#[cfg(test)]
impl CheckRow {
    /// Returns a check that failed.
    pub(crate) fn sample() -> Self {
        let evil = || "<b>".to_owned();
        check(vaultterm_hcv::Check { hint: Some(evil().into()), ..vaultterm_hcv::Check::failed(evil(), evil()) })
    }
}
