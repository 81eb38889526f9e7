//! Conflicts: lists, reveals, opens and closes them.

use std::collections::BTreeMap;

use uuid::Uuid;
use vaultterm_ledger::{AuditAction, Draft, ObjectKind};
use vaultterm_reconcile::{BaseEntry, Conflict, LocalExpect, RecordId, Revision, SecretPath, UnixNanos};
use vaultterm_sealing::{Place, Purpose, SecretFields};
use vaultterm_sync::{
    CollectionId, ConflictId, ConflictStatus, ConnectionId, OtherConflicts, Resolved, StoredConflict,
};

use crate::{
    Context, Page, Paged, Store, StoreError, base,
    batch::Batch,
    context::Facts as _,
    record_changes::{self, Proving, locked},
    revisions,
    sealed::{open_json, seal_json},
    sql::{Row, Select, Tx, args, json},
};

/// A selection of conflicts.
#[derive(Clone, Debug, Default)]
pub struct ConflictFilter {
    /// Only conflicts of this connection.
    pub connection_id: Option<ConnectionId>,
    /// Only conflicts of the connections of these collections.
    pub collections: Option<Vec<CollectionId>>,
    /// Only conflicts in this state.
    pub status: Option<ConflictStatus>,
}

/// The local values of a conflict.
#[derive(Debug)]
pub struct LocalValues {
    /// The values on which both sides agreed last.
    pub base: Option<SecretFields>,
    /// The values of the record in the state on which a decision is based.
    pub local: Option<SecretFields>,
}

impl Store {
    /// Lists conflicts by path.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn conflicts(&self, filter: &ConflictFilter, page: &Page) -> Result<Paged<StoredConflict>, StoreError> {
        let mut select = Select::new("SELECT * FROM conflicts WHERE 1 = 1", args![]);
        select.and_maybe("connection_id = ?", filter.connection_id);
        if let Some(collections) = &filter.collections {
            let rows = self.db.select(of_collections(collections)).await?;
            let connections = rows.iter().map(|row| row.id("id")).collect::<Result<Vec<_>, _>>()?;
            select.and_any("connection_id", connections);
        }
        select.and_maybe("status = ?", filter.status.map(ConflictStatus::as_str));
        let pager = self.pager("conflicts", page);
        if let Some((id, path)) = pager.id_and_text()? {
            select.and("path >= ?", path);
            select.and_either("path > ?", path, "id > ?", id);
        }
        let rows = self.db.select(select.order("path, id", pager.fetch())).await?;
        let key = |row: &StoredConflict| format!("{}:{}", row.id, row.conflict.path);
        pager.cut(rows, |row| self.conflict_row(row), key)
    }

    /// Finds a conflict.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn stored_conflict(&self, id: ConflictId) -> Result<Option<StoredConflict>, StoreError> {
        let row = self.db.one("SELECT * FROM conflicts WHERE id = $1", args![id]).await?;
        row.map(|row| self.conflict_row(&row)).transpose()
    }

    /// Reads the local values of a conflict (at the base, and in the state on which a decision is based).
    /// Writes an audit entry that both sides are shown (`HCV_CONFLICT_REVEALED`), which is committed before
    /// the answer. The conflict, the records and the values belong to the same moment.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::InjectOnly`] if a record whose values the conflict shows must
    /// not be seen; [`StoreError::AskAgain`] if one of them asks for a fresh proof and there is none. After a rename, the record of the base, that of the decision and that of the conflict
    /// itself may be three different ones.
    pub async fn reveal_conflict(
        &self,
        context: &Context,
        id: ConflictId,
        proving: Proving,
    ) -> Result<LocalValues, StoreError> {
        let mut tx = self.db.write().await?;
        let row = tx.one("SELECT * FROM conflicts WHERE id = $1", args![id]).await?;
        let stored = self.conflict_row(&row.ok_or(StoreError::NotFound("conflict"))?)?;
        let conflict = &stored.conflict;
        let base = base::at(&mut tx, stored.connection_id, &conflict.path).await?;
        let base = base.filter(BaseEntry::is_agreed).map(|base| (base.record_id, base.revision));
        let local = match conflict.expect.local {
            LocalExpect::Live { record_id, revision } => Some((record_id, revision)),
            LocalExpect::Absent => None,
        };
        let shown = [base, local].into_iter().flatten().map(|(record_id, _)| record_id);
        for record_id in shown.chain(conflict.record_id) {
            may_be_seen(&mut tx, record_id, proving).await?;
        }
        let base = self.revealed_at(&mut tx, base).await?;
        let local = self.revealed_at(&mut tx, local).await?;
        tx.audit(about(context, AuditAction::HcvConflictRevealed, &stored));
        tx.commit().await?;
        Ok(LocalValues { base, local })
    }

    async fn revealed_at(
        &self,
        tx: &mut Tx,
        place: Option<(RecordId, Revision)>,
    ) -> Result<Option<SecretFields>, StoreError> {
        let Some((record_id, revision)) = place else { return Ok(None) };
        let row = tx.one(revisions::REVISION, args![record_id, revision]).await?;
        row.map(|row| revisions::open(&self.keyring, &row)).transpose()
    }

    /// Records the conflicts of a plan. Returns the number of open conflicts afterwards.
    pub(crate) async fn record_found(
        &self,
        tx: &mut Tx,
        batch: &Batch,
        found: &[Conflict],
        others: &OtherConflicts,
    ) -> Result<u64, StoreError> {
        let sql = "SELECT id, path FROM conflicts WHERE connection_id = $1 AND status = 'open'";
        let rows = tx.all(sql, args![batch.connection_id]).await?;
        let mut open: BTreeMap<SecretPath, ConflictId> = rows
            .iter()
            .map(|row| Ok((row.path("path")?, ConflictId(row.id("id")?))))
            .collect::<Result<_, StoreError>>()?;
        let mut count = open.len() + found.len();
        for conflict in found {
            let known = open.remove(&conflict.path);
            count -= usize::from(known.is_some());
            self.record_one(tx, batch, known, conflict).await?;
        }
        for (path, id) in open.into_iter().filter(|(path, _)| others.converges(path)) {
            count -= 1;
            converged(tx, batch, id, &path).await?;
        }
        Ok(count as u64)
    }

    async fn record_one(
        &self,
        tx: &mut Tx,
        batch: &Batch,
        known: Option<ConflictId>,
        conflict: &Conflict,
    ) -> Result<(), StoreError> {
        let id = known.unwrap_or_else(|| ConflictId(vaultterm_sync::new_id()));
        let [key_id, wrapped_key, ciphertext] = seal_json(tx, &self.keyring, &place(id), conflict).await?;
        if known.is_some() {
            let sql = "UPDATE conflicts SET kind = $2, last_seen = $3, key_id = $4, wrapped_key = $5, ciphertext = $6
                       WHERE id = $1";
            let args = args![id, conflict.kind.as_str(), batch.now, key_id, wrapped_key, ciphertext];
            return tx.run(sql, args).await.map(drop);
        }
        tx.run(
            "INSERT INTO conflicts (id, connection_id, path, kind, status, first_seen, last_seen, key_id, wrapped_key,
                                    ciphertext)
             VALUES ($1, $2, $3, $4, 'open', $5, $5, $6, $7, $8)",
            args![
                id,
                batch.connection_id,
                &conflict.path,
                conflict.kind.as_str(),
                batch.now,
                key_id,
                wrapped_key,
                ciphertext,
            ],
        )
        .await?;
        let path = conflict.path.as_str();
        let draft = batch.context.draft(AuditAction::HcvConflictDetected, ObjectKind::Conflict, id.0, Some(path));
        let draft = draft.about(ObjectKind::Connection, batch.connection_id.0).with("kind", conflict.kind.as_str());
        tx.audit(draft.with("diverged", json(&conflict.diverged)).with("run", batch.run_id));
        Ok(())
    }

    /// Reads the open conflicts of a connection, by path.
    pub(crate) async fn open_conflicts_of(&self, id: ConnectionId) -> Result<Vec<StoredConflict>, StoreError> {
        let sql = "SELECT * FROM conflicts WHERE connection_id = $1 AND status = 'open' ORDER BY path";
        let rows = self.db.all(sql, args![id]).await?;
        rows.iter().map(|row| self.conflict_row(row)).collect()
    }

    fn conflict_row(&self, row: &Row) -> Result<StoredConflict, StoreError> {
        let id = ConflictId(row.id("id")?);
        Ok(StoredConflict {
            id,
            connection_id: ConnectionId(row.id("connection_id")?),
            conflict: open_json(&self.keyring, &place(id), row, "conflict")?,
            status: row.named("status")?,
            first_seen: row.nanos("first_seen")?,
            last_seen: row.nanos("last_seen")?,
        })
    }
}

/// Refuses a record that must not be seen. A record that was deleted for good shows nothing.
async fn may_be_seen(tx: &mut Tx, id: RecordId, proving: Proving) -> Result<(), StoreError> {
    match locked(tx, id).await {
        Err(StoreError::NotFound(_)) => Ok(()),
        record => record_changes::may_be_seen(&record?, proving),
    }
}

/// Returns whether a decision can still close its conflict.
pub(crate) async fn is_open(tx: &mut Tx, connection_id: ConnectionId, resolved: &Resolved) -> Result<bool, StoreError> {
    let sql = "SELECT id FROM conflicts WHERE id = $1 AND connection_id = $2 AND status = 'open'";
    Ok(tx.one(sql, args![resolved.id, connection_id]).await?.is_some())
}

/// Finds the open conflicts at some paths.
pub(crate) async fn open_at(
    tx: &mut Tx,
    batch: &Batch,
    paths: &[&SecretPath],
) -> Result<BTreeMap<SecretPath, ConflictId>, StoreError> {
    if paths.is_empty() {
        return Ok(BTreeMap::new());
    }
    let sql = "SELECT id, path FROM conflicts WHERE connection_id = $1 AND status = 'open'";
    let mut select = Select::new(sql, args![batch.connection_id]);
    select.and_any("path", paths.iter().copied());
    let rows = tx.select(select.all()).await?;
    rows.iter().map(|row| Ok((row.path("path")?, ConflictId(row.id("id")?)))).collect()
}

/// Closes an open conflict because both sides agree now.
pub(crate) async fn converged(tx: &mut Tx, batch: &Batch, id: ConflictId, path: &SecretPath) -> Result<(), StoreError> {
    tx.run("UPDATE conflicts SET status = 'converged' WHERE id = $1", args![id]).await?;
    let draft = batch.context.draft(AuditAction::HcvConflictResolved, ObjectKind::Conflict, id.0, Some(path.as_str()));
    let draft = draft.about(ObjectKind::Connection, batch.connection_id.0);
    tx.audit(draft.with("resolution", "converged").with("run", batch.run_id));
    Ok(())
}

/// Closes a conflict with the decision of a person (`HCV_CONFLICT_RESOLVED`).
pub(crate) async fn close(
    tx: &mut Tx,
    connection_id: ConnectionId,
    path: &SecretPath,
    resolved: &Resolved,
    now: UnixNanos,
) -> Result<(), StoreError> {
    tx.run("UPDATE conflicts SET status = 'resolved' WHERE id = $1", args![resolved.id]).await?;
    let decision = &resolved.decision;
    let context = Context {
        actor: decision.actor.clone(),
        source_ip: decision.source_ip.clone(),
        request_id: decision.request_id.clone(),
        now_us: now.0 / 1_000,
    };
    let draft = context
        .draft(AuditAction::HcvConflictResolved, ObjectKind::Conflict, resolved.id.0, Some(path.as_str()))
        .about(ObjectKind::Connection, connection_id.0)
        .about(ObjectKind::Run, decision.run_id.0)
        .with("resolution", decision.resolution)
        .with_maybe("reason", decision.reason.as_deref());
    let fields = decision.fields.iter().map(|(name, side)| (format!("field {name}"), side));
    tx.audit(fields.fold(draft, |draft, (name, side)| draft.with(&name, side)));
    Ok(())
}

fn of_collections(collections: &[CollectionId]) -> Select {
    let mut select = Select::new("SELECT id FROM connections WHERE 1 = 1", args![]);
    select.and_any("collection_id", collections.iter().copied());
    select.all()
}

fn about(context: &Context, action: AuditAction, stored: &StoredConflict) -> Draft {
    context
        .draft(action, ObjectKind::Conflict, stored.id.0, Some(stored.conflict.path.as_str()))
        .about(ObjectKind::Connection, stored.connection_id.0)
}

const fn place(id: ConflictId) -> Place {
    Place { purpose: Purpose::ConflictCopy, collection: Uuid::nil(), object: id.0, revision: 0 }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vaultterm_ledger::AuditAction;
    use vaultterm_reconcile::{Conflict, Mode, Revision};
    use vaultterm_sync::{ConflictStatus, Journal as _, Lease, OtherConflicts, RecordSyncState, Run, Trigger};

    use super::{ConflictFilter, LocalValues};
    use crate::{
        Page, Proving, RecordPatch, StoreError,
        testing::{House, at, conflict, fields},
    };

    async fn record(house: &House, (lease, run): &(Lease, Run), found: &[Conflict]) -> u64 {
        let others = OtherConflicts::Converged { but: [at("frozen")].into() };
        house.store.record_conflicts(*lease, run.id, found, &others).await.unwrap()
    }

    #[tokio::test]
    async fn both_local_states_are_revealed_and_audited() {
        let house = House::new().await;
        let made = house.connect("prod", Mode::Bidirectional, "team").await.unwrap();
        let run = house.begin(made.id, Trigger::Manual).await;
        let id = house.import(&run, "db", json!({"x": "base"})).await;
        let patch = RecordPatch { fields: Some(fields(json!({"x": "local"}))), ..RecordPatch::default() };
        house.store.update_record(&house.ann(), id, Revision(1), patch).await.unwrap();
        assert_eq!(record(&house, &run, &[conflict("db", id, 2)]).await, 1);
        let listed = house.store.conflicts(&ConflictFilter::default(), &Page::default()).await.unwrap().items;
        let LocalValues { base, local } =
            house.store.reveal_conflict(&house.ann(), listed[0].id, Proving::Fresh).await.unwrap();
        assert_eq!(base.unwrap().to_json().expose(), br#"{"x":"base"}"#);
        assert_eq!(local.unwrap().to_json().expose(), br#"{"x":"local"}"#);
        assert_eq!(house.audited().await.last(), Some(&AuditAction::HcvConflictRevealed));
        let state = house.store.record(id).await.unwrap().unwrap().sync[0].state;
        assert_eq!(state, RecordSyncState::Conflict);
    }

    #[tokio::test]
    async fn a_conflict_is_not_revealed_when_any_record_that_it_shows_may_not_be_seen() {
        let house = House::new().await;
        let made = house.connect("prod", Mode::Bidirectional, "team").await.unwrap();
        let run = house.begin(made.id, Trigger::Manual).await;
        let based = house.import(&run, "db", json!({"x": "base"})).await;
        // The record of the base was renamed, and another record took over its path.
        let renamed = RecordPatch { path: Some(at("old")), ..RecordPatch::default() };
        house.store.update_record(&house.ann(), based, Revision(1), renamed).await.unwrap();
        let decided = house.save("db", json!({"x": "local"})).await.unwrap().id;
        let named = house.save("named", json!({"x": "named"})).await.unwrap().id;
        let found = Conflict { record_id: Some(named), ..conflict("db", decided, 1) };
        record(&house, &run, &[found]).await;
        let id = house.store.conflicts(&ConflictFilter::default(), &Page::default()).await.unwrap().items[0].id;
        for hidden in [based, decided, named] {
            let set = async |inject_only| {
                let revision = house.store.record(hidden).await.unwrap().unwrap().revision;
                let patch = RecordPatch { inject_only: Some(inject_only), ..RecordPatch::default() };
                house.store.update_record(&house.ann(), hidden, revision, patch).await.unwrap();
            };
            set(true).await;
            let before = house.audited().await.len();
            let refused = house.store.reveal_conflict(&house.ann(), id, Proving::Fresh).await.unwrap_err();
            let collection = house.collection;
            assert!(matches!(refused, StoreError::InjectOnly { collection: of } if of == collection), "{refused}");
            assert_eq!(house.audited().await.len(), before, "nothing was shown");
            set(false).await;
        }
        house.store.reveal_conflict(&house.ann(), id, Proving::Fresh).await.unwrap();
    }

    #[tokio::test]
    async fn conflicts_are_found_by_connection_collection_and_status() {
        let house = House::new().await;
        let made = house.connect("prod", Mode::Bidirectional, "team").await.unwrap();
        let run = house.begin(made.id, Trigger::Manual).await;
        let id = house.import(&run, "b", json!({"x": 1})).await;
        let found = [conflict("b", id, 1), conflict("a", id, 1), conflict("frozen", id, 1)];
        assert_eq!(record(&house, &run, &found).await, 3);
        assert_eq!(record(&house, &run, &found[..1]).await, 2);
        let paths = async |filter: ConflictFilter| -> Vec<String> {
            let listed = house.store.conflicts(&filter, &Page::default()).await.unwrap().items;
            listed.into_iter().map(|row| row.conflict.path.into()).collect()
        };
        let none = ConflictFilter::default;
        assert_eq!(paths(none()).await, ["a", "b", "frozen"]);
        let open = Some(ConflictStatus::Open);
        assert_eq!(paths(ConflictFilter { status: open, ..none() }).await, ["b", "frozen"]);
        let converged = Some(ConflictStatus::Converged);
        assert_eq!(paths(ConflictFilter { status: converged, ..none() }).await, ["a"]);
        let connection_id = Some(made.id);
        let collections = Some(vec![house.collection]);
        assert_eq!(paths(ConflictFilter { connection_id, collections, status: open }).await, ["b", "frozen"]);
        assert_eq!(paths(ConflictFilter { collections: Some(Vec::new()), ..none() }).await, [""; 0]);
        let page = Page { limit: 2, cursor: None };
        let first = house.store.conflicts(&none(), &page).await.unwrap();
        let second = house.store.conflicts(&none(), &Page { cursor: first.next_cursor, ..page }).await.unwrap();
        assert_eq!((second.items[0].conflict.path.as_str(), second.items.len()), ("frozen", 1));
    }
}
