//! Records: finds and lists them. `record_changes.rs` changes them.

use std::collections::BTreeMap;

use vaultterm_reconcile::{Link, RecordId, RecordType, Revision, SecretPath};
use vaultterm_sealing::SecretFields;
use vaultterm_sync::{CollectionId, ConflictId, ConnectionId, RecordState, RecordSyncState};

use crate::{
    Page, Paged, Store, StoreError,
    cursors::Pager,
    shelves::{Conditions, Wanted, folded},
    sides::SeenVersion,
    sql::{Row, Select, args},
};

/// A record without its values.
#[derive(Clone, Debug)]
pub struct Record {
    /// The id.
    pub id: RecordId,
    /// The collection of the record.
    pub collection_id: CollectionId,
    /// The path, which is unique among the live records of the collection.
    pub path: SecretPath,
    /// The type.
    pub record_type: RecordType,
    /// The names of its fields, sorted.
    pub field_names: Vec<String>,
    /// The labels, sorted.
    pub tags: Vec<String>,
    /// The current revision.
    pub revision: Revision,
    /// Whether the values may only be used by `run` and `inject`, and never be shown.
    pub inject_only: bool,
    /// Whether a person needs a fresh proof of identity before each look at the values.
    pub ask_again: bool,
    /// The time of creation, in microseconds.
    pub created_us: i64,
    /// The time of the last change, in microseconds.
    pub updated_us: i64,
    /// The time at which it was moved to the trash, in microseconds, if it is there.
    pub deleted_us: Option<i64>,
    /// The connections that keep it in step.
    pub sync: Vec<RecordSync>,
}

/// The state of a record in a connection.
#[derive(Clone, Debug)]
pub struct RecordSync {
    /// The connection.
    pub connection_id: ConnectionId,
    /// The name of the connection.
    pub connection: String,
    /// How it stands.
    pub state: RecordSyncState,
    /// The remote version of the base.
    pub remote_version: Option<u64>,
    /// The person who accepted that the sides differ, in the state `accepted`.
    pub accepted: Option<AcceptedBy>,
    /// Who wrote the remote version of the base, in words, if that is known.
    pub writer: Option<String>,
    /// What the newest run saw in Vault, if that is not the version of the base.
    pub seen: Option<SeenVersion>,
    /// The open conflict that a person must decide, in the state `conflict`.
    pub conflict: Option<ConflictId>,
}

/// The person who accepted that the two sides differ, with the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedBy {
    /// The name of the person.
    pub by: String,
    /// The time, in microseconds.
    pub at_us: i64,
}

/// A record to create.
#[derive(Debug)]
pub struct NewRecord {
    /// The path.
    pub path: SecretPath,
    /// The type.
    pub record_type: RecordType,
    /// The values.
    pub fields: SecretFields,
    /// The labels.
    pub tags: Vec<String>,
    /// Whether the values are never shown.
    pub inject_only: bool,
    /// Whether a person needs a fresh proof of identity before each look at the values.
    pub ask_again: bool,
}

/// The changes of a record. `None` and missing fields keep the current value. Every change makes a new
/// revision, and a patch that changes nothing makes none.
#[derive(Debug, Default)]
pub struct RecordPatch {
    /// The new path.
    pub path: Option<SecretPath>,
    /// The new type.
    pub record_type: Option<RecordType>,
    /// The fields to set.
    pub fields: Option<SecretFields>,
    /// The fields to remove.
    pub remove_fields: Vec<String>,
    /// The new labels.
    pub tags: Option<Vec<String>>,
    /// The new setting.
    pub inject_only: Option<bool>,
    /// The new setting.
    pub ask_again: Option<bool>,
}

/// A selection of records.
#[derive(Clone, Debug, Default)]
pub struct RecordFilter {
    /// Only paths with this prefix.
    pub prefix: Option<String>,
    /// Only paths that contain this text. Case does not matter.
    pub query: Option<String>,
    /// Only this type.
    pub record_type: Option<RecordType>,
    /// Only records with this label.
    pub tag: Option<String>,
    /// Live or trashed records.
    pub state: RecordState,
}

impl Store {
    /// Finds a record, whether live or trashed.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn record(&self, id: RecordId) -> Result<Option<Record>, StoreError> {
        self.found(self.db.one("SELECT * FROM records WHERE id = $1", args![id]).await?).await
    }

    /// Finds a live record by path.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn record_by_path(
        &self,
        collection_id: CollectionId,
        path: &SecretPath,
    ) -> Result<Option<Record>, StoreError> {
        let sql = "SELECT * FROM records WHERE collection_id = $1 AND path = $2 AND deleted_us IS NULL";
        self.found(self.db.one(sql, args![collection_id, path]).await?).await
    }

    /// Lists records by path.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn records(
        &self,
        collection_id: CollectionId,
        filter: &RecordFilter,
        page: &Page,
    ) -> Result<Paged<Record>, StoreError> {
        let pager = self.pager(format_args!("records of {collection_id}"), page);
        let narrowed = filter.query.is_some() || filter.record_type.is_some() || filter.tag.is_some();
        let rows = if narrowed && filter.state == RecordState::Live {
            self.rows_by_memory(collection_id, filter, &pager).await?
        } else {
            self.rows_by_index(collection_id, filter, &pager).await?
        };
        let mut paged = pager.cut(rows, record, |record| format!("{}:{}", record.id.0, record.path))?;
        self.add_sync(&mut paged.items).await?;
        Ok(paged)
    }

    /// Lists live records that are narrowed by more than the beginning of their path.
    async fn rows_by_memory(
        &self,
        collection_id: CollectionId,
        filter: &RecordFilter,
        pager: &Pager<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        let wanted = filter.query.as_deref().map(Wanted::part);
        let after = pager.id_and_text()?.map(|(id, path)| (0, path.to_owned(), RecordId(id)));
        let conditions = Conditions {
            wanted: wanted.as_ref(),
            prefix: filter.prefix.as_deref(),
            record_type: filter.record_type,
            tag: filter.tag.as_deref(),
            after: after.as_ref(),
            only: None,
        };
        let limit = usize::try_from(pager.fetch()).unwrap_or(usize::MAX);
        let places = self.places(&[collection_id], conditions, limit).await?;
        self.rows_at(&[collection_id], filter.state, &places).await
    }

    async fn rows_by_index(
        &self,
        collection_id: CollectionId,
        filter: &RecordFilter,
        pager: &Pager<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        let state = match filter.state {
            RecordState::Live => "IS NULL",
            RecordState::Trash => "IS NOT NULL",
        };
        let sql = format!("SELECT * FROM records WHERE collection_id = $1 AND deleted_us {state}");
        let mut select = Select::new(&sql, args![collection_id]);
        if let Some(prefix) = filter.prefix.as_deref() {
            select.and("path >= ?", prefix);
            select.and_maybe("path < ?", after_prefix(prefix));
        }
        select.and_maybe("path_folded LIKE ? ESCAPE '\\'", filter.query.as_deref().map(pattern));
        select.and_maybe("record_type = ?", filter.record_type);
        // Most text functions differ between database engines. `REPLACE` does not, and it does not fold case.
        let tag = filter.tag.as_deref().map(|tag| format!("\n{tag}\n"));
        select.and_maybe("REPLACE(tags, ?, '') <> tags", tag);
        if let Some((id, path)) = pager.id_and_text()? {
            select.and("path >= ?", path);
            select.and_either("path > ?", path, "id > ?", id);
        }
        self.db.select(select.order("path, id", pager.fetch())).await
    }

    async fn found(&self, row: Option<Row>) -> Result<Option<Record>, StoreError> {
        let Some(row) = row else { return Ok(None) };
        self.with_sync(record(&row)?).await.map(Some)
    }

    /// Adds the state of a record in its connections.
    pub(crate) async fn with_sync(&self, record: Record) -> Result<Record, StoreError> {
        let mut records = [record];
        self.add_sync(&mut records).await?;
        let [record] = records;
        Ok(record)
    }

    /// Adds the states of records of one collection in its connections.
    pub(crate) async fn add_sync(&self, records: &mut [Record]) -> Result<(), StoreError> {
        let Some(collection_id) = records.first().map(|record| record.collection_id) else { return Ok(()) };
        let sql = "SELECT id, name FROM connections WHERE collection_id = $1 ORDER BY id";
        let rows = self.db.all(sql, args![collection_id]).await?;
        let connections = rows.iter().map(|row| row.id("id").map(ConnectionId)).collect::<Result<Vec<_>, _>>()?;
        let names = rows.iter().map(|row| row.text("name")).collect::<Result<Vec<_>, _>>()?;
        if connections.is_empty() {
            return Ok(());
        }
        let mut select = Select::new(
            "SELECT connection_id, path, record_id, revision, version, link, accepted_local, accepted_by, accepted_at,
                    accepted_reopened, version_created, writer
             FROM base WHERE 1 = 1",
            args![],
        );
        select.and_any("record_id", records.iter().map(|record| record.id));
        let based = self.db.select(select.all()).await?.iter().map(based).collect::<Result<Vec<_>, _>>()?;
        let mut select = Select::new("SELECT id, connection_id, path FROM conflicts WHERE status = 'open'", args![]);
        select.and_any("connection_id", connections.iter().copied());
        select.and_any("path", records.iter().map(|record| &record.path));
        let conflicts = self.db.select(select.all()).await?;
        let conflicts: BTreeMap<(ConnectionId, String), ConflictId> = conflicts
            .iter()
            .map(|row| Ok(((ConnectionId(row.id("connection_id")?), row.text("path")?), ConflictId(row.id("id")?))))
            .collect::<Result<_, StoreError>>()?;
        let seen = self.seen_at(&connections, records.iter().map(|record| &record.path)).await?;
        for record in records {
            let stands = |(connection_id, name): (&ConnectionId, &String)| {
                let conflict = conflicts.get(&(*connection_id, record.path.as_str().to_owned())).copied();
                let of = |base: &&Based| base.connection_id == *connection_id && base.record_id == record.id;
                // After a move that was cut off, two paths name the record. The base at the record's own path
                // counts.
                let base = based.iter().filter(of).max_by_key(|base| base.path == record.path.as_str());
                sync_state(record, conflict.is_some(), base).map(|state| RecordSync {
                    connection_id: *connection_id,
                    connection: name.clone(),
                    state,
                    remote_version: base.map(|base| base.version),
                    accepted: base
                        .and_then(|base| base.accepted.clone())
                        .filter(|_| state == RecordSyncState::Accepted),
                    writer: base.and_then(|base| base.writer.clone()),
                    seen: seen
                        .get(&(*connection_id, record.path.as_str().to_owned()))
                        .filter(|seen| base.map_or(record.deleted_us.is_none(), |base| base.is_left_behind_by(seen)))
                        .cloned(),
                    conflict: conflict.filter(|_| state == RecordSyncState::Conflict),
                })
            };
            record.sync = connections.iter().zip(&names).filter_map(stands).collect();
        }
        Ok(())
    }
}

/// The part of a base row that determines the state of a record.
struct Based {
    connection_id: ConnectionId,
    path: String,
    record_id: RecordId,
    revision: Revision,
    version: u64,
    linked: bool,
    accepted: Option<AcceptedBy>,
    /// Whether a person asked for a new decision about the accepted difference.
    reopened: bool,
    written_us: i64,
    writer: Option<String>,
}

impl Based {
    /// Returns whether a run saw another version than that of the base.
    fn is_left_behind_by(&self, seen: &SeenVersion) -> bool {
        let version = seen.version.map(|version| version.0);
        seen.is_deleted || (version, seen.written_us) != (Some(self.version), Some(self.written_us))
    }
}

fn based(row: &Row) -> Result<Based, StoreError> {
    let by = row.maybe_text("accepted_by")?;
    let accepted = match by {
        Some(by) => Some(AcceptedBy { by, at_us: row.int("accepted_at")? / 1_000 }),
        None => None,
    };
    Ok(Based {
        connection_id: ConnectionId(row.id("connection_id")?),
        path: row.text("path")?,
        record_id: RecordId(row.id("record_id")?),
        revision: match &accepted {
            Some(_) => row.revision("accepted_local")?,
            None => row.revision("revision")?,
        },
        version: row.count("version")?,
        linked: row.named::<Link>("link")? == Link::Linked,
        accepted,
        reopened: row.maybe_int("accepted_reopened")? == Some(1),
        written_us: row.int("version_created")?.div_euclid(1_000),
        writer: row.maybe_text("writer")?,
    })
}

fn sync_state(record: &Record, conflict: bool, base: Option<&Based>) -> Option<RecordSyncState> {
    let live = record.deleted_us.is_none();
    match base {
        _ if conflict => Some(RecordSyncState::Conflict),
        Some(base) if !base.linked => Some(RecordSyncState::Unlinked),
        Some(base) if base.reopened => Some(RecordSyncState::Changed),
        Some(base) if live && base.revision == record.revision && base.path == record.path.as_str() => {
            Some(if base.accepted.is_some() { RecordSyncState::Accepted } else { RecordSyncState::InStep })
        }
        Some(_) => Some(RecordSyncState::Changed),
        None if live => Some(RecordSyncState::New),
        None => None,
    }
}

pub(crate) fn record(row: &Row) -> Result<Record, StoreError> {
    Ok(Record {
        id: RecordId(row.id("id")?),
        collection_id: CollectionId(row.id("collection_id")?),
        path: row.path("path")?,
        record_type: row.record_type()?,
        field_names: row.json("field_names")?,
        tags: row.text("tags")?.split('\n').filter(|tag| !tag.is_empty()).map(str::to_owned).collect(),
        revision: row.revision("revision")?,
        inject_only: row.flag("inject_only")?,
        ask_again: row.flag("ask_again")?,
        created_us: row.int("created_us")?,
        updated_us: row.int("updated_us")?,
        deleted_us: row.maybe_int("deleted_us")?,
        sync: Vec::new(),
    })
}

/// Returns the smallest text that is greater than every text with the prefix, or `None` if there is no such
/// text.
pub(crate) fn after_prefix(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        // The code points between these two are surrogates, which are not `char`s.
        let next = if last == '\u{D7FF}' { Some('\u{E000}') } else { char::from_u32(u32::from(last) + 1) };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

/// Returns the `LIKE` pattern that finds a text anywhere, without regard to case.
pub(crate) fn pattern(query: &str) -> String {
    format!("%{}%", literally(&folded(query)))
}

/// Returns the part of a pattern that stands for a text and nothing else.
pub(crate) fn literally(text: &str) -> String {
    let mut part = String::new();
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            part.push('\\');
        }
        part.push(character);
    }
    part
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{RecordFilter, RecordState, after_prefix};
    use crate::{
        NewRecord, Page,
        testing::{House, new_record},
    };

    async fn paths(house: &House, filter: RecordFilter) -> Vec<String> {
        let listed = house.store.records(house.collection, &filter, &Page::default()).await.unwrap();
        listed.items.into_iter().map(|record| record.path.into()).collect()
    }

    async fn three() -> House {
        let house = House::new().await;
        for (path, tag) in [("Team/DB", "prod"), ("team/100%", "PROD"), ("team/é_x", ",")] {
            let new = NewRecord { tags: vec![tag.to_owned(), "all".to_owned()], ..new_record(path, json!({"x": 1})) };
            house.store.create_record(&house.ann(), house.collection, new).await.unwrap();
        }
        house
    }

    #[tokio::test]
    async fn records_are_found_by_prefix_part_and_label() {
        let house = three().await;
        let all = ["Team/DB", "team/100%", "team/é_x"];
        let found = |filter| paths(&house, filter);
        assert_eq!(found(RecordFilter::default()).await, all);
        let by_prefix = |prefix: &str| RecordFilter { prefix: Some(prefix.to_owned()), ..RecordFilter::default() };
        assert_eq!(found(by_prefix("team/")).await, all[1..]);
        assert_eq!(found(by_prefix("team/é_")).await, all[2..]);
        assert_eq!(found(by_prefix("")).await, all);
        let by_query = |query: &str| RecordFilter { query: Some(query.to_owned()), ..RecordFilter::default() };
        assert_eq!(found(by_query("TEAM/d")).await, all[..1]);
        assert_eq!(found(by_query("É_")).await, all[2..]);
        assert_eq!(found(by_query("%")).await, all[1..2], "a wildcard is only a character");
        assert_eq!(found(by_query("_")).await, all[2..]);
        let by_tag = |tag: &str| RecordFilter { tag: Some(tag.to_owned()), ..RecordFilter::default() };
        assert_eq!(found(by_tag("prod")).await, all[..1]);
        assert_eq!(found(by_tag("all")).await, all);
        assert_eq!(found(by_tag(",")).await, all[2..]);
        assert_eq!(found(by_tag("al")).await, [""; 0]);
    }

    #[tokio::test]
    async fn records_of_one_path_in_the_trash_are_all_listed() {
        let house = House::new().await;
        for _ in 0..5 {
            let record = house.save("a", json!({"x": 1})).await.unwrap();
            house.store.trash_record(&house.ann(), record.id, None).await.unwrap();
        }
        let filter = RecordFilter { state: RecordState::Trash, ..RecordFilter::default() };
        let mut page = Page { limit: 2, cursor: None };
        let mut seen = Vec::new();
        loop {
            let listed = house.store.records(house.collection, &filter, &page).await.unwrap();
            seen.extend(listed.items.iter().map(|record| record.id));
            page.cursor = listed.next_cursor;
            if page.cursor.is_none() {
                break;
            }
        }
        seen.dedup();
        assert_eq!(seen.len(), 5);
        assert_eq!(paths(&house, RecordFilter::default()).await, [""; 0]);
    }

    #[test]
    fn what_follows_a_prefix_is_greater_than_all_that_begin_with_it() {
        assert_eq!(after_prefix("a/").as_deref(), Some("a0"));
        assert_eq!(after_prefix("a\u{10FFFF}").as_deref(), Some("b"));
        assert_eq!(after_prefix("\u{D7FF}").as_deref(), Some("\u{E000}"));
        assert_eq!(after_prefix("\u{10FFFF}"), None);
        assert_eq!(after_prefix(""), None);
    }
}
