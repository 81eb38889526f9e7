//! Removes the beginning of the audit log. Only whole checkpoints are removed, so that the rest still
//! verifies from the tree that the last removed checkpoint signed.

use vaultterm_ledger::{AuditAction, Hash, ObjectKind};

use crate::{Context, Store, StoreError, checkpoints::edge_of, context::Facts as _, sql::args};

/// The result of a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// The size of the log up to which entries are removed now.
    pub size: u64,
    /// The root of the tree over the removed entries.
    pub root: Hash,
    /// The number of entries that were removed this time.
    pub entries: u64,
}

impl Store {
    /// Removes entries that are older than a moment (`AUDIT_PRUNED`). The removal ends at the newest
    /// checkpoint before the first entry that is not older. Returns `None` if no checkpoint covers only older
    /// entries.
    ///
    /// The tree, the last hash and the checkpoint at that size stay. Older checkpoints are removed.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn prune_audit(&self, context: &Context, before_us: i64) -> Result<Option<Pruned>, StoreError> {
        let mut tx = self.db.write().await?;
        let begin = tx.one("SELECT size FROM audit_start", args![]).await?;
        let begin = begin.map(|row| row.count("size")).transpose()?.unwrap_or(0);
        // The times of entries do not always grow, because a clock may have been set back.
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
        let sql = "INSERT INTO audit_start (single, size, hash, frontier) VALUES (1, $1, $2, $3)";
        tx.run(sql, args![size, hash, edge.subtrees().concat()]).await?;
        let hex = hex::encode(root);
        let draft = context.draft(AuditAction::AuditPruned, ObjectKind::Audit, uuid::Uuid::nil(), None);
        tx.audit(draft.with("size", size).with("root", hex).with("entries", entries));
        tx.commit().await?;
        Ok(Some(Pruned { size, root, entries }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vaultterm_ledger::AuditAction;

    use super::Pruned;
    use crate::{
        AuditFilter, Comparison, Page,
        testing::{House, NOW_US, cut_before_statement, reopened},
    };

    const SECOND_US: i64 = 1_000_000;

    /// Returns a house with an entry in each second from the third on, and checkpoints at 4, 7, 10 and 13.
    async fn house() -> House {
        let house = House::new().await;
        for n in 0..12 {
            house.save(&format!("r{n}"), json!({"x": n})).await.unwrap();
            house.pass(1);
            if n % 3 == 1 {
                house.store.checkpoint().await.unwrap().unwrap();
            }
        }
        house
    }

    #[tokio::test]
    async fn what_is_left_after_pruning_still_verifies_and_compares() {
        let house = house().await;
        let notes = house.store.checkpoints(0..=u64::MAX, &Page::default()).await.unwrap().items;
        let (at_7, root) = (notes[1].clone(), notes[1].checkpoint.root);
        // Entry 10 is not older than the eighth second. The checkpoint at 10 covers it, and the one at 7 does
        // not.
        let pruned = house.store.prune_audit(&house.ann(), NOW_US + 7 * SECOND_US).await.unwrap();
        assert_eq!(pruned, Some(Pruned { size: 7, root, entries: 7 }));
        let left = house.store.audit_events(&AuditFilter::default(), &Page::default()).await.unwrap().items;
        assert_eq!(left.iter().map(|event| event.seq).collect::<Vec<_>>(), (8..=15).collect::<Vec<_>>());
        let last = &left.last().unwrap().entry.draft;
        let hex = hex::encode(root);
        assert_eq!(
            (last.action, &last.detail["size"], &last.detail["root"]),
            (AuditAction::AuditPruned, &"7".to_owned(), &hex)
        );
        let verdict = house.store.verify_audit().await.unwrap();
        assert_eq!((verdict.pruned, verdict.entries, verdict.checkpoints, verdict.broken), (7, 15, 3, None));
        // The log continues.
        let size = house.store.checkpoint().await.unwrap().unwrap().checkpoint.size;
        assert_eq!((size, house.store.verify_audit().await.unwrap().broken), (15, None));
        assert_eq!(house.store.audit_start(8).await.unwrap().0.root(), root);
        assert!(house.store.audit_start(7).await.is_err());
        assert_eq!(house.store.compare_anchored(&notes[0].note).await.unwrap(), Comparison::Unknown);
        assert_eq!(house.store.compare_anchored(&at_7.note).await.unwrap(), Comparison::Agrees);
        // The second removal continues where the first ended.
        let pruned = house.store.prune_audit(&house.ann(), i64::MAX).await.unwrap().unwrap();
        assert_eq!((pruned.size, pruned.entries), (15, 8));
        assert_eq!(house.store.verify_audit().await.unwrap().broken, None);
        assert_eq!(house.store.prune_audit(&house.ann(), i64::MAX).await.unwrap(), None, "16 is not signed yet");
    }

    #[tokio::test]
    async fn nothing_is_pruned_for_an_entry_that_is_newer_than_its_place_says() {
        let house = house().await;
        assert_eq!(house.store.prune_audit(&house.ann(), NOW_US).await.unwrap(), None);
        // The clock was set back, so entry 3 is as new as the newest.
        let mut tx = house.store.db.write().await.unwrap();
        tx.run("UPDATE audit SET time_us = $1 WHERE seq = 3", crate::sql::args![i64::MAX - 1]).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(house.store.prune_audit(&house.ann(), i64::MAX - 1).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_log_whose_kept_beginning_was_changed_does_not_verify() {
        for edit in [
            "UPDATE audit_start SET hash = $1",
            "UPDATE audit_start SET frontier = $1",
            "DELETE FROM audit_checkpoints WHERE size = 7",
            "DELETE FROM audit_start",
        ] {
            let house = house().await;
            house.store.prune_audit(&house.ann(), NOW_US + 7 * SECOND_US).await.unwrap().unwrap();
            let mut tx = house.store.db.write().await.unwrap();
            let args = match edit {
                "UPDATE audit_start SET hash = $1" => crate::sql::args![vec![0; 32]],
                "UPDATE audit_start SET frontier = $1" => crate::sql::args![vec![0; 96]],
                _ => crate::sql::args![],
            };
            tx.run(edit, args).await.unwrap();
            tx.commit().await.unwrap();
            assert!(house.store.verify_audit().await.unwrap().broken.is_some(), "{edit}");
        }
    }

    #[tokio::test]
    async fn pruning_that_dies_anywhere_has_happened_whole_or_not_at_all() {
        let mut house = house().await;
        let (mut deaths, mut ended) = (0, 0);
        for statements in 0..500 {
            let before = house.store.verify_audit().await.unwrap().pruned;
            house.save(&format!("again{statements}"), json!({"x": statements})).await.unwrap();
            let size = house.store.checkpoint().await.unwrap().unwrap().checkpoint.size;
            let store = house.store.clone();
            let done = cut_before_statement(statements, async {
                store.prune_audit(&house.ann(), i64::MAX).await.unwrap().unwrap();
            })
            .await;
            house.store = reopened(&house, &house.root).await.unwrap();
            let verdict = house.store.verify_audit().await.unwrap();
            assert_eq!(verdict.broken, None, "after {statements} statements");
            let told = house.audited().await.last() == Some(&AuditAction::AuditPruned);
            assert_eq!(verdict.pruned, if told { size } else { before }, "after {statements} statements");
            assert!(!done || told, "what was answered is so");
            (deaths, ended) = if done { (deaths, ended + 1) } else { (deaths + 1, ended) };
            if ended == 3 {
                break;
            }
        }
        assert!(deaths >= 8 && ended == 3, "it died {deaths} times and ended {ended} times");
    }
}
