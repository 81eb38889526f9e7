//! Conflicts: shown masked, revealed on request, decided by a person.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use uuid::Uuid;
use vaultterm_reconcile::{LocalExpect, Side, UnknownName};
use vaultterm_sealing::SecretFields;
use vaultterm_store::{CollectionRole, ConflictFilter, DecisionMade, LocalValues, Paged, RevisionWriter, Scope};
use vaultterm_sync::{
    ConflictId, ConflictStatus, ConnectionId, FieldChoice, Resolution, ResolutionName, ResolvedBy, StoredConflict,
};

use crate::{
    access,
    caller::Caller,
    collections,
    fresh::{proving, shown},
    part::Part,
    plans::Planned,
    refusal::{Next, Refusal, RefusalKind},
    services::Services,
};

/// The scopes of which each may look at conflicts.
const LOOK: [Scope; 2] = [Scope::RecordsRead, Scope::ConflictsResolve];

/// A conflict, who made the revision of the record that it is about, and what was decided.
#[derive(Clone, Debug)]
pub struct TwoSided {
    /// The conflict.
    pub conflict: StoredConflict,
    /// Who made the revision, and when. `None` if the record is gone.
    pub local: Option<RevisionWriter>,
    /// What a person decided, if the conflict is closed. `None` in a list.
    pub decision: Option<DecisionMade>,
}

/// Lists the conflicts of the caller's collections by path: of one connection or of all, of one status (by
/// name) or of every one.
///
/// # Errors
/// [`Refusal`].
pub async fn list(
    services: &Services,
    caller: &Caller,
    connection: Option<Uuid>,
    status: Option<&str>,
    part: Part,
) -> Result<Paged<TwoSided>, Refusal> {
    access::any_scope(services, caller, &LOOK).await?;
    let status = status.map(str::parse).transpose();
    let status = status.map_err(|unknown: UnknownName| Refusal::field("status", unknown.either()))?;
    let filter = ConflictFilter {
        connection_id: connection.map(ConnectionId),
        collections: Some(collections::of(services, caller).await?),
        status,
    };
    let Paged { items, next_cursor } = services.store.conflicts(&filter, &part.page()?).await?;
    Ok(Paged { items: with_writers(services, items).await?, next_cursor })
}

/// Finds a conflict.
///
/// # Errors
/// [`Refusal`].
pub async fn show(services: &Services, caller: &Caller, id: Uuid) -> Result<TwoSided, Refusal> {
    access::any_scope(services, caller, &LOOK).await?;
    let id = access::conflict(services, caller, id, CollectionRole::Viewer).await?;
    two_sided(services, found(services, id).await?).await
}

/// Adds to a conflict who made the revision that it is about, and what was decided.
async fn two_sided(services: &Services, conflict: StoredConflict) -> Result<TwoSided, Refusal> {
    let decided = conflict.status == ConflictStatus::Resolved;
    let decision = if decided { services.store.decision_on(conflict.id).await? } else { None };
    let found = with_writers(services, vec![conflict]).await?.pop();
    Ok(TwoSided { decision, ..found.ok_or_else(|| Refusal::not_found("conflict"))? })
}

/// Adds to conflicts who made the revisions that they are about.
async fn with_writers(services: &Services, conflicts: Vec<StoredConflict>) -> Result<Vec<TwoSided>, Refusal> {
    let revision = |conflict: &StoredConflict| match conflict.conflict.expect.local {
        LocalExpect::Live { record_id, revision } => Some((record_id, revision)),
        LocalExpect::Absent => None,
    };
    let asked: Vec<_> = conflicts.iter().filter_map(revision).collect();
    let writers = services.store.revision_writers(&asked).await?;
    let add = |conflict: StoredConflict| TwoSided {
        local: revision(&conflict).and_then(|revision| writers.get(&revision).cloned()),
        conflict,
        decision: None,
    };
    Ok(conflicts.into_iter().map(add).collect())
}

/// The values of a conflict.
pub struct Revealed {
    /// The conflict.
    pub conflict: TwoSided,
    /// What both sides held when they were last in step.
    pub base: Option<SecretFields>,
    /// What the record holds.
    pub local: Option<SecretFields>,
    /// What Vault holds, in the version that the conflict is about.
    pub remote: Option<SecretFields>,
}

/// Takes out the values of the three states. The audit entry is committed before they are returned. The
/// remote one is read from Vault now, in the version that the conflict is about.
///
/// # Errors
/// [`Refusal`]; `Forbidden` when one of the records that it shows is for programs alone; `StepUp` when one asks again.
pub async fn reveal(services: &Services, caller: &Caller, id: Uuid) -> Result<Revealed, Refusal> {
    access::scope(services, caller, Scope::RecordsReveal).await?;
    let id = access::conflict(services, caller, id, CollectionRole::Viewer).await?;
    let conflict = found(services, id).await?;
    let proving = proving(services, caller);
    let taken = services.store.reveal_conflict(&caller.context(services), id, proving).await;
    let LocalValues { base, local } = shown(services, caller, taken).await?;
    let remote = Box::pin(services.engine.remote_of(id)).await?;
    let conflict = two_sided(services, conflict).await?;
    Ok(Revealed { conflict, base, local, remote })
}

/// What a person decided.
pub struct Decided {
    /// `keep_local`, `keep_remote`, `keep_both` or `merge`.
    pub resolution: String,
    /// For `merge`: a choice for each field that diverged.
    pub fields: BTreeMap<String, FieldDecision>,
    /// Why, for the audit log.
    pub reason: Option<String>,
    /// The revision of the record that the decision was taken on, as the conflict showed it.
    pub local_revision: Option<u64>,
    /// The version in Vault that the decision was taken on, as the conflict showed it.
    pub remote_version: Option<u64>,
}

/// A side, or a new value: exactly one of the two.
pub struct FieldDecision {
    /// `local` or `remote`.
    pub take: Option<String>,
    /// Any JSON value.
    pub value: Option<Box<RawValue>>,
}

/// Carries out a person's decision at once, and returns the conflict with what the decision wrote.
///
/// # Errors
/// [`Refusal`]; `Stale` when a side moved since the person looked. Then the conflict shows what is there now.
pub async fn resolve(services: &Services, caller: &Caller, id: Uuid, decided: Decided) -> Result<TwoSided, Refusal> {
    access::scope(services, caller, Scope::ConflictsResolve).await?;
    let id = access::conflict(services, caller, id, CollectionRole::Editor).await?;
    let expect = found(services, id).await?.conflict.expect;
    let moved = |named: Option<u64>, is: Option<u64>| named.is_some() && named != is;
    if moved(decided.local_revision, expect.local_revision()) || moved(decided.remote_version, expect.remote_version())
    {
        return Err(Refusal::new(RefusalKind::Stale, "the conflict is about other states than the decision")
            .then(Next::LookAtConflict));
    }
    let resolution = resolution(&decided.resolution, decided.fields)?;
    let context = caller.context(services);
    let by = ResolvedBy {
        actor: context.actor,
        reason: decided.reason,
        request_id: context.request_id,
        source_ip: context.source_ip,
    };
    let resolved = Box::pin(services.engine.resolve(id, resolution, Some(expect), &by)).await?;
    two_sided(services, resolved).await
}

/// Makes a plan that decides every open conflict of the same connection and kind as this one with the same answer.
/// Nothing is decided before a person applies the plan.
///
/// # Errors
/// [`Refusal`]; `Refused` for another answer than `keep_local` or `keep_remote`.
pub async fn plan_alike(
    services: &Services,
    caller: &Caller,
    id: Uuid,
    answer: &str,
    reason: Option<String>,
) -> Result<Planned, Refusal> {
    access::scope(services, caller, Scope::ConflictsResolve).await?;
    let id = access::conflict(services, caller, id, CollectionRole::Editor).await?;
    let answer = answer.parse().map_err(|unknown: UnknownName| Refusal::field("resolution", unknown.either()))?;
    let plan = Box::pin(services.engine.plan_alike(id, answer, reason)).await?;
    Ok(Planned { plan, license: services.engine.license_halt() })
}

async fn found(services: &Services, id: ConflictId) -> Result<StoredConflict, Refusal> {
    services.store.stored_conflict(id).await?.ok_or_else(|| Refusal::not_found("conflict"))
}

fn resolution(name: &str, fields: BTreeMap<String, FieldDecision>) -> Result<Resolution, Refusal> {
    let name = name.parse().map_err(|unknown: UnknownName| Refusal::field("resolution", unknown.either()))?;
    let chosen = match name {
        ResolutionName::KeepLocal => Resolution::KeepLocal,
        ResolutionName::KeepRemote => Resolution::KeepRemote,
        ResolutionName::KeepBoth => Resolution::KeepBoth,
        ResolutionName::Merge => {
            let choices = fields.into_iter().map(|(name, decision)| Ok((name.clone(), choice(&name, &decision)?)));
            return choices.collect::<Result<_, Refusal>>().map(Resolution::Merge);
        }
    };
    if fields.is_empty() {
        return Ok(chosen);
    }
    Err(Refusal::field("fields", "is for the resolution `merge` only"))
}

fn choice(name: &str, decision: &FieldDecision) -> Result<FieldChoice, Refusal> {
    match (decision.take.as_deref().map(str::parse), &decision.value) {
        (Some(Ok(side @ (Side::Local | Side::Remote))), None) => Ok(FieldChoice::Take(side)),
        (None, Some(raw)) => {
            // Judged as any field is: a number that would change on its way is refused.
            let quoted = serde_json::to_string(name).map_err(|error| Refusal::internal(&error))?;
            let parsed = SecretFields::parse_patch(format!("{{{quoted}:{}}}", raw.get()).as_bytes())?;
            Ok(FieldChoice::Value(parsed.expose().get(name).cloned().unwrap_or_default()))
        }
        _ => Err(Refusal::field(format!("fields.{name}"), "expected either `take` (`local` or `remote`) or `value`")),
    }
}
