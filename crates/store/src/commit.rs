//! Records an outcome of a run in the transaction of its batch. Each outcome has a guard. `together.rs` records those together
//! that do not concern one another.
//!
//! An outcome whose guard does not hold leaves no trace and does not affect the others. Therefore the
//! deciding steps come first: the check of the conflict that the outcome resolves, then the guarded statement
//! that changes the record, or the base if no record changes. The steps after that can fail only together
//! with the whole batch.

use std::collections::BTreeSet;

use vaultterm_ledger::{AuditAction, ObjectKind};
use vaultterm_reconcile::{BaseEntry, RecordId, RecordType, Revision, SecretPath};
use vaultterm_sealing::SecretFields;
use vaultterm_sync::{
    BaseChange, CollectionId, Committed, ConnectionId, LocalChange, Origin, Outcome, RunId, SyncedAudit,
};

use crate::{
    Context, Store, StoreError,
    base::{self, NewBase},
    batch::Batch,
    conflicts,
    context::Facts as _,
    revisions::{self, NewRevision, field_names},
    runs,
    shelves::folded,
    sql::{Arg, Tx, args},
    values::values,
};

/// The change of a record.
pub(crate) struct Changed {
    pub(crate) action: AuditAction,
    pub(crate) record_id: RecordId,
    /// The newest revision. `None` for a record that was moved to the trash.
    pub(crate) revision: Option<Revision>,
}

/// The new revision of a record from an outcome.
struct Incoming<'a> {
    record_id: RecordId,
    revision: Revision,
    record_type: RecordType,
    fields: &'a SecretFields,
    origin: Origin,
}

/// A record to create from a secret.
pub(crate) struct Creation<'a> {
    pub(crate) path: &'a SecretPath,
    pub(crate) record_id: RecordId,
    pub(crate) record_type: RecordType,
    pub(crate) fields: &'a SecretFields,
    /// Whether the base that the outcome sets links the record with its secret. (`base::mark_agreed` looks at the base itself,
    /// and then need not change the record once more.)
    pub(crate) is_linked: bool,
}

impl Store {
    /// Loads the shared state of a batch.
    pub(crate) async fn batch(
        &self,
        tx: &mut Tx,
        connection_id: ConnectionId,
        run_id: RunId,
    ) -> Result<Batch, StoreError> {
        let sql = "SELECT c.collection_id, r.actor_kind, r.actor_id, r.actor_name
                   FROM connections c JOIN runs r ON r.connection_id = c.id
                   WHERE c.id = $1 AND r.id = $2";
        let row = tx.one(sql, args![connection_id, run_id]).await?.ok_or(StoreError::NotFound("run"))?;
        let now = self.now();
        let context = Context { now_us: now.0 / 1_000, ..self.context(&runs::actor(&row)?) };
        Ok(Batch {
            connection_id,
            collection_id: CollectionId(row.id("collection_id")?),
            run_id,
            now,
            change_number: 0,
            context,
        })
    }

    /// Records an outcome completely, or not at all.
    pub(crate) async fn record_outcome(
        &self,
        tx: &mut Tx,
        batch: &Batch,
        outcome: &Outcome,
    ) -> Result<Committed, StoreError> {
        if let Some(resolved) = &outcome.resolves
            && !conflicts::is_open(tx, batch.connection_id, resolved).await?
        {
            return Ok(Committed::Stale);
        }
        let changed = match &outcome.local {
            LocalChange::None => None,
            local => match self.change_record(tx, batch, &outcome.path, local).await? {
                Some(changed) => Some(changed),
                None => return Ok(Committed::Stale),
            },
        };
        if !change_base(tx, batch, outcome, changed.as_ref()).await? {
            return match changed {
                None => Ok(Committed::Stale),
                // The record has changed already, so the engine named a revision that its change does not
                // make.
                Some(_) => Err(StoreError::Malformed("base of a changed record")),
            };
        }
        if let Some(removed) = &outcome.base_removed {
            base::remove(tx, batch.connection_id, removed).await?;
        }
        if outcome.resolves.is_none() && outcome.base != BaseChange::Keep {
            // The plan may be older than the conflict. An outcome that brings both sides together resolves
            // it.
            let settled: Vec<_> = std::iter::once(&outcome.path).chain(&outcome.base_removed).collect();
            let mut open = conflicts::open_at(tx, batch, &settled).await?;
            for path in settled {
                if let Some(id) = open.remove(path) {
                    conflicts::converged(tx, batch, id, path).await?;
                }
            }
        }
        if let Some(changed) = &changed {
            audit_change(tx, batch, &outcome.path, changed);
        }
        let revision = changed.and_then(|changed| changed.revision);
        if let Some(synced) = &outcome.audit {
            audit_synced(tx, batch, &outcome.path, synced, revision);
        }
        if let Some(resolved) = &outcome.resolves {
            conflicts::close(tx, batch.connection_id, &outcome.path, resolved, batch.now).await?;
        }
        Ok(Committed::Done(revision))
    }

    /// Makes the local change if its guard holds.
    async fn change_record(
        &self,
        tx: &mut Tx,
        batch: &Batch,
        path: &SecretPath,
        local: &LocalChange,
    ) -> Result<Option<Changed>, StoreError> {
        let imported = Origin::Remote(batch.connection_id);
        let (action, record_id, revision) = match local {
            LocalChange::None => return Ok(None),
            LocalChange::Create { record_id, record_type, fields } => {
                let (record_id, record_type) = (*record_id, *record_type);
                let creation = Creation { path, record_id, record_type, fields, is_linked: false };
                if self.create(tx, batch, &[creation]).await?.is_empty() {
                    return Ok(None);
                }
                (AuditAction::RecordCreated, record_id, Some(Revision::FIRST))
            }
            LocalChange::Restore { record_id, record_type, fields } => {
                let (record_id, record_type) = (*record_id, *record_type);
                let restored = restore(tx, batch, path, record_id, record_type, fields).await?;
                let Some(revision) = restored else { return Ok(None) };
                let new = Incoming { record_id, revision, record_type, fields, origin: imported };
                self.insert_revision_of(tx, batch, path, &new).await?;
                (AuditAction::RecordRestored, record_id, Some(revision))
            }
            LocalChange::Update { record_id, expect, record_type, fields, origin } => {
                let (record_id, record_type, revision) = (*record_id, *record_type, expect.next());
                let new = Incoming { record_id, revision, record_type, fields, origin: *origin };
                if !update(tx, batch, path, *expect, &new).await? {
                    return Ok(None);
                }
                self.insert_revision_of(tx, batch, path, &new).await?;
                (AuditAction::RecordUpdated, record_id, Some(revision))
            }
            LocalChange::Rebase { record_id, expect, remote, record_type, fields, origin } => {
                let (record_id, record_type, revision) = (*record_id, *record_type, expect.next().next());
                let new = Incoming { record_id, revision, record_type, fields, origin: *origin };
                if !update(tx, batch, path, *expect, &new).await? {
                    return Ok(None);
                }
                let (revision, archive) = (expect.next(), Origin::Archive(batch.connection_id));
                let archived = Incoming { record_id, revision, record_type, fields: remote, origin: archive };
                self.insert_revision_of(tx, batch, path, &archived).await?;
                self.insert_revision_of(tx, batch, path, &new).await?;
                (AuditAction::RecordUpdated, record_id, Some(new.revision))
            }
            LocalChange::Archive { record_id, expect, older, record_type, fields } => {
                let (record_id, record_type) = (*record_id, *record_type);
                let revision = Revision(expect.0 + older.len() as u64 + 1);
                let origin = Origin::Merge(batch.connection_id);
                let on_top = Incoming { record_id, revision, record_type, fields, origin };
                if !update(tx, batch, path, *expect, &on_top).await? {
                    return Ok(None);
                }
                let origin = Origin::Archive(batch.connection_id);
                for (revision, fields) in (expect.0 + 1..).map(Revision).zip(older) {
                    let kept = Incoming { record_id, revision, record_type, fields, origin };
                    self.insert_revision_of(tx, batch, path, &kept).await?;
                }
                self.insert_revision_of(tx, batch, path, &on_top).await?;
                (AuditAction::RecordUpdated, record_id, Some(revision))
            }
            LocalChange::Trash { record_id, expect } => {
                if !trash(tx, batch, path, *record_id, *expect).await? {
                    return Ok(None);
                }
                (AuditAction::RecordDeleted, *record_id, None)
            }
        };
        Ok(Some(Changed { action, record_id, revision }))
    }

    /// Creates the records at whose paths no live record is, each with its first revision. Returns their ids.
    pub(crate) async fn create(
        &self,
        tx: &mut Tx,
        batch: &Batch,
        creations: &[Creation<'_>],
    ) -> Result<BTreeSet<RecordId>, StoreError> {
        let created = insert(tx, batch, creations).await?;
        let origin = Origin::Remote(batch.connection_id);
        let revision = |&Creation { path, record_id, record_type, fields, .. }: &_| {
            let new = Incoming { record_id, revision: Revision::FIRST, record_type, fields, origin };
            revision_of(batch, path, &new)
        };
        let made = creations.iter().filter(|creation| created.contains(&creation.record_id));
        revisions::insert(tx, &self.keyring, &made.map(revision).collect::<Vec<_>>()).await?;
        Ok(created)
    }

    async fn insert_revision_of(
        &self,
        tx: &mut Tx,
        batch: &Batch,
        path: &SecretPath,
        new: &Incoming<'_>,
    ) -> Result<(), StoreError> {
        revision_of(batch, path, new).insert(tx, &self.keyring).await
    }
}

fn revision_of<'a>(batch: &'a Batch, path: &'a SecretPath, new: &Incoming<'a>) -> NewRevision<'a> {
    NewRevision {
        collection_id: batch.collection_id,
        record_id: new.record_id,
        revision: new.revision,
        path,
        record_type: new.record_type,
        fields: new.fields,
        origin: new.origin,
        actor: &batch.context.actor.name,
        now_us: batch.context.now_us,
    }
}

/// Inserts the records at whose paths no live record is, and returns their ids.
async fn insert(tx: &mut Tx, batch: &Batch, creations: &[Creation<'_>]) -> Result<BTreeSet<RecordId>, StoreError> {
    let shared =
        args![batch.collection_id, batch.context.now_us, batch.connection_id, batch.change_number, Revision::FIRST,];
    let row = |new: &Creation<'_>| {
        let agreed = if new.is_linked { Revision::FIRST } else { Revision(0) };
        let folded = folded(new.path.as_str());
        args![new.record_id, new.path, folded, new.record_type, field_names(new.fields), agreed]
    };
    let mut inserted = BTreeSet::new();
    for part in values(shared, creations.iter().map(row).collect()) {
        let sql = format!(
            "WITH n (id, path, path_folded, record_type, field_names, agreed_revision) AS (VALUES {})
             INSERT INTO records (id, collection_id, path, path_folded, record_type, field_names, tags, inject_only,
                                  revision, created_us, updated_us, updated_by, deleted_us, change_number,
                                  agreed_revision)
             SELECT id, $1, path, path_folded, record_type, field_names, '', 0, $5, $2, $2, $3, NULL, $4, agreed_revision
             FROM n WHERE id IS NOT NULL
             ON CONFLICT DO NOTHING RETURNING id",
            part.rows
        );
        for row in tx.all(&sql, part.args).await? {
            inserted.insert(RecordId(row.id("id")?));
        }
    }
    Ok(inserted)
}

/// Takes a record out of the trash if it was trashed at the path and no live record has the path. Returns its
/// new revision.
async fn restore(
    tx: &mut Tx,
    batch: &Batch,
    path: &SecretPath,
    record_id: RecordId,
    record_type: RecordType,
    fields: &SecretFields,
) -> Result<Option<Revision>, StoreError> {
    let sql = "UPDATE records SET revision = revision + 1, record_type = $4, field_names = $5, updated_us = $6,
                                  updated_by = $7, deleted_us = NULL, change_number = $8
               WHERE id = $1 AND collection_id = $2 AND path = $3 AND deleted_us IS NOT NULL
                 AND NOT EXISTS (SELECT 1 FROM records o
                                 WHERE o.collection_id = $2 AND o.path = $3 AND o.deleted_us IS NULL)
               RETURNING revision";
    let args = args![
        record_id,
        batch.collection_id,
        path,
        record_type,
        field_names(fields),
        batch.context.now_us,
        batch.connection_id,
        batch.change_number,
    ];
    tx.one(sql, args).await?.map(|row| row.revision("revision")).transpose()
}

/// The guard of a record: it lives in this collection, with this path and revision.
const GUARD: &str = "id = $1 AND collection_id = $2 AND path = $3 AND revision = $4 AND deleted_us IS NULL";

fn guard(batch: &Batch, path: &SecretPath, record_id: RecordId, expect: Revision) -> Vec<Arg> {
    args![record_id, batch.collection_id, path, expect, batch.context.now_us, batch.connection_id]
}

/// Makes a new revision of a record if its guard holds.
async fn update(
    tx: &mut Tx,
    batch: &Batch,
    path: &SecretPath,
    expect: Revision,
    new: &Incoming<'_>,
) -> Result<bool, StoreError> {
    let sql = format!(
        "UPDATE records SET revision = $7, record_type = $8, field_names = $9, updated_us = $5, updated_by = $6,
                            change_number = $10
         WHERE {GUARD}"
    );
    let mut args = guard(batch, path, new.record_id, expect);
    args.extend(args![new.revision, new.record_type, field_names(new.fields), batch.change_number]);
    Ok(tx.run(&sql, args).await? == 1)
}

/// Moves a record to the trash if its guard holds.
async fn trash(
    tx: &mut Tx,
    batch: &Batch,
    path: &SecretPath,
    record_id: RecordId,
    expect: Revision,
) -> Result<bool, StoreError> {
    let sql = format!(
        "UPDATE records SET deleted_us = $5, updated_us = $5, updated_by = $6, change_number = $7 WHERE {GUARD}"
    );
    let mut args = guard(batch, path, record_id, expect);
    args.extend(args![batch.change_number]);
    Ok(tx.run(&sql, args).await? == 1)
}

/// Changes the base at the path of the outcome. Returns whether the revision that the base names exists.
async fn change_base(
    tx: &mut Tx,
    batch: &Batch,
    outcome: &Outcome,
    changed: Option<&Changed>,
) -> Result<bool, StoreError> {
    match &outcome.base {
        BaseChange::Keep => Ok(true),
        BaseChange::Remove => base::remove(tx, batch.connection_id, &outcome.path).await.map(|()| true),
        BaseChange::Set(entry) => {
            let assigned = changed
                .filter(|changed| matches!(changed.action, AuditAction::RecordCreated | AuditAction::RecordRestored))
                .and_then(|changed| changed.revision);
            let entry = BaseEntry { revision: assigned.unwrap_or(entry.revision), ..entry.clone() };
            let new = NewBase { path: &outcome.path, entry, wrote_remote: outcome.wrote_remote };
            Ok(!base::set(tx, batch.connection_id, &[new]).await?.is_empty())
        }
    }
}

/// Writes the entry `RECORD_…` about the change of the record.
pub(crate) fn audit_change(tx: &mut Tx, batch: &Batch, path: &SecretPath, changed: &Changed) {
    let draft = batch
        .context
        .draft(changed.action, ObjectKind::Record, changed.record_id.0, Some(path.as_str()))
        .about(ObjectKind::Connection, batch.connection_id.0)
        .with("run", batch.run_id);
    tx.audit(draft.with_maybe("revision", changed.revision.map(|revision| revision.0)));
}

/// Writes the entry `HCV_SECRET_SYNCED` about what was synchronized and where it is now.
pub(crate) fn audit_synced(
    tx: &mut Tx,
    batch: &Batch,
    path: &SecretPath,
    synced: &SyncedAudit,
    revision: Option<Revision>,
) {
    let revision = synced.revision.or(revision);
    let context = &batch.context;
    let mut draft = match synced.record_id {
        Some(id) => context
            .draft(AuditAction::HcvSecretSynced, ObjectKind::Record, id.0, Some(path.as_str()))
            .about(ObjectKind::Connection, batch.connection_id.0),
        None => context
            .draft(AuditAction::HcvSecretSynced, ObjectKind::Connection, batch.connection_id.0, None)
            .with("path", path),
    }
    .about(ObjectKind::Run, batch.run_id.0)
    .with("what", synced.what)
    .with("direction", direction(synced.what))
    .with_maybe("revision", revision.map(|revision| revision.0));
    draft.remote = Some(synced.remote.clone());
    tx.audit(draft);
}

/// Returns the direction in which a secret was carried.
fn direction(what: &str) -> &'static str {
    if what.ends_with("_remote") {
        "push"
    } else if what.ends_with("_local") {
        "pull"
    } else {
        "both"
    }
}
