//! What the two-sided line of a record shows of the side of Vault.

use vaultterm_reconcile::{RecordId, Revision, UnixNanos, Version};
use vaultterm_sync::ConnectionId;

use crate::{
    Store, StoreError,
    sql::{Row, args},
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
}

impl Store {
    /// Lists what a record and its secrets agreed on last, one entry for each connection.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn agreed_versions(&self, id: RecordId) -> Result<Vec<AgreedVersion>, StoreError> {
        let sql = "SELECT b.connection_id, b.path, b.revision, b.version, b.version_created FROM base b
                   JOIN records r ON r.id = b.record_id
                   WHERE b.record_id = $1 AND b.link = 'linked' ORDER BY b.connection_id, b.path = r.path DESC";
        let rows = self.db.all(sql, args![id]).await?;
        let mut agreed = rows.iter().map(agreed).collect::<Result<Vec<_>, _>>()?;
        // After a move that was cut off two paths name the record: its own counts.
        agreed.dedup_by_key(|agreed| agreed.connection_id);
        Ok(agreed)
    }
}

fn agreed(row: &Row) -> Result<AgreedVersion, StoreError> {
    Ok(AgreedVersion {
        connection_id: ConnectionId(row.id("connection_id")?),
        path: row.text("path")?,
        revision: row.revision("revision")?,
        version: Version(row.count("version")?),
        written: row.nanos("version_created")?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vaultterm_reconcile::{Mode, Revision, Version};

    use crate::testing::House;

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
}
