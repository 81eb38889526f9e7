//! The engine's journal on the database.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use uuid::Uuid;
use vaultterm_ledger::{Action, Draft, ObjectKind};
use vaultterm_reconcile::{
    BaseEntry, Conflict, Link, LocalEntry, LocalSnapshot, RecordId, RemoteStamp, Revision, SecretPath, UnixNanos,
    Version,
};
use vaultterm_sealing::{DigestKey, SecretText};
use vaultterm_sync::{
    BaseChange, CollectionId, Committed, ConflictId, Connection, ConnectionId, ConnectionSecrets, Credential, Journal,
    JournalError, Lease, LocalChange, Origin, OtherConflicts, Outcome, PlanId, RemoteIdentity, Resolved, Run, RunId,
    StoredConflict, StoredFields, StoredPlan,
};

use crate::{
    Context, Record, Store, StoreError,
    audit::{about, with},
    leases::fenced,
    records::locked,
    revisions::Made,
    sql::{Row, Tx, args, json},
};

pub(crate) fn failed(error: StoreError) -> JournalError {
    match error {
        StoreError::Sealing(error) => JournalError::Unreadable(error.to_string()),
        other => JournalError::Database(Box::new(other)),
    }
}

/// What one batch of outcomes shares.
struct Batch {
    connection_id: ConnectionId,
    collection_id: CollectionId,
    run_id: RunId,
    context: Context,
}

impl Journal for Store {
    async fn connection(&self, id: ConnectionId) -> Result<Option<(Connection, ConnectionSecrets)>, JournalError> {
        self.connection_with_secrets(id).await.map_err(failed)
    }

    async fn store_unwrapped(
        &self,
        id: ConnectionId,
        spent: &SecretText,
        secret_id: &SecretText,
    ) -> Result<(), JournalError> {
        let work = async {
            let current = self.connection_secrets(id).await?;
            let same = matches!(current, Some(ConnectionSecrets { credential: Credential::WrappingToken(token), .. })
                if token.expose() == spent.expose());
            if same {
                let mut tx = self.db.write().await?;
                self.set_credential(&mut tx, id, &Credential::SecretId(secret_id.duplicate())).await?;
                tx.commit().await?;
            }
            Ok(())
        };
        work.await.map_err(failed)
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
        let ours = self.prolong_lease(lease, ttl).await.map_err(failed)?;
        if ours { Ok(()) } else { Err(JournalError::LeaseLost) }
    }

    async fn release_lease(&self, lease: Lease) -> Result<(), JournalError> {
        self.give_lease_back(lease).await.map_err(failed)
    }

    async fn base(&self, id: ConnectionId) -> Result<BTreeMap<SecretPath, BaseEntry>, JournalError> {
        let rows = self.db.all("SELECT * FROM base WHERE connection_id = $1", args![id.0]).await.map_err(failed)?;
        rows.iter().map(base_entry).collect::<Result<_, _>>().map_err(failed)
    }

    async fn local_snapshot(&self, id: CollectionId) -> Result<LocalSnapshot, JournalError> {
        let sql = "SELECT id, path, revision, record_type, deleted_us FROM records WHERE collection_id = $1
                   ORDER BY deleted_us, id";
        let rows = self.db.all(sql, args![id.0]).await.map_err(failed)?;
        let mut snapshot = LocalSnapshot::default();
        for row in &rows {
            let (path, entry, trashed) = local_entry(row).map_err(failed)?;
            // Ordered by the time of deletion: the newest trashed record at a path is last.
            if trashed {
                snapshot.trashed.insert(path, entry)
            } else {
                snapshot.live.insert(path, entry)
            };
        }
        Ok(snapshot)
    }

    async fn fields(&self, record_id: RecordId, revision: Revision) -> Result<Option<StoredFields>, JournalError> {
        self.read_revision(record_id, revision).await.map_err(failed)
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
        let mut tx = self.db.write().await.map_err(failed)?;
        fenced(&mut tx, lease).await?;
        let work = async {
            let batch = self.batch(&mut tx, lease.connection_id, run_id).await?;
            let (mut answers, mut drafts) = (Vec::new(), Vec::new());
            for outcome in &outcomes {
                answers.push(self.record_outcome(&mut tx, &batch, outcome, &mut drafts).await?);
            }
            self.log.append(&mut tx, drafts).await?;
            tx.commit().await?;
            Ok(answers)
        };
        work.await.map_err(failed)
    }

    async fn set_base_aside(&self, lease: Lease, identity: &RemoteIdentity) -> Result<(), JournalError> {
        let mut tx = self.db.write().await.map_err(failed)?;
        fenced(&mut tx, lease).await?;
        let work = async {
            tx.run("DELETE FROM base WHERE connection_id = $1", args![lease.connection_id.0]).await?;
            tx.run(
                "UPDATE connections SET identity = $2, scope_changed = 0 WHERE id = $1",
                args![lease.connection_id.0, json(identity)],
            )
            .await?;
            tx.commit().await
        };
        work.await.map_err(failed)
    }

    async fn record_identity(
        &self,
        lease: Lease,
        identity: &RemoteIdentity,
        secret_id_expires: Option<UnixNanos>,
    ) -> Result<(), JournalError> {
        let mut tx = self.db.write().await.map_err(failed)?;
        fenced(&mut tx, lease).await?;
        let work = async {
            tx.run(
                "UPDATE connections SET identity = $2, last_verified_us = $3,
                        secret_id_expires_us = COALESCE($4, secret_id_expires_us) WHERE id = $1",
                args![
                    lease.connection_id.0,
                    json(identity),
                    (self.now_us)(),
                    secret_id_expires.map(|nanos| nanos.0 / 1_000),
                ],
            )
            .await?;
            tx.commit().await
        };
        work.await.map_err(failed)
    }

    async fn suspicions(&self, id: ConnectionId) -> Result<BTreeSet<SecretPath>, JournalError> {
        let row = self.db.one("SELECT suspicions FROM connections WHERE id = $1", args![id.0]).await.map_err(failed)?;
        row.map_or(Ok(BTreeSet::new()), |row| row.json("suspicions")).map_err(failed)
    }

    async fn record_suspicions(&self, lease: Lease, paths: &BTreeSet<SecretPath>) -> Result<(), JournalError> {
        let mut tx = self.db.write().await.map_err(failed)?;
        fenced(&mut tx, lease).await?;
        let work = async {
            let sql = "UPDATE connections SET suspicions = $2 WHERE id = $1";
            tx.run(sql, args![lease.connection_id.0, json(paths)]).await?;
            tx.commit().await
        };
        work.await.map_err(failed)
    }

    async fn record_conflicts(
        &self,
        lease: Lease,
        run_id: RunId,
        found: &[Conflict],
        others: &OtherConflicts,
    ) -> Result<u64, JournalError> {
        let mut tx = self.db.write().await.map_err(failed)?;
        fenced(&mut tx, lease).await?;
        let work = async {
            let batch = self.batch(&mut tx, lease.connection_id, run_id).await?;
            let open = self.store_conflicts(&mut tx, lease.connection_id, &batch.context, found, others).await?;
            tx.commit().await?;
            Ok(open)
        };
        work.await.map_err(failed)
    }

    async fn conflict(&self, id: ConflictId) -> Result<Option<StoredConflict>, JournalError> {
        self.stored_conflict(id).await.map_err(failed)
    }

    async fn store_plan(&self, plan: &StoredPlan) -> Result<(), JournalError> {
        self.insert_plan(plan).await.map_err(failed)
    }

    async fn plan(&self, id: PlanId) -> Result<Option<StoredPlan>, JournalError> {
        let plan = self.stored_plan(id).await.map_err(failed)?;
        Ok(plan.filter(|plan| plan.expires.0 / 1_000 > (self.now_us)()))
    }

    async fn begin_run(&self, lease: Lease, run: &Run) -> Result<(), JournalError> {
        let mut tx = self.db.write().await.map_err(failed)?;
        fenced(&mut tx, lease).await?;
        let work = async {
            self.insert_run(&mut tx, run).await?;
            tx.commit().await
        };
        work.await.map_err(failed)
    }

    async fn update_run(&self, lease: Lease, run: &Run) -> Result<(), JournalError> {
        let mut tx = self.db.write().await.map_err(failed)?;
        fenced(&mut tx, lease).await?;
        let work = async {
            self.write_run(&mut tx, run).await?;
            tx.commit().await
        };
        work.await.map_err(failed)
    }

    async fn finish_run(&self, run: &Run) -> Result<(), JournalError> {
        self.close_run(run).await.map_err(failed)
    }
}

impl Store {
    async fn batch(&self, tx: &mut Tx, connection_id: ConnectionId, run_id: RunId) -> Result<Batch, StoreError> {
        let sql = "SELECT c.collection_id, r.actor_kind, r.actor_id, r.actor_name FROM connections c
                   LEFT JOIN runs r ON r.id = $2 WHERE c.id = $1";
        let row = tx.one(sql, args![connection_id.0, run_id.0]).await?.ok_or(StoreError::NotFound("connection"))?;
        let actor = match row.maybe_text("actor_kind")? {
            Some(_) => crate::runs::actor(&row)?,
            None => crate::runs::system(),
        };
        let context = Context { actor, source_ip: None, request_id: None, now_us: (self.now_us)() };
        Ok(Batch { connection_id, collection_id: CollectionId(row.id("collection_id")?), run_id, context })
    }

    /// Records one outcome. Every guard is checked before anything is written, so a stale outcome
    /// leaves the others of its batch alone.
    async fn record_outcome(
        &self,
        tx: &mut Tx,
        batch: &Batch,
        outcome: &Outcome,
        drafts: &mut Vec<Draft>,
    ) -> Result<Committed, StoreError> {
        if let Some(resolved) = &outcome.resolves
            && !is_open(tx, resolved.id).await?
        {
            return Ok(Committed::Stale);
        }
        let Some(revision) = self.change_record(tx, batch, outcome).await? else { return Ok(Committed::Stale) };
        self.change_base(tx, batch, outcome, revision).await?;
        if let Some(resolved) = &outcome.resolves {
            drafts.push(self.close_conflict(tx, batch, &outcome.path, resolved).await?);
        }
        if let Some(audit) = &outcome.audit {
            let path = outcome.path.as_str();
            let draft = batch.context.draft(
                Action::HcvSecretSynced,
                ObjectKind::Record,
                audit.record_id.map_or(Uuid::nil(), |id| id.0),
                Some(path),
            );
            let draft = about(draft, ObjectKind::Connection, batch.connection_id.0);
            let mut draft = with(with(draft, "what", audit.what), "run", batch.run_id);
            if let Some(revision) = revision.or(audit.revision) {
                draft = with(draft, "revision", revision.0);
            }
            draft.remote = Some(audit.remote.clone());
            drafts.push(draft);
        }
        Ok(Committed::Done(revision))
    }

    /// Carries out the guarded local change. Outer `None`: the guard did not hold. Inner: the
    /// record's revision now, when it changed.
    async fn change_record(
        &self,
        tx: &mut Tx,
        batch: &Batch,
        outcome: &Outcome,
    ) -> Result<Option<Option<Revision>>, StoreError> {
        let actor = batch.context.actor.name.as_str();
        let made = |record_type, origin| Made {
            path: &outcome.path,
            record_type,
            origin,
            actor,
            now_us: batch.context.now_us,
        };
        let imported = Origin::Remote(batch.connection_id);
        match &outcome.local {
            LocalChange::None => Ok(self.base_holds(tx, outcome).await?.then_some(None)),
            LocalChange::Create { record_id, record_type, fields } => {
                if is_taken(tx, batch.collection_id, &outcome.path).await? {
                    return Ok(None);
                }
                let made = made(*record_type, imported);
                self.insert_record(tx, batch.collection_id, *record_id, &made, fields).await?;
                Ok(Some(Some(Revision::FIRST)))
            }
            LocalChange::Restore { record_id, record_type, fields } => {
                let record = locked(tx, *record_id).await?;
                let elsewhere = record.deleted_us.is_none() || record.path != outcome.path;
                if elsewhere || is_taken(tx, batch.collection_id, &outcome.path).await? {
                    return Ok(None);
                }
                self.push_revision(tx, &record, &made(*record_type, imported), fields).await.map(|now| Some(Some(now)))
            }
            LocalChange::Update { record_id, expect, record_type, fields, origin } => {
                let Some(record) = guarded(tx, *record_id, *expect, &outcome.path).await? else { return Ok(None) };
                self.push_revision(tx, &record, &made(*record_type, *origin), fields).await.map(|now| Some(Some(now)))
            }
            LocalChange::Rebase { record_id, expect, remote, record_type, fields, origin } => {
                let Some(mut record) = guarded(tx, *record_id, *expect, &outcome.path).await? else { return Ok(None) };
                let archived = made(*record_type, Origin::Archive(batch.connection_id));
                record.revision = self.push_revision(tx, &record, &archived, remote).await?;
                self.push_revision(tx, &record, &made(*record_type, *origin), fields).await.map(|now| Some(Some(now)))
            }
            LocalChange::Trash { record_id, expect } => {
                if guarded(tx, *record_id, *expect, &outcome.path).await?.is_none() {
                    return Ok(None);
                }
                tx.run(
                    "UPDATE records SET deleted_us = $2, updated_us = $2 WHERE id = $1",
                    args![record_id.0, batch.context.now_us],
                )
                .await?;
                Ok(Some(None))
            }
        }
    }

    async fn base_holds(&self, tx: &mut Tx, outcome: &Outcome) -> Result<bool, StoreError> {
        let BaseChange::Set(entry) = &outcome.base else { return Ok(true) };
        let sql = "SELECT revision FROM revisions WHERE record_id = $1 AND revision = $2";
        Ok(tx.one(sql, args![entry.record_id.0, entry.revision.0]).await?.is_some())
    }

    async fn change_base(
        &self,
        tx: &mut Tx,
        batch: &Batch,
        outcome: &Outcome,
        assigned: Option<Revision>,
    ) -> Result<(), StoreError> {
        for gone in outcome.base_removed.iter().chain((outcome.base == BaseChange::Remove).then_some(&outcome.path)) {
            tx.run(
                "DELETE FROM base WHERE connection_id = $1 AND path = $2",
                args![batch.connection_id.0, gone.as_str()],
            )
            .await?;
        }
        let BaseChange::Set(entry) = &outcome.base else { return Ok(()) };
        let brought = matches!(outcome.local, LocalChange::Create { .. } | LocalChange::Restore { .. });
        let revision = assigned.filter(|_| brought).unwrap_or(entry.revision);
        tx.run(
            "INSERT INTO base (connection_id, path, record_id, revision, record_type, key_created, version, version_created, expires, link)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             ON CONFLICT (connection_id, path) DO UPDATE SET record_id = $3, revision = $4, record_type = $5,
                 key_created = $6, version = $7, version_created = $8, expires = $9, link = $10",
            args![
                batch.connection_id.0,
                outcome.path.as_str(),
                entry.record_id.0,
                revision.0,
                entry.record_type.as_str(),
                entry.stamp.key_created.0,
                entry.stamp.version.0,
                entry.stamp.version_created.0,
                entry.expires.map(|nanos| nanos.0),
                link(entry.link),
            ],
        )
        .await?;
        Ok(())
    }

    async fn close_conflict(
        &self,
        tx: &mut Tx,
        batch: &Batch,
        path: &SecretPath,
        resolved: &Resolved,
    ) -> Result<Draft, StoreError> {
        tx.run("UPDATE conflicts SET status = 'resolved' WHERE id = $1", args![resolved.id.0]).await?;
        let decision = &resolved.decision;
        let context = Context {
            actor: decision.actor.clone(),
            source_ip: decision.source_ip.clone(),
            request_id: decision.request_id.clone(),
            now_us: batch.context.now_us,
        };
        let draft =
            context.draft(Action::HcvConflictResolved, ObjectKind::Conflict, resolved.id.0, Some(path.as_str()));
        let draft = about(draft, ObjectKind::Connection, batch.connection_id.0);
        let mut draft = with(with(draft, "resolution", decision.resolution), "run", decision.run_id);
        for (field, side) in &decision.fields {
            draft = with(draft, &format!("field {field}"), side);
        }
        Ok(match &decision.reason {
            Some(reason) => with(draft, "reason", reason),
            None => draft,
        })
    }
}

async fn is_open(tx: &mut Tx, id: ConflictId) -> Result<bool, StoreError> {
    Ok(tx.one("SELECT id FROM conflicts WHERE id = $1 AND status = 'open'", args![id.0]).await?.is_some())
}

async fn is_taken(tx: &mut Tx, collection_id: CollectionId, path: &SecretPath) -> Result<bool, StoreError> {
    let sql = "SELECT id FROM records WHERE collection_id = $1 AND path = $2 AND deleted_us IS NULL";
    Ok(tx.one(sql, args![collection_id.0, path.as_str()]).await?.is_some())
}

/// Reads a record if it lives at this path, at this revision.
async fn guarded(tx: &mut Tx, id: RecordId, expect: Revision, path: &SecretPath) -> Result<Option<Record>, StoreError> {
    let record = locked(tx, id).await?;
    Ok(Some(record).filter(|record| record.revision == expect && record.path == *path && record.deleted_us.is_none()))
}

const fn link(link: Link) -> &'static str {
    match link {
        Link::Linked => "linked",
        Link::LocalGone => "local_gone",
        Link::RemoteGone => "remote_gone",
    }
}

fn base_entry(row: &Row) -> Result<(SecretPath, BaseEntry), StoreError> {
    let name = row.text("link")?;
    let entry = BaseEntry {
        record_id: RecordId(row.id("record_id")?),
        revision: Revision(row.count("revision")?),
        record_type: row.parsed("record_type")?,
        stamp: RemoteStamp {
            key_created: UnixNanos(row.int("key_created")?),
            version: Version(row.count("version")?),
            version_created: UnixNanos(row.int("version_created")?),
        },
        expires: row.maybe_int("expires")?.map(UnixNanos),
        link: [Link::Linked, Link::LocalGone, Link::RemoteGone]
            .into_iter()
            .find(|one| link(*one) == name)
            .ok_or(StoreError::Malformed("link"))?,
    };
    Ok((row.parsed("path")?, entry))
}

fn local_entry(row: &Row) -> Result<(SecretPath, LocalEntry, bool), StoreError> {
    let entry = LocalEntry {
        record_id: RecordId(row.id("id")?),
        revision: Revision(row.count("revision")?),
        record_type: row.parsed("record_type")?,
    };
    Ok((row.parsed("path")?, entry, row.maybe_int("deleted_us")?.is_some()))
}
