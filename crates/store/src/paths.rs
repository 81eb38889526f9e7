//! Finds live records by the paths in memory (`shelves.rs`).
//!
//! A collection's change number grows in every transaction that changes one of its records. A search compares the
//! numbers, reads what changed since, and so never shows an old state. A record that left the collection is noticed by
//! the count of those that are there.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError},
};

use uuid::Uuid;
use vaultterm_reconcile::RecordId;
use vaultterm_sync::CollectionId;

use crate::{
    Store, StoreError,
    shelves::{Conditions, Entry, Place, Shelf, folded},
    sql::{Row, args},
};

impl Store {
    /// Finds the first places that fit, best match first, then by path, in some collections.
    pub(crate) async fn places(
        &self,
        collections: &[CollectionId],
        conditions: Conditions<'_>,
        limit: usize,
    ) -> Result<Vec<Place>, StoreError> {
        let mut shelves = Vec::new();
        for (id, number) in self.change_numbers(collections).await? {
            shelves.push(self.shelf(id, number).await?);
        }
        let tag = conditions.tag.map(|tag| format!("\n{tag}\n"));
        let mut found: Vec<(u8, &str, RecordId)> = Vec::new();
        for shelf in &shelves {
            found.extend(shelf.fitting(&conditions, tag.as_deref(), limit));
        }
        found.sort_unstable();
        found.truncate(limit);
        Ok(found.into_iter().map(|(rank, path, id)| (rank, path.to_owned(), id)).collect())
    }

    /// Returns how many live records a collection holds at this change number, or later.
    pub(crate) async fn live_count(&self, id: CollectionId, change_number: u64) -> Result<u64, StoreError> {
        if let Some(count) = self.live_counts.at(id, change_number) {
            return Ok(count);
        }
        let sql = "SELECT COUNT(*) AS live FROM records WHERE collection_id = $1 AND deleted_us IS NULL";
        let count = self.db.one(sql, args![id]).await?.map_or(Ok(0), |row| row.count("live"))?;
        self.live_counts.keep(id, change_number, count);
        Ok(count)
    }

    async fn change_numbers(&self, collections: &[CollectionId]) -> Result<Vec<(CollectionId, u64)>, StoreError> {
        let mut select = crate::sql::Select::new("SELECT id, change_number FROM collections WHERE 1 = 1", args![]);
        select.and_any("id", collections.iter().copied());
        let rows = self.db.select(select.all()).await?;
        rows.iter().map(|row| Ok((CollectionId(row.id("id")?), row.count("change_number")?))).collect()
    }

    /// Returns the records of a collection as they are at this change number, or later.
    async fn shelf(&self, id: CollectionId, number: u64) -> Result<Arc<Shelf>, StoreError> {
        let kept = self.paths.0.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        if let Some(shelf) = kept.as_ref().filter(|shelf| shelf.number >= number) {
            return Ok(shelf.clone());
        }
        let mut shelf = kept.as_deref().cloned().unwrap_or_default();
        self.catch_up(id, &mut shelf).await?;
        if self.live_count(id, number).await? != shelf.entries.len() as u64 {
            // A record left the collection, or came between the two queries: read all of them.
            shelf = Shelf::default();
            self.catch_up(id, &mut shelf).await?;
        }
        shelf.number = number;
        let shelf = Arc::new(shelf);
        let mut shelves = self.paths.0.write().unwrap_or_else(PoisonError::into_inner);
        let newest = shelves.entry(id).or_insert_with(|| shelf.clone());
        if newest.number < number {
            *newest = shelf.clone();
        }
        Ok(shelf)
    }

    /// Reads what changed since the number of a shelf, which may be all of the collection.
    async fn catch_up(&self, id: CollectionId, shelf: &mut Shelf) -> Result<(), StoreError> {
        let sql = "SELECT id, path, record_type, tags, deleted_us FROM records
                   WHERE collection_id = $1 AND change_number > $2";
        // An empty shelf has seen nothing: number 0 is below that of every record.
        let changed = self.db.all_as(sql, args![id, shelf.number], changed).await?;
        let ids: HashSet<Uuid> = changed.iter().map(|(id, _)| id.0).collect();
        shelf.entries.retain(|entry| !ids.contains(&entry.id.0));
        shelf.entries.extend(changed.into_iter().filter_map(|(_, entry)| entry.map(Arc::new)));
        // Nearly all entries are in order, which this way of sorting notices.
        shelf.entries.sort_by(|one, other| (&one.path, one.id).cmp(&(&other.path, other.id)));
        Ok(())
    }
}

/// Reads a record that changed: without an entry if it is in the trash.
fn changed(row: &Row) -> Result<(RecordId, Option<Entry>), StoreError> {
    let id = RecordId(row.id("id")?);
    if row.maybe_int("deleted_us")?.is_some() {
        return Ok((id, None));
    }
    let path = row.text("path")?;
    let searched = folded(&path);
    Ok((
        id,
        Some(Entry {
            folded: (searched != path).then(|| searched.into()),
            path: path.into(),
            id,
            record_type: row.record_type()?,
            tags: row.text("tags")?.into(),
        }),
    ))
}
