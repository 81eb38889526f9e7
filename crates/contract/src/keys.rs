//! The keys: how they are, and their rotation. Never a key.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_reconcile::names;
use vaultterm_sealing::{KeyPurpose, KeyState};

/// How the keys are. Never a key.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct KeysView {
    /// `local` or `hcv-transit`.
    #[schema(value_type = String)]
    pub provider: KeyProvider,
    /// Where the root key is kept: a file, or a Transit key.
    pub kept_at: String,
    /// The root key in use.
    pub root_key_id: Option<Uuid>,
    /// What Transit sealed of it, the newest first.
    pub sealed: Vec<SealedView>,
    /// The keys below the root key.
    pub keys: Vec<KeyView>,
    /// Values that a rotation of the record key has still to move.
    pub rewrap_pending: u64,
}

/// A sealed root key.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SealedView {
    pub root_key_id: Uuid,
    /// `context` (a derived key) or `associated_data`.
    pub binding: String,
    /// The version of the Transit key it is sealed under.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transit_key_version: Option<u32>,
    pub created_at: String,
}

/// A key of the keyring.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct KeyView {
    pub id: Uuid,
    /// `record`, `digest`, `audit` or `token`.
    #[schema(value_type = String)]
    pub purpose: KeyPurpose,
    pub generation: u32,
    /// `active` or `decrypt_only`.
    #[schema(value_type = String)]
    pub state: KeyState,
}

/// What to rotate.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotate {
    /// `root`, `record`, `audit`, or `transit` (seals the root key again under the newest version).
    pub key: String,
}

names!(
    /// Who keeps the root key.
    KeyProvider, "key provider" {
        /// A file, or the environment.
        Local = "local",
        /// A Transit key of Vault seals it.
        HcvTransit = "hcv-transit",
    }
);
names!(
    /// What a rotation replaces.
    KeyRotation, "kind of key" {
        /// The root key.
        Root = "root",
        /// The key that wraps the keys of values.
        Record = "record",
        /// The key that signs checkpoints of the audit log.
        Audit = "audit",
        /// The seal of the root key: it is sealed again under the newest version of the Transit key.
        Transit = "transit",
    }
);
