//! Changing and revealing records. Every change is a new revision; nothing old is lost.

use uuid::Uuid;
use vaultterm_ledger::{Action, Draft, ObjectKind};
use vaultterm_reconcile::{RecordId, Revision};
use vaultterm_sealing::SecretFields;
use vaultterm_sync::{CollectionId, Origin};

use crate::{
    Context, NewRecord, Record, RecordPatch, Store, StoreError,
    context::Facts as _,
    records::{folded, record},
    revisions::{self, NewRevision, field_names},
    sql::{Tx, args, taken},
};

/// Labels of a record, and characters of one.
const TAGS_MAX: usize = 32;
const TAG_CHARS_MAX: usize = 64;

impl Store {
    /// Creates a record (`RECORD_CREATED`).
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the path is taken.
    pub async fn create_record(
        &self,
        context: &Context,
        collection_id: CollectionId,
        new: NewRecord,
    ) -> Result<Record, StoreError> {
        let record = Record {
            id: RecordId(Uuid::now_v7()),
            collection_id,
            path: new.path,
            record_type: new.record_type,
            field_names: new.fields.names().map(str::to_owned).collect(),
            tags: tags(new.tags)?,
            revision: Revision::FIRST,
            inject_only: new.inject_only,
            created_us: context.now_us,
            updated_us: context.now_us,
            deleted_us: None,
            sync: Vec::new(),
        };
        let mut tx = self.db.write().await?;
        let inserted = tx.run(
            "INSERT INTO records (id, collection_id, path, path_folded, record_type, field_names, tags, inject_only,
                                  revision, created_us, updated_us, updated_by, deleted_us)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9, $9, NULL, NULL)",
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
            ],
        );
        inserted.await.map_err(|error| taken(error, "record", record.path.as_str()))?;
        self.insert_revision(&mut tx, context, &record, &new.fields).await?;
        tx.audit(about(context, Action::RecordCreated, &record));
        tx.commit().await?;
        self.with_sync(record).await
    }

    /// Changes a record (`RECORD_UPDATED`): one new revision, or none when nothing changes.
    ///
    /// # Errors
    /// [`StoreError::Stale`], [`StoreError::Exists`]; [`StoreError::Refused`] for a trashed
    /// record; [`StoreError::Fields`] when the patched record is too large.
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
        fields.check_limits()?;
        let after = Record {
            path: patch.path.unwrap_or_else(|| before.path.clone()),
            record_type: patch.record_type.unwrap_or(before.record_type),
            tags: new_tags.unwrap_or_else(|| before.tags.clone()),
            inject_only: patch.inject_only.unwrap_or(before.inject_only),
            ..before.clone()
        };
        let changed = self.changed(&before, &held, &after, &fields);
        if changed.is_empty() {
            return self.with_sync(before).await;
        }
        let after = self.save(&mut tx, context, after, &fields).await?;
        let draft = about(context, Action::RecordUpdated, &after).with("changed", changed.join(" "));
        let renamed = (after.path != before.path).then_some(&before.path);
        tx.audit(draft.with_maybe("renamed_from", renamed));
        tx.commit().await?;
        self.with_sync(after).await
    }

    /// Moves a record to the trash (`RECORD_DELETED`).
    ///
    /// # Errors
    /// [`StoreError::Stale`]; [`StoreError::Refused`] when it is there already.
    pub async fn trash_record(
        &self,
        context: &Context,
        id: RecordId,
        expect: Option<Revision>,
    ) -> Result<Record, StoreError> {
        let mut tx = self.db.write().await?;
        let before = locked(&mut tx, id).await?;
        guard(&before, expect.unwrap_or(before.revision))?;
        let now_us = context.now_us;
        let sql = "UPDATE records SET deleted_us = $2, updated_us = $2, updated_by = NULL WHERE id = $1";
        tx.run(sql, args![id, now_us]).await?;
        tx.audit(about(context, Action::RecordDeleted, &before));
        tx.commit().await?;
        self.with_sync(Record { deleted_us: Some(now_us), updated_us: now_us, ..before }).await
    }

    /// Makes the values and type of an old revision (the newest, without one) the next one, out
    /// of the trash if need be (`RECORD_RESTORED`). Path, labels and settings stay as they are.
    /// A live record that would not change stays as it is.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the path is taken by another record.
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
        tx.audit(about(context, Action::RecordRestored, &after).with("restored_revision", revision.0));
        tx.commit().await?;
        self.with_sync(after).await
    }

    /// Shows values to a person (`RECORD_REVEALED`, committed before the answer). Names in `fields`
    /// that the revision lacks are an error, so that nothing is half shown.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for the record or revision; [`StoreError::Refused`] names the
    /// field that is not there.
    pub async fn reveal_record(
        &self,
        context: &Context,
        id: RecordId,
        revision: Option<Revision>,
        fields: Option<&[String]>,
        reason: Option<&str>,
    ) -> Result<SecretFields, StoreError> {
        let told = |draft: Draft| draft.with_maybe("reason", reason);
        self.take_out(context, id, (revision, fields), (Action::RecordRevealed, &told)).await
    }

    /// Takes values of the newest revision out for a program (`RECORD_INJECTED`, committed before
    /// the answer), which `into` names.
    ///
    /// # Errors
    /// As [`Store::reveal_record`].
    pub async fn inject_record(
        &self,
        context: &Context,
        id: RecordId,
        fields: Option<&[String]>,
        (into, reason): (Option<&str>, Option<&str>),
    ) -> Result<SecretFields, StoreError> {
        let told = |draft: Draft| draft.with_maybe("into", into).with_maybe("reason", reason);
        self.take_out(context, id, (None, fields), (Action::RecordInjected, &told)).await
    }

    async fn take_out(
        &self,
        context: &Context,
        id: RecordId,
        (revision, fields): (Option<Revision>, Option<&[String]>),
        (action, told): (Action, &(dyn Fn(Draft) -> Draft + Sync)),
    ) -> Result<SecretFields, StoreError> {
        let mut tx = self.db.write().await?;
        let record = locked(&mut tx, id).await?;
        let revision = revision.unwrap_or(record.revision);
        let held = self.open_revision(&mut tx, id, revision).await?;
        let taken = match fields {
            None => held,
            Some(names) => only(&held, names)?,
        };
        let names: Vec<&str> = taken.names().collect();
        let draft = about(context, action, &record).with("revision", revision.0).with("fields", names.join(" "));
        tx.audit(told(draft));
        tx.commit().await?;
        Ok(taken)
    }

    async fn open_revision(&self, tx: &mut Tx, id: RecordId, revision: Revision) -> Result<SecretFields, StoreError> {
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

    /// Makes `after`, whose number is still that of the revision before, the next revision.
    async fn save(
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
        let updated = tx.run(
            "UPDATE records SET path = $2, path_folded = $3, record_type = $4, field_names = $5, tags = $6,
                                inject_only = $7, revision = $8, updated_us = $9, updated_by = NULL, deleted_us = NULL
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
            ],
        );
        updated.await.map_err(|error| taken(error, "record", after.path.as_str()))?;
        self.insert_revision(tx, context, &after, fields).await?;
        Ok(after)
    }

    /// Names what differs, for the audit.
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
            ("fields", held.content(key) != fields.content(key)),
        ];
        differs.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
    }
}

/// Finds a record to change.
async fn locked(tx: &mut Tx, id: RecordId) -> Result<Record, StoreError> {
    let row = tx.one("SELECT * FROM records WHERE id = $1", args![id]).await?;
    record(&row.ok_or(StoreError::NotFound("record"))?)
}

fn guard(record: &Record, expect: Revision) -> Result<(), StoreError> {
    if record.deleted_us.is_some() {
        return Err(StoreError::Refused("the record is in the trash: restore it first".to_owned()));
    }
    if record.revision != expect {
        return Err(StoreError::Stale { what: "record", current: record.revision.0, expected: expect.0 });
    }
    Ok(())
}

/// Picks fields by name.
fn only(held: &SecretFields, names: &[String]) -> Result<SecretFields, StoreError> {
    let mut shown = SecretFields::new();
    for name in names {
        let value = held.expose().get(name);
        let value = value.ok_or_else(|| StoreError::Refused(format!("the record has no field `{name}`")))?;
        shown.insert(name.clone(), value.clone());
    }
    Ok(shown)
}

fn about(context: &Context, action: Action, record: &Record) -> vaultterm_ledger::Draft {
    context
        .draft(action, ObjectKind::Record, record.id.0, Some(record.path.as_str()))
        .about(ObjectKind::Collection, record.collection_id.0)
        .with("revision", record.revision.0)
}

/// Sorts labels and refuses what is none.
fn tags(mut tags: Vec<String>) -> Result<Vec<String>, StoreError> {
    tags.sort_unstable();
    tags.dedup();
    let odd =
        |tag: &&String| tag.is_empty() || tag.chars().count() > TAG_CHARS_MAX || tag.chars().any(char::is_control);
    if let Some(tag) = tags.iter().find(odd) {
        let shown: String = tag.chars().filter(|c| !c.is_control()).take(TAG_CHARS_MAX).collect();
        let why = format!("a tag has 1 to {TAG_CHARS_MAX} printable characters: `{shown}` has not");
        return Err(StoreError::Refused(why));
    }
    if tags.len() > TAGS_MAX {
        return Err(StoreError::Refused(format!("a record has at most {TAGS_MAX} tags, this one has {}", tags.len())));
    }
    Ok(tags)
}

/// Writes labels as they are searched: between newlines, which no label holds.
fn joined(tags: &[String]) -> String {
    if tags.is_empty() { String::new() } else { format!("\n{}\n", tags.join("\n")) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vaultterm_ledger::Action;
    use vaultterm_reconcile::{RecordId, RecordType, Revision};

    use crate::{
        ErrorClass, NewRecord, Page, RecordPatch, StoreError,
        sql::args,
        testing::{House, at, fields, new_record},
    };

    async fn shown(house: &House, id: RecordId, revision: Option<u64>) -> String {
        let revision = revision.map(Revision);
        let shown = house.store.reveal_record(&house.ann(), id, revision, None, None).await.unwrap();
        String::from_utf8(shown.to_json().expose().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_live_path_is_taken_and_a_trashed_one_is_not() {
        let house = House::new().await;
        let first = house.save("a/b", json!({"x": 1})).await.unwrap();
        assert_eq!(house.save("a/b", json!({"x": 2})).await.unwrap_err().to_string(), "record `a/b` exists already");
        house.save("a", json!({"x": 3})).await.unwrap();
        house.store.trash_record(&house.ann(), first.id, Some(Revision(1))).await.unwrap();
        let second = house.save("a/b", json!({"x": 4})).await.unwrap();
        let restored = house.store.restore_record(&house.ann(), first.id, None).await.unwrap_err();
        assert_eq!(restored.class(), ErrorClass::Exists);
        let found = house.store.record_by_path(house.collection, &at("a/b")).await.unwrap().unwrap();
        assert_eq!(found.id, second.id);
    }

    #[tokio::test]
    async fn every_revision_is_kept() {
        let house = House::new().await;
        let record = house.save("db", json!({"user": "a", "password": "one", "old": true})).await.unwrap();
        let patch = RecordPatch {
            fields: Some(fields(json!({"password": "two"}))),
            remove_fields: vec!["old".to_owned(), "never was".to_owned()],
            record_type: Some(RecordType::Password),
            ..RecordPatch::default()
        };
        let record = house.store.update_record(&house.ann(), record.id, Revision(1), patch).await.unwrap();
        assert_eq!((record.revision, record.record_type), (Revision(2), RecordType::Password));
        assert_eq!(record.field_names, ["password", "user"]);
        assert_eq!(shown(&house, record.id, None).await, r#"{"password":"two","user":"a"}"#);
        assert_eq!(shown(&house, record.id, Some(1)).await, r#"{"old":true,"password":"one","user":"a"}"#);

        let restored = house.store.restore_record(&house.ann(), record.id, Some(Revision(1))).await.unwrap();
        assert_eq!((restored.revision, restored.record_type), (Revision(3), RecordType::KeyValue));
        assert_eq!(shown(&house, record.id, None).await, shown(&house, record.id, Some(1)).await);
        let revisions = house.store.revisions(record.id, &Page { limit: 2, cursor: None }).await.unwrap();
        assert_eq!(revisions.items.iter().map(|info| info.revision.0).collect::<Vec<_>>(), [3, 2]);
        let page = Page { limit: 2, cursor: revisions.next_cursor };
        let oldest = house.store.revisions(record.id, &page).await.unwrap();
        assert_eq!((oldest.items[0].revision, oldest.items[0].origin), (Revision(1), "person"));
        assert_eq!((oldest.items[0].actor.as_str(), oldest.next_cursor), ("ann@example.com", None));
    }

    #[tokio::test]
    async fn a_patch_that_changes_nothing_is_no_revision() {
        let house = House::new().await;
        let record = house.save("db", json!({"n": 1, "o": {"a": 1, "b": 2}})).await.unwrap();
        let patch = RecordPatch {
            fields: Some(fields(json!({"n": 1.0, "o": {"b": 2, "a": 1}}))),
            path: Some(at("db")),
            tags: Some(Vec::new()),
            ..RecordPatch::default()
        };
        let same = house.store.update_record(&house.ann(), record.id, Revision(1), patch).await.unwrap();
        assert_eq!(same.revision, Revision(1));
        assert!(!house.audited().await.contains(&Action::RecordUpdated));
    }

    #[tokio::test]
    async fn an_update_on_an_old_revision_changes_nothing() {
        let house = House::new().await;
        let record = house.save("db", json!({"x": 1})).await.unwrap();
        let patch = |x: i32| RecordPatch { fields: Some(fields(json!({ "x": x }))), ..RecordPatch::default() };
        house.store.update_record(&house.ann(), record.id, Revision(1), patch(2)).await.unwrap();
        let stale = house.store.update_record(&house.ann(), record.id, Revision(1), patch(3)).await.unwrap_err();
        assert!(matches!(stale, StoreError::Stale { what: "record", current: 2, expected: 1 }));
        let stale = house.store.trash_record(&house.ann(), record.id, Some(Revision(1))).await.unwrap_err();
        assert_eq!(stale.class(), ErrorClass::Stale);
        assert_eq!(shown(&house, record.id, None).await, r#"{"x":2}"#);
    }

    #[tokio::test]
    async fn a_trashed_record_comes_back_as_a_new_revision() {
        let house = House::new().await;
        let record = house.save("db", json!({"x": 1})).await.unwrap();
        let trashed = house.store.trash_record(&house.ann(), record.id, None).await.unwrap();
        assert!(trashed.deleted_us.is_some());
        let refused = [
            house.store.trash_record(&house.ann(), record.id, None).await,
            house.store.update_record(&house.ann(), record.id, Revision(1), RecordPatch::default()).await,
        ];
        for error in refused {
            assert_eq!(error.unwrap_err().class(), ErrorClass::Refused);
        }
        let restored = house.store.restore_record(&house.ann(), record.id, None).await.unwrap();
        assert_eq!((restored.revision, restored.deleted_us), (Revision(2), None));
        assert_eq!(shown(&house, record.id, None).await, r#"{"x":1}"#);
    }

    #[tokio::test]
    async fn a_rename_is_a_revision_and_respects_taken_paths() {
        let house = House::new().await;
        let record = house.save("a", json!({"x": 1})).await.unwrap();
        house.save("b", json!({"x": 2})).await.unwrap();
        let to = |path: &str| RecordPatch { path: Some(at(path)), ..RecordPatch::default() };
        let taken = house.store.update_record(&house.ann(), record.id, Revision(1), to("b")).await.unwrap_err();
        assert_eq!(taken.class(), ErrorClass::Exists);
        let renamed = house.store.update_record(&house.ann(), record.id, Revision(1), to("c")).await.unwrap();
        assert_eq!((renamed.path.as_str(), renamed.revision), ("c", Revision(2)));
        assert_eq!(shown(&house, record.id, None).await, r#"{"x":1}"#);
    }

    #[tokio::test]
    async fn a_patch_cannot_grow_a_record_beyond_its_limits() {
        let house = House::new().await;
        let record = house.save("a", json!({"x": "y".repeat(500_000)})).await.unwrap();
        let patch = RecordPatch { fields: Some(fields(json!({"z": "y".repeat(500_000)}))), ..RecordPatch::default() };
        let refused = house.store.update_record(&house.ann(), record.id, Revision(1), patch).await.unwrap_err();
        assert!(matches!(refused, StoreError::Fields(_)), "{refused}");
    }

    #[tokio::test]
    async fn odd_labels_are_refused() {
        let house = House::new().await;
        for tag in ["", "a\nb", &"x".repeat(65)] {
            let new = NewRecord { tags: vec![tag.to_owned()], ..new_record("a", json!({})) };
            let refused = house.store.create_record(&house.ann(), house.collection, new).await.unwrap_err();
            assert_eq!(refused.class(), ErrorClass::Refused);
        }
    }

    #[tokio::test]
    async fn a_reveal_shows_what_was_asked_for_or_nothing() {
        let house = House::new().await;
        let record = house.save("a", json!({"x": 1, "y": 2})).await.unwrap();
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let reveal = async |names: Vec<String>| {
            house.store.reveal_record(&house.ann(), record.id, None, Some(&names), Some("on call")).await
        };
        assert_eq!(reveal(names(&["y"])).await.unwrap().to_json().expose(), br#"{"y":2}"#);
        assert!(reveal(names(&["y", "z"])).await.is_err());
        let revealed = house.audited().await.iter().filter(|action| **action == Action::RecordRevealed).count();
        assert_eq!(revealed, 1);
    }

    #[tokio::test]
    async fn nothing_is_revealed_that_cannot_be_audited() {
        let house = House::new().await;
        let record = house.save("a", json!({"x": 1})).await.unwrap();
        let mut tx = house.store.db.write().await.unwrap();
        tx.run("ALTER TABLE audit RENAME TO gone", args![]).await.unwrap();
        tx.commit().await.unwrap();
        let revealed = house.store.reveal_record(&house.ann(), record.id, None, None, None).await;
        assert_eq!(revealed.unwrap_err().class(), ErrorClass::Internal);
        let injected = house.store.inject_record(&house.ann(), record.id, None, (Some("psql"), None)).await;
        assert_eq!(injected.unwrap_err().class(), ErrorClass::Internal);
        let updated = house.store.trash_record(&house.ann(), record.id, None).await;
        assert_eq!(updated.unwrap_err().class(), ErrorClass::Internal);
        assert!(house.store.record(record.id).await.unwrap().unwrap().deleted_us.is_none());
    }

    #[tokio::test]
    async fn a_ciphertext_of_another_record_or_revision_does_not_open() {
        let house = House::new().await;
        let one = house.save("one", json!({"x": 1})).await.unwrap();
        let two = house.save("two", json!({"x": 2})).await.unwrap();
        let patch = RecordPatch { fields: Some(fields(json!({"x": 3}))), ..RecordPatch::default() };
        house.store.update_record(&house.ann(), one.id, Revision(1), patch).await.unwrap();
        let verdict = house.store.verify_revisions().await.unwrap();
        assert_eq!((verdict.open, verdict.damaged), (3, 0));
        let copy = "UPDATE revisions SET (key_id, wrapped_key, ciphertext) =
                        (SELECT o.key_id, o.wrapped_key, o.ciphertext FROM revisions o
                         WHERE o.record_id = $1 AND o.revision = $2)
                    WHERE record_id = $3 AND revision = $4";
        for (from, to) in [((two.id, 1_u64), (one.id, 2_u64)), ((one.id, 1), (one.id, 2))] {
            let mut tx = house.store.db.write().await.unwrap();
            assert_eq!(tx.run(copy, args![from.0, from.1, to.0, to.1]).await.unwrap(), 1);
            tx.commit().await.unwrap();
            let error = house.store.reveal_record(&house.ann(), to.0, None, None, None).await.unwrap_err();
            assert!(matches!(error, StoreError::Sealing(_)), "{error}");
        }
        let verdict = house.store.verify_revisions().await.unwrap();
        assert_eq!((verdict.open, verdict.damaged), (2, 1));
        assert_eq!(verdict.examples, ["infra/one, revision 2"]);
    }
}
