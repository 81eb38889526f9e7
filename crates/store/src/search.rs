//! The list of records over all collections of a person, and the folders of a collection.
//!
//! A search finds every word of the query somewhere in the path. The best matches come first: the name (what
//! follows the last slash) is the query, then it begins with the query, then a word of it does, then it holds the
//! query, then the path does.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;
use vaultterm_reconcile::{RecordId, RecordType, names};
use vaultterm_sync::{CollectionId, ConnectionId};

use crate::{
    Page, Paged, Record, RecordState, Store, StoreError,
    records::{after_prefix, record},
    shelves::{Conditions, Place, Wanted},
    sql::{Row, Select, args},
};

/// Folders of a collection that are listed at most.
const FOLDERS_MAX: usize = 40;

names!(
    /// How a record stands with Vault, as a list can be narrowed to it.
    SyncFilter, "standing with Vault" {
        /// The newest revision is what both sides agreed on.
        InStep = "in_step",
        /// A connection looks after it, and the newest revision is not what both sides agreed on.
        Differs = "differs",
        /// A conflict is open.
        NeedsDecision = "needs_decision",
        /// No connection looks after its collection.
        HereOnly = "here_only",
    }
);

/// Which records to find.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Words that must be in the path. Upper and lower case count as the same.
    pub query: Option<String>,
    /// In one collection.
    pub collection: Option<CollectionId>,
    /// What the path begins with.
    pub prefix: Option<String>,
    /// Type.
    pub record_type: Option<RecordType>,
    /// Label.
    pub tag: Option<String>,
    /// How it stands with Vault.
    pub standing: Option<SyncFilter>,
    /// Live or in the trash.
    pub state: RecordState,
}

/// A record that was found, with what a list shows beside it.
#[derive(Clone, Debug)]
pub struct Found {
    /// The record.
    pub record: Record,
    /// The name of its collection.
    pub collection: String,
    /// Who made the newest revision.
    pub changed_by: String,
    /// The connection that the newest revision came through, if it came through one.
    pub changed_through: Option<ConnectionId>,
}

/// Records that are looked at in one statement, where a list is narrowed by how they stand with Vault.
const AT_ONCE: usize = 500;
/// How often a search begins again because a record that it found was moved meanwhile, to the trash or to
/// another collection.
const TRIES: u32 = 3;

impl Search {
    /// Returns what was searched for, if anything was.
    pub(crate) fn query(&self) -> Option<&str> {
        self.query.as_deref().map(str::trim).filter(|query| !query.is_empty())
    }

    /// Says whether only reading every path tells what fits. The trash is not kept in memory.
    fn needs_every_path(&self) -> bool {
        let narrowed = self.query().is_some() || self.tag.is_some() || self.record_type.is_some();
        narrowed && self.state == RecordState::Live
    }
}

impl Store {
    /// Finds records in all collections that a person is a member of, the best matches first, then by path.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn search(&self, user_id: Uuid, search: &Search, page: &Page) -> Result<Paged<Found>, StoreError> {
        let query = search.query();
        let pager = self.pager(format_args!("records of {user_id} for {query:?}"), page);
        let after = pager.text()?.map(placed).transpose()?;
        let collections = self.collections_for(user_id, search).await?;
        let (mut places, mut rows) = (Vec::new(), Vec::new());
        for _ in 0..TRIES {
            places = if search.needs_every_path() {
                let limit = usize::try_from(pager.fetch()).unwrap_or(usize::MAX);
                self.found_places(&collections, search, after.as_ref(), limit).await?
            } else {
                self.places_by_path(&collections, search, after.as_ref(), pager.fetch()).await?
            };
            rows = self.rows_at(&collections, search.state, &places).await?;
            if rows.len() == places.len() {
                break;
            }
        }
        let ranks: HashMap<Uuid, u8> = places.into_iter().map(|(rank, _, id)| (id.0, rank)).collect();
        let rank = |record: &Record| ranks.get(&record.id.0).copied().unwrap_or(0);
        let place = |found: &Found| format!("{}:{}:{}", rank(&found.record), found.record.id.0, found.record.path);
        let mut paged = pager.cut(rows, found, place)?;
        self.add_company(&mut paged.items).await?;
        Ok(paged)
    }

    /// Returns the collections of a person in which a record can be found. Whether a connection looks after a record depends
    /// on its collection alone.
    async fn collections_for(&self, user_id: Uuid, search: &Search) -> Result<Vec<CollectionId>, StoreError> {
        let sql = "SELECT m.collection_id, EXISTS (SELECT 1 FROM connections c WHERE c.collection_id = m.collection_id)
                              AS is_connected
                   FROM members m WHERE m.user_id = $1";
        let mut collections = Vec::new();
        for row in self.db.all(sql, args![user_id]).await? {
            let (id, is_connected) = (CollectionId(row.id("collection_id")?), row.flag("is_connected")?);
            let is_named = search.collection.is_none_or(|only| only == id);
            let stands = search.standing.is_none_or(|standing| is_connected != (standing == SyncFilter::HereOnly));
            if is_named && stands {
                collections.push(id);
            }
        }
        Ok(collections)
    }

    /// Finds the places of a search by the paths in memory.
    async fn found_places(
        &self,
        collections: &[CollectionId],
        search: &Search,
        after: Option<&Place>,
        limit: usize,
    ) -> Result<Vec<Place>, StoreError> {
        let wanted = search.query().map(Wanted::of);
        let conditions = Conditions {
            wanted: wanted.as_ref(),
            prefix: search.prefix.as_deref(),
            record_type: search.record_type,
            tag: search.tag.as_deref(),
            after,
            only: None,
        };
        let standing = search.standing.filter(|standing| *standing != SyncFilter::HereOnly);
        let Some(standing) = standing else { return self.places(collections, conditions, limit).await };
        // How a record stands is only in the database. If few records stand so, only these are searched.
        let alike = Search { standing: Some(standing), prefix: search.prefix.clone(), ..Search::default() };
        let alike = self.places_by_path(collections, &alike, None, AT_ONCE as u64 + 1).await?;
        if alike.len() <= AT_ONCE {
            let only: HashSet<RecordId> = alike.into_iter().map(|(.., id)| id).collect();
            return self.places(collections, Conditions { only: Some(&only), ..conditions }, limit).await;
        }
        // If many do, the first records that fit usually contain enough of them.
        let mut found = Vec::new();
        for fitting in [AT_ONCE, usize::MAX] {
            let places = self.places(collections, conditions, fitting).await?;
            found.clear();
            for some in places.chunks(AT_ONCE) {
                found.extend(self.standing_so(collections, standing, some.to_vec()).await?);
                if found.len() >= limit {
                    break;
                }
            }
            if found.len() >= limit || places.len() < fitting {
                break;
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    /// Reads the rows of some places in these collections, in their order. It leaves out a record that was moved to the
    /// trash meanwhile, or out of it, or to another collection, which the person may not see.
    pub(crate) async fn rows_at(
        &self,
        collections: &[CollectionId],
        state: RecordState,
        places: &[Place],
    ) -> Result<Vec<Row>, StoreError> {
        // A condition on the collection would make SQLite read the whole of it.
        let mut select = Select::new("SELECT * FROM records WHERE 1 = 1", args![]);
        select.and_any("id", places.iter().map(|(.., id)| *id));
        let mut rows = HashMap::new();
        for row in self.db.select(select.all()).await? {
            let is_live = row.maybe_int("deleted_us")?.is_none();
            let collection = CollectionId(row.id("collection_id")?);
            if is_live == (state == RecordState::Live) && collections.contains(&collection) {
                rows.insert(row.id("id")?, row);
            }
        }
        Ok(places.iter().filter_map(|(.., id)| rows.remove(&id.0)).collect())
    }

    /// Adds to records that were found what their list shows beside them.
    async fn add_company(&self, items: &mut [Found]) -> Result<(), StoreError> {
        let mut collections: Vec<_> = items.iter().map(|found| found.record.collection_id).collect();
        collections.sort_unstable_by_key(|id| id.0);
        collections.dedup();
        for collection_id in collections {
            let of = |found: &&mut Found| found.record.collection_id == collection_id;
            let mut records: Vec<Record> = items.iter_mut().filter(of).map(|found| found.record.clone()).collect();
            self.add_sync(&mut records).await?;
            let row = self.db.one("SELECT name FROM collections WHERE id = $1", args![collection_id]).await?;
            let name = row.map_or(Ok(String::new()), |row| row.text("name"))?;
            for (found, record) in items.iter_mut().filter(of).zip(records) {
                found.record = record;
                found.collection.clone_from(&name);
            }
        }
        let mut select = Select::new(
            "SELECT v.record_id, v.actor, v.connection_id FROM revisions v
             JOIN records r ON r.id = v.record_id AND r.revision = v.revision WHERE 1 = 1",
            args![],
        );
        select.and_any("v.record_id", items.iter().map(|found| found.record.id));
        for row in self.db.select(select.all()).await? {
            let id = RecordId(row.id("record_id")?);
            if let Some(found) = items.iter_mut().find(|found| found.record.id == id) {
                found.changed_by = row.text("actor")?;
                found.changed_through = row.maybe_id("connection_id")?.map(ConnectionId);
            }
        }
        Ok(())
    }

    /// Lists the folders directly below a prefix (empty, or with a slash at its end) of a collection, the first
    /// forty by name. Each is found by one look into the index, so that a large collection costs no more.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn folders(&self, collection_id: CollectionId, prefix: &str) -> Result<Vec<String>, StoreError> {
        let mut folders: Vec<String> = Vec::new();
        let mut from = prefix.to_owned();
        let end = after_prefix(prefix);
        let sql = "SELECT path FROM records WHERE collection_id = $1 AND deleted_us IS NULL AND path >= $2
                   ORDER BY path LIMIT 1";
        let mut looks = 0;
        while folders.len() < FOLDERS_MAX && looks < 4 * FOLDERS_MAX {
            looks += 1;
            let Some(row) = self.db.one(sql, args![collection_id, from.as_str()]).await? else { break };
            let path = row.text("path")?;
            if end.as_deref().is_some_and(|end| path.as_str() >= end) {
                break;
            }
            let below = path.get(prefix.len()..).unwrap_or_default();
            from = match below.split_once('/') {
                Some((name, _)) => {
                    folders.push(name.to_owned());
                    let Some(next) = after_prefix(&format!("{prefix}{name}/")) else { break };
                    next
                }
                // The least text after a path is the path with the least character.
                None => format!("{path}\u{1}"),
            };
        }
        Ok(folders)
    }
}

fn placed(text: &str) -> Result<Place, StoreError> {
    let foreign =
        || StoreError::invalid("cursor", "is not a cursor of this list: use `next_cursor` of the previous page");
    let (rank, rest) = text.split_once(':').ok_or_else(foreign)?;
    let (id, path) = rest.split_once(':').ok_or_else(foreign)?;
    let id = RecordId(id.parse().map_err(|_| foreign())?);
    Ok((rank.parse().map_err(|_| foreign())?, path.to_owned(), id))
}

fn found(row: &Row) -> Result<Found, StoreError> {
    Ok(Found { record: record(row)?, collection: String::new(), changed_by: String::new(), changed_through: None })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vaultterm_reconcile::Mode;

    use super::{Search, SyncFilter};
    use crate::{
        InstanceRole, Page,
        testing::{House, new_record, new_user},
    };

    async fn found(house: &House, search: &Search) -> Vec<String> {
        let mut page = Page { limit: 2, cursor: None };
        let mut paths = Vec::new();
        loop {
            let listed = house.store.search(house.owner.id, search, &page).await.unwrap();
            paths.extend(listed.items.into_iter().map(|found| format!("{}:{}", found.collection, found.record.path)));
            page.cursor = listed.next_cursor;
            if page.cursor.is_none() {
                return paths;
            }
        }
    }

    fn by(query: &str) -> Search {
        Search { query: Some(query.to_owned()), ..Search::default() }
    }

    #[tokio::test]
    async fn the_best_match_comes_first_and_pages_follow_one_another() {
        let house = House::new().await;
        for path in ["web/db", "db/web", "old/my-db", "old/dbase", "old/adbz", "DB", "old/my_db-2", "other"] {
            house.save(path, json!({"x": 1})).await.unwrap();
        }
        let all = found(&house, &by("db")).await;
        let expected = ["DB", "web/db", "old/dbase", "old/my-db", "old/my_db-2", "old/adbz", "db/web"];
        assert_eq!(all, expected.map(|path| format!("infra:{path}")));
        assert_eq!(found(&house, &by("old my")).await, ["infra:old/my-db", "infra:old/my_db-2"]);
        assert_eq!(found(&house, &by("%")).await, [""; 0]);
        assert_eq!(found(&house, &Search::default()).await.len(), 8);
    }

    #[tokio::test]
    async fn only_collections_of_the_person_are_searched() {
        let house = House::new().await;
        house.save("a", json!({"x": 1})).await.unwrap();
        let store = &house.store;
        let bob = store.create_user(&house.ann(), new_user("bob@example.com", InstanceRole::Owner)).await.unwrap();
        let other = store.create_collection(&house.ann(), "other", bob.id).await.unwrap();
        store.create_record(&house.ann(), other.id, new_record("b", json!({"x": 1}))).await.unwrap();
        assert_eq!(found(&house, &Search::default()).await, ["infra:a"]);
        let search = Search { collection: Some(other.id), ..Search::default() };
        assert_eq!(found(&house, &search).await, [""; 0]);
        let listed = store.search(bob.id, &Search::default(), &Page::default()).await.unwrap().items;
        assert_eq!((listed.len(), listed[0].changed_by.as_str()), (1, "ann@example.com"));
    }

    #[tokio::test]
    async fn records_are_narrowed_by_how_they_stand_with_vault() {
        let house = House::new().await;
        house.save("here", json!({"x": 1})).await.unwrap();
        let of = |standing| Search { standing: Some(standing), ..Search::default() };
        assert_eq!(found(&house, &of(SyncFilter::HereOnly)).await, ["infra:here"]);
        let connection = house.connect("kv", Mode::Bidirectional, "").await.unwrap();
        let run = house.begin(connection.id, vaultterm_sync::Trigger::Manual).await;
        house.import(&run, "both", json!({"x": 1})).await;
        assert_eq!(found(&house, &of(SyncFilter::HereOnly)).await, [""; 0]);
        assert_eq!(found(&house, &of(SyncFilter::InStep)).await, ["infra:both"]);
        assert_eq!(found(&house, &of(SyncFilter::Differs)).await, ["infra:here"]);
        assert_eq!(found(&house, &of(SyncFilter::NeedsDecision)).await, [""; 0]);
    }

    #[tokio::test]
    async fn folders_are_listed_one_floor_at_a_time() {
        let house = House::new().await;
        for path in ["a/b/c", "a/b/d", "a/e", "f", "g/h", "a-b/c"] {
            house.save(path, json!({"x": 1})).await.unwrap();
        }
        let folders = async |prefix: &str| house.store.folders(house.collection, prefix).await.unwrap();
        assert_eq!(folders("").await, ["a-b", "a", "g"]);
        assert_eq!(folders("a/").await, ["b"]);
        assert_eq!(folders("a/b/").await, [""; 0]);
        assert_eq!(folders("none/").await, [""; 0]);
    }
}
