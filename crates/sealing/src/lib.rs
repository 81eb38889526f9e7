//! The only crate that touches keys. It holds secret values, envelopes, the keyring and digests.
//!
//! A fresh data key seals each revision of a record. A key of the keyring wraps the data key, and the
//! root key wraps the keyring. Start reading at `keyring.rs`.
//!
//! This crate does IO only to read and write the local file of the root key, and to find out who may read a
//! file. It knows neither SQL nor HTTP. Every cipher, hash and comparison comes from aws-lc-rs.

mod archive;
mod digest;
mod envelope;
mod error;
mod exposure;
mod fields;
mod generate;
mod id;
mod instance;
mod key_purpose;
mod keyring;
mod locked;
mod root;
mod secret;
mod signer;
mod strict_json;
mod webhook;

pub use archive::{ArchiveError, ArchiveReader, ArchiveWriter, PART_BYTES};
pub use digest::{DigestKey, short};
pub use envelope::{Place, Purpose, Sealed};
pub use error::SealingError;
pub use exposure::exposed;
pub use fields::{FieldsError, SecretFields};
pub use generate::{PASSWORD_CHARS, PasswordRules};
pub use id::{chance, new_id};
pub use instance::InstanceId;
pub use key_purpose::KeyPurpose;
pub use keyring::{KeyState, Keyring, KeyringRow};
pub use root::{RootKey, RootKeyError, RootKeyId};
pub use secret::{SecretBytes, SecretText};
pub use signer::{SIGNATURE_BYTES, Signer, verify};
pub use strict_json::{DEPTH_MAX, JsonFault, JsonTexts, examine};
pub use webhook::WebhookSecret;
