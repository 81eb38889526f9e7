//! Checkpoints of the audit log. A checkpoint describes the log at one size, is signed with the audit key,
//! and is kept together with the edge of the tree at that size. The next checkpoint continues from there, so
//! that no process has to read the whole log to make one. A checkpoint is not an entry.
//!
//! Sizes only grow. An older size is never signed again, and never by another key.

use std::{ops::RangeInclusive, sync::Arc};

use uuid::Uuid;
use vaultterm_ledger::{AuditAction, Checkpoint, Frontier, Hash, NoteSigner, VerifierKey};
use vaultterm_sealing::{KeyPurpose, KeyState, Signer};

use crate::{
    Context, Page, Paged, Store, StoreError,
    context::Facts as _,
    keys::keyring_rows,
    license,
    sql::{Arg, Db, Row, Select, Tx, args},
};

/// A stored checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCheckpoint {
    /// The content of the checkpoint.
    pub checkpoint: Checkpoint,
    /// The signed note, verbatim.
    pub note: String,
    /// The id of the keyring key that signed it.
    pub key_id: Uuid,
    /// The time at which it was made, in microseconds.
    pub created_us: i64,
}

/// The entries that no checkpoint covers yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uncovered {
    /// The number of these entries.
    pub entries: u64,
    /// The time of the first of them, in microseconds.
    pub since_us: Option<i64>,
    /// Whether one of them has an action that needs a checkpoint at once.
    pub prompt: bool,
}

/// The public key of a generation of the audit key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditKey {
    /// The id of the key in the keyring.
    pub key_id: Uuid,
    /// The public key with the name of the log.
    pub vkey: VerifierKey,
    /// Whether the key signs now. Older keys do not sign any more.
    pub active: bool,
    /// The time at which the key was recorded, in microseconds.
    pub created_us: i64,
}

/// The actions that need a checkpoint at once: about permissions, keys, exported data and the log itself.
const PROMPT: &[AuditAction] = &[
    AuditAction::KeySealed,
    AuditAction::KeyUnsealed,
    AuditAction::KeyRotated,
    AuditAction::MemberGranted,
    AuditAction::MemberRevoked,
    AuditAction::SetupLinkCreated,
    AuditAction::UserCreated,
    AuditAction::UserUpdated,
    AuditAction::UserDeleted,
    AuditAction::AuditExported,
    AuditAction::AuditPruned,
    AuditAction::AuditGuardRaised,
    AuditAction::LicenseInstalled,
    AuditAction::LicenseExpired,
    AuditAction::BackupRestored,
];

/// The number of leaf hashes that are read at once.
const LEAVES_AT_ONCE: u64 = 10_000;
/// The maximum number of attempts at a checkpoint while the key changes. Each failed attempt means that a
/// rotation has ended.
const ATTEMPTS: usize = 8;

/// The signer of the checkpoints of a log.
pub(crate) struct LogSigner {
    signer: Arc<Signer>,
    verifier: VerifierKey,
}

impl LogSigner {
    pub(crate) fn new(log_id: Uuid, signer: Arc<Signer>) -> Self {
        let verifier = VerifierKey::new(&Checkpoint::origin(log_id), signer.public_key());
        Self { signer, verifier: verifier.expect("an origin has neither spaces nor a `+`") }
    }
}

impl NoteSigner for LogSigner {
    fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        // The message is a note, and its first line says that it belongs to the audit log. It therefore needs
        // no domain.
        self.signer.sign("", message)
    }
}

impl Store {
    /// Signs the current log, unless the newest checkpoint covers all of it.
    ///
    /// # Errors
    /// [`StoreError::Malformed`] when entries are missing; [`StoreError`] when the database fails.
    pub async fn checkpoint(&self) -> Result<Option<StoredCheckpoint>, StoreError> {
        for _ in 0..ATTEMPTS {
            // Nearly everything is read before the transaction, so that other writers need not wait for it.
            let mut edge = self.edge().await?;
            let mut tx = self.db.write().await?;
            grow_in(&mut tx, &mut edge).await?;
            if newest_size(&mut tx).await? == edge.size() {
                return Ok(None);
            }
            if active_key(&mut tx).await? != self.keyring.signer().key_id() {
                // The keyring in memory follows a rotation a moment after its commit, and that by another server later.
                self.keyring.renew(&keyring_rows(&mut tx).await?)?;
            }
            let signer = self.keyring.signer();
            if active_key(&mut tx).await? != signer.key_id() {
                continue;
            }
            let signed = self.sign_in(&mut tx, &edge, &signer).await?;
            tx.commit().await?;
            return Ok(Some(signed));
        }
        Err(StoreError::Refused("the audit key was rotated again and again meanwhile: try again".to_owned()))
    }

    /// Records that the log is exported (`AUDIT_EXPORTED`), and signs the log including that entry. The
    /// export up to there is then covered by a signature.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn audit_exported(
        &self,
        context: &Context,
        detail: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Result<StoredCheckpoint, StoreError> {
        let draft = context.draft(AuditAction::AuditExported, vaultterm_ledger::ObjectKind::Audit, Uuid::nil(), None);
        let draft = detail.into_iter().fold(draft, |draft, (name, value)| draft.with(name, value));
        let mut tx = self.db.write().await?;
        tx.audit(draft);
        tx.commit().await?;
        match self.checkpoint().await? {
            Some(checkpoint) => Ok(checkpoint),
            // Another task made a checkpoint first, and the newest one covers the entry.
            None => self.newest_checkpoint().await?.ok_or(StoreError::Malformed("audit checkpoint")),
        }
    }

    /// Returns the entries that no checkpoint covers yet.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn uncovered(&self) -> Result<Uncovered, StoreError> {
        let sql = "SELECT h.seq, (SELECT MAX(size) FROM audit_checkpoints) AS covered FROM audit_head h";
        let row = self.db.one(sql, args![]).await?.ok_or(StoreError::Malformed("audit log"))?;
        let covered = row.maybe_int("covered")?.unwrap_or(0);
        let covered = u64::try_from(covered).map_err(|_| StoreError::Malformed("number"))?;
        let entries = row.count("seq")?.saturating_sub(covered);
        if entries == 0 {
            return Ok(Uncovered::default());
        }
        let first = self.db.one("SELECT time_us FROM audit WHERE seq = $1", args![covered + 1]).await?;
        let mut select = Select::new("SELECT seq FROM audit WHERE seq > $1", vec![Arg::from(covered)]);
        select.and_any("action", PROMPT.iter().map(AuditAction::as_str));
        let prompt = !self.db.select(select.order("seq", 1)).await?.is_empty();
        Ok(Uncovered { entries, since_us: first.map(|row| row.int("time_us")).transpose()?, prompt })
    }

    /// Returns the newest checkpoint.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn newest_checkpoint(&self) -> Result<Option<StoredCheckpoint>, StoreError> {
        let row = self.db.one("SELECT * FROM audit_checkpoints ORDER BY size DESC LIMIT 1", args![]).await?;
        row.map(|row| stored(&row)).transpose()
    }

    /// Lists the checkpoints with sizes in a range, the smallest first. The cursor is the last size.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn checkpoints(
        &self,
        sizes: RangeInclusive<u64>,
        page: &Page,
    ) -> Result<Paged<StoredCheckpoint>, StoreError> {
        let pager = self.pager("checkpoints", page);
        let after = pager.number()?.unwrap_or(-1);
        let mut select = Select::new("SELECT * FROM audit_checkpoints WHERE size > $1", vec![Arg::from(after)]);
        select.and("size >= ?", *sizes.start());
        select.and("size <= ?", *sizes.end());
        let rows = self.db.select(select.order("size", pager.fetch())).await?;
        pager.cut(rows, stored, |stored| stored.checkpoint.size.to_string())
    }

    /// Returns the public keys of the log, the oldest first. The key in use comes last.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn audit_vkeys(&self) -> Result<Vec<AuditKey>, StoreError> {
        let active = self.keyring.signer();
        // The ids of keys grow with time.
        let rows = self.db.all("SELECT * FROM audit_keys ORDER BY key_id", args![]).await?;
        let key = |row: &Row| {
            let key_id = row.id("key_id")?;
            let vkey = VerifierKey::parse(&row.text("vkey")?).map_err(|_| StoreError::Malformed("audit key"))?;
            Ok(AuditKey { key_id, vkey, active: key_id == active.key_id(), created_us: row.int("created_us")? })
        };
        let mut keys = rows.iter().map(key).collect::<Result<Vec<_>, StoreError>>()?;
        if !keys.iter().any(|key| key.active) {
            // The active key has not signed anything yet.
            let (key_id, created_us) = (active.key_id(), self.now_us());
            let LogSigner { verifier: vkey, .. } = LogSigner::new(self.audit_log_id().await?, active);
            keys.push(AuditKey { key_id, vkey, active: true, created_us });
        }
        Ok(keys)
    }

    /// Returns the tree over the entries before the entry `seq` (numbered from 1), and the hash of the last
    /// of them. A verifier starts with these when it gets the entries from there on.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for an entry that was removed or does not exist yet.
    pub async fn audit_start(&self, seq: u64) -> Result<(Frontier, Hash), StoreError> {
        let size = seq.saturating_sub(1);
        if size > self.audit_size().await? {
            return Err(StoreError::Refused(format!("there is no entry {size} in the audit log yet")));
        }
        let (mut edge, hash) = self.edge_at_most(size).await?;
        grow(&self.db, &mut edge, size).await?;
        let hash = match self.db.one("SELECT hash FROM audit WHERE seq = $1", args![size]).await? {
            Some(row) => row.hash("hash")?,
            None => hash,
        };
        Ok((edge, hash))
    }

    /// Returns the root of the tree at a size. Returns `None` if the entries were removed or do not exist
    /// yet.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn audit_root(&self, size: u64) -> Result<Option<Hash>, StoreError> {
        match self.audit_start(size + 1).await {
            Ok((edge, _)) => Ok(Some(edge.root())),
            Err(StoreError::Refused(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the number of entries that were ever written.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn audit_size(&self) -> Result<u64, StoreError> {
        let row = self.db.one("SELECT seq FROM audit_head", args![]).await?;
        row.ok_or(StoreError::Malformed("audit log"))?.count("seq")
    }

    /// Returns the id of the log.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn audit_log_id(&self) -> Result<Uuid, StoreError> {
        let row = self.db.one("SELECT log_id FROM audit_head", args![]).await?;
        row.ok_or(StoreError::Malformed("audit log"))?.id("log_id")
    }

    /// Returns the tree as it is now, or was a moment ago.
    pub(crate) async fn edge(&self) -> Result<Frontier, StoreError> {
        let head = self.audit_size().await?;
        let (mut edge, _) = self.edge_at_most(head).await?;
        grow(&self.db, &mut edge, head).await?;
        Ok(edge)
    }

    /// Returns the largest stored tree with at most this size, and the last hash if the log begins right
    /// after it.
    async fn edge_at_most(&self, size: u64) -> Result<(Frontier, Hash), StoreError> {
        let start = self.db.one("SELECT * FROM audit_start", args![]).await?;
        let (start, hash) = match start {
            Some(row) => (edge_of(&row)?, row.hash("hash")?),
            None => (Frontier::default(), [0; 32]),
        };
        if size < start.size() {
            let why = format!("entries up to {} were removed from the audit log", start.size());
            return Err(StoreError::Refused(why));
        }
        let sql = "SELECT size, frontier FROM audit_checkpoints WHERE size <= $1 AND size >= $2
                   ORDER BY size DESC LIMIT 1";
        let kept = self.db.one(sql, args![size, start.size()]).await?;
        Ok((kept.map(|row| edge_of(&row)).transpose()?.unwrap_or(start), hash))
    }

    /// Signs a tree and stores the checkpoint.
    pub(crate) async fn sign_in(
        &self,
        tx: &mut Tx,
        edge: &Frontier,
        signer: &Arc<Signer>,
    ) -> Result<StoredCheckpoint, StoreError> {
        let log_id = log_id(tx).await?;
        let checkpoint = Checkpoint {
            log_id,
            size: edge.size(),
            root: edge.root(),
            epoch: epoch(tx).await?,
            license_counter: license::license_counter(tx).await?,
        };
        let signer = LogSigner::new(log_id, Arc::clone(signer));
        let (note, key_id, created_us) = (checkpoint.sign(&signer), signer.signer.key_id(), self.now_us());
        note_key(tx, &signer, created_us).await?;
        let sql =
            "INSERT INTO audit_checkpoints (size, key_id, note, frontier, created_us) VALUES ($1, $2, $3, $4, $5)";
        tx.run(sql, args![edge.size(), key_id, note.as_str(), edge.subtrees().concat(), created_us]).await?;
        Ok(StoredCheckpoint { checkpoint, note, key_id, created_us })
    }
}

/// Returns the epoch of this installation, which counts its restores from 1.
async fn epoch(tx: &mut Tx) -> Result<u64, StoreError> {
    let row = tx.one("SELECT epoch FROM instance", args![]).await?;
    row.ok_or(StoreError::Malformed("instance"))?.count("epoch")
}

/// Stores a public key if it is new.
pub(crate) async fn note_key(tx: &mut Tx, signer: &LogSigner, now_us: i64) -> Result<(), StoreError> {
    let sql = "INSERT INTO audit_keys (key_id, vkey, created_us) VALUES ($1, $2, $3) ON CONFLICT (key_id) DO NOTHING";
    tx.run(sql, args![signer.signer.key_id(), signer.verifier.to_string(), now_us]).await?;
    Ok(())
}

pub(crate) async fn log_id(tx: &mut Tx) -> Result<Uuid, StoreError> {
    let row = tx.one("SELECT log_id FROM audit_head", args![]).await?;
    row.ok_or(StoreError::Malformed("audit log"))?.id("log_id")
}

async fn active_key(tx: &mut Tx) -> Result<Uuid, StoreError> {
    let sql = "SELECT id FROM keyring WHERE purpose = $1 AND state = $2";
    let row = tx.one(sql, args![KeyPurpose::Audit.as_str(), KeyState::Active.as_str()]).await?;
    row.ok_or(StoreError::Malformed("keyring"))?.id("id")
}

async fn newest_size(tx: &mut Tx) -> Result<u64, StoreError> {
    let row = tx.one("SELECT MAX(size) AS size FROM audit_checkpoints", args![]).await?;
    let size = row.map(|row| row.maybe_int("size")).transpose()?.flatten().unwrap_or(0);
    u64::try_from(size).map_err(|_| StoreError::Malformed("number"))
}

const LEAVES: &str = "SELECT seq, hash FROM audit WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3";

/// Adds the leaves up to a size.
async fn grow(db: &Db, edge: &mut Frontier, size: u64) -> Result<(), StoreError> {
    while edge.size() < size {
        let rows = db.all(LEAVES, args![edge.size(), size, LEAVES_AT_ONCE]).await?;
        push(edge, &rows)?;
    }
    Ok(())
}

/// Adds the leaves up to the end of the log as the transaction sees it, including its own entries.
pub(crate) async fn grow_in(tx: &mut Tx, edge: &mut Frontier) -> Result<(), StoreError> {
    tx.flush().await?;
    let head = tx.one("SELECT seq FROM audit_head", args![]).await?;
    let head = head.ok_or(StoreError::Malformed("audit log"))?.count("seq")?;
    while edge.size() < head {
        let rows = tx.all(LEAVES, args![edge.size(), head, LEAVES_AT_ONCE]).await?;
        push(edge, &rows)?;
    }
    Ok(())
}

fn push(edge: &mut Frontier, rows: &[Row]) -> Result<(), StoreError> {
    const GAP: StoreError =
        StoreError::Malformed("audit log: an entry is missing; a check of the whole log says which");
    if rows.is_empty() {
        return Err(GAP);
    }
    for row in rows {
        if row.count("seq")? != edge.size() + 1 {
            return Err(GAP);
        }
        edge.push(row.hash("hash")?);
    }
    Ok(())
}

/// Reads the edge of a tree with its size.
pub(crate) fn edge_of(row: &Row) -> Result<Frontier, StoreError> {
    const MALFORMED: StoreError = StoreError::Malformed("audit checkpoint");
    let bytes = row.bytes("frontier")?;
    let (subtrees, rest) = bytes.as_chunks::<32>();
    if !rest.is_empty() {
        return Err(MALFORMED);
    }
    Frontier::from_parts(row.count("size")?, subtrees.to_vec()).map_err(|_| MALFORMED)
}

pub(crate) fn stored(row: &Row) -> Result<StoredCheckpoint, StoreError> {
    let note = row.text("note")?;
    let checkpoint = Checkpoint::peek(&note).map_err(|_| StoreError::Malformed("audit checkpoint"))?;
    Ok(StoredCheckpoint { checkpoint, note, key_id: row.id("key_id")?, created_us: row.int("created_us")? })
}

#[cfg(test)]
mod tests;
