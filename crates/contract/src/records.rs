//! Records: credentials with all their revisions.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_reconcile::RecordType;
use vaultterm_sealing::SecretFields;
use vaultterm_sync::{RecordSyncState, RevisionOrigin};

/// A record, without its values.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RecordView {
    pub id: Uuid,
    pub collection_id: Uuid,
    pub path: String,
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub record_type: RecordType,
    pub field_names: Vec<String>,
    pub tags: Vec<String>,
    pub revision: u64,
    pub created_at: String,
    pub updated_at: String,
    pub deleted_at: Option<String>,
    /// Programs may get it, nobody may see it.
    pub inject_only: bool,
    /// A person needs a fresh proof of identity before each look at its values. API tokens and `inject` do not.
    #[serde(default)]
    pub ask_again: bool,
    pub sync: Vec<RecordSyncView>,
}

/// A record that was found in one of the caller's collections, without its values.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct FoundRecordView {
    #[serde(flatten)]
    pub record: RecordView,
    /// The name of its collection.
    pub collection: String,
    /// Who made the newest revision.
    pub changed_by: String,
    /// The connection that the newest revision came through from Vault, if it came so.
    pub changed_through: Option<Uuid>,
}

/// How a record stands with one connection.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RecordSyncView {
    pub connection_id: Uuid,
    /// The name of the connection.
    #[serde(default)]
    pub connection: String,
    /// `in_step`, `accepted`, `changed`, `new`, `unlinked` or `conflict`.
    #[schema(value_type = String)]
    pub state: RecordSyncState,
    pub remote_version: Option<u64>,
    /// Who wrote `remote_version`, in words, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_writer: Option<String>,
    /// What the newest run saw in Vault, if that is not `remote_version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<SeenVersionView>,
    /// Who accepted that the record and the secret differ, in the state `accepted`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted_by: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<String>,
}

/// The newest version of a secret, as a run saw it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SeenVersionView {
    /// Nothing if the secret was gone altogether.
    pub version: Option<u64>,
    pub written_at: Option<String>,
    /// The version is deleted, or the secret is gone.
    pub deleted: bool,
    /// Who wrote or deleted it, in words, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub writer: Option<String>,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordCreate {
    /// The same as the secret's path below a connection's prefix.
    pub path: String,
    /// `PASSWORD`, `API_KEY`, `SSH_KEY`, `ENV_VAR`, `SECURE_NOTE`, `TOTP`, `PAYMENT_CARD`, `IDENTITY`, `PASSKEY` or
    /// `KEY_VALUE` (unless told).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#type: Option<String>,
    /// Name to any JSON value.
    #[schema(value_type = std::collections::HashMap<String, Value>)]
    pub fields: Box<RawValue>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    #[serde(default)]
    pub inject_only: bool,
    #[serde(default)]
    pub ask_again: bool,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordUpdate {
    /// A new path: the record is renamed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#type: Option<String>,
    /// Fields to add or replace; the others stay.
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove_fields: Vec<String>,
    /// Replaces all tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inject_only: Option<bool>,
    /// To take the mark away, a person needs a fresh proof.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ask_again: Option<bool>,
}

#[derive(Default, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reveal {
    /// Which fields; all unless told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<String>>,
    /// Which revision; the newest unless told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// Why, for the audit log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Values. Never kept by anything in between, and wiped when they are sent.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RevealedView {
    #[schema(value_type = std::collections::HashMap<String, Value>)]
    #[serde(with = "exposed")]
    pub fields: SecretFields,
}

#[derive(Default, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Inject {
    /// Which fields; all unless told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<String>>,
    /// Which program or file gets them, for the audit log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub into: Option<String>,
    /// Why, for the audit log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One revision, without its values.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RevisionView {
    pub revision: u64,
    pub path: String,
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub record_type: RecordType,
    pub field_names: Vec<String>,
    /// `person`, `remote`, `merge` or `archive`.
    #[schema(value_type = String)]
    pub origin: RevisionOrigin,
    pub connection_id: Option<Uuid>,
    /// Who saved it, or started the run that made it.
    pub actor: String,
    /// Who wrote the values in Vault, for a revision that came from there. Known as long as both sides agree on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault_writer: Option<String>,
    pub created_at: String,
}

#[derive(Default, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Restore {
    /// Whose values become the next revision; the newest unless told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
}

/// A one-time code.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct OtpView {
    pub code: String,
    pub expires_in_seconds: u64,
}

/// Values on their way in and out. [`SecretFields`] wipes them when they are dropped.
mod exposed {
    use std::collections::BTreeMap;

    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};
    use vaultterm_sealing::SecretFields;

    pub(super) fn serialize<S: Serializer>(fields: &SecretFields, serializer: S) -> Result<S::Ok, S::Error> {
        fields.expose().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretFields, D::Error> {
        BTreeMap::deserialize(deserializer).map(SecretFields::from_trusted)
    }
}
