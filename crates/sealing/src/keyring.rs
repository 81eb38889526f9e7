//! The keyring: the keys below the root key, and sealing with them.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{DigestKey, Place, RootKey, Sealed, SecretBytes};

/// The id of an installation; part of every AAD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstanceId(pub Uuid);

/// What a key of the keyring does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyPurpose {
    /// Wraps data keys.
    Record,
    /// Makes comparison digests.
    Digest,
    /// Signs audit checkpoints (Ed25519 seed).
    Audit,
    /// Makes look-up digests of tokens.
    Token,
}

/// Whether a key still seals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyState {
    /// Seals and opens.
    Active,
    /// Opens what was sealed before a rotation.
    DecryptOnly,
}

/// One key of the keyring as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyringRow {
    /// The key's id.
    pub id: Uuid,
    /// What it does.
    pub purpose: KeyPurpose,
    /// Counts rotations, from 1.
    pub generation: u32,
    /// Whether it still seals.
    pub state: KeyState,
    /// The key, wrapped under the root key.
    pub wrapped: Vec<u8>,
}

/// Why something could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealingError {
    /// The root key is not the one the keyring is wrapped under.
    #[error("the master key does not open this database's keyring: it belongs to another installation or was replaced")]
    WrongRootKey,
    /// The keyring lacks a key.
    #[error("the keyring holds no key {0}")]
    UnknownKey(Uuid),
    /// The keyring lacks an active key of a purpose.
    #[error("the keyring holds no active {0:?} key")]
    NoActiveKey(KeyPurpose),
    /// The ciphertext was changed, or moved from where it was sealed.
    #[error("a stored value does not open: it was changed, or moved from where it was sealed")]
    DoesNotOpen,
    /// The bytes have no known form.
    #[error("a stored value has an unknown form")]
    Malformed,
}

/// The opened keyring.
pub struct Keyring {
    instance: InstanceId,
}

impl Keyring {
    /// Draws the keys of a new installation.
    ///
    /// # Errors
    /// Never in practice: only when the cipher refuses.
    pub fn create(root: &RootKey, instance: InstanceId) -> Result<(Self, Vec<KeyringRow>), SealingError> {
        let _ = (root, instance);
        todo!()
    }

    /// Opens a stored keyring.
    ///
    /// # Errors
    /// [`SealingError::WrongRootKey`] when the root key is another one.
    pub fn open(root: &RootKey, instance: InstanceId, rows: &[KeyringRow]) -> Result<Self, SealingError> {
        let _ = (root, instance, rows);
        todo!()
    }

    /// Returns the installation this keyring belongs to.
    #[must_use]
    pub fn instance(&self) -> InstanceId {
        self.instance
    }

    /// Seals one message for one place under a fresh data key.
    ///
    /// # Errors
    /// [`SealingError::NoActiveKey`].
    pub fn seal(&self, place: &Place, plaintext: &[u8]) -> Result<Sealed, SealingError> {
        let _ = (place, plaintext);
        todo!()
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// [`SealingError::DoesNotOpen`] when it was sealed for any other place.
    pub fn unseal(&self, place: &Place, sealed: &Sealed) -> Result<SecretBytes, SealingError> {
        let _ = (place, sealed);
        todo!()
    }

    /// Returns the key of the comparison digests.
    #[must_use]
    pub fn digest_key(&self) -> &DigestKey {
        todo!()
    }

    /// Digests a token for look-up: what is stored in its place.
    #[must_use]
    pub fn token_digest(&self, token: &str) -> [u8; 32] {
        let _ = token;
        todo!()
    }
}
