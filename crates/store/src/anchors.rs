//! What is known of the audit log outside the database: how far each anchor was served, and how an
//! anchored checkpoint compares with the log here.

use vaultterm_ledger::{Checkpoint, CheckpointError};

use crate::{
    Store, StoreError,
    sql::{Row, args},
};

/// How far an anchor was served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnchorRow {
    /// `file`, `syslog` or `vault`.
    pub name: String,
    /// Where it is.
    pub target: String,
    /// The size of the newest checkpoint that arrived; 0 for none.
    pub size: u64,
    /// When it arrived, in microseconds.
    pub delivered_us: Option<i64>,
    /// The last entry that arrived, where entries are sent as well.
    pub seq: u64,
}

/// How an anchored checkpoint compares with the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The log holds what was signed.
    Agrees,
    /// It does not: the reason, for people.
    Differs(String),
    /// Nobody can say: the entries up to there were removed on purpose since.
    Unknown,
}

impl Store {
    /// Returns how far the anchors were served, by name.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn anchors(&self) -> Result<Vec<AnchorRow>, StoreError> {
        self.db.all("SELECT * FROM audit_anchors ORDER BY name", args![]).await?.iter().map(anchor).collect()
    }

    /// Returns how far an anchor was served; from the beginning, when it is at another place now.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn anchor(&self, name: &str, target: &str) -> Result<AnchorRow, StoreError> {
        let row =
            self.db.one("SELECT * FROM audit_anchors WHERE name = $1 AND target = $2", args![name, target]).await?;
        let none =
            || AnchorRow { name: name.to_owned(), target: target.to_owned(), size: 0, delivered_us: None, seq: 0 };
        row.map_or_else(|| Ok(none()), |row| anchor(&row))
    }

    /// Notes how far an anchor was served. No entry: this is about the log, not in it.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn note_anchor(&self, anchor: &AnchorRow) -> Result<(), StoreError> {
        let AnchorRow { name, target, size, delivered_us, seq } = anchor.clone();
        let sql = "INSERT INTO audit_anchors (name, target, size, delivered_us, seq) VALUES ($1, $2, $3, $4, $5)
                   ON CONFLICT (name) DO UPDATE SET target = $2, size = $3, delivered_us = $4, seq = $5";
        let mut tx = self.db.write().await?;
        tx.run(sql, args![name, target, size, delivered_us, seq]).await?;
        tx.commit().await
    }

    /// Compares a checkpoint that was kept elsewhere with the log: a log that is shorter, has other
    /// entries or is another one was put in the place of the one that was signed.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn compare_anchored(&self, note: &str) -> Result<Comparison, StoreError> {
        let differs = |why: String| Ok(Comparison::Differs(why));
        let trusted: Vec<_> = self.audit_vkeys().await?.into_iter().map(|key| key.vkey).collect();
        let said = match Checkpoint::open(note, &trusted) {
            Ok((said, _)) => said,
            Err(CheckpointError::Malformed) => return differs("what is anchored is no checkpoint".to_owned()),
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
