//! Follows hints while a run looks at the whole connection.
//!
//! Such a look takes long where Vault shows one secret per request, above all if requests are limited. The run has the lease
//! meanwhile, so no other run can follow a hint. Therefore the run itself looks at the hinted paths, and carries over what
//! changed there, as a run at these paths would. It leaves to its plan for the whole connection:
//!
//! - everything, if a guard would halt a run at these paths,
//! - every step that removes or moves something, because the guards measure deletions once, by the whole connection,
//! - what fails.
//!
//! After the look, the run looks at these paths once more, so its plan rests on nothing older than its own changes.

use std::{collections::BTreeSet, pin::pin};

use futures_util::future::{BoxFuture, Either, join, select};
use tokio_util::sync::CancellationToken;
use vaultterm_reconcile::{Action, SecretPath};

use crate::{
    Clock, Entitlement, Event, Journal, Lease, Progress, Remote, Run, Trigger,
    apply::{Apply, Moved},
    findings::{record_conflicts, remember, update_run},
    mark::RunNumber,
    meanwhile::Meanwhile,
    observe::Observation,
    record::recorder,
    retry::CallError,
    session::Session,
    tally::Tally,
    writers,
};

/// A run that looks at the whole connection.
pub(crate) struct FollowHints<'a, 's, J, R, K, P> {
    pub(crate) session: &'a Session<'s, J, R, K>,
    pub(crate) lease: Lease,
    pub(crate) run: &'a Run,
    pub(crate) entitlement: &'a dyn Entitlement,
    pub(crate) tally: &'a Tally<'a, P>,
}

impl<J: Journal, R: Remote, K: Clock, P: Progress> Meanwhile for FollowHints<'_, '_, J, R, K, P> {
    fn until<'f>(&'f self, over: &'f CancellationToken) -> BoxFuture<'f, BTreeSet<SecretPath>> {
        Box::pin(self.follow_until(over))
    }
}

impl<J: Journal, R: Remote, K: Clock, P: Progress> FollowHints<'_, '_, J, R, K, P> {
    async fn follow_until(&self, over: &CancellationToken) -> BTreeSet<SecretPath> {
        let mut touched = BTreeSet::new();
        let Session { hints, connection, brake, .. } = self.session;
        let (mut after, mut in_step) = (0, true);
        while brake.is_free() {
            let next = hints.next(connection.id, after);
            let Either::Right((waiting, _)) = select(pin!(over.cancelled()), next).await else { break };
            after = waiting.up_to;
            if over.is_cancelled() || !self.may_follow() {
                break;
            }
            let followed = self.follow(&waiting.paths, &mut touched).await;
            // A hint is taken only if all before it can be taken, because its number stands for them, too.
            in_step &= followed.unwrap_or(false);
            if in_step {
                hints.take(connection.id, after).await;
            }
        }
        touched
    }

    /// Returns whether the schedule could begin a run at some paths now. It begins none on a connection that a guard halted, and
    /// neither does a run follow hints there that a person started.
    fn may_follow(&self) -> bool {
        let Session { connection, .. } = self.session;
        matches!(self.run.trigger, Trigger::Interval | Trigger::Change | Trigger::Hint | Trigger::Takeover)
            && connection.identity.is_some()
            && connection.guarded.is_none()
            && !self.session.base_set_aside()
            && self.entitlement.missing().is_none()
    }

    /// Carries over what changed at some paths. Adds the paths that it judged to `touched`, before it changes anything.
    /// Returns whether all of them are in step.
    async fn follow(
        &self,
        named: &BTreeSet<SecretPath>,
        touched: &mut BTreeSet<SecretPath>,
    ) -> Result<bool, CallError> {
        let Self { session, lease, run, .. } = *self;
        let _aside = session.calls.aside();
        let (mut plan, observation) = session.plan(named, &BTreeSet::new(), |_| ()).await?;
        if !plan.halts.is_empty() {
            return Ok(false);
        }
        let Observation { base, local, looked_at, .. } = observation;
        let mut looked_at = looked_at.unwrap_or_default();
        // What the look shows of a path that was skipped here is as good.
        let skipped: BTreeSet<_> = plan.skips.iter().map(|skip| skip.path.as_str()).collect();
        touched.extend(looked_at.iter().filter(|path| !skipped.contains(path.as_str())).cloned());
        let seen = writers::seen(&plan, true, false);
        remember(session, lease, None, (Some(&looked_at), &seen)).await?;
        let (now, later): (Vec<_>, Vec<_>) = plan.steps.into_iter().partition(|step| only_adds(&step.action));
        plan.steps = now;
        // A conflict at a path whose step is left to later is not over yet.
        looked_at.retain(|path| later.iter().all(|step| step.path != *path && moved_from(&step.action) != Some(path)));
        let number = RunNumber::draw(session, lease, &plan, true).await?;
        let steps = Steps(self.tally.progress());
        let aside = Tally::new(&steps);
        aside.planned(&plan, |path| session.fault_at(path));
        let (recorder, mut pending) = recorder();
        let (tally, verify, decided, moved) = (&aside, false, Vec::new(), Moved::default());
        let apply = Apply { session, recorder, tally, number, base: &base, local: &local, verify, decided, moved };
        record_conflicts(&apply, (lease, run.id), &plan, Some(&looked_at)).await?;
        let work = async {
            apply.carry_out(&plan.steps).await;
            // This ends the recording after it has caught up.
            drop(apply);
        };
        let record = async { while pending.commit_next(session, lease, run.id).await {} };
        join(work, record).await;
        self.tally.adds(&aside);
        update_run(session, (lease, run), self.tally).await;
        // The hint of a conflict stays, because it tells who wrote the secret.
        let in_step = later.is_empty() && plan.conflicts.is_empty();
        Ok(in_step && aside.all_had_their_turn() && !aside.anything_wrong())
    }
}

/// Tells of steps only. The phases of the run are those of its look.
struct Steps<'a, P>(&'a P);

impl<P: Progress> Progress for Steps<'_, P> {
    fn tell(&self, event: Event<'_>) {
        if let Event::Step(_) = event {
            self.0.tell(event);
        }
    }
}

/// Returns the path that a step leaves.
const fn moved_from(action: &Action) -> Option<&SecretPath> {
    match action {
        Action::MoveRemote { from, .. } | Action::CopyLocal { from } => Some(from),
        _ => None,
    }
}

/// Returns whether a step adds or changes a value, and removes and moves nothing.
fn only_adds(action: &Action) -> bool {
    matches!(
        action,
        Action::CreateRemote { .. }
            | Action::UpdateRemote { .. }
            | Action::Merge { .. }
            | Action::CreateLocal { .. }
            | Action::UpdateLocal { .. }
            | Action::Adopt { .. }
    )
}
