//! The engine's [`Journal`] on the database. Each method is one transaction. `commit.rs` and
//! `together.rs` handle outcomes, and the files named after conflicts, runs and leases handle those.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use uuid::Uuid;
use vaultterm_ledger::{Actor, AuditAction, ObjectKind};
use vaultterm_reconcile::{
    BaseEntry, Conflict, Deleted, LocalEntry, LocalSnapshot, RecordId, RemoteStamp, Revision, SecretPath, UnixNanos,
};
use vaultterm_sealing::{DigestKey, SealingError, SecretText};
use vaultterm_sync::{
    BaseChange, CollectionId, Committed, ConflictId, Connection, ConnectionId, ConnectionSecrets, Credential,
    HintedWriter, Journal, JournalError, Lease, LocalChange, OtherConflicts, Outcome, PlanId, RemoteIdentity, Run,
    RunId, SeenInVault, StoredConflict, StoredFields, StoredPlan, Surroundings,
};

use crate::{
    Store, StoreError, base,
    collections::next_change,
    context::Facts as _,
    leases, revisions, runs, sides,
    sql::{Arg, Row, Tx, args, json},
    values::values,
};

/// Turns an error into that of the journal. A ciphertext that does not open concerns a single value, and
/// every other error concerns the database.
fn failed(error: StoreError) -> JournalError {
    match error {
        StoreError::Sealing(
            error @ (SealingError::DoesNotOpen | SealingError::Malformed | SealingError::UnknownKey(_)),
        ) => JournalError::Unreadable(error.to_string()),
        StoreError::Paused => JournalError::Paused,
        other => JournalError::Database(Box::new(other)),
    }
}

/// The records of a collection, with the columns that [`local_side`] reads.
const RECORDS: &str = "SELECT id, path, revision, record_type, deleted_us FROM records WHERE collection_id = $1";

/// A record, with its path and the time at which it was trashed.
type Found = (SecretPath, LocalEntry, Option<i64>);

fn found(row: &Row) -> Result<Found, StoreError> {
    let entry = LocalEntry {
        record_id: RecordId(row.id("id")?),
        revision: row.revision("revision")?,
        record_type: row.record_type()?,
    };
    Ok((row.path("path")?, entry, row.maybe_int("deleted_us")?))
}

/// Returns the local side that records are.
fn local_side(records: Vec<Found>) -> LocalSnapshot {
    let (mut live, mut trashed) = (Vec::with_capacity(records.len()), Vec::new());
    for (path, entry, deleted_us) in records {
        match deleted_us {
            None => live.push((path, entry)),
            Some(deleted_us) => trashed.push((deleted_us, path, entry)),
        }
    }
    // The newest of several records that were trashed at a path comes last, and is the one that stays.
    trashed.sort_by_key(|(deleted_us, _, entry)| (*deleted_us, entry.record_id));
    let mut snapshot = LocalSnapshot { live: live.into_iter().collect(), ..LocalSnapshot::default() };
    snapshot.trashed.extend(trashed.into_iter().map(|(_, path, entry)| (path, entry)));
    snapshot
}

impl Store {
    /// Begins a change that is valid only while the lease is held.
    async fn under(&self, lease: Lease) -> Result<Tx, JournalError> {
        let mut tx = self.db.write().await.map_err(failed)?;
        if leases::hold(&mut tx, lease).await.map_err(failed)? { Ok(tx) } else { Err(JournalError::LeaseLost) }
    }

    async fn load(&self, id: ConnectionId) -> Result<Option<(Connection, ConnectionSecrets)>, StoreError> {
        let row = self.db.one("SELECT * FROM connections WHERE id = $1", args![id]).await?;
        row.map(|row| Ok((self.connection_row(&row)?, self.secrets_row(&row)?))).transpose()
    }

    async fn replace_spent(
        &self,
        id: ConnectionId,
        spent: &SecretText,
        secret_id: &SecretText,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        let Some(row) = tx.one("SELECT * FROM connections WHERE id = $1", args![id]).await? else { return Ok(()) };
        let still = self.secrets_row(&row)?.credential;
        if !matches!(still, Credential::WrappingToken(token) if token.expose() == spent.expose()) {
            return Ok(());
        }
        let connection = self.connection_row(&row)?;
        let kind = self.set_credential(&mut tx, &connection, &Credential::SecretId(secret_id.duplicate())).await?;
        let context = self.context(&Actor::vaultterm());
        let draft =
            context.draft(AuditAction::HcvSecretIdRotated, ObjectKind::Connection, id.0, Some(&connection.name));
        tx.audit(draft.with("kind", kind).with("unwrapped", true));
        tx.commit().await
    }

    async fn snapshot(&self, id: CollectionId) -> Result<LocalSnapshot, StoreError> {
        Ok(local_side(self.db.all_as(RECORDS, args![id], found).await?))
    }

    async fn around(
        &self,
        connection: &Connection,
        paths: &BTreeSet<SecretPath>,
        records: &BTreeSet<RecordId>,
    ) -> Result<Surroundings, StoreError> {
        let (db, id, collection) = (&self.db, connection.id, [Arg::from(connection.collection_id)]);
        let base = base::around(db, id, paths, records).await?;
        let live = format!("{RECORDS} AND deleted_us IS NULL");
        let mut rows = db.any(&live, &collection, "path", paths).await?;
        rows.extend(db.any(&live, &collection, "id", records.iter().copied()).await?);
        rows.extend(db.any(&format!("{RECORDS} AND deleted_us IS NOT NULL"), &collection, "path", paths).await?);
        let based = db.one("SELECT COUNT(*) AS n FROM base WHERE connection_id = $1", args![id]).await?;
        let based = based.map_or(Ok(0), |row| row.count("n"))?;
        let records = rows.iter().map(found).collect::<Result<Vec<_>, _>>()?;
        Ok(Surroundings { base, local: local_side(records), based })
    }

    async fn stored_fields(&self, record_id: RecordId, revision: Revision) -> Result<Option<StoredFields>, StoreError> {
        let row = self.db.one(revisions::REVISION, args![record_id, revision]).await?;
        let open =
            |row| Ok(StoredFields { fields: revisions::open(&self.keyring, &row)?, record_type: row.record_type()? });
        row.map(open).transpose()
    }

    async fn many_stored_fields(
        &self,
        wanted: &[(RecordId, Revision)],
    ) -> Result<BTreeMap<(RecordId, Revision), StoredFields>, StoreError> {
        let mut stored = BTreeMap::new();
        for part in values(args![], wanted.iter().map(|(id, revision)| args![*id, *revision]).collect()) {
            for row in self.db.all(&revisions::several(&part.rows), part.args).await? {
                let key = (RecordId(row.id("record_id")?), row.revision("revision")?);
                // What does not open is told when it is read alone.
                if let Ok(fields) = revisions::open(&self.keyring, &row) {
                    stored.insert(key, StoredFields { fields, record_type: row.record_type()? });
                }
            }
        }
        Ok(stored)
    }

    async fn commit_batch(
        &self,
        mut tx: Tx,
        lease: Lease,
        run_id: RunId,
        outcomes: &[Outcome],
    ) -> Result<Vec<Committed>, StoreError> {
        let mut batch = self.batch(&mut tx, lease.connection_id, run_id).await?;
        if outcomes.iter().any(|outcome| !matches!(outcome.local, LocalChange::None)) {
            batch.change_number = next_change(&mut tx, batch.collection_id).await?;
        }
        let committed = self.record_outcomes(&mut tx, &batch, outcomes).await?;
        let based = outcomes.iter().filter(|outcome| outcome.base != BaseChange::Keep).map(|outcome| &outcome.path);
        let rebased: Vec<_> =
            based.chain(outcomes.iter().filter_map(|outcome| outcome.base_removed.as_ref())).collect();
        if !rebased.is_empty() {
            base::mark_agreed(&mut tx, batch.collection_id, rebased.into_iter()).await?;
        }
        tx.commit().await?;
        Ok(committed)
    }

    async fn forget_base(&self, mut tx: Tx, id: ConnectionId, identity: &RemoteIdentity) -> Result<(), StoreError> {
        let forgotten = tx.run("DELETE FROM base WHERE connection_id = $1", args![id]).await?;
        let sql = "UPDATE connections SET identity = $2, scope_changed = 0 WHERE id = $1 RETURNING name, collection_id";
        let row = tx.one(sql, args![id, json(identity)]).await?.ok_or(StoreError::NotFound("connection"))?;
        base::mark_all_agreed(&mut tx, CollectionId(row.id("collection_id")?)).await?;
        let name = row.text("name")?;
        let context = self.context(&Actor::vaultterm());
        let draft = context.draft(AuditAction::HcvConnectionUpdated, ObjectKind::Connection, id.0, Some(&name));
        tx.audit(draft.with("changed", "base").with("forgotten", forgotten));
        tx.commit().await
    }
}

impl Journal for Store {
    async fn connection(&self, id: ConnectionId) -> Result<Option<(Connection, ConnectionSecrets)>, JournalError> {
        self.load(id).await.map_err(failed)
    }

    async fn store_unwrapped(
        &self,
        id: ConnectionId,
        spent: &SecretText,
        secret_id: &SecretText,
    ) -> Result<(), JournalError> {
        self.replace_spent(id, spent, secret_id).await.map_err(failed)
    }

    async fn acquire_lease(
        &self,
        id: ConnectionId,
        holder: Uuid,
        ttl: Duration,
    ) -> Result<Option<Lease>, JournalError> {
        self.take_lease(id, holder, ttl).await.map_err(failed)
    }

    async fn renew_lease(&self, lease: Lease, ttl: Duration) -> Result<(), JournalError> {
        let held = self.prolong_lease(lease, ttl).await.map_err(failed)?;
        if held { Ok(()) } else { Err(JournalError::LeaseLost) }
    }

    async fn release_lease(&self, lease: Lease) -> Result<(), JournalError> {
        self.give_lease_back(lease).await.map_err(failed)
    }

    async fn base(&self, id: ConnectionId) -> Result<BTreeMap<SecretPath, BaseEntry>, JournalError> {
        base::of(&self.db, id).await.map_err(failed)
    }

    async fn local_snapshot(&self, id: CollectionId) -> Result<LocalSnapshot, JournalError> {
        self.snapshot(id).await.map_err(failed)
    }

    async fn surroundings(
        &self,
        connection: &Connection,
        paths: &BTreeSet<SecretPath>,
        records: &BTreeSet<RecordId>,
    ) -> Result<Surroundings, JournalError> {
        self.around(connection, paths, records).await.map_err(failed)
    }

    async fn fields(&self, record_id: RecordId, revision: Revision) -> Result<Option<StoredFields>, JournalError> {
        self.stored_fields(record_id, revision).await.map_err(failed)
    }

    async fn fields_of(
        &self,
        wanted: &[(RecordId, Revision)],
    ) -> Result<BTreeMap<(RecordId, Revision), StoredFields>, JournalError> {
        self.many_stored_fields(wanted).await.map_err(failed)
    }

    fn digest_key(&self) -> &DigestKey {
        self.keyring.digest_key()
    }

    async fn commit(
        &self,
        lease: Lease,
        run_id: RunId,
        outcomes: Vec<Outcome>,
    ) -> Result<Vec<Committed>, JournalError> {
        let tx = self.under(lease).await?;
        self.commit_batch(tx, lease, run_id, &outcomes).await.map_err(failed)
    }

    async fn set_base_aside(&self, lease: Lease, identity: &RemoteIdentity) -> Result<(), JournalError> {
        let tx = self.under(lease).await?;
        self.forget_base(tx, lease.connection_id, identity).await.map_err(failed)
    }

    async fn record_identity(
        &self,
        lease: Lease,
        identity: &RemoteIdentity,
        secret_id_expires: Option<UnixNanos>,
    ) -> Result<(), JournalError> {
        let mut tx = self.under(lease).await?;
        let sql = "UPDATE connections SET identity = $2, last_verified_us = $3,
                                          secret_id_expires_us = COALESCE($4, secret_id_expires_us)
                   WHERE id = $1";
        let expires_us = secret_id_expires.map(|moment| moment.0 / 1_000);
        tx.run(sql, args![lease.connection_id, json(identity), self.now_us(), expires_us]).await.map_err(failed)?;
        tx.commit().await.map_err(failed)
    }

    async fn lift_guard(&self, lease: Lease) -> Result<(), JournalError> {
        let tx = self.under(lease).await?;
        self.lift_guard_of(tx, lease.connection_id).await.map_err(failed)
    }

    async fn suspicions(&self, id: ConnectionId) -> Result<BTreeMap<SecretPath, RemoteStamp>, JournalError> {
        let row = self.db.one("SELECT paths FROM suspicions WHERE connection_id = $1", args![id]).await;
        let row = row.map_err(failed)?;
        row.map_or_else(|| Ok(BTreeMap::new()), |row| row.json("paths")).map_err(failed)
    }

    async fn record_suspicions(
        &self,
        lease: Lease,
        paths: &BTreeMap<SecretPath, RemoteStamp>,
    ) -> Result<(), JournalError> {
        let mut tx = self.under(lease).await?;
        let sql = "INSERT INTO suspicions (connection_id, paths) VALUES ($1, $2)
                   ON CONFLICT (connection_id) DO UPDATE SET paths = excluded.paths";
        tx.run(sql, args![lease.connection_id, json(paths)]).await.map_err(failed)?;
        tx.commit().await.map_err(failed)
    }

    async fn record_seen(
        &self,
        lease: Lease,
        at: Option<&BTreeSet<SecretPath>>,
        seen: &[SeenInVault],
    ) -> Result<(), JournalError> {
        let mut tx = self.under(lease).await?;
        sides::replace_seen(&mut tx, lease.connection_id, at, seen).await.map_err(failed)?;
        tx.commit().await.map_err(failed)
    }

    async fn deleted_in_part(&self, id: ConnectionId) -> Result<Deleted, JournalError> {
        self.deleted_in_part_of(id).await.map_err(failed)
    }

    async fn hinted_writers(
        &self,
        id: ConnectionId,
        paths: &[SecretPath],
    ) -> Result<BTreeMap<SecretPath, HintedWriter>, JournalError> {
        self.hinted_writers_of(id, paths).await.map_err(failed)
    }

    async fn ignored(&self, id: ConnectionId) -> Result<BTreeMap<String, String>, JournalError> {
        let accepted = self.ignored_paths(id).await.map_err(failed)?;
        Ok(accepted.into_iter().map(|ignored| (ignored.path, ignored.accepted_by)).collect())
    }

    async fn change_number(&self, id: CollectionId) -> Result<u64, JournalError> {
        let row = self.db.one("SELECT change_number FROM collections WHERE id = $1", args![id]).await;
        row.map_err(failed)?.map_or(Ok(0), |row| row.count("change_number")).map_err(failed)
    }

    async fn last_begun(&self, id: ConnectionId) -> Result<Option<RunId>, JournalError> {
        let sql = "SELECT id FROM runs WHERE connection_id = $1 ORDER BY id DESC LIMIT 1";
        let row = self.db.one(sql, args![id]).await.map_err(failed)?;
        row.map(|row| row.id("id").map(RunId)).transpose().map_err(failed)
    }

    async fn newest_run(&self, id: ConnectionId) -> Result<u64, JournalError> {
        let row = self.db.one("SELECT number FROM newest_runs WHERE connection_id = $1", args![id]).await;
        row.map_err(failed)?.map_or(Ok(0), |row| row.count("number")).map_err(failed)
    }

    async fn record_newest_run(&self, lease: Lease, number: u64) -> Result<(), JournalError> {
        let mut tx = self.under(lease).await?;
        let sql = "INSERT INTO newest_runs (connection_id, number) VALUES ($1, $2)
                   ON CONFLICT (connection_id) DO UPDATE SET number = excluded.number
                   WHERE excluded.number > newest_runs.number";
        tx.run(sql, args![lease.connection_id, number]).await.map_err(failed)?;
        tx.commit().await.map_err(failed)
    }

    async fn record_conflicts(
        &self,
        lease: Lease,
        run_id: RunId,
        found: &[Conflict],
        others: &OtherConflicts,
    ) -> Result<u64, JournalError> {
        let mut tx = self.under(lease).await?;
        let batch = self.batch(&mut tx, lease.connection_id, run_id).await.map_err(failed)?;
        let open = self.record_found(&mut tx, &batch, found, others).await.map_err(failed)?;
        tx.commit().await.map_err(failed)?;
        Ok(open)
    }

    async fn open_conflicts(&self, id: ConnectionId) -> Result<Vec<StoredConflict>, JournalError> {
        self.open_conflicts_of(id).await.map_err(failed)
    }

    async fn conflict(&self, id: ConflictId) -> Result<Option<StoredConflict>, JournalError> {
        self.stored_conflict(id).await.map_err(failed)
    }

    async fn store_plan(&self, plan: &StoredPlan) -> Result<(), JournalError> {
        self.insert_plan(plan).await.map_err(failed)
    }

    async fn plan(&self, id: PlanId) -> Result<Option<StoredPlan>, JournalError> {
        let plan = self.stored_plan(id).await.map_err(failed)?;
        Ok(plan.filter(|plan| plan.expires > self.now()))
    }

    async fn begin_run(&self, lease: Lease, run: &Run) -> Result<(), JournalError> {
        let mut tx = self.under(lease).await?;
        runs::begin(&mut tx, &self.context(&run.actor), run, self.node).await.map_err(failed)?;
        tx.commit().await.map_err(failed)
    }

    async fn update_run(&self, lease: Lease, run: &Run) -> Result<(), JournalError> {
        let mut tx = self.under(lease).await?;
        runs::write(&mut tx, run).await.map_err(failed)?;
        tx.commit().await.map_err(failed)
    }

    async fn finish_run(&self, run: &Run) -> Result<(), JournalError> {
        let mut tx = self.db.write().await.map_err(failed)?;
        runs::finish(&mut tx, &self.context(&run.actor), run).await.map_err(failed)?;
        tx.commit().await.map_err(failed)
    }
}
