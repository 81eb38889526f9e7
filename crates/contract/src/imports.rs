//! Imports: files of other programs, what they would become, and what they became.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_exchange::{Duplicates, Effect, Format, ImportState, Loss, Lost, Question, Refused, SkipReason};
use vaultterm_reconcile::RecordType;
use zeroize::Zeroizing;

/// A file to read. Nothing is imported yet.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportUpload {
    /// The collection that it goes to.
    pub collection_id: Uuid,
    /// The path below which its items go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// `bitwarden-json`, `1pux`, `kdbx`, `env` …; recognised unless told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The name of the file, which people see in the review. A secret of `vault kv get` is called like its file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// The file in base64: 32 MiB at most.
    #[schema(value_type = String)]
    pub content: Zeroizing<String>,
    /// The password of a protected file.
    #[schema(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Zeroizing<String>>,
    /// The key file of a KeePass database, or identities of age, in base64.
    #[schema(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<Zeroizing<String>>,
    /// LastPass: `&amp;` in a value stands for `&`.
    #[serde(default)]
    pub decode_entities: bool,
    /// Vault: an object within a secret is a value, and no folder.
    #[serde(default)]
    pub keep_nested: bool,
}

/// An import: what would happen now, or what happened.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ImportView {
    pub id: Uuid,
    pub collection_id: Uuid,
    pub prefix: Option<String>,
    pub file_name: Option<String>,
    #[schema(value_type = String)]
    pub format: Format,
    /// `reviewed`, `done` or `undone`.
    #[schema(value_type = String)]
    pub state: ImportState,
    /// What is done with items that are here already with other values: `skip`, `update` or `both`.
    #[schema(value_type = String)]
    pub duplicates: Duplicates,
    pub counts: ImportCountsView,
    /// How many of the records that change do not lie below `prefix`: an earlier import brought their items there.
    #[serde(default)]
    pub elsewhere: u64,
    /// Identifies what would happen: send it back to confirm.
    pub plan: String,
    /// What is lost, of the file and of all items together.
    pub losses: Vec<LossView>,
    /// Items that cannot become records.
    pub refused: Vec<RefusedItemView>,
    /// What only a person can decide: `decode_entities`, `keep_nested`. The file was read as if the answer were no.
    #[schema(value_type = Vec<String>)]
    pub questions: Vec<Question>,
    pub created_at: String,
    /// When it is removed.
    pub expires_at: String,
    pub done_at: Option<String>,
    /// Until when it can be undone.
    pub undo_until: Option<String>,
    pub undone_at: Option<String>,
    /// How many items are stored, while that goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<u64>,
}

/// An import in a list.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ImportSummaryView {
    pub id: Uuid,
    pub collection_id: Uuid,
    /// The path below which its items go.
    #[serde(default)]
    pub prefix: Option<String>,
    #[serde(default)]
    pub file_name: Option<String>,
    #[schema(value_type = String)]
    pub format: Format,
    #[schema(value_type = String)]
    pub state: ImportState,
    pub found: u64,
    pub created_at: String,
    pub expires_at: String,
    /// How many items are stored, while that goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<u64>,
}

/// `found` is the sum of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportCountsView {
    pub found: u64,
    pub created: u64,
    pub updated: u64,
    pub skipped: u64,
    pub refused: u64,
}

/// Something that does not come over, or comes over changed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct LossView {
    #[schema(value_type = String)]
    pub what: Lost,
    /// `lost`; `changed`, if it has another form afterwards; `caution`, if all is there and something should be known about it.
    #[schema(value_type = String)]
    pub effect: Effect,
    /// The name of a field, an attachment, a part. Never a value.
    pub name: Option<String>,
    pub count: u64,
    /// The size of an attachment.
    pub bytes: Option<u64>,
    /// The same in words.
    pub text: String,
}

impl From<&Loss> for LossView {
    fn from(loss: &Loss) -> Self {
        let Loss { what, name, count, bytes } = loss;
        Self {
            what: *what,
            effect: what.effect(),
            name: name.clone(),
            count: *count,
            bytes: *bytes,
            text: loss.to_string(),
        }
    }
}

/// An item that cannot become a record.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RefusedItemView {
    /// Where it stands in the file: `row 3`, `line 7`, `entry 2`.
    pub place: String,
    pub name: Option<String>,
    pub why: String,
}

impl From<&Refused> for RefusedItemView {
    fn from(refused: &Refused) -> Self {
        let Refused { place, name, why } = refused;
        Self { place: place.to_string(), name: name.clone(), why: why.clone() }
    }
}

/// An item of a file, without its values.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ImportItemView {
    /// Where it stands in the file.
    pub place: String,
    /// Its name in the file, with its folders.
    pub name: String,
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub record_type: RecordType,
    /// `create`, `update`, `skip` or `refuse`.
    pub fate: ItemFate,
    /// The path that it gets, or that is here.
    pub path: Option<String>,
    /// The path is not the name in the file.
    pub renamed: bool,
    /// It goes to the trash.
    pub trashed: bool,
    /// Why it is left out or refused, or why a record that does not lie below the prefix changes.
    pub reason: Option<String>,
    pub field_names: Vec<String>,
    pub tags: Vec<String>,
    /// Earlier states that become revisions.
    pub past: u64,
    pub losses: Vec<LossView>,
}

/// What happens to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ItemFate {
    Create,
    Update,
    Skip,
    Refuse,
}

/// Says why an item is left out; `is_elsewhere` if the record that it met does not lie below the prefix of the import.
#[must_use]
pub const fn skipped_because(reason: SkipReason, is_elsewhere: bool) -> &'static str {
    match reason {
        SkipReason::Identical if is_elsewhere => {
            "an earlier import brought it: its record lies outside the target folder, with the same values"
        }
        SkipReason::Kept if is_elsewhere => {
            "an earlier import brought it: its record lies outside the target folder, with other values, which stay"
        }
        SkipReason::Identical => "it is here with the same values",
        SkipReason::Kept => "it is here with other values, which stay",
        SkipReason::Twice => "the file holds it twice",
    }
}

/// Says why an item changes a record that does not lie below the prefix of the import.
pub const CHANGES_ELSEWHERE: &str =
    "this changes a record outside the target folder: an earlier import brought the item, and its record lies there";

/// Confirms an import.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportCommit {
    /// The `plan` of the import as it was seen.
    pub plan: String,
    /// What is done with items that are here already with other values: `skip` (unless told), `update` or `both`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicates: Option<String>,
}

/// What became of the records of an import that was undone.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct UndoneView {
    /// New records that went to the trash.
    pub trashed: u64,
    /// Changed records that have their earlier values again, as a new revision.
    #[serde(default)]
    pub restored: u64,
    /// New and changed records that stay as they are, because somebody changed, moved or trashed them since.
    pub kept: u64,
    /// Records that the import had put into the trash, where they stay.
    #[serde(default)]
    pub in_trash: u64,
}
