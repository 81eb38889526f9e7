//! The audit log: entries, checkpoints, keys. Webhooks and syslog send the same entries.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_ledger::{Draft, Hash};

use crate::moment;

/// One entry of the log.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct EventView {
    /// Place in the log, from 1, without gaps.
    pub seq: u64,
    pub time: String,
    /// Who, in words.
    pub actor: String,
    pub actor_id: Uuid,
    /// `user`, `token`, `system` or `anonymous`.
    pub actor_kind: String,
    pub source_ip: Option<String>,
    pub request_id: Option<String>,
    pub action: String,
    /// The first object, in words.
    pub object: Option<String>,
    pub objects: Vec<ObjectView>,
    /// `success`, `denied` or `failure`.
    pub outcome: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<RemoteView>,
    /// Facts about it. Never a value.
    pub detail: BTreeMap<String, String>,
    /// Hash of the entry's bytes, hexadecimal.
    pub hash: String,
}

/// What something was done to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ObjectView {
    pub kind: String,
    pub id: Uuid,
    pub name: Option<String>,
}

/// Where in Vault.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RemoteView {
    pub cluster: Option<String>,
    pub path: String,
    pub version: Option<u64>,
    /// Vault's request id: the same as in Vault's own audit log.
    pub request_id: Option<String>,
}

/// What a check of the whole log found.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct VerdictView {
    pub ok: bool,
    /// Entries that were removed from the beginning (`audit prune`).
    pub pruned: u64,
    /// Entries in an unbroken chain, the removed ones included.
    pub entries: u64,
    /// Checkpoints on the way that are signed by a key of this log and say what the entries say.
    pub checkpoints: u64,
    /// Hash of the last of them, hexadecimal.
    pub head: String,
    /// What is wrong with the next one.
    pub broken: Option<String>,
}

/// What the log was at one size, signed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CheckpointView {
    /// How many entries it covers.
    pub size: u64,
    /// The root of the tree over them, hexadecimal.
    pub root: String,
    /// Counts restores of the installation, from 1.
    pub epoch: u64,
    /// The highest counter of a license that was seen.
    pub license_counter: u64,
    /// The key that signed it.
    pub key_id: Uuid,
    pub created_at: String,
    /// The signed note, verbatim.
    pub note: String,
}

/// The public keys of the log.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditKeysView {
    /// The oldest first; the one in use last.
    pub keys: Vec<AuditKeyView>,
}

/// One of them.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditKeyView {
    /// The key in the text form of signed notes: name, id, key.
    pub vkey: String,
    pub key_id: Uuid,
    /// It signs; the others only did.
    pub active: bool,
    pub created_at: String,
}

/// What to remove.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Prune {
    /// Entries from before this moment, RFC 3339: not younger than `VAULTTERM_AUDIT_KEEP_DAYS`.
    pub before: String,
}

/// What was removed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct PrunedView {
    /// How many entries went.
    pub pruned: u64,
    /// The size of the log up to which they are gone; null when none went.
    pub size: Option<u64>,
    /// The root of the tree over all that is gone, hexadecimal.
    pub root: Option<String>,
}

impl EventView {
    /// Shows the entry at a place of the log.
    #[must_use]
    pub fn of(seq: u64, draft: &Draft, hash: &Hash) -> Self {
        let first = draft.objects.first();
        let object = |object: &vaultterm_ledger::ObjectRef| ObjectView {
            kind: object.kind.as_str().to_owned(),
            id: object.id,
            name: object.name.clone(),
        };
        let remote = |remote: &vaultterm_ledger::RemoteRef| RemoteView {
            cluster: remote.cluster.clone(),
            path: remote.path.clone(),
            version: remote.version,
            request_id: remote.request_id.clone(),
        };
        Self {
            seq,
            time: moment::of_us(draft.time_us),
            actor: draft.actor.name.clone(),
            actor_id: draft.actor.id,
            actor_kind: draft.actor.kind.as_str().to_owned(),
            source_ip: draft.source_ip.clone(),
            request_id: draft.request_id.clone(),
            action: draft.action.as_str().to_owned(),
            object: first.map(|object| object.name.clone().unwrap_or_else(|| object.id.to_string())),
            objects: draft.objects.iter().map(object).collect(),
            outcome: draft.outcome.as_str().to_owned(),
            remote: draft.remote.as_ref().map(remote),
            detail: draft.detail.clone(),
            hash: hex::encode(hash),
        }
    }
}

/// An entry that is too long for a datagram: what finds it.
#[derive(Debug, Serialize, Deserialize)]
pub struct ShortEventView {
    /// Its place in the log.
    pub seq: u64,
    /// The hash of its bytes, hexadecimal.
    pub hash: String,
    /// Always true.
    pub shortened: bool,
}

/// A signed checkpoint where it is sent or kept outside of the server.
#[derive(Debug, Serialize, Deserialize)]
pub struct SentCheckpoint {
    /// The signed note, verbatim.
    pub checkpoint: String,
}
