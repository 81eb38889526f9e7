//! What the two-sided line of a record shows of the side of Vault: the version on which both sides agree, what the
//! newest run saw if that is another one, and who wrote them.

use std::collections::{BTreeMap, BTreeSet};

use vaultterm_reconcile::{RecordId, Revision, SecretPath, UnixNanos, Version};
use vaultterm_sync::{ConnectionId, RevisionOrigin, SeenInVault};

use crate::{
    Store, StoreError,
    sql::{Row, Select, Tx, args},
    values::values,
};

/// The version in Vault that a record and its secret agreed on last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreedVersion {
    /// The connection.
    pub connection_id: ConnectionId,
    /// The path below the scope of the connection.
    pub path: String,
    /// The revision of the record.
    pub revision: Revision,
    /// The version of the secret.
    pub version: Version,
    /// When the version was written in Vault.
    pub written: UnixNanos,
    /// Who wrote it, in words, if that is known.
    pub writer: Option<String>,
}

/// What the newest run saw of a secret, where it is not what both sides agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenVersion {
    /// The newest version. `None` if the secret was gone altogether.
    pub version: Option<Version>,
    /// The time at which the version was written, in microseconds.
    pub written_us: Option<i64>,
    /// Whether the version is deleted, or the secret is gone.
    pub is_deleted: bool,
    /// Who wrote or deleted it, in words, if that is known.
    pub writer: Option<String>,
}

/// Who made a revision, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevisionWriter {
    /// The name of the actor that saved it, or started the run that made it.
    pub actor: String,
    /// Where its values come from.
    pub origin: RevisionOrigin,
    /// The time, in microseconds.
    pub at_us: i64,
}

impl Store {
    /// Lists what a record and its secrets agreed on last, one entry for each connection.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn agreed_versions(&self, id: RecordId) -> Result<Vec<AgreedVersion>, StoreError> {
        let sql = "SELECT b.connection_id, b.path, b.revision, b.version, b.version_created, b.writer
                   FROM base b
                   JOIN records r ON r.id = b.record_id
                   WHERE b.record_id = $1 AND b.link = 'linked' ORDER BY b.connection_id, b.path = r.path DESC";
        let rows = self.db.all(sql, args![id]).await?;
        let mut agreed = rows.iter().map(agreed).collect::<Result<Vec<_>, _>>()?;
        // After a move that was cut off two paths name the record: its own counts.
        agreed.dedup_by_key(|agreed| agreed.connection_id);
        Ok(agreed)
    }

    /// Finds who made some revisions. A revision that does not exist is missing from the answer.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn revision_writers(
        &self,
        revisions: &[(RecordId, Revision)],
    ) -> Result<BTreeMap<(RecordId, Revision), RevisionWriter>, StoreError> {
        let mut select =
            Select::new("SELECT record_id, revision, actor, origin, created_us FROM revisions WHERE 1 = 1", args![]);
        select.and_any("record_id", revisions.iter().map(|(id, _)| *id));
        select.and_any("revision", revisions.iter().map(|(_, revision)| *revision));
        let rows = self.db.select(select.all()).await?;
        let writer = |row: &Row| {
            let key = (RecordId(row.id("record_id")?), row.revision("revision")?);
            let (actor, origin) = (row.text("actor")?, row.named("origin")?);
            Ok((key, RevisionWriter { actor, origin, at_us: row.int("created_us")? }))
        };
        rows.iter().map(writer).collect()
    }

    /// Finds what the newest runs of some connections saw at some paths, where it is not what both sides agree on.
    pub(crate) async fn seen_at(
        &self,
        connections: &[ConnectionId],
        paths: impl IntoIterator<Item = &SecretPath>,
    ) -> Result<BTreeMap<(ConnectionId, String), SeenVersion>, StoreError> {
        let sql =
            "SELECT connection_id, path, version, version_created, is_deleted, writer FROM seen_in_vault WHERE 1 = 1";
        let mut select = Select::new(sql, args![]);
        select.and_any("connection_id", connections.iter().copied());
        select.and_any("path", paths);
        let rows = self.db.select(select.all()).await?;
        rows.iter().map(|row| Ok(((ConnectionId(row.id("connection_id")?), row.text("path")?), seen(row)?))).collect()
    }
}

/// Replaces what earlier runs of a connection saw: everywhere, or only at some paths.
pub(crate) async fn replace_seen(
    tx: &mut Tx,
    id: ConnectionId,
    at: Option<&BTreeSet<SecretPath>>,
    seen: &[SeenInVault],
) -> Result<(), StoreError> {
    match at {
        None => drop(tx.run("DELETE FROM seen_in_vault WHERE connection_id = $1", args![id]).await?),
        Some(paths) => forget_seen(tx, id, &paths.iter().collect::<Vec<_>>()).await?,
    }
    let row = |one: &SeenInVault| {
        let (version, written) = (one.stamp.map(|stamp| stamp.version), one.stamp.map(|stamp| stamp.version_created));
        args![&one.path, version, written, u64::from(one.is_deleted), one.writer.as_deref()]
    };
    // A path may have a conflict and a step. The conflict comes first and counts.
    let mut paths = BTreeSet::new();
    let seen = seen.iter().filter(|one| paths.insert(&one.path));
    for part in values(args![id], seen.map(row).collect()) {
        let sql = format!(
            "WITH n (path, version, version_created, is_deleted, writer) AS (VALUES {})
             INSERT INTO seen_in_vault (connection_id, path, version, version_created, is_deleted, writer)
             SELECT $1, path, version, version_created, is_deleted, writer FROM n WHERE path IS NOT NULL",
            part.rows
        );
        tx.run(&sql, part.args).await?;
    }
    Ok(())
}

/// Forgets what was seen at some paths, because the base there moved.
pub(crate) async fn forget_seen(tx: &mut Tx, id: ConnectionId, paths: &[&SecretPath]) -> Result<(), StoreError> {
    let mut delete = Select::new("DELETE FROM seen_in_vault WHERE connection_id = $1", args![id]);
    delete.and_any("path", paths.iter().copied());
    tx.change(delete.all()).await.map(drop)
}

fn seen(row: &Row) -> Result<SeenVersion, StoreError> {
    let version = row.maybe_int("version")?.map(|number| u64::try_from(number).map(Version));
    Ok(SeenVersion {
        version: version.transpose().map_err(|_| StoreError::Malformed("number"))?,
        written_us: row.maybe_int("version_created")?.map(|nanos| nanos.div_euclid(1_000)),
        is_deleted: row.flag("is_deleted")?,
        writer: row.maybe_text("writer")?,
    })
}

fn agreed(row: &Row) -> Result<AgreedVersion, StoreError> {
    Ok(AgreedVersion {
        connection_id: ConnectionId(row.id("connection_id")?),
        path: row.text("path")?,
        revision: row.revision("revision")?,
        version: Version(row.count("version")?),
        written: row.nanos("version_created")?,
        writer: row.maybe_text("writer")?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vaultterm_reconcile::{Mode, RemoteStamp, Revision, UnixNanos, Version};
    use vaultterm_sync::{BaseChange, Journal as _, Outcome, RecordSyncState, SeenInVault};

    use crate::testing::{House, at, base, outcome};

    #[tokio::test]
    async fn the_version_that_both_sides_agreed_on_is_found_by_the_record() {
        let house = House::new().await;
        let connection = house.connect("kv", Mode::Bidirectional, "").await.unwrap();
        let run = house.begin(connection.id, vaultterm_sync::Trigger::Manual).await;
        let id = house.import(&run, "a/b", json!({"x": 1})).await;
        let agreed = house.store.agreed_versions(id).await.unwrap();
        assert_eq!(agreed.len(), 1);
        assert_eq!((agreed[0].connection_id, agreed[0].path.as_str()), (connection.id, "a/b"));
        assert_eq!((agreed[0].revision, agreed[0].version), (Revision::FIRST, Version(7)));
        let other = house.save("c", json!({"x": 1})).await.unwrap();
        assert_eq!(house.store.agreed_versions(other.id).await.unwrap(), []);
    }

    fn seen(path: &str, version: u64, writer: Option<&str>) -> SeenInVault {
        let number = i64::try_from(version).unwrap();
        let (version, version_created) = (Version(version), UnixNanos(number * 1_000_000));
        let stamp = RemoteStamp { key_created: UnixNanos(1), version, version_created };
        SeenInVault { path: at(path), stamp: Some(stamp), is_deleted: false, writer: writer.map(str::to_owned) }
    }

    #[tokio::test]
    async fn what_the_newest_run_saw_stands_beside_the_record_until_both_sides_agree_on_it() {
        let house = House::new().await;
        let made = house.connect("kv", Mode::Bidirectional, "").await.unwrap();
        let run = house.begin(made.id, vaultterm_sync::Trigger::Manual).await;
        let id = house.import(&run, "a", json!({"x": 1})).await;
        let sync = async || house.store.record(id).await.unwrap().unwrap().sync.remove(0);
        assert_eq!((sync().await.remote_version, sync().await.writer, sync().await.seen), (Some(7), None, None));

        let saw = [seen("a", 8, Some("approle jenkins")), seen("b", 3, None)];
        house.store.record_seen(run.0, None, &saw).await.unwrap();
        let ahead = sync().await.seen.unwrap();
        assert_eq!((ahead.version, ahead.written_us, ahead.is_deleted), (Some(Version(8)), Some(8_000), false));
        assert_eq!(ahead.writer.as_deref(), Some("approle jenkins"));
        assert_eq!(sync().await.state, RecordSyncState::InStep, "the record itself did not change");

        // The run takes the version over: who wrote it is known from then on, and nothing is ahead.
        let mut entry = base(id, 1);
        entry.stamp = saw[0].stamp.unwrap();
        let took = Outcome { base: BaseChange::Set(entry.clone()), ..outcome("a") };
        house.store.commit(run.0, run.1.id, vec![took]).await.unwrap();
        assert_eq!((sync().await.writer.as_deref(), sync().await.seen), (Some("approle jenkins"), None));
        assert_eq!(house.store.agreed_versions(id).await.unwrap()[0].writer.as_deref(), Some("approle jenkins"));
        // The same version again, for example when the sides are adopted once more: it has the same writer.
        let again = Outcome { base: BaseChange::Set(entry.clone()), ..outcome("a") };
        house.store.commit(run.0, run.1.id, vec![again]).await.unwrap();
        assert_eq!(sync().await.writer.as_deref(), Some("approle jenkins"));

        // A version of VaultTerm is its own, and one that nobody saw is nobody's.
        for (wrote_remote, writer) in [(true, Some("VaultTerm")), (false, None)] {
            entry.stamp.version = Version(entry.stamp.version.0 + 1);
            let set = Outcome { base: BaseChange::Set(entry.clone()), wrote_remote, ..outcome("a") };
            house.store.commit(run.0, run.1.id, vec![set]).await.unwrap();
            assert_eq!(sync().await.writer.as_deref(), writer);
        }
    }

    #[tokio::test]
    async fn a_run_replaces_what_the_run_before_it_saw_and_a_lost_lease_changes_nothing() {
        let house = House::new().await;
        let made = house.connect("kv", Mode::Bidirectional, "").await.unwrap();
        let run = house.begin(made.id, vaultterm_sync::Trigger::Manual).await;
        let paths = [at("a"), at("b")];
        let listed = async || house.store.seen_at(&[made.id], &paths).await.unwrap().into_keys().map(|key| key.1);
        house.store.record_seen(run.0, None, &[seen("a", 8, None)]).await.unwrap();
        house.store.record_seen(run.0, None, &[seen("b", 2, None)]).await.unwrap();
        assert_eq!(listed().await.collect::<Vec<_>>(), ["b"]);
        house.store.release_lease(run.0).await.unwrap();
        house.store.record_seen(run.0, None, &[]).await.unwrap_err();
        assert_eq!(listed().await.collect::<Vec<_>>(), ["b"]);
    }

    #[tokio::test]
    async fn a_run_at_some_paths_replaces_only_what_was_seen_there() {
        let house = House::new().await;
        let made = house.connect("kv", Mode::Bidirectional, "").await.unwrap();
        let run = house.begin(made.id, vaultterm_sync::Trigger::Manual).await;
        let paths = [at("a"), at("b"), at("c")];
        let listed = async || house.store.seen_at(&[made.id], &paths).await.unwrap().into_keys().map(|key| key.1);
        house.store.record_seen(run.0, None, &[seen("a", 8, None), seen("b", 2, None)]).await.unwrap();
        let looked_at = [at("b"), at("c")].into();
        house.store.record_seen(run.0, Some(&looked_at), &[seen("c", 3, None)]).await.unwrap();
        assert_eq!(listed().await.collect::<Vec<_>>(), ["a", "c"]);
    }

    #[tokio::test]
    async fn the_makers_of_revisions_are_found_together() {
        let house = House::new().await;
        let one = house.save("a", json!({"x": 1})).await.unwrap().id;
        let asked = [(one, Revision(1)), (one, Revision(9))];
        let found = house.store.revision_writers(&asked).await.unwrap();
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), asked[..1]);
        assert_eq!(found[&asked[0]].actor, house.ann().actor.name);
    }
}
