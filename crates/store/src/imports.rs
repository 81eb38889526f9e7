//! Imports: files that were read, kept sealed for a week for the person who brought them, and what became of them.
//!
//! This file keeps and shows them. `imports/world.rs` tells what is here already, `imports/commit.rs` makes the records, and
//! `imports/undo.rs` takes them back.

mod commit;
mod import;
mod undo;
mod world;

pub use commit::{ImportOutcome, ImportStep};
pub use import::{IMPORT_KEPT_US, IMPORT_UNDO_US, Import, NewImport, StepCounts};
pub use undo::Undone;

use uuid::Uuid;
use vaultterm_exchange::ImportState;
use vaultterm_ledger::{AuditAction, ObjectKind};
use vaultterm_sealing::SecretBytes;

use crate::{
    Context, Store, StoreError,
    context::Facts as _,
    imports::import::{import, place},
    sealed::seal,
    sql::{Tx, args},
};

/// Imports of a person that are kept. The oldest that was not committed makes room.
const OF_ONE_MAX: u32 = 20;

impl Store {
    /// Keeps a file that was read (`IMPORT_REVIEWED`), and returns its id.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn keep_import(&self, context: &Context, new: NewImport) -> Result<Import, StoreError> {
        let id = vaultterm_sealing::new_id();
        let NewImport { user_id, collection_id, format, found, parts } = new;
        let mut tx = self.db.write().await?;
        remove_expired(&mut tx, context.now_us).await?;
        let sql = "INSERT INTO imports (id, user_id, collection_id, state, format, found, created, updated, skipped,
                                        refused, created_us, done_us, undone_us)
                   VALUES ($1, $2, $3, $4, $5, $6, 0, 0, 0, 0, $7, NULL, NULL)";
        let (state, now_us) = (ImportState::Reviewed, context.now_us);
        tx.run(sql, args![id, user_id, collection_id, state.as_str(), format.as_str(), found, now_us]).await?;
        for (number, part) in &parts {
            let number = *number;
            self.insert_part(&mut tx, id, number, part).await?;
        }
        make_room(&mut tx, user_id).await?;
        let draft = context.draft(AuditAction::ImportReviewed, ObjectKind::Import, id, None);
        let draft = draft.about(ObjectKind::Collection, collection_id.0);
        tx.audit(draft.with("format", format).with("found", found));
        tx.commit().await?;
        self.import(id, now_us).await?.ok_or(StoreError::NotFound("import"))
    }

    /// Finds an import. `None` when there is none, or its week is over.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn import(&self, id: Uuid, now_us: i64) -> Result<Option<Import>, StoreError> {
        let sql = "SELECT * FROM imports WHERE id = $1 AND created_us > $2";
        self.db.one(sql, args![id, now_us - IMPORT_KEPT_US]).await?.map(|row| import(&row)).transpose()
    }

    /// Lists the imports of a person, the newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn imports(&self, user_id: Uuid, now_us: i64) -> Result<Vec<Import>, StoreError> {
        let sql = "SELECT * FROM imports WHERE user_id = $1 AND created_us > $2 ORDER BY created_us DESC, id DESC";
        self.db.all(sql, args![user_id, now_us - IMPORT_KEPT_US]).await?.iter().map(import).collect()
    }

    /// Opens a part of an import.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Sealing`] when it does not open.
    pub async fn import_part(&self, id: Uuid, part: u64) -> Result<SecretBytes, StoreError> {
        let sql = "SELECT key_id, wrapped_key, ciphertext FROM import_parts WHERE import_id = $1 AND part = $2";
        let row = self.db.one(sql, args![id, part]).await?.ok_or(StoreError::NotFound("import"))?;
        Ok(self.keyring.unseal(&place(id, part), &row.sealed()?)?)
    }

    async fn insert_part(&self, tx: &mut Tx, id: Uuid, part: u64, bytes: &SecretBytes) -> Result<(), StoreError> {
        let [key_id, wrapped_key, ciphertext] = seal(tx, &self.keyring, &place(id, part), bytes.expose()).await?;
        let sql = "INSERT INTO import_parts (import_id, part, key_id, wrapped_key, ciphertext)
                   VALUES ($1, $2, $3, $4, $5)";
        tx.run(sql, args![id, part, key_id, wrapped_key, ciphertext]).await.map(drop)
    }

    /// Removes an import with all that it holds. Its records stay.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn discard_import(&self, id: Uuid) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        tx.run("DELETE FROM imports WHERE id = $1", args![id]).await?;
        tx.commit().await
    }

    /// Removes the imports whose week is over. Returns how many.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn remove_expired_imports(&self, now_us: i64) -> Result<u64, StoreError> {
        let sql = "SELECT COUNT(*) AS n FROM imports WHERE created_us <= $1";
        let row = self.db.one(sql, args![now_us - IMPORT_KEPT_US]).await?.ok_or(StoreError::Malformed("count"))?;
        if row.count("n")? == 0 {
            return Ok(0);
        }
        let mut tx = self.db.write().await?;
        let removed = remove_expired(&mut tx, now_us).await?;
        tx.commit().await?;
        Ok(removed)
    }
}

async fn remove_expired(tx: &mut Tx, now_us: i64) -> Result<u64, StoreError> {
    tx.run("DELETE FROM imports WHERE created_us <= $1", args![now_us - IMPORT_KEPT_US]).await
}

async fn make_room(tx: &mut Tx, user_id: Uuid) -> Result<(), StoreError> {
    let sql = "DELETE FROM imports WHERE user_id = $1 AND state = 'reviewed' AND id NOT IN (
                   SELECT id FROM imports WHERE user_id = $1 ORDER BY created_us DESC, id DESC LIMIT $2)";
    tx.run(sql, args![user_id, OF_ONE_MAX]).await.map(drop)
}

#[cfg(test)]
mod tests;
