//! The anchors that an operator set, and how each is.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex as StdMutex, PoisonError},
    time::Duration,
};

use tokio::sync::Mutex;
use vaultterm_store::StoreError;

use super::{syslog::SyslogTarget, vault_state::VaultAnchor};

/// How long the audit log is kept, and where its anchors are.
#[derive(Clone, Debug)]
pub struct AuditOptions {
    /// A file that checkpoints are appended to.
    pub anchor_file: Option<PathBuf>,
    /// Where checkpoints, and entries if they are wanted, are sent to.
    pub syslog: Option<SyslogTarget>,
    /// Every entry is sent there as well.
    pub syslog_entries: bool,
    /// Name of a connection, and a path below its mount.
    pub anchor_secret: Option<(String, String)>,
    /// Entries younger than this many days are never removed.
    pub keep_days: u32,
}

impl Default for AuditOptions {
    fn default() -> Self {
        Self { anchor_file: None, syslog: None, syslog_entries: false, anchor_secret: None, keep_days: 365 }
    }
}

/// Why something did not arrive, for people.
#[derive(Debug, thiserror::Error)]
pub(super) enum AnchorError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot use the anchor file {path}: {source}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("cannot send to {target}: {source}")]
    Syslog { target: String, source: std::io::Error },
    #[error("{0}")]
    Vault(String),
    #[error("it took longer than {} s", .0.as_secs())]
    Late(Duration),
}

/// The kinds of anchor.
#[derive(Debug)]
pub(super) enum AnchorKind {
    File(PathBuf),
    Syslog { target: SyslogTarget, entries: bool },
    Vault(Mutex<VaultAnchor>),
}

/// One anchor.
#[derive(Debug)]
pub(crate) struct Anchor {
    pub(super) name: &'static str,
    pub(super) target: String,
    pub(super) kind: AnchorKind,
    /// Why the newest delivery failed.
    pub(super) failure: StdMutex<Option<String>>,
}

/// All that are configured.
#[derive(Debug, Default)]
pub struct Anchors(pub(super) Vec<Arc<Anchor>>);

/// The result of a visit to an anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Visit {
    /// Everything is there.
    Served,
    /// It was too early for another try. The result of the last one still holds.
    TooEarly,
}

/// How an anchor is.
#[derive(Clone, Debug)]
pub struct AnchorHealth {
    /// Its kind: `file`, `syslog` or `vault`.
    pub name: &'static str,
    /// Whether the newest delivery went well.
    pub ok: bool,
    /// What arrived last, and what went wrong since.
    pub detail: String,
}

impl Anchors {
    /// Takes the anchors that are configured.
    #[must_use]
    pub fn new(options: &AuditOptions) -> Self {
        let anchor = |name, target: String, kind| Arc::new(Anchor { name, target, kind, failure: StdMutex::default() });
        let mut anchors = Vec::new();
        if let Some(path) = &options.anchor_file {
            anchors.push(anchor("file", path.display().to_string(), AnchorKind::File(path.clone())));
        }
        if let Some(target) = &options.syslog {
            let kind = AnchorKind::Syslog { target: target.clone(), entries: options.syslog_entries };
            anchors.push(anchor("syslog", target.to_string(), kind));
        }
        if let Some((connection, path)) = &options.anchor_secret {
            let kind = VaultAnchor::new(connection.clone(), path.clone());
            anchors.push(anchor("vault", format!("{connection}: {path}"), AnchorKind::Vault(Mutex::new(kind))));
        }
        Self(anchors)
    }
}

impl Anchors {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Anchor>> {
        self.0.iter()
    }
}

impl Anchor {
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Keeps why a delivery failed. Logs a new failure once, and logs when deliveries work again.
    pub(super) fn settle(&self, result: Result<Visit, AnchorError>) -> bool {
        let mut kept = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        let failure = match result {
            Ok(Visit::TooEarly) => return true,
            Ok(Visit::Served) => None,
            Err(error) => Some(error.to_string()),
        };
        let (name, target) = (self.name, &self.target);
        match (&*kept, &failure) {
            (before, Some(now)) if before.as_ref() != Some(now) => {
                tracing::error!(name, target, why = now, "an anchor of the audit log cannot be served");
            }
            (Some(_), None) => tracing::info!(name, target, "the anchor of the audit log is served again"),
            _ => {}
        }
        *kept = failure;
        kept.is_none()
    }
}
