//! Records that move to another collection, and changes of many records at once.
//!
//! A value is sealed for its collection, so a move opens and seals every revision again. What both sides of a
//! connection agreed on stays with the connection: for it, the record is gone, and its rule for deletions decides.

use vaultterm_ledger::{AuditAction, ObjectKind};
use vaultterm_reconcile::{RecordId, Revision, SecretPath};
use vaultterm_sync::CollectionId;

use crate::{
    Context, ErrorClass, Record, Store, StoreError,
    collections::next_change,
    context::Facts as _,
    record_changes::{about, guard, locked, tags},
    revisions,
    sealed::seal,
    sql::{Tx, args, taken},
};

/// A record with the revision at which it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadRecord {
    /// The record.
    pub id: RecordId,
    /// The revision.
    pub revision: Revision,
}

/// One change of many records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeOfMany {
    /// Adds labels and removes others.
    Tag {
        /// The labels to add.
        add: Vec<String>,
        /// The labels to remove.
        remove: Vec<String>,
    },
    /// Moves the records to the trash.
    Trash,
    /// Moves the records to another collection.
    Move(CollectionId),
}

impl Store {
    /// Moves a record with all its revisions to another collection (`RECORD_MOVED`), under another path if one is
    /// given. The move is the next revision of the record.
    ///
    /// # Errors
    /// [`StoreError::Stale`]; [`StoreError::Exists`] if the path is taken there; [`StoreError::Refused`] for a record in
    /// the trash, in that collection already, or with an open conflict; [`StoreError::Sealing`] if a revision does not
    /// open.
    pub async fn move_record(
        &self,
        context: &Context,
        record: ReadRecord,
        to: CollectionId,
        path: Option<SecretPath>,
    ) -> Result<Record, StoreError> {
        let mut tx = self.db.write().await?;
        let after = self.move_in(&mut tx, context, record, to, path).await?;
        tx.commit().await?;
        self.with_sync(after).await
    }

    /// Changes many records in one transaction: all of them, or none. Each has its own audit entry.
    ///
    /// # Errors
    /// [`StoreError::Refused`], which names the first record that cannot be changed so; [`StoreError::Invalid`] for a
    /// text that cannot be a label.
    pub async fn change_records(
        &self,
        context: &Context,
        records: &[ReadRecord],
        change: &ChangeOfMany,
    ) -> Result<Vec<Record>, StoreError> {
        let mut tx = self.db.write().await?;
        let mut changed = Vec::with_capacity(records.len());
        for record in records {
            match self.change_one_of_many(&mut tx, context, *record, change).await {
                Ok(after) => changed.push(after),
                Err(error) => return Err(named(&mut tx, record.id, error).await),
            }
        }
        tx.commit().await?;
        let mut shown = Vec::with_capacity(changed.len());
        for record in changed {
            shown.push(self.with_sync(record).await?);
        }
        Ok(shown)
    }

    async fn change_one_of_many(
        &self,
        tx: &mut Tx,
        context: &Context,
        record: ReadRecord,
        change: &ChangeOfMany,
    ) -> Result<Record, StoreError> {
        match change {
            ChangeOfMany::Tag { add, remove } => self.tag_in(tx, context, record, add, remove).await,
            ChangeOfMany::Trash => self.trash_in(tx, context, record.id, Some(record.revision)).await,
            ChangeOfMany::Move(to) => self.move_in(tx, context, record, *to, None).await,
        }
    }

    async fn tag_in(
        &self,
        tx: &mut Tx,
        context: &Context,
        record: ReadRecord,
        add: &[String],
        remove: &[String],
    ) -> Result<Record, StoreError> {
        let before = locked(tx, record.id).await?;
        guard(&before, record.revision)?;
        let kept = before.tags.iter().filter(|tag| !remove.contains(tag));
        let wanted = tags(kept.chain(add).cloned().collect())?;
        if wanted == before.tags {
            return Ok(before);
        }
        let fields = self.open_revision(tx, record.id, record.revision).await?;
        let after = self.save(tx, context, Record { tags: wanted, ..before }, &fields).await?;
        tx.audit(about(context, AuditAction::RecordUpdated, &after).with("changed", "tags"));
        Ok(after)
    }

    async fn move_in(
        &self,
        tx: &mut Tx,
        context: &Context,
        record: ReadRecord,
        to: CollectionId,
        path: Option<SecretPath>,
    ) -> Result<Record, StoreError> {
        let before = locked(tx, record.id).await?;
        guard(&before, record.revision)?;
        let from = before.collection_id;
        if from == to {
            return Err(StoreError::Refused("the record is in this collection already".to_owned()));
        }
        let (from_name, to_name) = (name_of(tx, from).await?, name_of(tx, to).await?);
        refuse_open_conflict(tx, &before).await?;
        let fields = self.open_revision(tx, record.id, record.revision).await?;
        self.seal_for(tx, record.id, to).await?;
        // A run of the collection that the record leaves sees that something changed.
        next_change(tx, from).await?;
        let after = Record { collection_id: to, path: path.unwrap_or_else(|| before.path.clone()), ..before.clone() };
        let sql = "UPDATE records SET collection_id = $2, path = $3 WHERE id = $1";
        let moved = tx.run(sql, args![record.id, to, &after.path]).await;
        moved.map_err(|error| taken(error, "record", after.path.as_str()))?;
        let after = self.save(tx, context, after, &fields).await?;
        let renamed = (after.path != before.path).then_some(&before.path);
        let draft = about(context, AuditAction::RecordMoved, &after).about(ObjectKind::Collection, from.0);
        tx.audit(draft.with("from", from_name).with("to", to_name).with_maybe("renamed_from", renamed));
        Ok(after)
    }

    /// Opens every revision of a record, and seals it for another collection.
    async fn seal_for(&self, tx: &mut Tx, id: RecordId, to: CollectionId) -> Result<(), StoreError> {
        let sql = format!("{} ORDER BY v.revision", revisions::ALL_OF_RECORD);
        for row in tx.all(&sql, args![id]).await? {
            let fields = revisions::open(&self.keyring, &row)?;
            let revision = row.revision("revision")?;
            let place = revisions::place(to, id, revision);
            let [key_id, wrapped_key, ciphertext] = seal(tx, &self.keyring, &place, fields.to_json().expose()).await?;
            let sql = "UPDATE revisions SET key_id = $3, wrapped_key = $4, ciphertext = $5
                       WHERE record_id = $1 AND revision = $2";
            tx.run(sql, args![id, revision, key_id, wrapped_key, ciphertext]).await?;
        }
        Ok(())
    }
}

/// Says which of many records an error is about. Its kind stays where a caller can do something about it.
async fn named(tx: &mut Tx, id: RecordId, error: StoreError) -> StoreError {
    let path = match locked(tx, id).await {
        Ok(record) => record.path.as_str().to_owned(),
        Err(_) => id.0.to_string(),
    };
    match error.class() {
        ErrorClass::Refused | ErrorClass::Stale | ErrorClass::Exists | ErrorClass::NotFound => {
            StoreError::Refused(format!("`{path}`: {error}; nothing was changed"))
        }
        _ => error,
    }
}

async fn name_of(tx: &mut Tx, id: CollectionId) -> Result<String, StoreError> {
    let row = tx.one("SELECT name FROM collections WHERE id = $1", args![id]).await?;
    row.ok_or(StoreError::NotFound("collection"))?.text("name")
}

async fn refuse_open_conflict(tx: &mut Tx, record: &Record) -> Result<(), StoreError> {
    let sql = "SELECT c.name FROM conflicts f JOIN connections c ON c.id = f.connection_id
               WHERE c.collection_id = $1 AND f.path = $2 AND f.status = 'open' LIMIT 1";
    match tx.one(sql, args![record.collection_id, &record.path]).await? {
        None => Ok(()),
        Some(row) => {
            let why = format!("a conflict of the connection `{}` is open here: decide it first", row.text("name")?);
            Err(StoreError::Refused(why))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vaultterm_reconcile::Mode;

    use super::*;
    use crate::{RecordState, testing::House};

    async fn elsewhere(house: &House) -> CollectionId {
        house.store.create_collection(&house.ann(), "elsewhere", house.owner.id).await.unwrap().id
    }

    fn read(record: &Record) -> ReadRecord {
        ReadRecord { id: record.id, revision: record.revision }
    }

    #[tokio::test]
    async fn a_search_that_found_a_record_just_before_its_move_shows_nothing_of_the_other_collection() {
        let house = House::new().await;
        let other = elsewhere(&house).await;
        let record = house.save("a", json!({"x": 1})).await.unwrap();
        let wanted = crate::shelves::Wanted::of("a");
        let conditions = crate::shelves::Conditions { wanted: Some(&wanted), ..Default::default() };
        let places = house.store.places(&[house.collection], conditions, 10).await.unwrap();
        assert_eq!(house.store.rows_at(&[house.collection], RecordState::Live, &places).await.unwrap().len(), 1);
        house.store.move_record(&house.ann(), read(&record), other, None).await.unwrap();
        assert_eq!(house.store.rows_at(&[house.collection], RecordState::Live, &places).await.unwrap().len(), 0);
    }

    #[tokio::test]
    async fn a_record_moves_with_all_its_revisions_and_every_one_opens_there() {
        let house = House::new().await;
        let other = elsewhere(&house).await;
        let record = house.save("a", json!({"x": 1})).await.unwrap();
        let patch = crate::RecordPatch {
            fields: Some(vaultterm_sealing::SecretFields::parse(br#"{"x":2}"#).unwrap()),
            ..Default::default()
        };
        let record = house.store.update_record(&house.ann(), record.id, record.revision, patch).await.unwrap();
        let moved = house.store.move_record(&house.ann(), read(&record), other, None).await.unwrap();
        assert_eq!((moved.collection_id, moved.revision.0), (other, 3));
        for (revision, value) in [(1, 1), (2, 2), (3, 2)] {
            let ann = house.ann();
            let held =
                house.store.reveal_record(&ann, moved.id, Some(Revision(revision)), None, None, crate::Proving::Fresh);
            assert_eq!(held.await.unwrap().expose()["x"], value, "{revision}");
        }
        assert_eq!(house.store.verify_revisions().await.unwrap().damaged, 0);
        assert!(house.store.record_by_path(house.collection, &record.path).await.unwrap().is_none());
        assert!(house.audited().await.contains(&AuditAction::RecordMoved));
    }

    #[tokio::test]
    async fn a_move_onto_a_path_that_is_taken_changes_nothing() {
        let house = House::new().await;
        let other = elsewhere(&house).await;
        let record = house.save("a", json!({"x": 1})).await.unwrap();
        let moved = house.store.move_record(&house.ann(), read(&record), other, None).await.unwrap();
        let again = house.save("a", json!({"x": 2})).await.unwrap();
        let refused = house.store.move_record(&house.ann(), read(&again), other, None).await.unwrap_err();
        assert_eq!(refused.class(), ErrorClass::Exists);
        let path = SecretPath::new("b".to_owned()).unwrap();
        let renamed = house.store.move_record(&house.ann(), read(&again), other, Some(path)).await.unwrap();
        assert_eq!(renamed.path.as_str(), "b");
        let refused = house.store.move_record(&house.ann(), read(&moved), other, None).await.unwrap_err();
        assert_eq!(refused.class(), ErrorClass::Refused, "it is there already");
        assert_eq!(house.store.verify_revisions().await.unwrap().damaged, 0);
    }

    #[tokio::test]
    async fn many_records_change_together_or_not_at_all() {
        let house = House::new().await;
        let (a, b) = (house.save("a", json!({})).await.unwrap(), house.save("b", json!({})).await.unwrap());
        let tag = ChangeOfMany::Tag { add: vec!["prod".to_owned()], remove: Vec::new() };
        let both = [read(&a), read(&b)];
        let tagged = house.store.change_records(&house.ann(), &both, &tag).await.unwrap();
        assert!(tagged.iter().all(|record| record.tags == ["prod"] && record.revision.0 == 2));
        let stale = [read(&tagged[0]), read(&b)];
        let refused = house.store.change_records(&house.ann(), &stale, &ChangeOfMany::Trash).await.unwrap_err();
        assert!(
            refused.to_string().starts_with("`b`: ") && refused.to_string().ends_with("nothing was changed"),
            "{refused}"
        );
        assert!(house.store.record(a.id).await.unwrap().unwrap().deleted_us.is_none());
        let both: Vec<_> = tagged.iter().map(read).collect();
        let gone = house.store.change_records(&house.ann(), &both, &ChangeOfMany::Trash).await.unwrap();
        assert!(gone.iter().all(|record| record.deleted_us.is_some()));
    }

    #[tokio::test]
    async fn a_search_follows_a_record_that_moved() {
        let house = House::new().await;
        let other = elsewhere(&house).await;
        let record = house.save("apps/db", json!({"x": 1})).await.unwrap();
        house.save("apps/web", json!({"x": 1})).await.unwrap();
        let search = crate::Search { query: Some("apps".to_owned()), ..crate::Search::default() };
        let found = async || -> Vec<String> {
            let found = house.store.search(house.owner.id, &search, &crate::Page::default()).await.unwrap().items;
            found.into_iter().map(|found| format!("{}:{}", found.collection, found.record.path)).collect()
        };
        assert_eq!(found().await, ["infra:apps/db", "infra:apps/web"]);
        house.store.move_record(&house.ann(), read(&record), other, None).await.unwrap();
        assert_eq!(found().await, ["elsewhere:apps/db", "infra:apps/web"]);
        let only_here = crate::Search { collection: Some(house.collection), ..search.clone() };
        let here = house.store.search(house.owner.id, &only_here, &crate::Page::default()).await.unwrap().items;
        assert_eq!(here.len(), 1);
    }

    #[tokio::test]
    async fn for_the_connection_that_it_leaves_a_record_is_gone() {
        let house = House::new().await;
        let other = elsewhere(&house).await;
        let connection = house.connect("kv", Mode::Bidirectional, "").await.unwrap();
        let run = house.begin(connection.id, vaultterm_sync::Trigger::Manual).await;
        house.import(&run, "both", json!({"x": 1})).await;
        let path = SecretPath::new("both".to_owned()).unwrap();
        let record = house.store.record_by_path(house.collection, &path).await.unwrap().unwrap();
        let moved = house.store.move_record(&house.ann(), read(&record), other, None).await.unwrap();
        assert!(moved.sync.is_empty(), "no connection looks after the other collection");
        let snapshot = vaultterm_sync::Journal::local_snapshot(&house.store, house.collection).await.unwrap();
        assert!(snapshot.live.is_empty() && snapshot.trashed.is_empty());
        let base = vaultterm_sync::Journal::base(&house.store, connection.id).await.unwrap();
        assert_eq!(base.len(), 1, "what was agreed on stays, so that the next run knows of the deletion");
    }
}
