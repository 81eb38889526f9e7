//! Changes and reveals records. Every change makes a new revision, and old revisions stay.

use vaultterm_ledger::{AuditAction, Draft, ObjectKind};
use vaultterm_reconcile::{RecordId, Revision, visible};
use vaultterm_sealing::SecretFields;
use vaultterm_sync::{CollectionId, Origin};

use crate::{
    Context, NewRecord, Record, RecordPatch, Store, StoreError,
    collections::next_change,
    context::Facts as _,
    records::record,
    revisions::{self, NewRevision, field_names},
    shelves::folded,
    sql::{Tx, args, json, taken},
};

/// The maximum number of labels of a record, and of characters of a label.
const TAGS_MAX: usize = 32;
const TAG_CHARS_MAX: usize = 64;

/// Whether the person who asks for values proved a short while ago who they are. An API token counts as proved,
/// because nobody is there to give a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proving {
    /// The proof is fresh.
    Fresh,
    /// The proof is too old.
    Stale,
}

/// What a person or a program takes out of a record.
struct Taking<'a> {
    action: AuditAction,
    /// The newest revision if `None`.
    revision: Option<Revision>,
    /// All fields if `None`.
    fields: Option<&'a [String]>,
    proving: Proving,
    /// Adds to the audit entry what only this way of taking has.
    told: &'a (dyn Fn(Draft) -> Draft + Sync),
}

impl Store {
    /// Creates a record (`RECORD_CREATED`).
    ///
    /// # Errors
    /// [`StoreError::Exists`] if the path is taken.
    pub async fn create_record(
        &self,
        context: &Context,
        collection_id: CollectionId,
        new: NewRecord,
    ) -> Result<Record, StoreError> {
        let record = Record {
            id: RecordId(vaultterm_sync::new_id()),
            collection_id,
            path: new.path,
            record_type: new.record_type,
            field_names: new.fields.names().map(str::to_owned).collect(),
            tags: tags(new.tags)?,
            revision: Revision::FIRST,
            inject_only: new.inject_only,
            ask_again: new.ask_again,
            created_us: context.now_us,
            updated_us: context.now_us,
            deleted_us: None,
            sync: Vec::new(),
        };
        let mut tx = self.db.write().await?;
        let number = next_change(&mut tx, collection_id).await?;
        let inserted = tx.run(
            "INSERT INTO records (id, collection_id, path, path_folded, record_type, field_names, tags, inject_only,
                                  revision, created_us, updated_us, updated_by, deleted_us, change_number, ask_again)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9, $9, NULL, NULL, $10, $11)",
            args![
                record.id,
                collection_id,
                &record.path,
                folded(record.path.as_str()),
                record.record_type,
                field_names(&new.fields),
                joined(&record.tags),
                record.inject_only,
                context.now_us,
                number,
                record.ask_again,
            ],
        );
        inserted.await.map_err(|error| taken(error, "record", record.path.as_str()))?;
        self.insert_revision(&mut tx, context, &record, &new.fields).await?;
        tx.audit(about(context, AuditAction::RecordCreated, &record));
        tx.commit().await?;
        self.with_sync(record).await
    }

    /// Changes a record (`RECORD_UPDATED`). Makes one new revision, or none if nothing changes.
    ///
    /// # Errors
    /// [`StoreError::Stale`], [`StoreError::Exists`]; [`StoreError::Refused`] for a trashed record;
    /// [`StoreError::Fields`] if the patched record is too large.
    pub async fn update_record(
        &self,
        context: &Context,
        id: RecordId,
        expect: Revision,
        patch: RecordPatch,
    ) -> Result<Record, StoreError> {
        let new_tags = patch.tags.map(tags).transpose()?;
        let mut tx = self.db.write().await?;
        let before = locked(&mut tx, id).await?;
        guard(&before, expect)?;
        let held = self.open_revision(&mut tx, id, expect).await?;
        let mut fields = held.duplicate();
        for name in &patch.remove_fields {
            fields.remove(name);
        }
        for (name, value) in patch.fields.iter().flat_map(SecretFields::expose) {
            fields.insert(name.clone(), value.clone());
        }
        fields.check_change(&[&held])?;
        let after = Record {
            path: patch.path.unwrap_or_else(|| before.path.clone()),
            record_type: patch.record_type.unwrap_or(before.record_type),
            tags: new_tags.unwrap_or_else(|| before.tags.clone()),
            inject_only: patch.inject_only.unwrap_or(before.inject_only),
            ask_again: patch.ask_again.unwrap_or(before.ask_again),
            ..before.clone()
        };
        let changed = self.changed(&before, &held, &after, &fields);
        if changed.is_empty() {
            return self.with_sync(before).await;
        }
        let after = self.save(&mut tx, context, after, &fields).await?;
        let draft = about(context, AuditAction::RecordUpdated, &after).with("changed", changed.join(" "));
        let renamed = (after.path != before.path).then_some(&before.path);
        tx.audit(draft.with_maybe("renamed_from", renamed));
        tx.commit().await?;
        self.with_sync(after).await
    }

    /// Moves a record to the trash (`RECORD_DELETED`).
    ///
    /// # Errors
    /// [`StoreError::Stale`]; [`StoreError::Refused`] if the record is in the trash already.
    pub async fn trash_record(
        &self,
        context: &Context,
        id: RecordId,
        expect: Option<Revision>,
    ) -> Result<Record, StoreError> {
        let mut tx = self.db.write().await?;
        let after = self.trash_in(&mut tx, context, id, expect).await?;
        tx.commit().await?;
        self.with_sync(after).await
    }

    /// Moves a record to the trash in a transaction that others may share.
    pub(crate) async fn trash_in(
        &self,
        tx: &mut Tx,
        context: &Context,
        id: RecordId,
        expect: Option<Revision>,
    ) -> Result<Record, StoreError> {
        let before = locked(tx, id).await?;
        guard(&before, expect.unwrap_or(before.revision))?;
        let now_us = context.now_us;
        let number = next_change(tx, before.collection_id).await?;
        let sql = "UPDATE records SET deleted_us = $2, updated_us = $2, updated_by = NULL, change_number = $3
                   WHERE id = $1";
        tx.run(sql, args![id, now_us, number]).await?;
        tx.audit(about(context, AuditAction::RecordDeleted, &before));
        Ok(Record { deleted_us: Some(now_us), updated_us: now_us, ..before })
    }

    /// Makes a new revision with the values and the type of an old one, or of the newest one if none is given
    /// (`RECORD_RESTORED`). Takes the record out of the trash if needed. The path, the labels and the
    /// settings stay. A live record that would not change stays as it is.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if another record has the path.
    pub async fn restore_record(
        &self,
        context: &Context,
        id: RecordId,
        revision: Option<Revision>,
    ) -> Result<Record, StoreError> {
        let mut tx = self.db.write().await?;
        let before = locked(&mut tx, id).await?;
        let revision = revision.unwrap_or(before.revision);
        if before.deleted_us.is_none() && revision == before.revision {
            return self.with_sync(before).await;
        }
        let row = tx.one(revisions::REVISION, args![id, revision]).await?;
        let row = row.ok_or(StoreError::NotFound("revision"))?;
        let fields = revisions::open(&self.keyring, &row)?;
        let after = Record { record_type: row.record_type()?, deleted_us: None, ..before };
        let after = self.save(&mut tx, context, after, &fields).await?;
        tx.audit(about(context, AuditAction::RecordRestored, &after).with("restored_revision", revision.0));
        tx.commit().await?;
        self.with_sync(after).await
    }

    /// Shows values to a person (`RECORD_REVEALED`, committed before the answer). It is an error if the
    /// revision lacks one of the names in `fields`, so that the answer is never partial.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for the record or the revision; [`StoreError::Invalid`], which names the
    /// missing field; [`StoreError::InjectOnly`]; [`StoreError::AskAgain`] without a fresh proof.
    pub async fn reveal_record(
        &self,
        context: &Context,
        id: RecordId,
        revision: Option<Revision>,
        fields: Option<&[String]>,
        reason: Option<&str>,
        proving: Proving,
    ) -> Result<SecretFields, StoreError> {
        let told = |draft: Draft| draft.with_maybe("reason", reason);
        let taking = Taking { action: AuditAction::RecordRevealed, revision, fields, proving, told: &told };
        self.take_out(context, id, taking).await
    }

    /// Shows the values of many records to a person, all of one moment. Each record has its own `RECORD_REVEALED`, and all
    /// are committed before the answer. A record that only programs may get is returned without values.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::AskAgain`] without a fresh proof.
    pub async fn reveal_records(
        &self,
        context: &Context,
        ids: &[RecordId],
        reason: Option<&str>,
        proving: Proving,
    ) -> Result<Vec<(Record, Option<SecretFields>)>, StoreError> {
        let mut tx = self.db.write().await?;
        let mut shown = Vec::with_capacity(ids.len());
        for id in ids {
            let record = locked(&mut tx, *id).await?;
            match may_be_seen(&record, proving) {
                Ok(()) => {}
                Err(StoreError::InjectOnly { .. }) => {
                    shown.push((record, None));
                    continue;
                }
                Err(error) => return Err(error),
            }
            let fields = self.open_revision(&mut tx, *id, record.revision).await?;
            let names: Vec<&str> = fields.names().collect();
            let draft = about(context, AuditAction::RecordRevealed, &record).with("fields", json(&names));
            tx.audit(draft.with("together_with", ids.len() - 1).with_maybe("reason", reason));
            shown.push((record, Some(fields)));
        }
        tx.commit().await?;
        Ok(shown)
    }

    /// Returns values of the newest revision for the program that `into` names (`RECORD_INJECTED`, committed
    /// before the answer).
    ///
    /// # Errors
    /// The same as for [`Store::reveal_record`].
    pub async fn inject_record(
        &self,
        context: &Context,
        id: RecordId,
        fields: Option<&[String]>,
        into: Option<&str>,
        reason: Option<&str>,
    ) -> Result<SecretFields, StoreError> {
        let told = |draft: Draft| draft.with_maybe("into", into).with_maybe("reason", reason);
        // A program gets the values whatever the record asks of people.
        let proving = Proving::Fresh;
        let taking = Taking { action: AuditAction::RecordInjected, revision: None, fields, proving, told: &told };
        self.take_out(context, id, taking).await
    }

    async fn take_out(&self, context: &Context, id: RecordId, taking: Taking<'_>) -> Result<SecretFields, StoreError> {
        let Taking { action, revision, fields, proving, told } = taking;
        let mut tx = self.db.write().await?;
        let record = locked(&mut tx, id).await?;
        if action == AuditAction::RecordRevealed {
            may_be_seen(&record, proving)?;
        }
        let revision = revision.unwrap_or(record.revision);
        let held = self.open_revision(&mut tx, id, revision).await?;
        let taken = match fields {
            None => held,
            Some(names) => only(&held, names)?,
        };
        let names: Vec<&str> = taken.names().collect();
        let draft = about(context, action, &record).with("revision", revision.0).with("fields", json(&names));
        tx.audit(told(draft));
        tx.commit().await?;
        Ok(taken)
    }

    pub(crate) async fn open_revision(
        &self,
        tx: &mut Tx,
        id: RecordId,
        revision: Revision,
    ) -> Result<SecretFields, StoreError> {
        let row = tx.one(revisions::REVISION, args![id, revision]).await?;
        revisions::open(&self.keyring, &row.ok_or(StoreError::NotFound("revision"))?)
    }

    async fn insert_revision(
        &self,
        tx: &mut Tx,
        context: &Context,
        record: &Record,
        fields: &SecretFields,
    ) -> Result<(), StoreError> {
        let revision = NewRevision {
            collection_id: record.collection_id,
            record_id: record.id,
            revision: record.revision,
            path: &record.path,
            record_type: record.record_type,
            fields,
            origin: Origin::Person,
            actor: &context.actor.name,
            now_us: context.now_us,
        };
        revision.insert(tx, &self.keyring).await
    }

    /// Stores `after` as the next revision. Its number is still that of the previous revision.
    pub(crate) async fn save(
        &self,
        tx: &mut Tx,
        context: &Context,
        after: Record,
        fields: &SecretFields,
    ) -> Result<Record, StoreError> {
        let after = Record {
            revision: after.revision.next(),
            updated_us: context.now_us,
            field_names: fields.names().map(str::to_owned).collect(),
            ..after
        };
        let number = next_change(tx, after.collection_id).await?;
        let updated = tx.run(
            "UPDATE records SET path = $2, path_folded = $3, record_type = $4, field_names = $5, tags = $6,
                                inject_only = $7, revision = $8, updated_us = $9, updated_by = NULL, deleted_us = NULL,
                                change_number = $10, ask_again = $11
             WHERE id = $1",
            args![
                after.id,
                &after.path,
                folded(after.path.as_str()),
                after.record_type,
                field_names(fields),
                joined(&after.tags),
                after.inject_only,
                after.revision,
                after.updated_us,
                number,
                after.ask_again,
            ],
        );
        updated.await.map_err(|error| taken(error, "record", after.path.as_str()))?;
        self.insert_revision(tx, context, &after, fields).await?;
        Ok(after)
    }

    /// Returns the names of the changed parts, for the audit log.
    fn changed(
        &self,
        before: &Record,
        held: &SecretFields,
        after: &Record,
        fields: &SecretFields,
    ) -> Vec<&'static str> {
        let key = self.keyring.digest_key();
        let differs = [
            ("path", before.path != after.path),
            ("type", before.record_type != after.record_type),
            ("tags", before.tags != after.tags),
            ("inject_only", before.inject_only != after.inject_only),
            ("ask_again", before.ask_again != after.ask_again),
            ("fields", held.content(key) != fields.content(key)),
        ];
        differs.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
    }
}

/// Finds a record in order to change it.
pub(crate) async fn locked(tx: &mut Tx, id: RecordId) -> Result<Record, StoreError> {
    let row = tx.one("SELECT * FROM records WHERE id = $1", args![id]).await?;
    record(&row.ok_or(StoreError::NotFound("record"))?)
}

/// Refuses a record whose values only programs may get, and one that asks again without a fresh proof.
pub(crate) fn may_be_seen(record: &Record, proving: Proving) -> Result<(), StoreError> {
    let collection = record.collection_id;
    if record.inject_only {
        return Err(StoreError::InjectOnly { collection });
    }
    if record.ask_again && proving == Proving::Stale {
        return Err(StoreError::AskAgain { collection });
    }
    Ok(())
}

pub(crate) fn guard(record: &Record, expect: Revision) -> Result<(), StoreError> {
    if record.deleted_us.is_some() {
        return Err(StoreError::Refused("the record is in the trash: restore it first".to_owned()));
    }
    if record.revision != expect {
        return Err(StoreError::Stale { what: "record", current: record.revision.0, expected: expect.0 });
    }
    Ok(())
}

/// Returns the fields with these names.
fn only(held: &SecretFields, names: &[String]) -> Result<SecretFields, StoreError> {
    let mut shown = SecretFields::new();
    for name in names {
        let value = held.expose().get(name);
        let value = value.ok_or_else(|| StoreError::invalid("fields", format!("the record has no field `{name}`")))?;
        shown.insert(name.clone(), value.clone());
    }
    Ok(shown)
}

pub(crate) fn about(context: &Context, action: AuditAction, record: &Record) -> vaultterm_ledger::Draft {
    context
        .draft(action, ObjectKind::Record, record.id.0, Some(record.path.as_str()))
        .about(ObjectKind::Collection, record.collection_id.0)
        .with("revision", record.revision.0)
}

/// Sorts labels and refuses invalid ones.
pub(crate) fn tags(mut tags: Vec<String>) -> Result<Vec<String>, StoreError> {
    tags.sort_unstable();
    tags.dedup();
    let odd =
        |tag: &&String| tag.is_empty() || tag.chars().count() > TAG_CHARS_MAX || tag.chars().any(char::is_control);
    if let Some(tag) = tags.iter().find(odd) {
        let start: String = tag.chars().take(TAG_CHARS_MAX).collect();
        let why = format!("a tag has 1 to {TAG_CHARS_MAX} printable characters, unlike `{}`", visible(&start));
        return Err(StoreError::invalid("tags", why));
    }
    if tags.len() > TAGS_MAX {
        let why = format!("a record has at most {TAGS_MAX} tags, this one has {}", tags.len());
        return Err(StoreError::invalid("tags", why));
    }
    Ok(tags)
}

/// Returns labels in the form for searching: each between newlines, which no label contains.
pub(crate) fn joined(tags: &[String]) -> String {
    if tags.is_empty() { String::new() } else { format!("\n{}\n", tags.join("\n")) }
}

#[cfg(test)]
mod tests;
