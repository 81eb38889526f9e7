//! Checks the audit log in the database: all entries, all links and all checkpoints.

use uuid::Uuid;
use vaultterm_ledger::{BrokenChain, Checkpoint, Entry, Frontier, Hash, VerifierKey, verify_chain};

use crate::{
    Store, StoreError,
    checkpoints::edge_of,
    sql::{Row, args},
};

/// The result of a check from the first stored entry to the last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditVerdict {
    /// The number of entries that were removed from the beginning. The first stored entry follows them.
    pub pruned: u64,
    /// The number of entries in an unbroken chain, including the removed ones. It is the number of the last
    /// of them.
    pub entries: u64,
    /// The leaf hash of the last entry in the chain.
    pub head: Hash,
    /// The number of checkpoints that a key of this log signed and that fit the entries.
    pub checkpoints: u64,
    /// The first fault, if there is one.
    pub broken: Option<String>,
}

/// The number of rows that are read at once.
const AT_ONCE: u64 = 1_000;

/// The progress of a check.
struct Walk {
    log_id: Uuid,
    trusted: Vec<VerifierKey>,
    tree: Frontier,
    verdict: AuditVerdict,
}

impl Store {
    /// Checks all entries, all links, the columns that repeat parts of an entry, and all checkpoints (their
    /// signatures, and their roots by the entries). Also checks that the log ends where it claims to end. An
    /// attacker who can write the file and has the audit key can rewrite the log from some entry to the end.
    /// Only checkpoints outside of the database reveal that.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails. A broken log is a result and not an error.
    pub async fn verify_audit(&self) -> Result<AuditVerdict, StoreError> {
        let head = self.db.one("SELECT log_id, seq, hash FROM audit_head", args![]).await?;
        let head = head.ok_or(StoreError::Malformed("audit log"))?;
        let (log_id, last, end) = (head.id("log_id")?, head.count("seq")?, head.hash("hash")?);
        let trusted = self.audit_vkeys().await?.into_iter().map(|key| key.vkey).collect();
        let mut walk = Walk { log_id, trusted, tree: Frontier::default(), verdict: AuditVerdict::default() };
        if let Some(row) = self.db.one("SELECT * FROM audit_start", args![]).await? {
            walk.tree = edge_of(&row)?;
            let size = walk.tree.size();
            walk.verdict =
                AuditVerdict { pruned: size, entries: size, head: row.hash("hash")?, ..AuditVerdict::default() };
        }
        let broken = self.walk(&mut walk, last).await?;
        let Walk { mut verdict, .. } = walk;
        verdict.broken = broken;
        if verdict.broken.is_none() && (verdict.entries, verdict.head) != (last, end) {
            verdict.broken = Some(format!("the log ends after entry {}, but had {last} entries", verdict.entries));
        }
        Ok(verdict)
    }

    /// Checks from checkpoint to checkpoint, and from the last one to the end of the log.
    async fn walk(&self, walk: &mut Walk, last: u64) -> Result<Option<String>, StoreError> {
        let begin = walk.tree.size();
        let sql = "SELECT size FROM audit_checkpoints WHERE size = $1";
        if begin > 0 && self.db.one(sql, args![begin]).await?.is_none() {
            return Ok(Some(format!("the log begins after entry {begin}, and no checkpoint stands there")));
        }
        let mut from = begin;
        loop {
            let sql = "SELECT size, note FROM audit_checkpoints WHERE size >= $1 ORDER BY size LIMIT $2";
            let rows = self.db.all(sql, args![from, AT_ONCE]).await?;
            // Checkpoints that were made after the check began are left to the next check.
            let rows: Vec<_> = rows.iter().map(|row| Ok((row.count("size")?, row.text("note")?))).collect();
            let rows = rows.into_iter().collect::<Result<Vec<_>, StoreError>>()?;
            for (size, note) in &rows {
                if *size > last && self.audit_size().await? < *size {
                    return Ok(Some(format!("the checkpoint at {size} covers more than the log has")));
                }
                if *size > last {
                    break;
                }
                if let Some(broken) = self.entries_up_to(walk, *size).await? {
                    return Ok(Some(broken));
                }
                if let Some(broken) = walk.checkpoint(*size, note) {
                    return Ok(Some(broken));
                }
            }
            match rows.last() {
                Some((size, _)) if *size <= last => from = size + 1,
                _ => break,
            }
        }
        self.entries_up_to(walk, last).await
    }

    /// Checks the entries up to a number.
    async fn entries_up_to(&self, walk: &mut Walk, last: u64) -> Result<Option<String>, StoreError> {
        while walk.verdict.entries < last {
            let sql = "SELECT seq, time_us, actor_id, action, outcome, hash, bytes FROM audit
                       WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3";
            let rows = self.db.all(sql, args![walk.verdict.entries, last, AT_ONCE]).await?;
            if rows.is_empty() {
                return Ok(Some(format!("the log ends after entry {}, but had {last} entries", walk.verdict.entries)));
            }
            for row in &rows {
                if let Some(broken) = walk.entry(row)? {
                    return Ok(Some(broken));
                }
            }
        }
        Ok(None)
    }
}

impl Walk {
    fn entry(&mut self, row: &Row) -> Result<Option<String>, StoreError> {
        let bytes = row.bytes("bytes")?;
        Ok(Some(match verify_chain([bytes.as_slice()], self.verdict.entries, self.verdict.head) {
            Ok((seq, hash)) if repeats(row, &bytes, self.log_id, hash)? => {
                (self.verdict.entries, self.verdict.head) = (seq, hash);
                self.tree.push(hash);
                return Ok(None);
            }
            Ok((seq, _)) => format!("the columns beside entry {seq} say something else than the entry"),
            Err(BrokenChain::Malformed { seq, source }) => format!("entry {seq} is malformed: {source}"),
            Err(other) => other.to_string(),
        }))
    }

    fn checkpoint(&mut self, size: u64, note: &str) -> Option<String> {
        let said = match Checkpoint::open(note, &self.trusted) {
            Ok((said, _)) => said,
            Err(error) => return Some(format!("the checkpoint at {size} is not to be trusted: {error}")),
        };
        if (said.log_id, said.size) != (self.log_id, size) {
            return Some(format!("the checkpoint at {size} is one of another log or size"));
        }
        if said.root != self.tree.root() {
            return Some(format!("the checkpoint at {size} was signed when the entries before it were others"));
        }
        self.verdict.checkpoints += 1;
        None
    }
}

/// Returns whether the columns repeat the content of the entry.
fn repeats(row: &Row, bytes: &[u8], log_id: Uuid, hash: Hash) -> Result<bool, StoreError> {
    let entry = Entry::decode(bytes).map_err(|_| StoreError::Malformed("audit entry"))?;
    Ok(entry.log_id == log_id
        && row.count("seq")? == entry.seq
        && row.int("time_us")? == entry.draft.time_us
        && row.text("actor_id")? == entry.draft.actor.id.to_string()
        && row.text("action")? == entry.draft.action.as_str()
        && row.int("outcome")? == i64::from(entry.draft.outcome as u8)
        && row.hash("hash")? == hash)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{sql::args, testing::House};

    /// Returns a house with a few entries and, if wanted, two checkpoints.
    async fn house(checkpoints: bool) -> House {
        let house = House::new().await;
        for n in 0..4 {
            house.save(&format!("r{n}"), json!({"x": n})).await.unwrap();
            if checkpoints && n % 2 == 1 {
                house.store.checkpoint().await.unwrap().unwrap();
            }
        }
        house
    }

    async fn broken_by(house: &House, edit: &str) -> String {
        let mut tx = house.store.db.write().await.unwrap();
        tx.run("DELETE FROM audit_objects", args![]).await.unwrap();
        for statement in edit.split("; ") {
            tx.run(statement, args![]).await.unwrap();
        }
        tx.commit().await.unwrap();
        house.store.verify_audit().await.unwrap().broken.unwrap_or_default()
    }

    #[tokio::test]
    async fn the_log_is_an_unbroken_chain() {
        let house = House::new().await;
        for n in 0..40 {
            house.save(&format!("r{n}"), json!({"x": n})).await.unwrap();
        }
        let verdict = house.store.verify_audit().await.unwrap();
        assert_eq!((verdict.pruned, verdict.entries, verdict.broken), (0, 42, None));
    }

    #[tokio::test]
    async fn every_kind_of_edit_of_the_log_is_found() {
        let edits = [
            ("UPDATE audit SET bytes = (SELECT bytes FROM audit WHERE seq = 3) WHERE seq = 4", "entry 4 is missing"),
            ("UPDATE audit SET action = 'LOGGED_OUT' WHERE seq = 4", "the columns beside entry 4"),
            ("UPDATE audit SET time_us = time_us + 1 WHERE seq = 4", "the columns beside entry 4"),
            ("DELETE FROM audit_objects", ""),
            ("DELETE FROM audit WHERE seq = 6", "the log ends after entry 5"),
            ("UPDATE audit SET bytes = hash WHERE seq = 2", "entry 2 is malformed"),
            ("UPDATE audit_head SET seq = 5", "the log ends after entry 5"),
        ];
        for (edit, found) in edits {
            let broken = broken_by(&house(false).await, edit).await;
            assert!(broken.starts_with(found) && broken.is_empty() == found.is_empty(), "{edit}: {broken}");
        }
    }

    #[tokio::test]
    async fn a_checkpoint_that_says_something_else_than_the_entries_is_found() {
        let edits = [
            ("DELETE FROM audit_objects", ""),
            (
                "UPDATE audit_checkpoints SET size = 5 WHERE size = 6",
                "the checkpoint at 5 is one of another log or size",
            ),
            (
                "UPDATE audit_checkpoints SET note = (SELECT note FROM audit_checkpoints WHERE size = 4)",
                "the checkpoint at 6",
            ),
            (
                "UPDATE audit_checkpoints SET note = replace(note, 'epoch 1', 'epoch 2')",
                "the checkpoint at 4 is not to be",
            ),
            ("DELETE FROM audit_keys", ""),
            // The end of the log was removed, and the attacker made the log look complete.
            (
                "DELETE FROM audit WHERE seq > 4; UPDATE audit_head SET seq = 4, hash = (SELECT hash FROM audit WHERE seq = 4)",
                "the checkpoint at 6 covers more than the log has",
            ),
        ];
        for (edit, found) in edits {
            let broken = broken_by(&house(true).await, edit).await;
            assert!(broken.starts_with(found) && broken.is_empty() == found.is_empty(), "{edit}: {broken}");
        }
    }

    #[tokio::test]
    async fn a_log_that_was_rewritten_from_some_entry_on_is_found_by_its_checkpoint() {
        let (house, other) = (house(true).await, House::new().await);
        // The other store gets another history of the same log, which is consistent in itself.
        let mut tx = other.store.db.write().await.unwrap();
        let log_id = house.store.audit_log_id().await.unwrap();
        tx.run("DELETE FROM audit_objects", args![]).await.unwrap();
        tx.run("DELETE FROM audit", args![]).await.unwrap();
        tx.run("UPDATE audit_head SET log_id = $1, seq = 0, hash = $2", args![log_id, [0; 32]]).await.unwrap();
        tx.commit().await.unwrap();
        for n in 0..6 {
            other.save(&format!("other{n}"), json!({"x": n})).await.unwrap();
        }
        assert_eq!(other.store.verify_audit().await.unwrap().broken, None);
        let rewritten = other.store.db.all("SELECT * FROM audit ORDER BY seq", args![]).await.unwrap();
        let mut tx = house.store.db.write().await.unwrap();
        for row in &rewritten {
            let sql = "UPDATE audit SET time_us = $1, actor_id = $2, action = $3, outcome = $4, hash = $5, bytes = $6
                       WHERE seq = $7";
            let (time, actor, action) =
                (row.int("time_us").unwrap(), row.text("actor_id").unwrap(), row.text("action"));
            let (outcome, hash, bytes) = (row.int("outcome").unwrap(), row.hash("hash").unwrap(), row.bytes("bytes"));
            let seq = row.count("seq").unwrap();
            let args = args![time, actor, action.unwrap(), outcome, hash, bytes.unwrap(), seq];
            assert_eq!(tx.run(sql, args).await.unwrap(), 1);
            tx.run("UPDATE audit_head SET hash = $1", args![hash]).await.unwrap();
        }
        tx.commit().await.unwrap();
        let broken = house.store.verify_audit().await.unwrap().broken.unwrap();
        assert!(broken.starts_with("the checkpoint at 4 was signed when the entries"), "{broken}");
    }
}
