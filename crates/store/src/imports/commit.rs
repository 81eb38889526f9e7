//! Makes the records of an import, in one transaction: all of them, or none.

use uuid::Uuid;
use vaultterm_exchange::{ImportState, Past};
use vaultterm_ledger::{AuditAction, ObjectKind};
use vaultterm_reconcile::{RecordId, RecordType, Revision, SecretPath};
use vaultterm_sealing::{SecretBytes, SecretFields};
use vaultterm_sync::{CollectionId, Origin};

use super::import::{Import, StepCounts, locked as locked_import};
use crate::{
    Context, Record, Store, StoreError,
    collections::next_change,
    context::Facts as _,
    record_changes::{about, guard, joined, locked, tags},
    revisions::{NewRevision, field_names},
    shelves::folded,
    sql::{Tx, args, taken},
};

/// What becomes of one item.
pub enum ImportStep<'a> {
    /// It becomes a record.
    Create {
        /// The path.
        path: SecretPath,
        /// The type.
        record_type: RecordType,
        /// The newest values.
        fields: &'a SecretFields,
        /// Labels.
        tags: &'a [String],
        /// People need a fresh proof before each look at its values.
        ask_again: bool,
        /// It goes to the trash.
        is_trashed: bool,
        /// Earlier states, the oldest first: they become the first revisions.
        history: &'a [Past],
        /// When the other program made it, in microseconds since 1970. The moment of the import unless told.
        created_us: Option<i64>,
        /// When the newest values were saved there, in microseconds since 1970. The moment of the import unless told.
        updated_us: Option<i64>,
        /// The text by which the item is recognised when it comes again.
        source: Option<String>,
    },
    /// It becomes the next revision of a record. Fields that the item does not have stay.
    Update {
        /// The record.
        record: RecordId,
        /// Its revision, as the person saw it.
        revision: Revision,
        /// The values.
        fields: &'a SecretFields,
        /// Labels to add.
        tags: &'a [String],
        /// The text by which the item is recognised when it comes again.
        source: Option<String>,
    },
}

/// What is kept about what became of the items.
pub struct ImportOutcome<'a> {
    /// How many became what.
    pub counts: StepCounts,
    /// The number of the part that holds the rest.
    pub part: u64,
    /// What it holds.
    pub bytes: &'a SecretBytes,
}

impl Store {
    /// Makes the records of an import (`RECORD_CREATED` and `RECORD_UPDATED` for each, `RECORDS_IMPORTED` for all). Tells
    /// `progress` how many items are done.
    ///
    /// # Errors
    /// [`StoreError::Refused`] if the import is done already; [`StoreError::Exists`] and [`StoreError::Stale`] if a record
    /// changed since the person saw what would happen. Nothing is stored then.
    pub async fn commit_import(
        &self,
        context: &Context,
        id: Uuid,
        steps: &[ImportStep<'_>],
        told: ImportOutcome<'_>,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        let import = locked_import(&mut tx, id).await?;
        if import.state != ImportState::Reviewed {
            return Err(StoreError::Refused("this import is done already".to_owned()));
        }
        let number = next_change(&mut tx, import.collection_id).await?;
        for (done, step) in (0_u64..).zip(steps) {
            let made = match step {
                ImportStep::Create { .. } => self.create_imported(&mut tx, context, &import, number, step).await?,
                ImportStep::Update { .. } => self.update_imported(&mut tx, context, &import, step).await?,
            };
            if let Some((record, source)) = made {
                remember(&mut tx, self, &import, record, source).await?;
            }
            progress(done + 1);
        }
        let ImportOutcome { counts, part, bytes } = told;
        self.insert_part(&mut tx, id, part, bytes).await?;
        let StepCounts { created, updated, skipped, refused } = counts;
        let sql = "UPDATE imports SET state = $2, done_us = $3, created = $4, updated = $5, skipped = $6, refused = $7
                   WHERE id = $1";
        let state = ImportState::Done.as_str();
        tx.run(sql, args![id, state, context.now_us, created, updated, skipped, refused]).await?;
        let draft = context.draft(AuditAction::RecordsImported, ObjectKind::Import, id, None);
        let draft = draft.about(ObjectKind::Collection, import.collection_id.0);
        let draft = draft.with("format", import.format).with("found", import.found);
        let draft = draft.with("created", created).with("updated", updated);
        tx.audit(draft.with("skipped", skipped).with("refused", refused));
        tx.commit().await
    }

    async fn create_imported<'a>(
        &self,
        tx: &mut Tx,
        context: &Context,
        import: &Import,
        number: u64,
        step: &'a ImportStep<'_>,
    ) -> Result<Option<(Made, Option<&'a str>)>, StoreError> {
        let ImportStep::Create {
            path,
            record_type,
            fields,
            tags: labels,
            ask_again,
            is_trashed,
            history,
            created_us,
            updated_us,
            source,
        } = step
        else {
            return Ok(None);
        };
        // A date of another clock may lie ahead of this one.
        let told = |us: &Option<i64>| us.map_or(context.now_us, |us| us.min(context.now_us));
        let (created_us, saved_us) = (told(created_us), told(updated_us));
        let collection_id = import.collection_id;
        let record = Record {
            id: RecordId(vaultterm_sync::new_id()),
            collection_id,
            path: path.clone(),
            record_type: *record_type,
            field_names: Vec::new(),
            tags: tags(labels.to_vec())?,
            revision: Revision(history.len() as u64 + 1),
            inject_only: false,
            ask_again: *ask_again,
            created_us,
            updated_us: context.now_us,
            deleted_us: is_trashed.then_some(context.now_us),
            sync: Vec::new(),
        };
        let inserted = tx.run(
            "INSERT INTO records (id, collection_id, path, path_folded, record_type, field_names, tags, inject_only,
                                  revision, created_us, updated_us, updated_by, deleted_us, change_number, ask_again)
             VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $13, $9, NULL, $10, $11, $12)",
            args![
                record.id,
                collection_id,
                &record.path,
                folded(record.path.as_str()),
                record.record_type,
                field_names(fields),
                joined(&record.tags),
                record.revision,
                context.now_us,
                record.deleted_us,
                number,
                record.ask_again,
                created_us,
            ],
        );
        inserted.await.map_err(|error| taken(error, "record", record.path.as_str()))?;
        let past = history.iter().map(|past| (&past.fields, past.at_us.unwrap_or(context.now_us)));
        for (revision, (fields, now_us)) in (1..).map(Revision).zip(past.chain([(*fields, saved_us)])) {
            let new = NewRevision {
                collection_id,
                record_id: record.id,
                revision,
                path: &record.path,
                record_type: record.record_type,
                fields,
                origin: Origin::Person,
                actor: &context.actor.name,
                now_us,
            };
            new.insert(tx, &self.keyring).await?;
        }
        let draft = about(context, AuditAction::RecordCreated, &record).about(ObjectKind::Import, import.id);
        tx.audit(draft.with_maybe("state", is_trashed.then_some("trash")));
        Ok(Some((Made { record: record.id, revision: record.revision, can_be_undone: !is_trashed }, source.as_deref())))
    }

    async fn update_imported<'a>(
        &self,
        tx: &mut Tx,
        context: &Context,
        import: &Import,
        step: &'a ImportStep<'_>,
    ) -> Result<Option<(Made, Option<&'a str>)>, StoreError> {
        let ImportStep::Update { record, revision, fields, tags: labels, source } = step else { return Ok(None) };
        let before = locked(tx, *record).await?;
        guard(&before, *revision)?;
        let held = self.open_revision(tx, *record, *revision).await?;
        let mut wanted = held.duplicate();
        for (name, value) in fields.expose() {
            wanted.insert(name.clone(), value.clone());
        }
        wanted.check_change(&[&held])?;
        let labels = tags(before.tags.iter().chain(labels.iter()).cloned().collect())?;
        let after = self.save(tx, context, Record { tags: labels, ..before }, &wanted).await?;
        let draft = about(context, AuditAction::RecordUpdated, &after).about(ObjectKind::Import, import.id);
        tx.audit(draft.with("changed", "fields"));
        Ok(Some((Made { record: after.id, revision: after.revision, can_be_undone: false }, source.as_deref())))
    }
}

/// A record that the import made or changed.
struct Made {
    record: RecordId,
    revision: Revision,
    /// It is new, and not in the trash already.
    can_be_undone: bool,
}

/// Remembers what the import did: for undoing it, and for recognising the item when it comes again.
async fn remember(
    tx: &mut Tx,
    store: &Store,
    import: &Import,
    made: Made,
    source: Option<&str>,
) -> Result<(), StoreError> {
    if made.can_be_undone {
        let sql = "INSERT INTO import_records (import_id, record_id, revision) VALUES ($1, $2, $3)";
        tx.run(sql, args![import.id, made.record, made.revision]).await?;
    }
    let Some(source) = source else { return Ok(()) };
    let sql = "INSERT INTO import_sources (collection_id, source, record_id) VALUES ($1, $2, $3)
               ON CONFLICT (collection_id, source) DO UPDATE SET record_id = excluded.record_id";
    let source = store.source_digest(import.collection_id, source);
    tx.run(sql, args![import.collection_id, source, made.record]).await.map(drop)
}

impl Store {
    /// Returns the digest under which an item of another program is remembered in a collection.
    pub(super) fn source_digest(&self, collection: CollectionId, source: &str) -> [u8; 32] {
        self.keyring.digest_key().digest(format!("import source\n{}\n{source}", collection.0).as_bytes())
    }
}
