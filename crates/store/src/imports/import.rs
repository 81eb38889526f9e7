//! An import as a row of its table.

use uuid::Uuid;
use vaultterm_exchange::{Format, ImportState};
use vaultterm_sealing::{Place, Purpose, SecretBytes};
use vaultterm_sync::CollectionId;

use crate::{
    StoreError,
    sql::{Row, Tx, args},
};

/// How long an import is kept, in microseconds.
pub const IMPORT_KEPT_US: i64 = 7 * 24 * 60 * 60 * 1_000_000;
/// How long an import can be undone, in microseconds.
pub const IMPORT_UNDO_US: i64 = 24 * 60 * 60 * 1_000_000;
/// An import, without what it holds.
#[derive(Clone, Debug)]
pub struct Import {
    /// The id.
    pub id: Uuid,
    /// The person who brought the file. Nobody else sees it.
    pub user_id: Uuid,
    /// The collection that it goes to.
    pub collection_id: CollectionId,
    /// How far it is.
    pub state: ImportState,
    /// The format of the file.
    pub format: Format,
    /// The items of the file, with those that are refused.
    pub found: u64,
    /// What became of them. All 0 until the import is done.
    pub counts: StepCounts,
    /// When the file was read, in microseconds.
    pub created_us: i64,
    /// When the records were made.
    pub done_us: Option<i64>,
    /// When it was undone.
    pub undone_us: Option<i64>,
}

impl Import {
    /// When it is removed, in microseconds.
    #[must_use]
    pub const fn expires_us(&self) -> i64 {
        self.created_us + IMPORT_KEPT_US
    }

    /// Until when it can be undone, in microseconds.
    #[must_use]
    pub fn undo_until_us(&self) -> Option<i64> {
        self.done_us.filter(|_| self.state == ImportState::Done).map(|done_us| done_us + IMPORT_UNDO_US)
    }
}

/// A file that was read.
pub struct NewImport {
    /// The person who brought it.
    pub user_id: Uuid,
    /// The collection that it goes to.
    pub collection_id: CollectionId,
    /// Its format.
    pub format: Format,
    /// Its items, with those that are refused.
    pub found: u64,
    /// What it holds, in numbered parts.
    pub parts: Vec<(u64, SecretBytes)>,
}

/// How many items became what. Their sum is the number of items in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepCounts {
    /// Items that became records.
    pub created: u64,
    /// Items that became revisions of records.
    pub updated: u64,
    /// Items that were left out.
    pub skipped: u64,
    /// Items that cannot become records.
    pub refused: u64,
}

/// Finds an import in order to change it.
pub(super) async fn locked(tx: &mut Tx, id: Uuid) -> Result<Import, StoreError> {
    let row = tx.one("SELECT * FROM imports WHERE id = $1", args![id]).await?;
    import(&row.ok_or(StoreError::NotFound("import"))?)
}

/// Returns the place for which a part is sealed.
pub(super) const fn place(id: Uuid, part: u64) -> Place {
    Place { purpose: Purpose::ImportPart, collection: Uuid::nil(), object: id, revision: part }
}

/// Reads a row.
pub(super) fn import(row: &Row) -> Result<Import, StoreError> {
    Ok(Import {
        id: row.id("id")?,
        user_id: row.id("user_id")?,
        collection_id: CollectionId(row.id("collection_id")?),
        state: row.named("state")?,
        format: row.named("format")?,
        found: row.count("found")?,
        counts: StepCounts {
            created: row.count("created")?,
            updated: row.count("updated")?,
            skipped: row.count("skipped")?,
            refused: row.count("refused")?,
        },
        created_us: row.int("created_us")?,
        done_us: row.maybe_int("done_us")?,
        undone_us: row.maybe_int("undone_us")?,
    })
}
