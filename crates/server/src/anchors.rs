//! Anchors: places outside the database that are told what the audit log is. Whoever replaces the
//! database by an older copy, or rewrites it with a stolen key, would have to reach them too.
//!
//! Each is served by a task of its own: one that fails holds up nothing, is tried again, and is
//! shown. What comes back from them is compared with the log, and raises the restore guard where
//! it differs.

mod file;
mod syslog;
mod vault;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex as StdMutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use tokio::sync::Mutex;
use vaultterm_store::{AnchorRow, Comparison, Context, StoreError};

pub use syslog::SyslogTarget;

use crate::{app::App, scheduler};

/// How often it is asked whether there is something to deliver.
const TICK: Duration = Duration::from_secs(1);
/// The longest wait after a failure.
const REST_MAX: Duration = Duration::from_secs(60);
/// How long a delivery may take.
const WITHIN: Duration = Duration::from_secs(60);
/// How long the last one may take, while the server stops.
const LAST_WITHIN: Duration = Duration::from_secs(3);

/// What is kept of the audit log, and where else.
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
enum AnchorError {
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
enum Kind {
    File(PathBuf),
    Syslog { target: SyslogTarget, entries: bool },
    Vault(Mutex<vault::VaultAnchor>),
}

/// One anchor.
#[derive(Debug)]
struct Anchor {
    name: &'static str,
    target: String,
    kind: Kind,
    /// Why the newest delivery failed.
    failure: StdMutex<Option<String>>,
}

/// All that are configured.
#[derive(Debug, Default)]
pub(crate) struct Anchors(Vec<Arc<Anchor>>);

/// What a visit to an anchor came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Visit {
    /// Everything is there.
    Served,
    /// It was too early for another try: how the last one went still holds.
    TooEarly,
}

/// How an anchor is.
pub(crate) struct AnchorHealth {
    pub(crate) name: &'static str,
    pub(crate) ok: bool,
    pub(crate) detail: String,
}

impl Anchors {
    pub(crate) fn new(options: &AuditOptions) -> Self {
        let anchor = |name, target: String, kind| Arc::new(Anchor { name, target, kind, failure: StdMutex::default() });
        let mut anchors = Vec::new();
        if let Some(path) = &options.anchor_file {
            anchors.push(anchor("file", path.display().to_string(), Kind::File(path.clone())));
        }
        if let Some(target) = &options.syslog {
            let kind = Kind::Syslog { target: target.clone(), entries: options.syslog_entries };
            anchors.push(anchor("syslog", target.to_string(), kind));
        }
        if let Some((connection, path)) = &options.anchor_secret {
            let kind = vault::VaultAnchor::new(connection.clone(), path.clone());
            anchors.push(anchor("vault", format!("{connection}: {path}"), Kind::Vault(Mutex::new(kind))));
        }
        Self(anchors)
    }

    /// Tells how each one is: what arrived last, when, and what went wrong since.
    pub(crate) async fn health(&self, app: &App) -> Vec<AnchorHealth> {
        let now_us = app.now_us();
        let all = self.0.iter().map(async |anchor| {
            let failure = anchor.failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let served = app.store.anchor(anchor.name, &anchor.target).await;
            let detail = match &served {
                Ok(row) => delivered(row, now_us),
                Err(error) => error.to_string(),
            };
            let ok = failure.is_none() && served.is_ok();
            let detail = failure.map_or(detail.clone(), |failure| format!("{detail}; {failure}"));
            AnchorHealth { name: anchor.name, ok, detail }
        });
        join_all(all).await
    }
}

/// Says what arrived last, and how long ago.
#[must_use]
pub fn delivered(row: &AnchorRow, now_us: i64) -> String {
    match row.delivered_us {
        None => "no checkpoint arrived yet".to_owned(),
        Some(at) => {
            let age = now_us.saturating_sub(at).max(0) / 1_000_000;
            format!("the checkpoint at {} arrived {age} s ago", row.size)
        }
    }
}

/// Serves every anchor, each in a task of its own, until the server closes.
pub(crate) fn run(app: &App) {
    for anchor in &app.anchors.0 {
        app.tasks.spawn(serve(app.clone(), Arc::clone(anchor)));
    }
}

async fn serve(app: App, anchor: Arc<Anchor>) {
    let mut rest = TICK;
    loop {
        let delivered = tokio::select! {
            () = app.closing.cancelled() => return,
            delivered = anchor.deliver_within(&app, WITHIN) => delivered,
        };
        rest = if delivered { TICK } else { (rest * 2).min(REST_MAX) };
        tokio::select! {
            () = app.closing.cancelled() => return,
            () = tokio::time::sleep(rest) => {}
        }
    }
}

/// Delivers the last checkpoint, as far as that is quick.
pub(crate) async fn last(app: &App) {
    join_all(app.anchors.0.iter().map(|anchor| anchor.deliver_within(app, LAST_WITHIN))).await;
}

/// Compares the log with the anchor that is at hand before anything runs: the file.
pub(crate) async fn compare_at_start(app: &App) {
    for anchor in &app.anchors.0 {
        let Kind::File(path) = &anchor.kind else { continue };
        let compared = match file::newest(path).await {
            Ok(Some(note)) => compare(app, anchor, &note).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        anchor.settle(compared.map(|()| Visit::Served));
    }
}

/// Compares an anchored checkpoint with the log, and raises the guard where the two differ.
async fn compare(app: &App, anchor: &Anchor, note: &str) -> Result<(), AnchorError> {
    match app.store.compare_anchored(note).await? {
        Comparison::Agrees => {}
        Comparison::Unknown => {
            tracing::warn!(anchor = anchor.target, "what is anchored is older than the entries that are kept");
        }
        Comparison::Differs(why) => {
            // What is anchored may be replaced by the next delivery: the log of the server keeps it.
            tracing::error!(
                anchor = anchor.target,
                why,
                anchored = note,
                "the database is not the one that was anchored"
            );
            raise_guard(app, &format!("{} ({}): {why}", anchor.name, anchor.target)).await?;
        }
    }
    Ok(())
}

/// Stops every connection from writing until a person has looked.
async fn raise_guard(app: &App, reason: &str) -> Result<(), StoreError> {
    let context = Context { actor: scheduler::system(), source_ip: None, request_id: None, now_us: app.now_us() };
    app.store.raise_restore_guard(&context, reason).await.map(drop)
}

impl Anchor {
    /// Delivers what is missing there; says whether that went well.
    async fn deliver_within(&self, app: &App, within: Duration) -> bool {
        let delivered = tokio::time::timeout(within, self.deliver(app)).await;
        self.settle(delivered.unwrap_or(Err(AnchorError::Late(within))))
    }

    async fn deliver(&self, app: &App) -> Result<Visit, AnchorError> {
        let row = app.store.anchor(self.name, &self.target).await?;
        if let Kind::Syslog { target, entries: true } = &self.kind {
            self.send_entries(app, target, row.clone()).await?;
        }
        let row = app.store.anchor(self.name, &self.target).await?;
        let Some(newest) = app.store.newest_checkpoint().await? else { return Ok(Visit::Served) };
        if let Kind::Vault(anchor) = &self.kind {
            let mut anchor = anchor.lock().await;
            let newer = newest.checkpoint.size > row.size;
            if let Some(idle) = anchor.deliver(app, self, newer, &newest.note, Instant::now()).await? {
                return Ok(idle);
            }
        } else if newest.checkpoint.size <= row.size {
            return Ok(Visit::Served);
        } else if let Kind::File(path) = &self.kind {
            file::append(path, &newest.note).await?;
        } else if let Kind::Syslog { target, .. } = &self.kind {
            let message = syslog::Message::checkpoint(&newest);
            self.send(target, &[message]).await?;
        }
        let delivered_us = Some(app.now_us());
        app.store.note_anchor(&AnchorRow { size: newest.checkpoint.size, delivered_us, ..row }).await?;
        Ok(Visit::Served)
    }

    /// Sends the entries after the last that arrived, noting after each batch how far it came.
    async fn send_entries(&self, app: &App, target: &SyslogTarget, mut row: AnchorRow) -> Result<(), AnchorError> {
        loop {
            let (entries, last) = syslog::entries(app, row.seq).await?;
            let Some(last) = last else { return Ok(()) };
            self.send(target, &entries).await?;
            row.seq = last;
            app.store.note_anchor(&row).await?;
        }
    }

    async fn send(&self, target: &SyslogTarget, messages: &[syslog::Message]) -> Result<(), AnchorError> {
        let sent = syslog::send(target, messages).await;
        sent.map_err(|source| AnchorError::Syslog { target: self.target.clone(), source })
    }

    /// Keeps why a delivery failed, tells it once, and that it works again.
    fn settle(&self, result: Result<Visit, AnchorError>) -> bool {
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
