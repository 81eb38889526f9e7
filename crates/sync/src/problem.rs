//! The problems of a run, in the form for people.

use vaultterm_reconcile::{Halt, HaltKind, Skip, SkipKind};
use vaultterm_sealing::FieldsError;

use crate::{
    Advice, EngineProblem, FaultClass, JournalError, ProblemClass, RemoteFault, RunProblem, ToDo,
    brake::{Stop, Stopped},
    retry::CallError,
};

/// Returns the halt for a fault at the login that does not pass by itself, because a person must change the
/// connection.
pub(crate) fn halt(fault: &RemoteFault) -> Option<Halt> {
    if fault.class != FaultClass::NamespaceIgnored {
        return None;
    }
    let hint = fault.hint.as_ref().map(|hint| format!(": {hint}")).unwrap_or_default();
    Some(Halt { kind: HaltKind::NamespaceIgnored, detail: format!("{}{hint}", fault.message) })
}

/// Why a step was not carried out.
#[derive(Debug)]
pub(crate) enum StepError {
    /// A side is no longer in the planned state. The text says which side and how.
    Stale(String),
    /// Vault refused or did not answer.
    Fault(RemoteFault),
    /// The fields break a limit.
    Limits(FieldsError),
    /// A stored value does not open.
    Unreadable(String),
    /// A person must act first. The text says why and how.
    Waits(String),
    /// The run was stopped.
    Stopped,
}

impl From<Stopped> for StepError {
    fn from(Stopped: Stopped) -> Self {
        Self::Stopped
    }
}

impl From<RemoteFault> for StepError {
    fn from(fault: RemoteFault) -> Self {
        match fault.class {
            FaultClass::Stale => Self::Stale("the secret was written since it was listed".to_owned()),
            _ => Self::Fault(fault),
        }
    }
}

impl From<CallError> for StepError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Fault(fault) => fault.into(),
            CallError::Stopped => Self::Stopped,
        }
    }
}

impl RunProblem {
    fn new(
        path: impl Into<String>,
        class: impl Into<ProblemClass>,
        detail: impl Into<String>,
        hint: Option<Advice>,
    ) -> Self {
        Self { path: path.into(), class: class.into(), detail: detail.into(), hint }
    }

    /// Returns the problem of a path that changed since it was looked at.
    pub(crate) fn stale(path: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(path, FaultClass::Stale, detail, Some("the next run looks again".into()))
    }

    /// Returns the problem of a path that the plan skipped.
    pub(crate) fn left_alone(skip: &Skip) -> Self {
        let (reason, path) = (&skip.reason, skip.path.as_str());
        match (skip.kind, &skip.accepted_by) {
            (SkipKind::Passing, _) | (SkipKind::Unticked, None) => {
                Self::new(path, EngineProblem::Skipped, reason, None)
            }
            (SkipKind::Unticked, Some(name)) => {
                let hint = "the next run plans it again";
                Self::new(path, EngineProblem::Skipped, format!("{reason}, by {name}"), Some(hint.into()))
            }
            (_, Some(name)) => {
                Self::new(path, EngineProblem::Skipped, format!("left out, accepted by {name}: {reason}"), None)
            }
            (SkipKind::NeverTakenOver, None) => {
                Self::new(path, EngineProblem::LeftOut, reason, Some(ToDo::AcceptLeftOut.into()))
            }
            (SkipKind::WouldEvict, None) => Self::new(path, EngineProblem::Waits, reason, None),
        }
    }

    /// Returns the problem of a plan that can no longer be applied.
    pub(crate) fn plan_not_applicable(detail: impl Into<String>) -> Self {
        Self::new("", EngineProblem::PlanNotApplicable, detail, Some("make a new plan".into()))
    }

    /// Returns the problem of a request that failed for good.
    pub(crate) fn fault(path: impl Into<String>, fault: &RemoteFault) -> Self {
        Self::new(path, fault.class, fault.message.clone(), fault.hint.clone())
    }

    /// Returns the problem of a token that could not be revoked and outlives its run.
    pub(crate) fn token_left(fault: &RemoteFault) -> Self {
        let detail = format!("the run's token could not be revoked and lives until it expires: {}", fault.message);
        Self::new("", EngineProblem::TokenNotRevoked, detail, fault.hint.clone())
    }

    /// Returns the problem of a step that was not carried out, or `None` if the run was stopped, because that
    /// is reported once for the whole run.
    pub(crate) fn step(path: &str, error: &StepError) -> Option<Self> {
        Some(match error {
            StepError::Stale(detail) => Self::stale(path, detail.clone()),
            StepError::Fault(fault) => Self::fault(path, fault),
            StepError::Limits(error) => Self::new(path, FaultClass::Invalid, error.to_string(), None),
            StepError::Unreadable(reason) => {
                let hint = "restore the record from a backup, or save it again";
                Self::new(path, EngineProblem::Unreadable, reason.clone(), Some(hint.into()))
            }
            StepError::Waits(reason) => Self::new(path, EngineProblem::Waits, reason.clone(), None),
            StepError::Stopped => return None,
        })
    }

    /// Returns the problem that stopped the whole run.
    pub(crate) fn stop(stop: &Stop) -> Self {
        match stop {
            Stop::Remote(fault) => Self::fault("", fault),
            Stop::LeaseLost => Self::journal(&JournalError::LeaseLost),
            Stop::LeaseRanOut => {
                let detail = "the run was paused for longer than its lease holds, and sent nothing more to Vault";
                Self::new("", EngineProblem::LeaseLost, detail, Some("the next run continues where it ended".into()))
            }
            Stop::Journal(error) => Self::journal(error),
        }
    }

    /// Returns the problem of a run that ends because its server stops.
    pub(crate) fn server_stops() -> Self {
        let detail = "the server that carried the run out was stopped";
        Self::new("", EngineProblem::ServerStopped, detail, Some("the next run continues where it ended".into()))
    }

    fn journal(error: &JournalError) -> Self {
        let (class, hint) = match error {
            JournalError::LeaseLost => (EngineProblem::LeaseLost, "another node took over; see its run"),
            JournalError::Paused => (EngineProblem::Paused, "resume the connection first"),
            JournalError::Unreadable(_) | JournalError::Database(_) => {
                (EngineProblem::Database, "see the server's log")
            }
        };
        Self::new("", class, error.to_string(), Some(hint.into()))
    }
}
