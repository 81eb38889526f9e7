//! The base: what both sides agreed on last, per connection and path.

use std::collections::BTreeMap;

use vaultterm_reconcile::{BaseEntry, Link, RecordId, RemoteStamp, SecretPath, UnixNanos, Version};
use vaultterm_sync::ConnectionId;

use crate::{
    StoreError,
    sql::{Db, Row, Tx, args},
};

/// The name of [`Link::Linked`].
pub(crate) const LINKED: &str = "linked";

const LINKS: [(Link, &str); 3] =
    [(Link::Linked, LINKED), (Link::LocalGone, "local_gone"), (Link::RemoteGone, "remote_gone")];

/// Reads the base of a connection.
pub(crate) async fn of(db: &Db, id: ConnectionId) -> Result<BTreeMap<SecretPath, BaseEntry>, StoreError> {
    let sql = "SELECT path, record_id, revision, record_type, key_created, version, version_created, expires, link,
                      held_since
               FROM base WHERE connection_id = $1 ORDER BY path";
    let rows = db.all(sql, args![id]).await?;
    rows.iter().map(|row| Ok((row.path("path")?, entry(row)?))).collect()
}

/// Reads the base of one path.
pub(crate) async fn at(tx: &mut Tx, id: ConnectionId, path: &SecretPath) -> Result<Option<BaseEntry>, StoreError> {
    let sql = "SELECT record_id, revision, record_type, key_created, version, version_created, expires, link,
                      held_since
               FROM base WHERE connection_id = $1 AND path = $2";
    tx.one(sql, args![id, path]).await?.map(|row| entry(&row)).transpose()
}

/// Sets the base of a path, if the revision that it names exists; answers whether it does.
pub(crate) async fn set(
    tx: &mut Tx,
    id: ConnectionId,
    path: &SecretPath,
    entry: &BaseEntry,
) -> Result<bool, StoreError> {
    let link = LINKS.iter().find(|(link, _)| *link == entry.link).map_or(LINKED, |(_, name)| name);
    let sql = "INSERT INTO base (connection_id, path, record_id, revision, record_type, key_created, version,
                                 version_created, expires, link, held_since)
               SELECT $1, $2, v.record_id, v.revision, $5, $6, $7, $8, $9, $10, $11
               FROM revisions v WHERE v.record_id = $3 AND v.revision = $4
               ON CONFLICT (connection_id, path) DO UPDATE SET
                   record_id = excluded.record_id, revision = excluded.revision, record_type = excluded.record_type,
                   key_created = excluded.key_created, version = excluded.version,
                   version_created = excluded.version_created, expires = excluded.expires, link = excluded.link,
                   held_since = excluded.held_since";
    let args = args![
        id,
        path,
        entry.record_id,
        entry.revision,
        entry.record_type,
        entry.stamp.key_created,
        entry.stamp.version,
        entry.stamp.version_created,
        entry.expires,
        link,
        entry.held_since,
    ];
    Ok(tx.run(sql, args).await? == 1)
}

/// Forgets the base of a path.
pub(crate) async fn remove(tx: &mut Tx, id: ConnectionId, path: &SecretPath) -> Result<(), StoreError> {
    tx.run("DELETE FROM base WHERE connection_id = $1 AND path = $2", args![id, path]).await.map(drop)
}

fn entry(row: &Row) -> Result<BaseEntry, StoreError> {
    let link = |text: &str| LINKS.iter().find(|(_, name)| *name == text).map(|(link, _)| *link);
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
        link: row.named("link", "link", link)?,
        held_since: Version(row.count("held_since")?),
    })
}
