//! Takes an import back: what it made goes to the trash, and what it changed gets its earlier values again, as far as nobody
//! changed the records since.

use uuid::Uuid;
use vaultterm_exchange::ImportState;
use vaultterm_ledger::{AuditAction, ObjectKind};
use vaultterm_reconcile::{RecordId, Revision};

use super::import::{IMPORT_UNDO_US, Import, locked};
use crate::{
    Context, Store, StoreError,
    context::Facts as _,
    record_changes::about,
    records::record,
    sql::{Tx, args},
};

/// What became of the records of an import that was undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undone {
    /// New records that went to the trash.
    pub trashed: u64,
    /// Changed records that have their earlier values again, as a new revision.
    pub restored: u64,
    /// New and changed records that stay as they are, because somebody changed, moved or trashed them since.
    pub kept: u64,
    /// Records that the import had put into the trash, where they stay.
    pub in_trash: u64,
}

impl Store {
    /// Takes an import back, as far as its records are still as it left them (`IMPORT_UNDONE` for all): those that it made go
    /// to the trash (`RECORD_DELETED` for each), and those that it changed get the values of the revision before it as their
    /// next one (`RECORD_RESTORED` for each). Labels that it added to them stay. `changed` are the latter, each with the
    /// revision before the import.
    ///
    /// # Errors
    /// [`StoreError::Refused`] if the import is not done, or its day is over.
    pub async fn undo_import(
        &self,
        context: &Context,
        id: Uuid,
        changed: &[(RecordId, Revision)],
    ) -> Result<Undone, StoreError> {
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
        let mut undone =
            Undone { trashed, restored: 0, kept: made - trashed, in_trash: import.counts.created.saturating_sub(made) };
        for (record, before) in changed {
            match self.take_back(&mut tx, context, &import, *record, *before).await? {
                true => undone.restored += 1,
                false => undone.kept += 1,
            }
        }
        let state = ImportState::Undone.as_str();
        tx.run("UPDATE imports SET state = $2, undone_us = $3 WHERE id = $1", args![id, state, context.now_us]).await?;
        let draft = context.draft(AuditAction::ImportUndone, ObjectKind::Import, id, None);
        let draft = draft.about(ObjectKind::Collection, import.collection_id.0);
        let draft = draft.with("trashed", undone.trashed).with("restored", undone.restored);
        tx.audit(draft.with("kept", undone.kept));
        tx.commit().await?;
        Ok(undone)
    }

    /// Gives a record its values of the revision before the import, if it is still as the import left it.
    async fn take_back(
        &self,
        tx: &mut Tx,
        context: &Context,
        import: &Import,
        id: RecordId,
        before: Revision,
    ) -> Result<bool, StoreError> {
        let Some(row) = tx.one("SELECT * FROM records WHERE id = $1", args![id]).await? else { return Ok(false) };
        let now = record(&row)?;
        let is_untouched =
            now.collection_id == import.collection_id && now.deleted_us.is_none() && now.revision == before.next();
        if !is_untouched {
            return Ok(false);
        }
        let values = self.open_revision(tx, id, before).await?;
        let after = self.save(tx, context, now, &values).await?;
        let draft = about(context, AuditAction::RecordRestored, &after).about(ObjectKind::Import, import.id);
        tx.audit(draft.with("restored_revision", before.0));
        Ok(true)
    }
}
