//! Records what a look found (what it saw in Vault, and the conflicts), and how far a run is.

use std::collections::{BTreeMap, BTreeSet};

use vaultterm_reconcile::{Conflict, Plan, RemoteStamp, SecretPath};

use crate::{
    Clock, Journal, Lease, OtherConflicts, Progress, Remote, Run, RunId, SeenInVault, apply::Apply, brake::Stopped,
    pool::Pool, session::Session, tally::Tally,
};

/// Records what a look at both sides found, even if the run goes no further.
pub(crate) async fn remember<J: Journal, R: Remote, K: Clock>(
    session: &Session<'_, J, R, K>,
    lease: Lease,
    suspicions: Option<&BTreeMap<SecretPath, RemoteStamp>>,
    (at, seen): (Option<&BTreeSet<SecretPath>>, &[SeenInVault]),
) -> Result<(), Stopped> {
    let Session { journal, brake, .. } = session;
    if let Some(suspicions) = suspicions {
        journal.record_suspicions(lease, suspicions).await.map_err(|error| brake.journal_failed(error))?;
    }
    journal.record_seen(lease, at, seen).await.map_err(|error| brake.journal_failed(error))
}

/// Records the conflicts of the plan. A new plan has judged every path except the skipped ones. Of a stored
/// plan, only the conflicts count that have not changed.
pub(crate) async fn record_conflicts<J: Journal, R: Remote, K: Clock, P: Progress>(
    apply: &Apply<'_, J, R, K, P>,
    (lease, run_id): (Lease, RunId),
    plan: &Plan,
    looked_at: Option<&BTreeSet<SecretPath>>,
) -> Result<(), Stopped> {
    let Apply { session, verify, .. } = *apply;
    let mut still_open: Vec<Conflict> = Vec::new();
    let others = if verify {
        let mut pool = Pool::new(session.in_flight());
        for conflict in &plan.conflicts {
            let ended = pool.add(still_open_conflict(apply, conflict)).await;
            still_open.extend(ended.flatten());
        }
        while let Some(ended) = pool.next().await {
            still_open.extend(ended);
        }
        still_open.sort_by(|one, other| one.path.cmp(&other.path));
        OtherConflicts::Stay
    } else {
        still_open.clone_from(&plan.conflicts);
        let but = plan.skips.iter().filter_map(|skip| SecretPath::new(skip.path.as_str()).ok()).collect();
        match looked_at {
            None => OtherConflicts::Converged { but },
            Some(paths) => OtherConflicts::ConvergedAt { paths: paths - &but },
        }
    };
    let recorded = session.journal.record_conflicts(lease, run_id, &still_open, &others).await;
    recorded.map(drop).map_err(|error| session.brake.journal_failed(error))
}

async fn still_open_conflict<J: Journal, R: Remote, K: Clock, P: Progress>(
    apply: &Apply<'_, J, R, K, P>,
    conflict: &Conflict,
) -> Option<Conflict> {
    apply.still_holds(&conflict.path, &conflict.expect).await.is_ok().then(|| conflict.clone())
}

/// Records the progress of a run.
pub(crate) async fn update_run<J: Journal, R: Remote, K: Clock, P: Progress>(
    session: &Session<'_, J, R, K>,
    (lease, run): (Lease, &Run),
    tally: &Tally<'_, P>,
) {
    let mut so_far = Run { requests: session.calls.requests(), ..run.clone() };
    tally.write_to(&mut so_far);
    if let Err(error) = session.journal.update_run(lease, &so_far).await {
        // The commits matter, and they report their own failures.
        tracing::debug!(%error, run = %run.id, "the progress of a run could not be recorded");
    }
}
