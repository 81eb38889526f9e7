//! Takes an import back: what it made, and nobody changed since, goes to the trash.

use uuid::Uuid;
use vaultterm_exchange::ImportState;
use vaultterm_ledger::{AuditAction, ObjectKind};
use vaultterm_reconcile::RecordId;

use super::import::{IMPORT_UNDO_US, locked};
use crate::{Context, Store, StoreError, context::Facts as _, sql::args};

/// What became of the records of an import that was undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undone {
    /// Records that went to the trash.
    pub trashed: u64,
    /// Records that stay, because somebody changed, moved or trashed them since.
    pub kept: u64,
}

impl Store {
    /// Moves the records that an import made to the trash, if they are still as it made them (`RECORD_DELETED` for each,
    /// `IMPORT_UNDONE` for all). Records that it changed keep their new revision: the one before is in their history.
    ///
    /// # Errors
    /// [`StoreError::Refused`] if the import is not done, or its day is over.
    pub async fn undo_import(&self, context: &Context, id: Uuid) -> Result<Undone, StoreError> {
        let mut tx = self.db.write().await?;
        let import = locked(&mut tx, id).await?;
        let done_us = match (import.state, import.done_us) {
            (ImportState::Done, Some(done_us)) => done_us,
            (ImportState::Undone, _) => return Err(StoreError::Refused("this import is undone already".to_owned())),
            _ => return Err(StoreError::Refused("this import has stored nothing yet".to_owned())),
        };
        if context.now_us >= done_us + IMPORT_UNDO_US {
            let why = "an import can be undone for a day; move its records to the trash by hand";
            return Err(StoreError::Refused(why.to_owned()));
        }
        let sql = "SELECT i.record_id, i.revision FROM import_records i JOIN records r ON r.id = i.record_id
                   WHERE i.import_id = $1 AND r.revision = i.revision AND r.deleted_us IS NULL
                     AND r.collection_id = $2
                   ORDER BY r.path";
        let untouched = tx.all(sql, args![id, import.collection_id]).await?;
        for row in &untouched {
            self.trash_in(&mut tx, context, RecordId(row.id("record_id")?), Some(row.revision("revision")?)).await?;
        }
        let sql = "SELECT COUNT(*) AS n FROM import_records WHERE import_id = $1";
        let made = tx.one(sql, args![id]).await?.ok_or(StoreError::Malformed("count"))?.count("n")?;
        let trashed = untouched.len() as u64;
        let undone = Undone { trashed, kept: made - trashed };
        let state = ImportState::Undone.as_str();
        tx.run("UPDATE imports SET state = $2, undone_us = $3 WHERE id = $1", args![id, state, context.now_us]).await?;
        let draft = context.draft(AuditAction::ImportUndone, ObjectKind::Import, id, None);
        let draft = draft.about(ObjectKind::Collection, import.collection_id.0);
        tx.audit(draft.with("trashed", undone.trashed).with("kept", undone.kept));
        tx.commit().await?;
        Ok(undone)
    }
}
