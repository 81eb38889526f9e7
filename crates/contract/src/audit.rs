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
    /// The name of the actor, as people read it: the e-mail address of a user or the name of a token, for example.
    pub actor: String,
    pub actor_id: Uuid,
    /// `user`, `token`, `system` or `anonymous`.
    pub actor_kind: String,
    pub source_ip: Option<String>,
    pub request_id: Option<String>,
    pub action: String,
    /// The name of the first of `objects`, or its id if it has no name.
    pub object: Option<String>,
    pub objects: Vec<ObjectView>,
    /// `success`, `denied` or `failure`.
    pub outcome: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<RemoteView>,
    /// Facts about the action. They never contain the value of a secret.
    pub detail: BTreeMap<String, String>,
    /// Hash of the entry's bytes, hexadecimal.
    pub hash: String,
}

/// An object on which an action was done.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ObjectView {
    pub kind: String,
    pub id: Uuid,
    pub name: Option<String>,
}

/// The secret in Vault that an entry is about.
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
    /// The number of entries that `audit prune` removed from the beginning.
    pub pruned: u64,
    /// The number of entries in an unbroken chain, including the removed ones.
    pub entries: u64,
    /// The number of checkpoints that a key of this log signed and that fit the entries.
    pub checkpoints: u64,
    /// The hash of the last entry in that chain, hexadecimal.
    pub head: String,
    /// The first fault that the check found; null if it found none.
    pub broken: Option<String>,
}

/// A signed statement of what the log contained when it had a certain number of entries.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CheckpointView {
    /// How many entries it covers.
    pub size: u64,
    /// The root of the tree over them, hexadecimal.
    pub root: String,
    /// The number of restores from a backup plus one: 1 in an installation that was never restored.
    pub epoch: u64,
    /// The highest license counter that the installation has seen; 0 before the first license.
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
    /// The oldest key is first. The last key signs now.
    pub keys: Vec<AuditKeyView>,
}

/// A public key of the log.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditKeyView {
    /// The key in the text form of signed notes: name, id, key.
    pub vkey: String,
    pub key_id: Uuid,
    /// Whether this key signs now. The other keys only signed earlier checkpoints.
    pub active: bool,
    pub created_at: String,
}

/// Which entries to remove from the log.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Prune {
    /// Entries from before this moment (RFC 3339) are removed. The server refuses a moment that lies within the last
    /// `VAULTTERM_AUDIT_KEEP_DAYS` days.
    pub before: String,
}

/// What was removed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct PrunedView {
    /// The number of entries that were removed this time.
    pub pruned: u64,
    /// The number of entries that are now missing from the beginning of the log; null if nothing was removed.
    pub size: Option<u64>,
    /// The root of the tree over these missing entries, hexadecimal.
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

/// What the server sends to syslog in place of an entry that is too long for one datagram. A reader finds the entry
/// in the log with it.
#[derive(Debug, Serialize, Deserialize)]
pub struct ShortEventView {
    /// Its place in the log.
    pub seq: u64,
    /// The hash of its bytes, hexadecimal.
    pub hash: String,
    /// Always true.
    pub shortened: bool,
}

/// The JSON form of a signed checkpoint that is sent to another system or kept outside of the server.
#[derive(Debug, Serialize, Deserialize)]
pub struct SentCheckpoint {
    /// The signed note, verbatim.
    pub checkpoint: String,
}
