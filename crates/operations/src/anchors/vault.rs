//! The anchor in a connected Vault: one secret of the connection's mount, outside of what the
//! connection synchronizes, written with check-and-set.

use std::time::{Duration, Instant};

use vaultterm_hcv::{AnchorSession, Anchored};
use vaultterm_sync::RemoteFault;

use super::{
    compare::compare,
    kinds::{Anchor, AnchorError, Visit},
    vault_state::VaultAnchor,
};
use crate::services::Services;

/// Every version stays in Vault for a while: not more often than this.
const APART: Duration = Duration::from_secs(60);

/// Compares the anchored checkpoint with the log and writes the newest one. Returns `None` when it did so,
/// and otherwise why there was nothing to do. Tries are a minute apart.
pub(super) async fn deliver(
    state: &mut VaultAnchor,
    services: &Services,
    anchor: &Anchor,
    newer: bool,
    note: &str,
    now: Instant,
) -> Result<Option<Visit>, AnchorError> {
    if state.compared && !newer {
        return Ok(Some(Visit::Served));
    }
    if state.tried.is_some_and(|tried| now.duration_since(tried) < APART) {
        return Ok(Some(Visit::TooEarly));
    }
    state.tried = Some(now);
    let found = services.store.connection_by_name(&state.connection).await?;
    let missing = || AnchorError::Vault(format!("there is no connection `{}`", state.connection));
    let connection = found.ok_or_else(missing)?;
    let secrets = services.store.connection_secrets(connection.id).await?.ok_or_else(missing)?;
    let session = services.connector.anchor(&connection, &secrets, &state.path).await.map_err(|fault| told(&fault))?;
    let written = exchange(state, services, anchor, &session, note).await;
    session.close().await;
    written.map(|()| None)
}

async fn exchange(
    state: &mut VaultAnchor,
    services: &Services,
    anchor: &Anchor,
    session: &AnchorSession,
    note: &str,
) -> Result<(), AnchorError> {
    let Anchored { text, version } = session.read().await.map_err(|fault| told(&fault))?;
    if text.as_deref() == Some(note) {
        state.compared = true;
        return Ok(());
    }
    if let Some(text) = text.filter(|text| state.seen.as_ref() != Some(text)) {
        compare(services, anchor, &text).await?;
        state.seen = Some(text);
    }
    state.compared = true;
    session.write(note, version).await.map_err(|fault| told(&fault))?;
    Ok(())
}

fn told(fault: &RemoteFault) -> AnchorError {
    let hint = fault.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
    AnchorError::Vault(format!("{}{hint}", fault.message))
}
