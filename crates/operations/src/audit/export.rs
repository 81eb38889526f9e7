//! The export of the log, as JSON lines: one stretch that can be verified, or a selection.
//!
//! A stretch ends with a checkpoint that covers the entry which reports the export, unless it was
//! asked for up to a moment. A file without its last line was cut off.

use std::ops::RangeInclusive;

use futures_util::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use vaultterm_ledger::{Frontier, Hash, Header, checkpoint_line, end_line, entry_line, header_line};
use vaultterm_store::{AuditEvent, AuditFilter, Context, Page, Store, StoreError};

use super::search::{Search, may_read};
use crate::{
    caller::Caller,
    fresh::{Act, fresh},
    refusal::Refusal,
    services::Services,
};

/// Entries that are read at once.
const AT_ONCE: u32 = 500;

/// Writes the log as JSON lines that can be verified; audited. By time, the whole stretch from the first
/// entry to the last one of that time; by anything else a selection, of which only each entry by itself can
/// be checked. Returns the lines in pieces.
///
/// # Errors
/// [`Refusal`].
pub async fn export(
    services: &Services,
    caller: &Caller,
    search: Search,
) -> Result<BoxStream<'static, Result<Vec<u8>, StoreError>>, Refusal> {
    may_read(services, caller).await?;
    fresh(services, caller, Act::ExportAudit).await?;
    let export = Export::begin(
        services.store.clone(),
        &caller.context(services),
        AuditFilter { newest_first: false, ..search.filter()? },
    )
    .await?;
    let lines = stream::try_unfold(Some(export), |export| async move {
        match export {
            None => Ok(None),
            Some(export) => export.next().await.map(Some),
        }
    });
    Ok(lines.inspect_err(|error| tracing::error!(%error, "an export of the audit log broke off")).boxed())
}

/// An export on its way.
struct Export {
    store: Store,
    filter: AuditFilter,
    /// The entries of the stretch.
    places: RangeInclusive<u64>,
    selection: bool,
    /// Taken when it is written.
    header: Option<Header>,
    /// The last entry that was written.
    last: (u64, Hash),
}

impl Export {
    async fn begin(store: Store, context: &Context, filter: AuditFilter) -> Result<Self, StoreError> {
        let AuditFilter { action, actor, object, .. } = filter;
        let selection = action.is_some() || actor.is_some() || object.is_some();
        let detail = [("selection", selection.to_string())];
        let newest = store.audit_exported(context, detail).await?.checkpoint;
        let places = store.audit_stretch(&filter, newest.size).await?;
        let vkeys = store.audit_vkeys().await?.iter().map(|key| key.vkey.to_string()).collect();
        let (before, previous) =
            if selection { (Frontier::default(), [0; 32]) } else { store.audit_start(*places.start()).await? };
        let last = (before.size(), previous);
        let mut header = Header::new(newest.log_id, &before, previous, vkeys);
        (header.until, header.selection) = (filter.to_us.is_some(), selection);
        let after = Some(places.start() - 1);
        // A stretch is named by its places; a selection goes by times, too.
        let filter = if selection { filter } else { AuditFilter { from_us: None, to_us: None, ..filter } };
        let filter = AuditFilter { after, ..filter };
        Ok(Self { store, filter, places, selection, header: Some(header), last })
    }

    /// Writes the next lines. Returns them with the rest of the export, if there is any.
    async fn next(mut self) -> Result<(Vec<u8>, Option<Self>), StoreError> {
        let mut lines = Vec::new();
        if let Some(header) = self.header.take() {
            header_line(&header, &mut lines);
        }
        let page = Page { limit: AT_ONCE, cursor: None };
        let events = self.store.audit_events(&self.filter, &page).await?.items;
        let events: Vec<_> = events.into_iter().filter(|event| event.seq <= *self.places.end()).collect();
        let Some(newest) = events.last() else {
            let (seq, hash) = self.last;
            end_line(seq, hash, &mut lines);
            return Ok((lines, None));
        };
        self.filter.after = Some(newest.seq);
        self.last = (newest.seq, newest.hash);
        let mut checkpoints = self.checkpoints(&events).await?.into_iter().peekable();
        for event in &events {
            entry_line(&event.bytes, &mut lines).map_err(|_| StoreError::Malformed("audit entry"))?;
            while let Some((_, note)) = checkpoints.next_if(|(size, _)| *size == event.seq) {
                checkpoint_line(&note, &mut lines);
            }
        }
        Ok((lines, Some(self)))
    }

    /// The checkpoints that stand among some entries.
    async fn checkpoints(&self, events: &[AuditEvent]) -> Result<Vec<(u64, String)>, StoreError> {
        let (Some(first), Some(last), false) = (events.first(), events.last(), self.selection) else {
            return Ok(Vec::new());
        };
        // No more than there are entries, so one page holds them.
        let page = Page { limit: AT_ONCE, cursor: None };
        let found = self.store.checkpoints(first.seq..=last.seq, &page).await?.items;
        Ok(found.into_iter().map(|stored| (stored.checkpoint.size, stored.note)).collect())
    }
}
