//! The base: the state on which both sides agreed last, per connection and path.

use std::collections::{BTreeMap, BTreeSet};

use vaultterm_reconcile::{Accepted, BaseEntry, RecordId, RemoteStamp, SecretPath, UnixNanos, Version};
use vaultterm_sync::{CollectionId, ConnectionId};

use crate::{
    StoreError, sides,
    sql::{Arg, Db, Row, Select, Tx, args},
    values::values,
};

/// The columns that [`entry`] reads.
const COLUMNS: &str =
    "record_id, revision, record_type, key_created, version, version_created, expires, link, held_since,
    accepted_local, accepted_remote, accepted_agreed, accepted_mode, accepted_reopened, accepted_by, accepted_at";

/// The revision on which a record and a connection agreed last, 0 if on none.
const AGREED: &str =
    "COALESCE((SELECT MAX(b.revision) FROM base b WHERE b.record_id = records.id AND b.path = records.path
                                                              AND b.link = 'linked'), 0)";

/// Reads the base of a connection.
pub(crate) async fn of(db: &Db, id: ConnectionId) -> Result<BTreeMap<SecretPath, BaseEntry>, StoreError> {
    let sql = format!("SELECT path, {COLUMNS} FROM base WHERE connection_id = $1 ORDER BY path");
    let entries = db.all_as(&sql, args![id], |row| Ok((row.path("path")?, entry(row)?))).await?;
    Ok(entries.into_iter().collect())
}

/// Reads the bases of some paths, and those that name some records.
pub(crate) async fn around(
    db: &Db,
    id: ConnectionId,
    paths: &BTreeSet<SecretPath>,
    records: &BTreeSet<RecordId>,
) -> Result<BTreeMap<SecretPath, BaseEntry>, StoreError> {
    let sql = format!("SELECT path, {COLUMNS} FROM base WHERE connection_id = $1");
    let id = [Arg::from(id)];
    let mut rows = db.any(&sql, &id, "path", paths).await?;
    rows.extend(db.any(&sql, &id, "record_id", records.iter().copied()).await?);
    rows.iter().map(|row| Ok((row.path("path")?, entry(row)?))).collect()
}

/// Reads the base of one path.
pub(crate) async fn at(tx: &mut Tx, id: ConnectionId, path: &SecretPath) -> Result<Option<BaseEntry>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM base WHERE connection_id = $1 AND path = $2");
    tx.one(&sql, args![id, path]).await?.map(|row| entry(&row)).transpose()
}

/// A base to set.
pub(crate) struct NewBase<'a> {
    pub(crate) path: &'a SecretPath,
    pub(crate) entry: BaseEntry,
    /// Whether VaultTerm itself wrote the version that the base names.
    pub(crate) wrote_remote: bool,
}

/// The columns of a row of [`set`], in the order of [`NewBase::row`].
const NEW: &str =
    "path, record_id, revision, record_type, key_created, version, version_created, expires, link, held_since,
    accepted_local, accepted_remote, accepted_agreed, accepted_mode, accepted_reopened, accepted_by, accepted_at";

impl NewBase<'_> {
    fn row(&self) -> Vec<Arg> {
        let entry = &self.entry;
        let accepted = entry.accepted.as_ref();
        args![
            self.path,
            entry.record_id,
            entry.revision,
            entry.record_type,
            entry.stamp.key_created,
            entry.stamp.version,
            entry.stamp.version_created,
            entry.expires,
            entry.link.as_str(),
            entry.held_since,
            accepted.map(|accepted| accepted.local.0),
            accepted.map(|accepted| accepted.remote.0),
            accepted.map(|accepted| u64::from(accepted.agreed)),
            accepted.map(|accepted| accepted.mode.as_str()),
            accepted.map(|accepted| u64::from(accepted.reopened)),
            accepted.map(|accepted| accepted.by.as_str()),
            accepted.map(|accepted| accepted.at),
            u64::from(self.wrote_remote),
        ]
    }
}

/// Returns the condition that a revision of the record of a row exists. It is counted, so that every engine looks for each
/// one in the index, however few revisions there were when the statement was planned.
fn exists(revision: &str) -> String {
    format!("(SELECT COUNT(*) FROM revisions v WHERE v.record_id = n.record_id AND v.revision = n.{revision}) = 1")
}

/// The writer of the versions that VaultTerm made.
pub(crate) const OURSELVES: &str = "VaultTerm";

/// Sets the bases of some paths, each only once, if the revisions that they name exist. Returns the paths at which they do.
/// Who wrote a version is VaultTerm (`wrote_remote`), or who the newest run saw, or else who was known for the same version
/// before.
pub(crate) async fn set(
    tx: &mut Tx,
    id: ConnectionId,
    new: &[NewBase<'_>],
) -> Result<BTreeSet<SecretPath>, StoreError> {
    let (held, local, remote) = (exists("revision"), exists("accepted_local"), exists("accepted_remote"));
    let mut set = BTreeSet::new();
    for part in values(args![id], new.iter().map(NewBase::row).collect()) {
        let sql = format!(
            "WITH n ({NEW}, wrote_remote) AS (VALUES {})
             INSERT INTO base (connection_id, {NEW}, writer)
             SELECT $1, {NEW},
                    CASE WHEN n.wrote_remote = 1 THEN '{OURSELVES}'
                         ELSE (SELECT s.writer FROM seen_in_vault s WHERE s.connection_id = $1 AND s.path = n.path
                                 AND s.version = n.version AND s.version_created = n.version_created) END
             FROM n WHERE n.path IS NOT NULL AND {held}
               AND (n.accepted_local IS NULL OR {local}) AND (n.accepted_remote IS NULL OR {remote})
             ON CONFLICT (connection_id, path) DO UPDATE SET
                 record_id = excluded.record_id, revision = excluded.revision, record_type = excluded.record_type,
                 key_created = excluded.key_created, version = excluded.version,
                 version_created = excluded.version_created, expires = excluded.expires, link = excluded.link,
                 held_since = excluded.held_since,
                 accepted_local = excluded.accepted_local, accepted_remote = excluded.accepted_remote,
                 accepted_agreed = excluded.accepted_agreed, accepted_mode = excluded.accepted_mode,
                 accepted_reopened = CASE
                     WHEN base.accepted_reopened = 1 AND base.accepted_at = excluded.accepted_at THEN 1
                     ELSE excluded.accepted_reopened END,
                 accepted_by = excluded.accepted_by, accepted_at = excluded.accepted_at,
                 writer = CASE
                     WHEN excluded.writer IS NULL AND base.key_created = excluded.key_created
                      AND base.version = excluded.version AND base.version_created = excluded.version_created
                     THEN base.writer ELSE excluded.writer END
             RETURNING path",
            part.rows
        );
        for row in tx.all(&sql, part.args).await? {
            set.insert(row.path("path")?);
        }
    }
    if !set.is_empty() {
        sides::forget_seen(tx, id, &set.iter().collect::<Vec<_>>()).await?;
    }
    Ok(set)
}

/// Forgets the base of a path.
pub(crate) async fn remove(tx: &mut Tx, id: ConnectionId, path: &SecretPath) -> Result<(), StoreError> {
    tx.run("DELETE FROM base WHERE connection_id = $1 AND path = $2", args![id, path]).await?;
    sides::forget_seen(tx, id, &[path]).await
}

/// Writes to the records at some paths on which revision a connection agreed with them last. The base of these paths
/// was changed in this transaction.
pub(crate) async fn mark_agreed(
    tx: &mut Tx,
    collection_id: CollectionId,
    paths: impl Iterator<Item = &SecretPath>,
) -> Result<(), StoreError> {
    // A record that a run has just created says so already.
    let sql = format!(
        "UPDATE records SET agreed_revision = {AGREED}
         WHERE collection_id = $1 AND deleted_us IS NULL AND agreed_revision <> {AGREED}"
    );
    let mut update = Select::new(&sql, args![collection_id]);
    update.and_any("path", paths);
    tx.change(update.all()).await.map(drop)
}

/// Writes to all records of a collection on which revision a connection agreed with them last, after the base of a
/// connection was forgotten.
pub(crate) async fn mark_all_agreed(tx: &mut Tx, collection_id: CollectionId) -> Result<(), StoreError> {
    let sql =
        format!("UPDATE records SET agreed_revision = {AGREED} WHERE collection_id = $1 AND agreed_revision <> 0");
    tx.run(&sql, args![collection_id]).await.map(drop)
}

fn entry(row: &Row) -> Result<BaseEntry, StoreError> {
    Ok(BaseEntry {
        record_id: RecordId(row.id("record_id")?),
        revision: row.revision("revision")?,
        record_type: row.record_type()?,
        stamp: RemoteStamp {
            key_created: row.nanos("key_created")?,
            version: Version(row.count("version")?),
            version_created: row.nanos("version_created")?,
        },
        expires: row.maybe_int("expires")?.map(UnixNanos),
        link: row.named("link")?,
        held_since: Version(row.count("held_since")?),
        accepted: accepted(row)?,
    })
}

fn accepted(row: &Row) -> Result<Option<Accepted>, StoreError> {
    if row.maybe_int("accepted_local")?.is_none() {
        return Ok(None);
    }
    Ok(Some(Accepted {
        local: row.revision("accepted_local")?,
        remote: row.revision("accepted_remote")?,
        agreed: row.flag("accepted_agreed")?,
        mode: row.named("accepted_mode")?,
        reopened: row.flag("accepted_reopened")?,
        by: row.text("accepted_by")?,
        at: row.nanos("accepted_at")?,
    }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use serde_json::json;
    use vaultterm_reconcile::{Accepted, BaseEntry, Mode, RecordType, Revision, UnixNanos};
    use vaultterm_sync::{BaseChange, Journal as _, LocalChange, Origin, Outcome, RecordSyncState, RunState, Trigger};

    use crate::{
        ErrorClass,
        sql::args,
        testing::{House, at, base, fields, outcome},
    };

    /// The part of the migration that repairs rows.
    const MEND: &str = include_str!("../migrations/0012_accepted.sql");

    fn accepted(base: BaseEntry, local: u64) -> BaseEntry {
        let (remote, by, at) = (Revision(local - 1), "ann".to_owned(), UnixNanos(1_700_000_000_123_456_789));
        let (agreed, mode, reopened) = (true, Mode::Pull, false);
        let accepted = Accepted { local: Revision(local), remote, agreed, mode, reopened, by, at };
        BaseEntry { accepted: Some(accepted), ..base }
    }

    /// Returns the change that keeps a record against its secret. Revision 1 was in step, revision 2 keeps
    /// the value of the secret, and revision 3 is the record's own.
    fn kept(record_id: vaultterm_reconcile::RecordId, connection: vaultterm_sync::ConnectionId) -> LocalChange {
        LocalChange::Rebase {
            record_id,
            expect: Revision(1),
            remote: fields(json!({"a": "there"})),
            record_type: RecordType::KeyValue,
            fields: fields(json!({"a": "here"})),
            origin: Origin::Merge(connection),
        }
    }

    #[tokio::test]
    async fn a_record_and_its_connection_say_that_a_difference_is_accepted_by_whom_and_when() {
        let house = House::new().await;
        let connection = house.connect("one", Mode::Pull, "one").await.unwrap();
        let run = house.begin(connection.id, Trigger::Resolution).await;
        let record_id = house.import(&run, "x", json!({"a": "0"})).await;
        let base = BaseChange::Set(accepted(base(record_id, 1), 3));
        let local = kept(record_id, connection.id);
        house.store.commit(run.0, run.1.id, vec![Outcome { local, base, ..outcome("x") }]).await.unwrap();
        let record = house.store.record(record_id).await.unwrap().unwrap();
        let [sync] = &record.sync[..] else { panic!("{record:?}") };
        let accepted = sync.accepted.as_ref().unwrap();
        assert_eq!(
            (sync.state, &*accepted.by, accepted.at_us),
            (RecordSyncState::Accepted, "ann", 1_700_000_000_123_456)
        );
        house.end(run, RunState::Succeeded).await;
        let found = house.store.connection_summary(connection.id).await.unwrap().unwrap();
        assert_eq!(found.accepted_paths, 1);
    }

    #[tokio::test]
    async fn a_row_that_cannot_be_read_fails_the_whole_reading_and_is_never_left_out() {
        let house = House::new().await;
        let connection = house.connect("one", Mode::Bidirectional, "").await.unwrap();
        let run = house.begin(connection.id, Trigger::Manual).await;
        for path in ["a", "b", "c"] {
            house.import(&run, path, json!({"x": 1})).await;
        }
        assert_eq!(house.store.base(connection.id).await.unwrap().len(), 3);
        assert_eq!(house.store.local_snapshot(connection.collection_id).await.unwrap().live.len(), 3);
        let mut tx = house.store.db.touch().await.unwrap();
        for table in ["base", "records"] {
            let sql = format!("UPDATE {table} SET record_type = 'OF_A_NEWER_VERSION' WHERE path = 'b'");
            assert_eq!(tx.run(&sql, args![]).await.unwrap(), 1);
        }
        tx.commit().await.unwrap();
        house.store.base(connection.id).await.unwrap_err();
        house.store.local_snapshot(connection.collection_id).await.unwrap_err();
    }

    #[tokio::test]
    async fn a_difference_that_a_person_opens_again_stays_open_whatever_a_run_writes_beside_that() {
        let house = House::new().await;
        let connection = house.connect("one", Mode::Pull, "one").await.unwrap();
        let run = house.begin(connection.id, Trigger::Resolution).await;
        let record_id = house.import(&run, "x", json!({"a": "0"})).await;
        let entry = accepted(base(record_id, 1), 3);
        let (set, local) = (BaseChange::Set(entry.clone()), kept(record_id, connection.id));
        house.store.commit(run.0, run.1.id, vec![Outcome { local, base: set.clone(), ..outcome("x") }]).await.unwrap();
        let listed = house.store.accepted_differences(connection.id).await.unwrap();
        assert_eq!((listed.len(), &*listed[0].path, &*listed[0].accepted_by), (1, "x", "ann"));

        house.store.reopen_difference(&house.ann(), connection.id, "x").await.unwrap();
        let again = house.store.reopen_difference(&house.ann(), connection.id, "x").await.unwrap_err();
        assert_eq!(again.class(), ErrorClass::NotFound);
        // A run that read the base before the difference was reopened writes that base again.
        house.store.commit(run.0, run.1.id, vec![Outcome { base: set, ..outcome("x") }]).await.unwrap();
        let found = house.store.base(connection.id).await.unwrap();
        assert!(found[&at("x")].accepted.as_ref().unwrap().reopened);
        assert!(house.store.accepted_differences(connection.id).await.unwrap().is_empty());
        let record = house.store.record(record_id).await.unwrap().unwrap();
        assert_eq!((record.sync[0].state, &record.sync[0].accepted), (RecordSyncState::Changed, &None));

        // A later acceptance closes the difference again.
        let mut later = entry;
        later.accepted.as_mut().unwrap().at = UnixNanos(1_700_000_000_999_999_999);
        let set = BaseChange::Set(later.clone());
        house.store.commit(run.0, run.1.id, vec![Outcome { base: set, ..outcome("x") }]).await.unwrap();
        assert_eq!(house.store.base(connection.id).await.unwrap()[&at("x")], later);
        house.end(run, RunState::Succeeded).await;
    }

    #[tokio::test]
    async fn a_difference_that_a_pull_accepted_before_is_shown_as_one_after_the_migration() {
        let house = House::new().await;
        let mut bases = Vec::new();
        for (name, mode) in [("pulled", Mode::Pull), ("pushed", Mode::Push)] {
            let connection = house.connect(name, mode, name).await.unwrap();
            let run = house.begin(connection.id, Trigger::Resolution).await;
            let record_id = house.import(&run, name, json!({"a": "0"})).await;
            // Before the migration, a pull recorded such a base as if both sides held revision 3.
            let set = BaseChange::Set(base(record_id, 3));
            let local = kept(record_id, connection.id);
            house.store.commit(run.0, run.1.id, vec![Outcome { local, base: set, ..outcome(name) }]).await.unwrap();
            let plain = house.import(&run, &format!("{name}-plain"), json!({"a": "0"})).await;
            house.end(run, RunState::Succeeded).await;
            bases.push((connection.id, name, record_id, plain));
        }
        let (_, mend) = MEND.split_once("UPDATE base").unwrap();
        let mut tx = house.store.db.write().await.unwrap();
        tx.run(&format!("UPDATE base{mend}"), Vec::new()).await.unwrap();
        tx.commit().await.unwrap();
        for (connection, name, record_id, plain) in bases {
            let found = house.store.base(connection).await.unwrap();
            assert_eq!(found[&at(&format!("{name}-plain"))], base(plain, 1));
            let kept = &found[&at(name)];
            if name == "pushed" {
                assert_eq!(*kept, base(record_id, 3), "a push left such revisions when it overwrote a secret");
                continue;
            }
            assert_eq!((kept.revision, kept.local_revision(), kept.is_agreed()), (Revision(2), Revision(3), false));
            let accepted = kept.accepted.as_ref().unwrap();
            assert_eq!((accepted.remote, accepted.mode), (Revision(2), Mode::Pull));
            assert!(!accepted.by.is_empty() && accepted.at.0 > 1_000_000_000_000_000_000, "{accepted:?}");
        }
    }
}
