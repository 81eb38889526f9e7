//! The audit log: appends entries in the transaction of the change that they report, and lists them.
//! `checkpoints.rs` signs the log, and `verdict.rs` verifies it.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use uuid::Uuid;
use vaultterm_ledger::{AuditAction, AuditOutcome, Draft, Entry, ObjectKind, ObjectRef};

use crate::{
    Context, Page, Paged, Store, StoreError,
    sql::{Arg, AuditHead, Row, Select, Tx, args},
    values::values,
};

/// An entry for people and programs.
#[derive(Clone, Debug)]
pub struct AuditEvent {
    /// The number of the entry, from 1 and without gaps.
    pub seq: u64,
    /// The decoded entry.
    pub entry: Entry,
    /// The leaf hash of the entry.
    pub hash: [u8; 32],
    /// The bytes of the entry, verbatim.
    pub bytes: Vec<u8>,
}

/// A selection of entries.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Only entries after this number.
    pub after: Option<u64>,
    /// Only entries with this action.
    pub action: Option<AuditAction>,
    /// Only entries by this actor.
    pub actor: Option<Uuid>,
    /// Only entries about this object.
    pub object: Option<Uuid>,
    /// Only entries from this moment on, in microseconds.
    pub from_us: Option<i64>,
    /// Only entries before this moment, in microseconds.
    pub to_us: Option<i64>,
    /// Lists the newest entry first. A cursor belongs to one order.
    pub newest_first: bool,
}

impl Tx {
    /// Writes the audit entries so far, for a caller that signs the log in the same transaction.
    pub(crate) async fn flush(&mut self) -> Result<(), StoreError> {
        let drafts = self.take_drafts();
        append(self, drafts).await
    }

    /// Writes the audit entries and commits.
    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        self.flush().await?;
        self.end().await
    }
}

/// Appends entries in the transaction of the change that they report.
async fn append(tx: &mut Tx, drafts: Vec<Draft>) -> Result<(), StoreError> {
    if drafts.is_empty() {
        return Ok(());
    }
    let head = tx.head().await?;
    let (log_id, mut seq, mut previous) = (head.log_id, head.seq, head.hash);
    let (mut entries, mut objects) = (Vec::new(), Vec::new());
    for draft in drafts {
        seq += 1;
        let entry = Entry { log_id, seq, previous, draft };
        let sealed = entry.encode();
        previous = sealed.hash;
        let draft = entry.draft;
        let ids: BTreeSet<Uuid> = draft.objects.iter().map(|object| object.id).filter(|id| !id.is_nil()).collect();
        objects.extend(ids.into_iter().map(|id| args![id, seq]));
        entries.push(args![
            seq,
            draft.time_us,
            draft.actor.id,
            draft.action.as_str(),
            draft.outcome as u32,
            sealed.hash,
            sealed.bytes,
        ]);
    }
    insert(tx, "audit", "seq, time_us, actor_id, action, outcome, hash, bytes", entries).await?;
    insert(tx, "audit_objects", "object_id, seq", objects).await?;
    // The head is as this change found it at its beginning: nobody else may move it in the turn of this change.
    let sql = "UPDATE audit_head SET seq = $1, hash = $2 WHERE log_id = $3 AND seq = $4 AND hash = $5";
    if tx.run(sql, args![seq, previous, log_id, head.seq, head.hash]).await? != 1 {
        return Err(StoreError::Malformed("audit log: its head was moved by another change"));
    }
    tx.wrote_entries(AuditHead { log_id, seq, hash: previous });
    Ok(())
}

async fn insert(tx: &mut Tx, table: &str, columns: &str, rows: Vec<Vec<Arg>>) -> Result<(), StoreError> {
    for part in values(args![], rows) {
        let sql = format!(
            "WITH n ({columns}) AS (VALUES {}) INSERT INTO {table} ({columns}) SELECT {columns} FROM n
             WHERE seq IS NOT NULL",
            part.rows
        );
        tx.run(&sql, part.args).await?;
    }
    Ok(())
}

impl Store {
    /// Lists entries, the oldest first unless the filter says otherwise. The cursor is the last `seq`.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn audit_events(&self, filter: &AuditFilter, page: &Page) -> Result<Paged<AuditEvent>, StoreError> {
        let list = if filter.newest_first { "audit events, the newest first" } else { "audit events" };
        let pager = self.pager(list, page);
        let place = pager.number()?;
        let after = match place {
            Some(after) if !filter.newest_first => Arg::from(after),
            _ => Arg::from(filter.after.unwrap_or(0)),
        };
        let mut select = Select::new("SELECT a.seq, a.hash, a.bytes FROM audit a WHERE a.seq > $1", vec![after]);
        select.and_maybe("a.seq < ?", place.filter(|_| filter.newest_first));
        select.and_maybe("a.action = ?", filter.action.as_ref().map(AuditAction::as_str));
        select.and_maybe("a.actor_id = ?", filter.actor);
        let object = "EXISTS (SELECT 1 FROM audit_objects o WHERE o.object_id = ? AND o.seq = a.seq)";
        select.and_maybe(object, filter.object);
        select.and_maybe("a.time_us >= ?", filter.from_us);
        select.and_maybe("a.time_us < ?", filter.to_us);
        let order = if filter.newest_first { "a.seq DESC" } else { "a.seq" };
        let rows = self.db.select(select.order(order, pager.fetch())).await?;
        pager.cut(rows, event, |event| event.seq.to_string())
    }

    /// Finds the entry with a number. `None` if it was pruned or is not written yet.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn audit_event(&self, seq: u64) -> Result<Option<AuditEvent>, StoreError> {
        let row = self.db.one("SELECT seq, hash, bytes FROM audit WHERE seq = $1", args![seq]).await?;
        row.as_ref().map(event).transpose()
    }

    /// Returns the contiguous range of the log, up to the entry `last`, that contains all entries from a
    /// period. It begins with the first entry that is not before the period, and ends with the last entry
    /// that is not after it.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn audit_stretch(&self, filter: &AuditFilter, last: u64) -> Result<RangeInclusive<u64>, StoreError> {
        let from = filter.from_us.unwrap_or(i64::MIN);
        let after = filter.after.unwrap_or(0);
        let first =
            self.db.one("SELECT MIN(seq) AS seq FROM audit WHERE seq > $1 AND time_us >= $2", args![after, from]);
        let first = first.await?.map(|row| row.maybe_int("seq")).transpose()?.flatten();
        let until = filter.to_us.unwrap_or(i64::MAX);
        let newest =
            self.db.one("SELECT MAX(seq) AS seq FROM audit WHERE seq <= $1 AND time_us < $2", args![last, until]);
        let newest = newest.await?.map(|row| row.maybe_int("seq")).transpose()?.flatten();
        let place = |found: Option<i64>| found.and_then(|seq| u64::try_from(seq).ok());
        let first = place(first).unwrap_or(last + 1);
        Ok(first..=place(newest).unwrap_or(first - 1))
    }

    /// Writes an entry that reports no change of the database, for example a denial or an export.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn audit(
        &self,
        context: &Context,
        action: AuditAction,
        objects: Vec<ObjectRef>,
        outcome: AuditOutcome,
        detail: BTreeMap<String, String>,
    ) -> Result<(), StoreError> {
        let draft = context.draft(action, ObjectKind::User, Uuid::nil(), None);
        let mut tx = self.db.write().await?;
        tx.audit(Draft { objects, outcome, detail, ..draft });
        tx.commit().await
    }
}

pub(crate) fn event(row: &Row) -> Result<AuditEvent, StoreError> {
    let bytes = row.bytes("bytes")?;
    let entry = Entry::decode(&bytes).map_err(|_| StoreError::Malformed("audit entry"))?;
    Ok(AuditEvent { seq: row.count("seq")?, entry, hash: row.hash("hash")?, bytes })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vaultterm_ledger::AuditAction;

    use super::AuditFilter;
    use crate::{
        Page,
        testing::{House, NOW_US},
    };

    #[tokio::test]
    async fn entries_are_found_by_what_they_are_about() {
        let house = House::new().await;
        let record = house.save("a", json!({"x": 1})).await.unwrap();
        house.pass(10);
        house.store.trash_record(&house.ann(), record.id, None).await.unwrap();
        let find = async |filter: AuditFilter| -> Vec<AuditAction> {
            let events = house.store.audit_events(&filter, &Page::default()).await.unwrap().items;
            events.into_iter().map(|event| event.entry.draft.action).collect()
        };
        let none = AuditFilter::default;
        assert_eq!(
            find(AuditFilter { object: Some(record.id.0), ..none() }).await,
            [AuditAction::RecordCreated, AuditAction::RecordDeleted]
        );
        assert_eq!(find(AuditFilter { from_us: Some(NOW_US + 1), ..none() }).await, [AuditAction::RecordDeleted]);
        assert_eq!(find(AuditFilter { to_us: Some(NOW_US), ..none() }).await, []);
        assert_eq!(
            find(AuditFilter { action: Some(AuditAction::RecordCreated), ..none() }).await,
            [AuditAction::RecordCreated]
        );
        assert_eq!(
            find(AuditFilter { actor: Some(house.owner.id), after: Some(3), ..none() }).await,
            [AuditAction::RecordDeleted]
        );
        assert_eq!(
            house.audited().await,
            [
                AuditAction::UserCreated,
                AuditAction::CollectionCreated,
                AuditAction::RecordCreated,
                AuditAction::RecordDeleted
            ]
        );
    }

    #[tokio::test]
    async fn the_newest_entries_come_first_where_that_is_asked_for_and_pages_follow_one_another() {
        let house = House::new().await;
        for path in ["a", "b", "c"] {
            house.save(path, json!({"x": 1})).await.unwrap();
        }
        let filter = AuditFilter { after: Some(1), newest_first: true, ..AuditFilter::default() };
        let mut page = Page { limit: 2, cursor: None };
        let mut seen = Vec::new();
        loop {
            let listed = house.store.audit_events(&filter, &page).await.unwrap();
            seen.extend(listed.items.iter().map(|event| event.seq));
            page.cursor = listed.next_cursor;
            if page.cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, [5, 4, 3, 2]);
        let page = house.store.audit_events(&filter, &Page { limit: 2, cursor: None }).await.unwrap();
        let other = AuditFilter { newest_first: false, ..filter };
        let foreign = Page { limit: 2, cursor: page.next_cursor };
        assert!(house.store.audit_events(&other, &foreign).await.is_err(), "a cursor belongs to one order");
        assert_eq!(house.store.audit_event(5).await.unwrap().map(|event| event.seq), Some(5));
        assert!(house.store.audit_event(6).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn an_entry_names_who_from_where_and_what() {
        let house = House::new().await;
        house.save("team/db", json!({"x": 1})).await.unwrap();
        let filter = AuditFilter { after: Some(2), ..AuditFilter::default() };
        let events = house.store.audit_events(&filter, &Page { limit: 1, cursor: None }).await.unwrap();
        let draft = &events.items[0].entry.draft;
        assert_eq!((draft.actor.name.as_str(), draft.source_ip.as_deref()), ("ann@example.com", Some("127.0.0.1")));
        assert_eq!(draft.objects[0].name.as_deref(), Some("team/db"));
        assert_eq!(draft.request_id.as_deref(), Some("req-1"));
        assert_eq!(draft.time_us, NOW_US);
    }
}
