//! Checking the audit log where it is kept: every entry, every link, every checkpoint.

use uuid::Uuid;
use vaultterm_ledger::{BrokenChain, Checkpoint, Entry, Frontier, Hash, VerifierKey, verify_chain};

use crate::{
    Store, StoreError,
    checkpoints::edge_of,
    sql::{Row, args},
};

/// The log, checked from the first entry that is kept to its last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditVerdict {
    /// How many entries were removed from the beginning; the first that is kept follows.
    pub pruned: u64,
    /// How many entries stand in an unbroken chain, the removed ones included: the number of the
    /// last of them.
    pub entries: u64,
    /// The leaf hash of the last of them.
    pub head: Hash,
    /// How many checkpoints on the way are signed by a key of this log and say what the entries say.
    pub checkpoints: u64,
    /// What is wrong next, if anything is.
    pub broken: Option<String>,
}

/// Rows that are read at once.
const AT_ONCE: u64 = 1_000;

/// How far a check has come.
struct Walk {
    log_id: Uuid,
    trusted: Vec<VerifierKey>,
    tree: Frontier,
    verdict: AuditVerdict,
}

impl Store {
    /// Checks every entry, every link, the columns that repeat parts of an entry, every
    /// checkpoint (its signature, and its root by the entries), and that the log ends where it
    /// says it ends. What a person who can write the file and has the audit key rewrote from some
    /// entry to the end is found by checkpoints outside of it only.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails; a broken log is an answer.
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

    /// Goes from checkpoint to checkpoint, and from the last one to the end.
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
            // Those made after the check began are for the next one.
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

/// Tells whether the columns repeat what the entry says.
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
