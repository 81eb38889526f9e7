//! Anchors: places outside the database that receive the checkpoints of the audit log. An attacker who
//! replaces the database by an older copy, or rewrites it with a stolen key, would have to change the anchors
//! too.
//!
//! Each anchor has a job of its own, so one that fails does not delay the others. The job tries again, and the
//! health of the server shows the failure. The server compares what an anchor holds with the log, and raises the
//! restore guard if the two differ.

mod compare;
mod file;
mod kinds;
mod syslog;
mod vault;
mod vault_state;

use std::{
    sync::PoisonError,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use vaultterm_store::AnchorRow;

pub(crate) use kinds::Anchor;
pub use kinds::{AnchorHealth, Anchors, AuditOptions};
pub use syslog::SyslogTarget;

use compare::compare;
use kinds::{AnchorError, AnchorKind, Visit};

use crate::services::Services;

/// How long the last delivery may take, while the server stops.
const LAST_WITHIN: Duration = Duration::from_secs(3);

/// Tells how each anchor is: what arrived last, when, and what went wrong since.
pub async fn health(services: &Services) -> Vec<AnchorHealth> {
    let now_us = services.now_us();
    let all = services.anchors.0.iter().map(async |anchor| {
        let failure = anchor.failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let served = services.store.anchor(anchor.name, &anchor.target).await;
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

/// Delivers the last checkpoint to every anchor that takes it within three seconds.
pub async fn last(services: &Services) {
    join_all(services.anchors.0.iter().map(|anchor| deliver_within(anchor, services, LAST_WITHIN))).await;
}

/// Compares the log with the anchor file before anything runs. The other anchors are compared with their first
/// delivery, because they need the network.
pub async fn compare_at_start(services: &Services) {
    for anchor in &services.anchors.0 {
        let AnchorKind::File(path) = &anchor.kind else { continue };
        let compared = match file::newest(path).await {
            Ok(Some(note)) => compare(services, anchor, &note).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        anchor.settle(compared.map(|()| Visit::Served));
    }
}

/// Delivers what the anchor does not have yet. Returns whether that went well.
pub(crate) async fn deliver_within(anchor: &Anchor, services: &Services, within: Duration) -> bool {
    let delivered = tokio::time::timeout(within, deliver(anchor, services)).await;
    anchor.settle(delivered.unwrap_or(Err(AnchorError::Late(within))))
}

async fn deliver(anchor: &Anchor, services: &Services) -> Result<Visit, AnchorError> {
    let row = services.store.anchor(anchor.name, &anchor.target).await?;
    if let AnchorKind::Syslog { target, entries: true } = &anchor.kind {
        send_entries(anchor, services, target, row.clone()).await?;
    }
    let row = services.store.anchor(anchor.name, &anchor.target).await?;
    let Some(newest) = services.store.newest_checkpoint().await? else { return Ok(Visit::Served) };
    if let AnchorKind::Vault(state) = &anchor.kind {
        let mut state = state.lock().await;
        let newer = newest.checkpoint.size > row.size;
        if let Some(idle) = vault::deliver(&mut state, services, anchor, newer, &newest.note, Instant::now()).await? {
            return Ok(idle);
        }
    } else if newest.checkpoint.size <= row.size {
        return Ok(Visit::Served);
    } else if let AnchorKind::File(path) = &anchor.kind {
        file::append(path, &newest.note).await?;
    } else if let AnchorKind::Syslog { target, .. } = &anchor.kind {
        let message = syslog::Message::checkpoint(&newest);
        send(anchor, target, &[message]).await?;
    }
    let delivered_us = Some(services.now_us());
    services.store.note_anchor(&AnchorRow { size: newest.checkpoint.size, delivered_us, ..row }).await?;
    Ok(Visit::Served)
}

/// Sends the entries after the last that arrived, noting after each batch how far it came.
async fn send_entries(
    anchor: &Anchor,
    services: &Services,
    target: &SyslogTarget,
    mut row: AnchorRow,
) -> Result<(), AnchorError> {
    loop {
        let (entries, last) = syslog::entries(&services.store, row.seq).await?;
        let Some(last) = last else { return Ok(()) };
        send(anchor, target, &entries).await?;
        row.seq = last;
        services.store.note_anchor(&row).await?;
    }
}

async fn send(anchor: &Anchor, target: &SyslogTarget, messages: &[syslog::Message]) -> Result<(), AnchorError> {
    let sent = syslog::send(target, messages).await;
    sent.map_err(|source| AnchorError::Syslog { target: anchor.target.clone(), source })
}
