//! Records that move to another collection, many records at once, and who can see a record.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_sync::CollectionRole;

use crate::RevealedView;

/// Where a record moves to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordMove {
    /// The collection that it enters.
    pub collection_id: Uuid,
    /// Its path there; the same as before unless told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// What a move would mean.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RecordMoveView {
    /// The name of the collection that the record leaves.
    pub from: String,
    /// The name of the collection that it enters.
    pub to: String,
    /// Who could see it afterwards and cannot now, by e-mail address.
    pub gains: Vec<AccessView>,
    /// Who can see it now and could not afterwards.
    pub loses: Vec<AccessView>,
    /// Who could do more or less with it afterwards.
    pub changes: Vec<AccessChangeView>,
    /// The connections that look after it now, by name. For them, it is deleted.
    pub leaves: Vec<String>,
    /// The connections that would look after it, by name.
    pub enters: Vec<String>,
}

/// A person's role.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AccessView {
    pub email: String,
    /// `viewer`, `editor`, `admin` or `owner`.
    #[schema(value_type = String)]
    pub role: CollectionRole,
}

/// A person's role before and after.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AccessChangeView {
    pub email: String,
    /// `viewer`, `editor`, `admin` or `owner`.
    #[schema(value_type = String)]
    pub before: CollectionRole,
    /// `viewer`, `editor`, `admin` or `owner`.
    #[schema(value_type = String)]
    pub after: CollectionRole,
}

/// One change of many records: all of them, or none. Exactly one kind of change is named.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordsChange {
    /// 1 to 500 records.
    pub records: Vec<ReadRecordBody>,
    /// Tags to add.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add_tags: Vec<String>,
    /// Tags to remove.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove_tags: Vec<String>,
    /// Moves them to this collection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub move_to: Option<Uuid>,
    /// Moves them to the trash.
    #[serde(default)]
    pub trash: bool,
}

/// A record with the revision that the caller read.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadRecordBody {
    pub id: Uuid,
    pub revision: u64,
}

/// The records to show.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevealMany {
    /// 1 to 100 records, by id.
    pub records: Vec<Uuid>,
    /// Why, for the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The values of many records. Never kept by anything in between, and wiped when they are sent.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RevealedManyView {
    pub items: Vec<RevealedOneView>,
}

/// The values of one of many records.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RevealedOneView {
    pub id: Uuid,
    pub collection_id: Uuid,
    pub path: String,
    pub revision: u64,
    /// Programs alone get the values, so there are none here.
    pub programs_only: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revealed: Option<RevealedView>,
}

/// Who can see a record: the members of its collection.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SeersView {
    /// The collection whose members they are.
    pub collection: String,
    /// Programs alone get the values: nobody is shown them.
    pub programs_only: bool,
    pub items: Vec<SeerView>,
    pub next_cursor: Option<String>,
}

/// A person who can see a record, and why.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SeerView {
    pub user_id: Uuid,
    pub email: String,
    /// `viewer`, `editor`, `admin` or `owner`.
    #[schema(value_type = String)]
    pub role: CollectionRole,
    /// Who gave the role, as far as the audit log still tells.
    pub given_by: Option<String>,
    pub given_at: Option<String>,
}
