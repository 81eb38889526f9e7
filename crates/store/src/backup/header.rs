//! The header before the parts of a backup, in JSON. It names the installation and the root key that wraps
//! its keys. Nothing in it is secret, and the signature at the end covers it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use vaultterm_sealing::{InstanceId, KeyringRow, RootKeyId};

use super::{BackupError, ImageKind};
use crate::{SealedRoot, migrations};

/// The header of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupHeader {
    /// The id of the backup.
    pub archive_id: Uuid,
    /// The time at which the backup was made, in microseconds.
    pub created_us: i64,
    /// The id of the installation.
    pub instance: InstanceId,
    /// The epoch of the installation: the number of its restores, counted from 1.
    pub epoch: u64,
    /// The root key that opens the backup.
    pub root_id: RootKeyId,
    /// The newest migration of the database in the backup.
    pub schema: u64,
    /// The kind of that database.
    pub image: ImageKind,
    /// The keyring of the installation.
    pub(crate) keyring: Vec<KeyringRow>,
    /// The sealed root keys, the newest first.
    pub sealed_roots: Vec<SealedRoot>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    archive_id: Uuid,
    /// The time for people who look into the file.
    created: String,
    created_us: i64,
    instance_id: Uuid,
    instance_epoch: u64,
    root_key_id: Uuid,
    schema: u64,
    image: ImageKind,
    keyring: Vec<WrittenKey>,
    sealed_roots: Vec<WrittenSeal>,
}

#[derive(Serialize, Deserialize)]
struct WrittenKey {
    id: Uuid,
    purpose: String,
    generation: u32,
    state: String,
    #[serde(with = "hex::serde")]
    wrapped: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct WrittenSeal {
    root_key_id: Uuid,
    binding: String,
    ciphertext: String,
    created_us: i64,
}

impl BackupHeader {
    /// Returns the time at which the backup was made, for people (RFC 3339 in seconds).
    #[must_use]
    pub fn created(&self) -> String {
        let moment = jiff::Timestamp::from_microsecond(self.created_us).unwrap_or_default();
        moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let key = |row: &KeyringRow| WrittenKey {
            id: row.id,
            purpose: row.purpose.as_str().to_owned(),
            generation: row.generation,
            state: row.state.as_str().to_owned(),
            wrapped: row.wrapped.clone(),
        };
        let seal = |sealed: &SealedRoot| WrittenSeal {
            root_key_id: sealed.root_id.0,
            binding: sealed.binding.clone(),
            ciphertext: sealed.ciphertext.clone(),
            created_us: sealed.created_us,
        };
        let written = Written {
            archive_id: self.archive_id,
            created: self.created(),
            created_us: self.created_us,
            instance_id: self.instance.0,
            instance_epoch: self.epoch,
            root_key_id: self.root_id.0,
            schema: self.schema,
            image: self.image,
            keyring: self.keyring.iter().map(key).collect(),
            sealed_roots: self.sealed_roots.iter().map(seal).collect(),
        };
        serde_json::to_vec(&written).expect("a header has only text keys")
    }

    /// Reads a header. A header that only a newer version can have written is refused with that reason.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, BackupError> {
        let written: Written = serde_json::from_slice(bytes).map_err(|_| BackupError::Header("it cannot be read"))?;
        if written.schema > migrations::NEWEST {
            return Err(BackupError::Newer { found: written.schema, known: migrations::NEWEST });
        }
        let seal = |sealed: WrittenSeal| SealedRoot {
            root_id: RootKeyId(sealed.root_key_id),
            binding: sealed.binding,
            ciphertext: sealed.ciphertext,
            created_us: sealed.created_us,
        };
        Ok(Self {
            archive_id: written.archive_id,
            created_us: written.created_us,
            instance: InstanceId(written.instance_id),
            epoch: written.instance_epoch,
            root_id: RootKeyId(written.root_key_id),
            schema: written.schema,
            image: written.image,
            keyring: written.keyring.into_iter().map(key).collect::<Result<_, _>>()?,
            sealed_roots: written.sealed_roots.into_iter().map(seal).collect(),
        })
    }
}

fn key(written: WrittenKey) -> Result<KeyringRow, BackupError> {
    let (Ok(purpose), Ok(state)) = (written.purpose.parse(), written.state.parse()) else {
        return Err(BackupError::Header("it names a kind of key that is not known"));
    };
    Ok(KeyringRow { id: written.id, purpose, generation: written.generation, state, wrapped: written.wrapped })
}
