//! The standing of a connection: the one fact about its state that a person must know first.

use jiff::Timestamp;
use vaultterm_contract::Standing;
use vaultterm_reconcile::{HaltKind, UnixNanos};
use vaultterm_store::ConnectionSummary;
use vaultterm_sync::{EngineProblem, FaultClass, ProblemClass, Run, RunProblem, RunState, Unlicensed, schedule};

/// A standing, and the reason for it if the standing alone does not explain it.
type Judged = (Standing, Option<String>);

/// Judges the standing of a connection.
pub(crate) fn of(summary: &ConnectionSummary, unlicensed: Option<&Unlicensed>) -> Judged {
    let because = |why: &str| Some(why.to_owned());
    if summary.running {
        return (Standing::Running, None);
    }
    if summary.connection.paused {
        return (Standing::Paused, because("no run starts until it is resumed"));
    }
    if let Some(unlicensed) = unlicensed {
        return (Standing::Unlicensed, Some(unlicensed.to_string()));
    }
    if let Some(reason) = &summary.connection.guarded {
        let why = format!("{reason}: look at the plan, then run it with `rewound` acknowledged");
        return (Standing::Halted, Some(why));
    }
    let Some(run) = &summary.last_run else {
        return (Standing::New, because("nothing runs by itself until a person ran or applied its first plan"));
    };
    match run.state {
        RunState::Running => (Standing::Running, None),
        RunState::Halted if run.halts.iter().any(|halt| halt.kind == HaltKind::License) => {
            (Standing::Halted, because("there was no license when it last ran: the next run goes on where it was"))
        }
        RunState::Halted => (Standing::Halted, run.halts.first().map(|halt| halt.detail.clone())),
        RunState::Failed => rested(summary, failed(run)),
        // The problem that stopped this run half-way stops the next run too, until somebody fixes it.
        RunState::Partial if stopped_by(run).is_some() => rested(summary, failed(run)),
        _ if summary.open_conflicts > 0 => {
            let wait = if summary.open_conflicts == 1 { "waits" } else { "wait" };
            (Standing::Conflicts, Some(format!("{} {wait} for a person", summary.open_conflicts)))
        }
        RunState::Partial => (
            Standing::Partial,
            run.problems.first().map(|problem| match problem.path.as_str() {
                "" => problem.detail.clone(),
                path => format!("{path}: {}", problem.detail),
            }),
        ),
        RunState::Cancelled => (Standing::Partial, because("the last run was cancelled")),
        RunState::Succeeded if !run.part.left_out.is_empty() => {
            let (count, by) = (run.part.left_out.len(), &run.actor.name);
            let paths = if count == 1 { "path" } else { "paths" };
            (
                Standing::Partial,
                Some(format!("{by} left {count} {paths} out of the last run: the next run plans them again")),
            )
        }
        RunState::Succeeded => (Standing::Ready, None),
    }
}

/// Returns the problem that stopped a whole run, if one did.
fn stopped_by(run: &Run) -> Option<&RunProblem> {
    let stops =
        |problem: &&RunProblem| problem.path.is_empty() && problem.class != EngineProblem::TokenNotRevoked.into();
    run.problems.iter().find(stops)
}

/// Judges a connection by its last run, which failed or was stopped half-way.
fn failed(run: &Run) -> Judged {
    let Some(problem) = stopped_by(run).or(run.problems.first()) else { return (Standing::Failed, None) };
    let standing = match problem.class {
        ProblemClass::Fault(FaultClass::LoginRefused | FaultClass::Denied) => Standing::AuthFailed,
        ProblemClass::Fault(FaultClass::Unavailable | FaultClass::Unknown | FaultClass::Misconfigured) => {
            Standing::Unreachable
        }
        ProblemClass::Fault(FaultClass::Sealed) => Standing::RemoteSealed,
        _ => Standing::Failed,
    };
    (standing, Some(problem.detail.clone()))
}

/// Returns the earliest moment at which the schedule logs in again, if Vault refused the last logins.
pub(crate) fn next_login(summary: &ConnectionSummary) -> Option<UnixNanos> {
    let finished = summary.last_run.as_ref().and_then(|run| run.finished)?;
    let rest = i64::try_from(schedule::login_rest(summary.logins_refused).as_nanos()).unwrap_or(i64::MAX);
    (summary.logins_refused > 0).then(|| UnixNanos(finished.0.saturating_add(rest)))
}

/// Adds when the schedule tries a refused login again, and what ends the wait.
fn rested(summary: &ConnectionSummary, judged: Judged) -> Judged {
    let (Some(next), (Standing::AuthFailed, Some(detail))) = (next_login(summary), &judged) else { return judged };
    let next = Timestamp::from_microsecond(next.0.div_euclid(1_000)).unwrap_or(Timestamp::MAX);
    let wait = format!(
        "the schedule does not log in before {next}, because Vault locks a role after several refused logins, and may have \
         done so; a new SecretID, a successful test or a run ends the wait: {detail}"
    );
    (Standing::AuthFailed, Some(wait))
}

#[cfg(test)]
mod tests;
