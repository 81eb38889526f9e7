//! The only crate that touches keys: secret values, envelopes, the keyring, digests.
//!
//! Records are sealed with a fresh data key per revision, which is wrapped under a key
//! of the keyring, which is wrapped under the root key. Start reading at `keyring.rs`.
//!
//! It does no IO but reading and writing the local root key file, and knows neither SQL
//! nor HTTP. Every cipher, hash and comparison comes from aws-lc-rs.

mod archive;
mod digest;
mod envelope;
mod error;
mod fields;
mod instance;
mod key_purpose;
mod keyring;
mod locked;
mod root;
mod secret;
mod signer;
mod webhook;

pub use archive::{ArchiveError, ArchiveReader, ArchiveWriter, PART_BYTES};
pub use digest::{DigestKey, short};
pub use envelope::{Place, Purpose, Sealed};
pub use error::SealingError;
pub use fields::{FieldsError, SecretFields};
pub use instance::InstanceId;
pub use key_purpose::KeyPurpose;
pub use keyring::{KeyState, Keyring, KeyringRow};
pub use root::{RootKey, RootKeyError, RootKeyId};
pub use secret::{SecretBytes, SecretText};
pub use signer::{SIGNATURE_BYTES, Signer, verify};
pub use webhook::WebhookSecret;
