//! The audit log: listed, exported, verified, and its beginning removed.

mod export;
mod search;

use vaultterm_store::{AuditEvent, AuditKey, AuditVerdict, InstanceRole, Paged, Pruned, Scope, StoredCheckpoint};

pub use export::export;
pub use search::Search;
use search::may_read;
pub(crate) use search::moment;

use crate::{
    access,
    caller::Caller,
    fresh::{Act, fresh},
    part::Part,
    refusal::{Refusal, RefusalKind},
    services::Services,
};

const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

/// Lists entries, the oldest first unless the search says otherwise.
///
/// # Errors
/// [`Refusal`].
pub async fn events(services: &Services, caller: &Caller, search: Search) -> Result<Paged<AuditEvent>, Refusal> {
    may_read(services, caller).await?;
    let filter = search.filter()?;
    Ok(services.store.audit_events(&filter, &search.part.page()?).await?)
}

/// Finds the entry with a number.
///
/// # Errors
/// `NotFound` for an entry that was pruned or is not written yet.
pub async fn entry(services: &Services, caller: &Caller, seq: u64) -> Result<AuditEvent, Refusal> {
    may_read(services, caller).await?;
    let why = format!("the log has no entry {seq}: it was pruned, or is not written yet");
    services.store.audit_event(seq).await?.ok_or_else(|| Refusal::new(RefusalKind::NotFound, why))
}

/// How the log as a whole stands, without a check of it.
#[derive(Clone, Debug)]
pub struct State {
    /// How many entries were ever written.
    pub entries: u64,
    /// The newest signed checkpoint.
    pub newest: Option<StoredCheckpoint>,
    /// The public key that signs now.
    pub key: Option<AuditKey>,
}

/// Returns the state of the log as a whole, without a check. [`verify`] checks the log.
///
/// # Errors
/// [`Refusal`].
pub async fn state(services: &Services, caller: &Caller) -> Result<State, Refusal> {
    may_read(services, caller).await?;
    let store = &services.store;
    Ok(State {
        entries: store.audit_size().await?,
        newest: store.newest_checkpoint().await?,
        key: store.audit_vkeys().await?.pop(),
    })
}

/// Checks every entry, every link and every checkpoint of the log.
///
/// # Errors
/// [`Refusal`].
pub async fn verify(services: &Services, caller: &Caller) -> Result<AuditVerdict, Refusal> {
    may_read(services, caller).await?;
    Ok(services.store.verify_audit().await?)
}

/// Lists the checkpoints that are kept, the smallest first.
///
/// # Errors
/// [`Refusal`].
pub async fn checkpoints(services: &Services, caller: &Caller, part: Part) -> Result<Paged<StoredCheckpoint>, Refusal> {
    may_read(services, caller).await?;
    Ok(services.store.checkpoints(0..=u64::MAX, &part.page()?).await?)
}

/// Returns the public keys that checkpoints are verified with, the oldest first.
///
/// # Errors
/// [`Refusal`].
pub async fn keys(services: &Services, caller: &Caller) -> Result<Vec<AuditKey>, Refusal> {
    may_read(services, caller).await?;
    Ok(services.store.audit_vkeys().await?)
}

/// Removes the beginning of the log, up to the newest checkpoint that covers only what is older than a moment
/// (RFC 3339); audited. What is left still verifies.
///
/// # Errors
/// [`Refusal`]; `Refused` when the operator has younger entries kept.
pub async fn prune(services: &Services, caller: &Caller, before: &str) -> Result<Option<Pruned>, Refusal> {
    access::scope(services, caller, Scope::Admin).await?;
    access::instance(services, caller, InstanceRole::Owner).await?;
    fresh(services, caller, Act::PruneAudit).await?;
    let before_us = moment("before", before)?;
    let keep_days = services.settings.audit.keep_days;
    if before_us > services.now_us().saturating_sub(i64::from(keep_days) * DAY_US) {
        let why = format!("entries of the last {keep_days} days are kept (VAULTTERM_AUDIT_KEEP_DAYS)");
        let hint = "name an earlier moment, or let the operator keep less";
        return Err(Refusal::new(RefusalKind::Refused, why).hint(hint));
    }
    Ok(services.store.prune_audit(&caller.context(services), before_us).await?)
}
