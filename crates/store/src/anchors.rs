//! The anchors of the audit log outside of the database: how far each was served, and how an anchored
//! checkpoint compares with the log in the database.

use vaultterm_ledger::{Checkpoint, CheckpointError};

use crate::{
    Store, StoreError,
    sql::{Row, args},
};

/// The state of an anchor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnchorRow {
    /// The name: `file`, `syslog` or `vault`.
    pub name: String,
    /// The place of the anchor.
    pub target: String,
    /// The size of the newest checkpoint that was delivered. 0 if none was.
    pub size: u64,
    /// The time of its delivery, in microseconds.
    pub delivered_us: Option<i64>,
    /// The number of the last entry that was delivered, if entries are sent too.
    pub seq: u64,
}

/// The result of comparing an anchored checkpoint with the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The log contains what was signed.
    Agrees,
    /// The log does not contain what was signed. The reason is for people.
    Differs(String),
    /// The comparison is not possible, because the entries up to this size were removed on purpose.
    Unknown,
}

impl Store {
    /// Returns the states of all anchors by name.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn anchors(&self) -> Result<Vec<AnchorRow>, StoreError> {
        self.db.all("SELECT * FROM audit_anchors ORDER BY name", args![]).await?.iter().map(anchor).collect()
    }

    /// Returns the state of an anchor. If the anchor is at another place now, the state is that of a new one.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn anchor(&self, name: &str, target: &str) -> Result<AnchorRow, StoreError> {
        let row =
            self.db.one("SELECT * FROM audit_anchors WHERE name = $1 AND target = $2", args![name, target]).await?;
        let none =
            || AnchorRow { name: name.to_owned(), target: target.to_owned(), size: 0, delivered_us: None, seq: 0 };
        row.map_or_else(|| Ok(none()), |row| anchor(&row))
    }

    /// Records the state of an anchor. This writes no audit entry, because it is about the log and not part
    /// of it.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn note_anchor(&self, anchor: &AnchorRow) -> Result<(), StoreError> {
        let AnchorRow { name, target, size, delivered_us, seq } = anchor.clone();
        let sql = "INSERT INTO audit_anchors (name, target, size, delivered_us, seq) VALUES ($1, $2, $3, $4, $5)
                   ON CONFLICT (name) DO UPDATE SET target = $2, size = $3, delivered_us = $4, seq = $5";
        let mut tx = self.db.write().await?;
        tx.run(sql, args![name, target, size, delivered_us, seq]).await?;
        tx.commit().await
    }

    /// Compares a checkpoint that was kept elsewhere with the log. They differ if the log is shorter, has
    /// other entries or is another log. In that case the signed log was replaced.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn compare_anchored(&self, note: &str) -> Result<Comparison, StoreError> {
        let differs = |why: String| Ok(Comparison::Differs(why));
        let trusted: Vec<_> = self.audit_vkeys().await?.into_iter().map(|key| key.vkey).collect();
        let said = match Checkpoint::open(note, &trusted) {
            Ok((said, _)) => said,
            Err(CheckpointError::Malformed) => return differs("the anchored text is not a checkpoint".to_owned()),
            Err(CheckpointError::Note(error)) => {
                return differs(format!("the anchored checkpoint is not signed by a key of this database: {error}"));
            }
        };
        if said.log_id != self.audit_log_id().await? {
            return differs(format!("the anchored checkpoint is of another log, {}", said.log_id));
        }
        let size = self.audit_size().await?;
        if said.size > size {
            return differs(format!("the log has {size} entries here, but had {} when it was anchored", said.size));
        }
        Ok(match self.audit_root(said.size).await? {
            None => Comparison::Unknown,
            Some(root) if root == said.root => Comparison::Agrees,
            Some(_) => Comparison::Differs(format!("the first {} entries are not those that were anchored", said.size)),
        })
    }
}

fn anchor(row: &Row) -> Result<AnchorRow, StoreError> {
    Ok(AnchorRow {
        name: row.text("name")?,
        target: row.text("target")?,
        size: row.count("size")?,
        delivered_us: row.maybe_int("delivered_us")?,
        seq: row.count("seq")?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{AnchorRow, Comparison};
    use crate::{
        DatabaseUrl, Store,
        copy::copy,
        testing::{House, reopened},
    };

    async fn anchored(house: &House) -> String {
        house.store.checkpoint().await.unwrap().unwrap().note
    }

    async fn differs(store: &Store, note: &str, why: &str) {
        match store.compare_anchored(note).await.unwrap() {
            Comparison::Differs(said) => assert!(said.contains(why), "{said}"),
            other => panic!("{other:?}, but {why}"),
        }
    }

    /// Copies the database, so that a test can go back to it later.
    async fn copied(house: &House) -> DatabaseUrl {
        let folder = house.folder.path().join(vaultterm_sync::new_id().to_string());
        let url: DatabaseUrl = vaultterm_testkit::fresh_database(&folder).await.parse().unwrap();
        let to = url.open().await.unwrap();
        copy(&house.store.db.0, &to).await.unwrap();
        to.close().await;
        url
    }

    async fn put_back(house: &mut House, copied: DatabaseUrl) {
        house.store.close().await;
        house.url = copied;
        house.store = reopened(house, &house.root).await.unwrap();
    }

    #[tokio::test]
    async fn an_older_copy_of_the_database_differs_from_what_was_anchored() {
        let mut house = House::new().await;
        let first = anchored(&house).await;
        let older = copied(&house).await;
        house.save("a", json!({"x": 1})).await.unwrap();
        let second = anchored(&house).await;
        for note in [&first, &second] {
            assert_eq!(house.store.compare_anchored(note).await.unwrap(), Comparison::Agrees);
        }
        put_back(&mut house, older).await;
        assert_eq!(house.store.compare_anchored(&first).await.unwrap(), Comparison::Agrees);
        differs(&house.store, &second, "has 2 entries here, but had 3").await;
        // The log grows until it is as long as the anchored one.
        house.save("b", json!({"x": 1})).await.unwrap();
        house.save("c", json!({"x": 1})).await.unwrap();
        differs(&house.store, &second, "first 3 entries are not those").await;
        anchored(&house).await;
        differs(&house.store, &second, "first 3 entries are not those").await;
    }

    #[tokio::test]
    async fn a_copy_from_before_a_rotation_does_not_know_the_key_that_signed_since() {
        let mut house = House::new().await;
        let older = copied(&house).await;
        house.store.rotate_audit_key(&house.ann(), &house.root).await.unwrap();
        let by_old = house.store.newest_checkpoint().await.unwrap().unwrap().note;
        house.save("a", json!({"x": 1})).await.unwrap();
        let by_new = anchored(&house).await;
        put_back(&mut house, older).await;
        differs(&house.store, &by_old, "has 2 entries here, but had 3").await;
        differs(&house.store, &by_new, "not signed by a key of this database").await;
    }

    #[tokio::test]
    async fn another_installation_differs_whatever_it_holds() {
        let (house, other) = (House::new().await, House::new().await);
        let note = anchored(&other).await;
        differs(&house.store, &note, "not signed by a key").await;
        differs(&house.store, "nonsense", "signed").await;
    }

    #[tokio::test]
    async fn an_anchor_at_another_place_was_never_served() {
        let house = House::new().await;
        let row = house.store.anchor("file", "/a").await.unwrap();
        assert_eq!(row, AnchorRow { name: "file".into(), target: "/a".into(), size: 0, delivered_us: None, seq: 0 });
        let served = AnchorRow { size: 2, delivered_us: Some(5), seq: 7, ..row };
        house.store.note_anchor(&served).await.unwrap();
        assert_eq!(house.store.anchor("file", "/a").await.unwrap(), served);
        assert_eq!(house.store.anchor("file", "/b").await.unwrap().size, 0);
        house.store.note_anchor(&AnchorRow { size: 9, ..served }).await.unwrap();
        let all = house.store.anchors().await.unwrap();
        assert_eq!(all.iter().map(|row| (row.name.as_str(), row.size)).collect::<Vec<_>>(), [("file", 9)]);
    }
}
