//! The answers of the API, as far as the command line reads them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct User {
    pub(crate) id: Uuid,
    pub(crate) email: String,
    pub(crate) name: String,
    pub(crate) role: String,
    #[serde(default)]
    pub(crate) disabled: bool,
    pub(crate) revision: u64,
    pub(crate) created_at: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Me {
    pub(crate) user: User,
    pub(crate) token: Token,
}

#[derive(Deserialize)]
pub(crate) struct Login {
    pub(crate) token: zeroize::Zeroizing<String>,
    pub(crate) expires_at: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Token {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) expires_at: Option<String>,
    pub(crate) last_used_at: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct IssuedToken {
    pub(crate) id: Uuid,
    pub(crate) token: zeroize::Zeroizing<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Collection {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) revision: u64,
    pub(crate) records: u64,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Member {
    pub(crate) user_id: Uuid,
    pub(crate) email: String,
    pub(crate) role: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: Uuid,
    pub(crate) collection_id: Uuid,
    pub(crate) path: String,
    #[serde(rename = "type")]
    pub(crate) record_type: String,
    pub(crate) field_names: Vec<String>,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    pub(crate) revision: u64,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
    pub(crate) deleted_at: Option<String>,
    #[serde(default)]
    pub(crate) inject_only: bool,
    #[serde(default)]
    pub(crate) sync: Vec<RecordSync>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct RecordSync {
    pub(crate) connection_id: Uuid,
    pub(crate) state: String,
    pub(crate) remote_version: Option<u64>,
    #[serde(default)]
    pub(crate) accepted_by: Option<String>,
    #[serde(default)]
    pub(crate) accepted_at: Option<String>,
}

/// A path with an accepted difference.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct AcceptedDifference {
    pub(crate) path: String,
    pub(crate) by: String,
    pub(crate) at: String,
}

#[derive(Deserialize)]
pub(crate) struct Revealed {
    pub(crate) fields: BTreeMap<String, Value>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Revision {
    pub(crate) revision: u64,
    pub(crate) path: String,
    #[serde(rename = "type")]
    pub(crate) record_type: String,
    pub(crate) field_names: Vec<String>,
    pub(crate) origin: String,
    pub(crate) actor: String,
    pub(crate) created_at: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Connection {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) collection_id: Uuid,
    pub(crate) address: String,
    pub(crate) namespace: Option<String>,
    pub(crate) auth: Auth,
    pub(crate) mount: String,
    pub(crate) path: String,
    pub(crate) mode: String,
    pub(crate) options: serde_json::Map<String, Value>,
    #[serde(default)]
    pub(crate) warnings: Vec<String>,
    pub(crate) state: String,
    pub(crate) state_detail: Option<String>,
    pub(crate) last_run: Option<Run>,
    pub(crate) last_verified_at: Option<String>,
    pub(crate) open_conflicts: u64,
    #[serde(default)]
    pub(crate) accepted_differences: u64,
    pub(crate) secret_id_expires_at: Option<String>,
    pub(crate) revision: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Auth {
    pub(crate) mount: String,
    #[serde(default)]
    pub(crate) namespace: Option<String>,
    pub(crate) role_id: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct TestReport {
    pub(crate) ok: bool,
    pub(crate) checks: Vec<Check>,
    pub(crate) server: Option<Server>,
    pub(crate) secret_id_expires_at: Option<String>,
}

#[derive(Clone, Debug, Deserialize, serde::Serialize)]
pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) ok: bool,
    pub(crate) detail: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Server {
    pub(crate) product: String,
    pub(crate) version: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Policy {
    pub(crate) hcl: String,
    pub(crate) script: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Counts {
    pub(crate) created_remote: u64,
    pub(crate) updated_remote: u64,
    pub(crate) deleted_remote: u64,
    pub(crate) created_local: u64,
    pub(crate) updated_local: u64,
    pub(crate) deleted_local: u64,
    pub(crate) adopted: u64,
    pub(crate) unchanged: u64,
    pub(crate) accepted: u64,
    pub(crate) conflicts: u64,
    pub(crate) skipped: u64,
    pub(crate) failed: u64,
    pub(crate) stale: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Plan {
    pub(crate) id: Uuid,
    pub(crate) connection_id: Uuid,
    pub(crate) counts: Counts,
    pub(crate) steps: Vec<Step>,
    pub(crate) conflicts: Vec<PlannedConflict>,
    pub(crate) skips: Vec<Skip>,
    #[serde(default)]
    pub(crate) accepted: Vec<AcceptedDifference>,
    pub(crate) halts: Vec<Halt>,
    #[serde(default)]
    pub(crate) warnings: Vec<String>,
    pub(crate) expires_at: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Step {
    pub(crate) path: String,
    pub(crate) action: String,
    pub(crate) reason: String,
    #[serde(default)]
    pub(crate) from: Option<String>,
    #[serde(default)]
    pub(crate) fields: Vec<FieldChange>,
    #[serde(default)]
    pub(crate) versions_kept_first: Vec<u64>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct FieldChange {
    pub(crate) name: String,
    pub(crate) change: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PlannedConflict {
    pub(crate) path: String,
    pub(crate) kind: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Skip {
    pub(crate) path: String,
    pub(crate) reason: String,
    #[serde(default)]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) accepted_by: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Halt {
    pub(crate) kind: String,
    pub(crate) detail: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Run {
    pub(crate) id: Uuid,
    pub(crate) state: String,
    pub(crate) trigger: String,
    pub(crate) counts: Counts,
    pub(crate) halts: Vec<Halt>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) started_at: String,
    pub(crate) finished_at: Option<String>,
    pub(crate) requests: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Problem {
    pub(crate) path: String,
    pub(crate) class: String,
    pub(crate) detail: String,
    pub(crate) hint: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Progress {
    pub(crate) done: u64,
    pub(crate) total: u64,
    pub(crate) phase: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Conflict {
    pub(crate) id: Uuid,
    pub(crate) connection_id: Uuid,
    pub(crate) record_id: Option<Uuid>,
    pub(crate) path: String,
    pub(crate) kind: String,
    pub(crate) status: String,
    pub(crate) fields: Vec<ConflictField>,
    pub(crate) local_revision: Option<u64>,
    pub(crate) remote_version: Option<u64>,
    pub(crate) first_seen_at: String,
    pub(crate) last_seen_at: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ConflictField {
    pub(crate) name: String,
    pub(crate) base: Option<Masked>,
    pub(crate) local: Option<Masked>,
    pub(crate) remote: Option<Masked>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Masked {
    pub(crate) digest: String,
    pub(crate) length: u64,
}

#[derive(Deserialize)]
pub(crate) struct RevealedConflict {
    pub(crate) fields: Vec<RevealedField>,
}

#[derive(Deserialize)]
pub(crate) struct RevealedField {
    pub(crate) name: String,
    pub(crate) base: Option<Value>,
    pub(crate) local: Option<Value>,
    pub(crate) remote: Option<Value>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct AuditEvent {
    pub(crate) seq: u64,
    pub(crate) time: String,
    pub(crate) actor: String,
    pub(crate) action: String,
    pub(crate) object: Option<String>,
    pub(crate) outcome: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct AuditCheckpoint {
    pub(crate) size: u64,
    pub(crate) root: String,
    pub(crate) key_id: Uuid,
    pub(crate) created_at: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct AuditKeys {
    pub(crate) keys: Vec<AuditKey>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct AuditKey {
    pub(crate) vkey: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Pruned {
    pub(crate) pruned: u64,
    pub(crate) size: Option<u64>,
    pub(crate) root: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Keys {
    pub(crate) provider: String,
    pub(crate) kept_at: String,
    #[serde(default)]
    pub(crate) sealed: Vec<SealedKey>,
    pub(crate) keys: Vec<Key>,
    pub(crate) rewrap_pending: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct SealedKey {
    pub(crate) binding: String,
    pub(crate) transit_key_version: Option<u32>,
    pub(crate) created_at: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Key {
    pub(crate) purpose: String,
    pub(crate) generation: u32,
    pub(crate) state: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Webhook {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) actions: Option<Vec<String>>,
    pub(crate) paused: bool,
    pub(crate) delivered_seq: u64,
    pub(crate) failures: u32,
    pub(crate) next_attempt_at: Option<String>,
    pub(crate) last_error: Option<String>,
    pub(crate) last_delivered_at: Option<String>,
    pub(crate) old_secret_until: Option<String>,
    pub(crate) revision: u64,
}

#[derive(Deserialize)]
pub(crate) struct MadeWebhook {
    #[serde(flatten)]
    pub(crate) webhook: Webhook,
    pub(crate) secret: Option<zeroize::Zeroizing<String>>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Tried {
    pub(crate) ok: bool,
    pub(crate) detail: String,
    pub(crate) took_ms: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct LicenseState {
    pub(crate) standing: String,
    pub(crate) detail: Option<String>,
    pub(crate) sync: String,
    pub(crate) id: Option<Uuid>,
    pub(crate) licensee: Option<String>,
    pub(crate) tier: Option<String>,
    pub(crate) seats: Option<u32>,
    #[serde(default)]
    pub(crate) features: Vec<String>,
    pub(crate) not_before: Option<String>,
    pub(crate) expires: Option<String>,
    pub(crate) grace_until: Option<String>,
    pub(crate) days_left: Option<i64>,
    /// A note of the server about the license, only in the answer to an installation.
    #[serde(default)]
    pub(crate) notice: Option<String>,
    #[serde(default)]
    pub(crate) licenses: Vec<KeptLicense>,
    #[serde(default)]
    pub(crate) refused: Vec<String>,
}

/// A license that the server keeps beside others.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct KeptLicense {
    pub(crate) id: Uuid,
    pub(crate) licensee: String,
    pub(crate) tier: String,
    pub(crate) standing: String,
    pub(crate) counts: bool,
    pub(crate) not_before: String,
    pub(crate) expires: String,
    pub(crate) from: String,
}
