//! Removing the beginning of the audit log: by whole checkpoints, so that what is left still
//! verifies, from the tree that the last removed checkpoint signed.

use vaultterm_ledger::{Action, Hash, ObjectKind};

use crate::{Context, Store, StoreError, checkpoints::edge_of, context::Facts as _, sql::args};

/// What was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// The size of the log up to which entries are gone now.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
    /// How many went this time.
    pub entries: u64,
}

impl Store {
    /// Removes entries that are older than a moment, up to the newest checkpoint before the first
    /// entry that is not (`AUDIT_PRUNED`). `None` when no checkpoint has only older ones.
    ///
    /// The tree, the last hash and the checkpoint at that size stay; older checkpoints go.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn prune_audit(&self, context: &Context, before_us: i64) -> Result<Option<Pruned>, StoreError> {
        let mut tx = self.db.write().await?;
        let begin = tx.one("SELECT size FROM audit_start", args![]).await?;
        let begin = begin.map(|row| row.count("size")).transpose()?.unwrap_or(0);
        // Times need not grow with the entries: a clock may have been set back.
        let sql = "SELECT size, frontier FROM audit_checkpoints WHERE size > $1 AND size <
                       (SELECT COALESCE(MIN(seq), (SELECT seq + 1 FROM audit_head)) FROM audit WHERE time_us >= $2)
                   ORDER BY size DESC LIMIT 1";
        let Some(row) = tx.one(sql, args![begin, before_us]).await? else { return Ok(None) };
        let edge = edge_of(&row)?;
        let (size, root, entries) = (edge.size(), edge.root(), edge.size() - begin);
        let last = tx.one("SELECT hash FROM audit WHERE seq = $1", args![size]).await?;
        let hash = last.ok_or(StoreError::Malformed("audit log"))?.hash("hash")?;
        tx.run("DELETE FROM audit_objects WHERE seq <= $1", args![size]).await?;
        tx.run("DELETE FROM audit WHERE seq <= $1", args![size]).await?;
        tx.run("DELETE FROM audit_checkpoints WHERE size < $1", args![size]).await?;
        tx.run("DELETE FROM audit_start", args![]).await?;
        let sql = "INSERT INTO audit_start (only, size, hash, frontier) VALUES (1, $1, $2, $3)";
        tx.run(sql, args![size, hash, edge.subtrees().concat()]).await?;
        let hex: String = root.iter().map(|byte| format!("{byte:02x}")).collect();
        let draft = context.draft(Action::AuditPruned, ObjectKind::Audit, uuid::Uuid::nil(), None);
        tx.audit(draft.with("size", size).with("root", hex).with("entries", entries));
        tx.commit().await?;
        Ok(Some(Pruned { size, root, entries }))
    }
}
