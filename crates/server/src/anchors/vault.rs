//! The anchor in a connected Vault: one secret of the connection's mount, outside of what the
//! connection synchronizes, written with check-and-set.

use std::time::{Duration, Instant};

use vaultterm_hcv::{AnchorSession, Anchored};
use vaultterm_sync::RemoteFault;

use super::{Anchor, AnchorError, Visit, compare};
use crate::app::App;

/// Every version stays in Vault for a while: not more often than this.
const APART: Duration = Duration::from_secs(60);

/// One secret, by the name of a connection and a path below its mount.
#[derive(Debug)]
pub(super) struct VaultAnchor {
    connection: String,
    path: String,
    /// What stands there was compared since the start.
    compared: bool,
    /// When it was written last, or tried to be.
    tried: Option<Instant>,
    /// What was compared last: once is enough to raise the guard for it.
    seen: Option<String>,
}

impl VaultAnchor {
    pub(super) fn new(connection: String, path: String) -> Self {
        Self { connection, path, compared: false, tried: None, seen: None }
    }

    /// Compares what stands there and writes the newest checkpoint: `None`; or tells why neither is
    /// to be done now. Tries are a minute apart.
    pub(super) async fn deliver(
        &mut self,
        app: &App,
        anchor: &Anchor,
        newer: bool,
        note: &str,
        now: Instant,
    ) -> Result<Option<Visit>, AnchorError> {
        if self.compared && !newer {
            return Ok(Some(Visit::Served));
        }
        if self.tried.is_some_and(|tried| now.duration_since(tried) < APART) {
            return Ok(Some(Visit::TooEarly));
        }
        self.tried = Some(now);
        let found = app.store.connection_by_name(&self.connection).await?;
        let missing = || AnchorError::Vault(format!("there is no connection `{}`", self.connection));
        let connection = found.ok_or_else(missing)?;
        let secrets = app.store.connection_secrets(connection.id).await?.ok_or_else(missing)?;
        let session = app.connector.anchor(&connection, &secrets, &self.path).await.map_err(|fault| told(&fault))?;
        let written = self.exchange(app, anchor, &session, note).await;
        session.close().await;
        written.map(|()| None)
    }

    async fn exchange(
        &mut self,
        app: &App,
        anchor: &Anchor,
        session: &AnchorSession,
        note: &str,
    ) -> Result<(), AnchorError> {
        let Anchored { text, version } = session.read().await.map_err(|fault| told(&fault))?;
        if text.as_deref() == Some(note) {
            self.compared = true;
            return Ok(());
        }
        if let Some(text) = text.filter(|text| self.seen.as_ref() != Some(text)) {
            compare(app, anchor, &text).await?;
            self.seen = Some(text);
        }
        self.compared = true;
        session.write(note, version).await.map_err(|fault| told(&fault))?;
        Ok(())
    }
}

fn told(fault: &RemoteFault) -> AnchorError {
    let hint = fault.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
    AnchorError::Vault(format!("{}{hint}", fault.message))
}
