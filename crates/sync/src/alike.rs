//! One answer for many conflicts of the same kind. It becomes a plan, which a person looks at before it is applied
//! like any other plan. Each conflict is decided on the two states that it shows; one that moved is left out.

use std::collections::BTreeMap;

use vaultterm_ledger::Actor;
use vaultterm_reconcile::{
    Around, Choice, Conflict, ConflictKind, HaltKind, Plan, RecordType, RemoteSight, Resolving, Skip, SkipKind,
    resolution,
};

use crate::{
    Connection, Decision, EngineError, PlannedDecision, ResolutionName, Resolved, RunId, StoredConflict, StoredPlan,
    apply::Decided, observe::Observation,
};

/// The answer that a person gives to all conflicts of a kind.
#[derive(Debug)]
pub(crate) struct Alike {
    kind: ConflictKind,
    choice: Choice,
    name: ResolutionName,
    reason: Option<String>,
    open: Vec<StoredConflict>,
}

impl Alike {
    /// Returns an answer for all these conflicts that have the kind of `model`.
    ///
    /// # Errors
    /// [`EngineError::NotResolvable`] for an answer that depends on the single conflict.
    pub(crate) fn new(
        model: &StoredConflict,
        name: ResolutionName,
        reason: Option<String>,
        open: Vec<StoredConflict>,
    ) -> Result<Self, EngineError> {
        let choice = match name {
            ResolutionName::KeepLocal => Choice::KeepLocal,
            ResolutionName::KeepRemote => Choice::KeepRemote,
            ResolutionName::KeepBoth | ResolutionName::Merge => {
                let why = "only keep_local and keep_remote can be decided for many conflicts at once";
                return Err(EngineError::NotResolvable(why.to_owned()));
            }
        };
        Ok(Self { kind: model.conflict.kind, choice, name, reason, open })
    }

    /// Turns the answer into a plan. `whole` is a plan of the connection as it is now.
    pub(crate) fn plan(
        self,
        whole: &Plan,
        observation: &Observation,
        connection: &Connection,
    ) -> (Plan, Vec<PlannedDecision>) {
        let halts = whole.halts.iter().filter(|halt| halt.kind != HaltKind::MassDeletion).cloned().collect();
        let newest_run_seen = whole.newest_run_seen;
        let mut plan = Plan { halts, newest_run_seen, warnings: whole.warnings.clone(), ..Plan::default() };
        let mut decisions = Vec::new();
        let found: BTreeMap<_, _> = whole.conflicts.iter().map(|conflict| (&conflict.path, conflict)).collect();
        for stored in self.open.iter().filter(|stored| stored.conflict.kind == self.kind) {
            let path = &stored.conflict.path;
            let now = found.get(path).filter(|now| now.kind == self.kind && now.expect == stored.conflict.expect);
            let Some(now) = now else {
                plan.skips.push(moved(stored));
                continue;
            };
            let (record_type, remote_type) = types(now, observation);
            let restores = observation.local.trashed.get(path).map(|entry| entry.record_id);
            let conflict = Conflict { record_id: restores, ..(*now).clone() };
            let resolving = Resolving { conflict: &conflict, options: &connection.options, record_type, remote_type };
            // Both answers fit every conflict, so there is no error to tell.
            plan.steps.extend(resolution(&resolving, &self.choice).unwrap_or_default());
            let (conflict_id, reason) = (stored.id, self.reason.clone());
            decisions.push(PlannedDecision { path: path.clone(), conflict_id, resolution: self.name, reason });
        }
        plan.steps.sort_by(|one, other| one.path.cmp(&other.path));
        plan.skips.sort_by(|one, other| one.path.cmp(&other.path));
        plan.judge_deletions(Around { base: &observation.base, options: &connection.options });
        (plan, decisions)
    }
}

/// Checks that conflicts of a connection can be decided before its next run.
pub(crate) fn decidable(connection: &Connection) -> Result<(), EngineError> {
    if connection.scope_changed {
        let why = "the connection points elsewhere since the conflict was found: run it first";
        return Err(EngineError::NotResolvable(why.to_owned()));
    }
    let Some(guard) = &connection.guarded else { return Ok(()) };
    let why = format!("{guard}: look at the plan, and run the connection with `rewound` acknowledged first");
    Err(EngineError::NotResolvable(why))
}

/// Returns the decisions of a stored plan that are left, in the form in which steps carry them out.
pub(crate) fn decided(stored: &StoredPlan, left: &Plan, run_id: RunId, actor: &Actor) -> Vec<Decided> {
    let made = |planned: &PlannedDecision| {
        let step = left.steps.iter().find(|step| step.path == planned.path)?;
        let decision = Decision {
            resolution: planned.resolution,
            fields: BTreeMap::new(),
            reason: planned.reason.clone(),
            actor: actor.clone(),
            expect: step.expect,
            run_id,
            request_id: None,
            source_ip: None,
        };
        let resolved = Resolved { id: planned.conflict_id, decision };
        Some(Decided::new(planned.path.clone(), resolved, BTreeMap::new(), actor.name.clone()))
    };
    stored.decisions.iter().filter_map(made).collect()
}

/// Returns the type of the record, and the type that the mark of the secret names.
fn types(conflict: &Conflict, observation: &Observation) -> (RecordType, Option<RecordType>) {
    let path = &conflict.path;
    let remote = match observation.remote.sights.get(path) {
        Some(RemoteSight::Seen(entry)) => entry.mark.record_type,
        Some(RemoteSight::Unreadable(_) | RemoteSight::ProvenAbsent) | None => None,
    };
    let local = observation.local.live.get(path).map(|entry| entry.record_type);
    let known = local.or_else(|| observation.base.get(path).map(|base| base.record_type)).or(remote);
    (known.unwrap_or(RecordType::KeyValue), remote)
}

fn moved(stored: &StoredConflict) -> Skip {
    Skip {
        path: stored.conflict.path.to_string(),
        reason: "a side changed since the conflict was found: the next run looks again".to_owned(),
        kind: SkipKind::Passing,
        accepted_by: None,
    }
}
