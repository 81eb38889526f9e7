//! Lists records by path, by an index.
//!
//! Each collection has its own part in the statement, which ends after as many records as the page holds. A large collection
//! beside a small one therefore costs no more than the small one.

use std::collections::HashSet;

use vaultterm_reconcile::RecordId;
use vaultterm_sync::CollectionId;

use crate::{
    RecordState, Store, StoreError,
    records::{after_prefix, pattern},
    search::{Search, SyncFilter},
    shelves::Place,
    sql::{Select, args},
};

/// Collections of one statement. SQLite allows 500 parts.
const COLLECTIONS_AT_ONCE: usize = 50;
/// 1 if the newest revision is what both sides agreed on, else 0. It stands as in the definition of the index
/// `records_standing`, so that the databases use the index.
const IS_IN_STEP: &str = "(CASE WHEN r.agreed_revision = r.revision THEN 1 ELSE 0 END)";
/// The paths of a collection that wait for a decision.
const UNDECIDED: &str = "SELECT f.path FROM conflicts f JOIN connections c ON c.id = f.connection_id
                         WHERE c.collection_id = ? AND f.status = 'open'";

impl Store {
    /// Returns the first places of a list, by path, in some collections. The rank of each is 0.
    pub(crate) async fn places_by_path(
        &self,
        collections: &[CollectionId],
        search: &Search,
        after: Option<&Place>,
        limit: u64,
    ) -> Result<Vec<Place>, StoreError> {
        let mut places = Vec::new();
        for some in collections.chunks(COLLECTIONS_AT_ONCE) {
            let mut select = Select::new("SELECT id, path FROM (", args![]);
            for (n, id) in some.iter().enumerate() {
                select.text(if n == 0 { "SELECT * FROM (" } else { " UNION ALL SELECT * FROM (" });
                select = one_collection(select, *id, search, after).order("r.path, r.id", limit);
                select.text(&format!(") AS s{n}"));
            }
            select.text(") AS every");
            for row in self.db.select(select.order("path, id", limit)).await? {
                places.push((0, row.text("path")?, RecordId(row.id("id")?)));
            }
        }
        places.sort_unstable();
        places.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(places)
    }

    /// Keeps the places whose records stand so with Vault.
    pub(crate) async fn standing_so(
        &self,
        collections: &[CollectionId],
        standing: SyncFilter,
        places: Vec<Place>,
    ) -> Result<Vec<Place>, StoreError> {
        let sql = "SELECT id, collection_id, path, revision, agreed_revision FROM records WHERE 1 = 1";
        let mut select = Select::new(sql, args![]);
        select.and_any("id", places.iter().map(|(.., id)| *id));
        let rows = self.db.select(select.all()).await?;
        let undecided = self.undecided(collections).await?;
        let mut so = HashSet::new();
        for row in rows {
            let open = undecided.contains(&(CollectionId(row.id("collection_id")?), row.text("path")?));
            let agreed = row.revision("revision")? == row.revision("agreed_revision")?;
            let stands = if open {
                SyncFilter::NeedsDecision
            } else if agreed {
                SyncFilter::InStep
            } else {
                SyncFilter::Differs
            };
            if stands == standing {
                so.insert(row.id("id")?);
            }
        }
        Ok(places.into_iter().filter(|(.., id)| so.contains(&id.0)).collect())
    }

    /// Returns the paths that wait for a decision, with their collections.
    async fn undecided(&self, collections: &[CollectionId]) -> Result<HashSet<(CollectionId, String)>, StoreError> {
        let sql = "SELECT c.collection_id, f.path FROM conflicts f JOIN connections c ON c.id = f.connection_id
                   WHERE f.status = 'open'";
        let mut select = Select::new(sql, args![]);
        select.and_any("c.collection_id", collections.iter().copied());
        let rows = self.db.select(select.all()).await?;
        rows.iter().map(|row| Ok((CollectionId(row.id("collection_id")?), row.text("path")?))).collect()
    }
}

/// Adds the part of one collection, without its order.
fn one_collection(mut select: Select, id: CollectionId, search: &Search, after: Option<&Place>) -> Select {
    select.text(match search.state {
        RecordState::Live => "SELECT r.id, r.path FROM records r WHERE r.deleted_us IS NULL",
        RecordState::Trash => "SELECT r.id, r.path FROM records r WHERE r.deleted_us IS NOT NULL",
    });
    select.and("r.collection_id = ?", id);
    match search.standing {
        None | Some(SyncFilter::HereOnly) => {}
        Some(SyncFilter::NeedsDecision) => select.and(&format!("r.path IN ({UNDECIDED})"), id),
        Some(SyncFilter::InStep) => select.and(&format!("{IS_IN_STEP} = 1 AND r.path NOT IN ({UNDECIDED})"), id),
        Some(SyncFilter::Differs) => select.and(&format!("{IS_IN_STEP} = 0 AND r.path NOT IN ({UNDECIDED})"), id),
    }
    if let Some(prefix) = search.prefix.as_deref() {
        select.and("r.path >= ?", prefix);
        select.and_maybe("r.path < ?", after_prefix(prefix));
    }
    for word in search.query().into_iter().flat_map(str::split_whitespace) {
        select.and("r.path_folded LIKE ? ESCAPE '\\'", pattern(word));
    }
    select.and_maybe("r.record_type = ?", search.record_type);
    let tag = search.tag.as_deref().map(|tag| format!("\n{tag}\n"));
    select.and_maybe("REPLACE(r.tags, ?, '') <> r.tags", tag);
    if let Some((_, path, id)) = after {
        select.and_after("r.path, r.id", args![path.as_str(), *id]);
    }
    select
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use serde_json::json;
    use vaultterm_reconcile::{BaseEntry, Link, Mode, Revision};
    use vaultterm_sync::{BaseChange, Journal as _, LocalChange, Outcome, RemoteIdentity, RunState, Trigger};

    use super::*;
    use crate::{
        Page, ReadRecord, RecordPatch,
        testing::{House, at, base, fields, outcome},
    };

    /// Returns the live records whose mark differs from what the base says.
    async fn wrongly_marked(house: &House) -> Vec<String> {
        let sql = "SELECT path FROM records r WHERE deleted_us IS NULL AND
                   (r.agreed_revision = r.revision) <> EXISTS (SELECT 1 FROM base b WHERE b.record_id = r.id
                       AND b.revision = r.revision AND b.path = r.path AND b.link = 'linked')";
        house.store.db.all(sql, args![]).await.unwrap().iter().map(|row| row.text("path").unwrap()).collect()
    }

    async fn paths(house: &House, search: Search) -> Vec<String> {
        let found = house.store.search(house.owner.id, &search, &Page { limit: 500, cursor: None }).await.unwrap();
        found.items.into_iter().map(|found| found.record.path.to_string()).collect()
    }

    #[tokio::test]
    async fn each_record_is_marked_with_what_the_base_says_of_it_after_every_change() {
        let house = House::new().await;
        let (store, ann) = (&house.store, house.ann());
        let other = store.create_collection(&ann, "other", house.owner.id).await.unwrap().id;
        let connection = house.connect("kv", Mode::Bidirectional, "").await.unwrap();
        let run = house.begin(connection.id, Trigger::Manual).await;
        let mut ids = Vec::new();
        for path in ["a", "b", "c", "d", "e", "f"] {
            ids.push(house.import(&run, path, json!({"x": 1})).await);
        }
        let in_step = async || paths(&house, Search { standing: Some(SyncFilter::InStep), ..Search::default() }).await;
        let commit = async |outcome: Outcome| {
            store.commit(run.0, run.1.id, vec![outcome]).await.unwrap();
            assert_eq!(wrongly_marked(&house).await, [""; 0]);
        };
        let set = |id: RecordId, revision| BaseChange::Set(base(id, revision));
        assert_eq!(in_step().await, ["a", "b", "c", "d", "e", "f"]);
        // An edit, and the run after it.
        let patch = || RecordPatch { fields: Some(fields(json!({"x": 2}))), ..RecordPatch::default() };
        let edited = store.update_record(&ann, ids[0], Revision::FIRST, patch()).await.unwrap();
        assert_eq!((wrongly_marked(&house).await, in_step().await.len()), (vec![], 5));
        commit(Outcome { base: set(ids[0], edited.revision.0), ..outcome("a") }).await;
        assert_eq!(in_step().await.len(), 6);
        // A renamed record, whose old path the run forgets and whose new one it links.
        let renamed = RecordPatch { path: Some(at("a2")), ..RecordPatch::default() };
        let renamed = store.update_record(&ann, ids[0], edited.revision, renamed).await.unwrap();
        assert_eq!((wrongly_marked(&house).await, in_step().await.len()), (vec![], 5));
        let base_removed = Some(at("a"));
        commit(Outcome { base: set(ids[0], renamed.revision.0), base_removed, ..outcome("a2") }).await;
        assert_eq!(in_step().await, ["a2", "b", "c", "d", "e", "f"]);
        // A secret that was deleted and left the record alone, a base that is forgotten, an update and a deletion that came from Vault.
        let cut = BaseEntry { link: Link::RemoteGone, ..base(ids[1], 1) };
        commit(Outcome { base: BaseChange::Set(cut), ..outcome("b") }).await;
        commit(Outcome { base: BaseChange::Remove, ..outcome("c") }).await;
        let update = LocalChange::Update {
            record_id: ids[3],
            expect: Revision::FIRST,
            record_type: vaultterm_reconcile::RecordType::KeyValue,
            fields: fields(json!({"x": 3})),
            origin: vaultterm_sync::Origin::Remote(connection.id),
        };
        commit(Outcome { local: update, base: set(ids[3], 2), ..outcome("d") }).await;
        let trash = LocalChange::Trash { record_id: ids[4], expect: Revision::FIRST };
        commit(Outcome { local: trash, base: BaseChange::Remove, ..outcome("e") }).await;
        assert_eq!(in_step().await, ["a2", "d", "f"]);
        let differs = Search { standing: Some(SyncFilter::Differs), ..Search::default() };
        assert_eq!(paths(&house, differs).await, ["b", "c"]);
        // The trash and back, and another collection.
        store.trash_record(&ann, ids[5], None).await.unwrap();
        store.restore_record(&ann, ids[5], None).await.unwrap();
        assert_eq!(wrongly_marked(&house).await, [""; 0]);
        let read = ReadRecord { id: ids[3], revision: Revision(2) };
        store.move_record(&ann, read, other, None).await.unwrap();
        assert_eq!(wrongly_marked(&house).await, [""; 0]);
        // The mount was replaced, and then the connection goes.
        let identity = RemoteIdentity::unknown();
        store.set_base_aside(run.0, &identity).await.unwrap();
        assert_eq!((wrongly_marked(&house).await, in_step().await.len()), (vec![], 0));
        commit(Outcome { base: set(ids[1], 1), ..outcome("b") }).await;
        assert_eq!(in_step().await, ["b"]);
        house.end(run, RunState::Succeeded).await;
        store.delete_connection(&ann, connection.id, None).await.unwrap();
        assert_eq!(wrongly_marked(&house).await, [""; 0]);
    }

    #[tokio::test]
    async fn words_and_a_standing_narrow_together() {
        let house = House::new().await;
        let connection = house.connect("kv", Mode::Bidirectional, "").await.unwrap();
        let run = house.begin(connection.id, Trigger::Manual).await;
        for path in ["app/one", "app/two", "web/one"] {
            house.import(&run, path, json!({"x": 1})).await;
        }
        house.save("app/new", json!({"x": 1})).await.unwrap();
        for (standing, expected) in [
            (SyncFilter::InStep, &["app/one", "app/two"][..]),
            (SyncFilter::Differs, &["app/new"]),
            (SyncFilter::NeedsDecision, &[]),
            (SyncFilter::HereOnly, &[]),
        ] {
            let query = Some("app".to_owned());
            let search = Search { query, standing: Some(standing), ..Search::default() };
            assert_eq!(paths(&house, search).await, expected, "{standing}");
            let some: Vec<_> = ["app/one", "app/two", "app/new"].into_iter().map(at).collect();
            let mut places = Vec::new();
            for path in &some {
                let record = house.store.record_by_path(house.collection, path).await.unwrap().unwrap();
                places.push((0, path.to_string(), record.id));
            }
            let so = house.store.standing_so(&[house.collection], standing, places).await.unwrap();
            let so: Vec<_> = so.into_iter().map(|(_, path, _)| path).collect();
            assert_eq!(so, expected, "{standing}");
        }
    }

    #[tokio::test]
    async fn pages_go_through_many_collections_in_the_order_of_paths() {
        let house = House::new().await;
        let mut expected = Vec::new();
        for n in 0..COLLECTIONS_AT_ONCE + 3 {
            let name = format!("c{n}");
            let id = house.store.create_collection(&house.ann(), &name, house.owner.id).await.unwrap().id;
            for path in [format!("p{:02}", n % 7), format!("q{n}")] {
                let record = crate::testing::new_record(&path, json!({"x": 1}));
                house.store.create_record(&house.ann(), id, record).await.unwrap();
                expected.push(path);
            }
        }
        expected.sort();
        let (mut page, mut found) = (Page { limit: 7, cursor: None }, Vec::new());
        loop {
            let part = house.store.search(house.owner.id, &Search::default(), &page).await.unwrap();
            found.extend(part.items.into_iter().map(|found| found.record.path.to_string()));
            page.cursor = part.next_cursor;
            if page.cursor.is_none() {
                break;
            }
        }
        assert_eq!(found, expected);
    }
}
