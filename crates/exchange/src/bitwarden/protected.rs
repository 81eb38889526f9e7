//! Opens a file of Bitwarden that a password protects.
//!
//! The password becomes a key with PBKDF2 (SHA-256) or Argon2id, and HKDF stretches it to a key for AES-256-CBC and one for
//! HMAC-SHA256. The numbers of the derivation come from the file, so they are bounded before anything is computed.

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::{
    cipher::{AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey},
    digest, hkdf, hmac, pbkdf2,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use crate::{
    document::Part,
    limits::{self, Limit, LimitMet, PBKDF2_ITERATIONS_MAX},
    refused::FileError,
};

/// Fewer iterations of PBKDF2 were never written.
const PBKDF2_ITERATIONS_MIN: u64 = 5000;
/// Fewer iterations of Argon2 were never written.
const ARGON2_ITERATIONS_MIN: u64 = 2;
/// Less memory for Argon2, in MiB, was never written.
const ARGON2_MEMORY_MIB_MIN: u64 = 16;
/// The text begins so: AES-256-CBC with HMAC-SHA256.
const SCHEME: &str = "2.";
/// Bytes of the vector of AES-CBC.
const IV_BYTES: usize = 16;
/// Bytes of a key.
const KEY_BYTES: usize = 32;

type Key = Zeroizing<[u8; KEY_BYTES]>;

/// Opens a protected document.
///
/// # Errors
/// [`FileError::NeedsPassword`], [`FileError::WrongPassword`], [`FileError::Limit`] or [`FileError::Damaged`].
pub(super) fn open(document: &mut Part, password: Option<&Zeroizing<String>>) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let derivation = Derivation::read(document)?;
    let text = |document: &mut Part, name: &str| {
        document.text(name).map(Zeroizing::new).ok_or_else(|| damaged(&format!("it has no text `{name}`")))
    };
    let salt = text(document, "salt")?;
    let proof = Encrypted::read(&text(document, "encKeyValidation_DO_NOT_EDIT")?)?;
    let data = Encrypted::read(&text(document, "data")?)?;
    let password = password.filter(|password| !password.is_empty()).ok_or(FileError::NeedsPassword)?;
    let keys = Keys::stretch(&derivation.derive(password.as_bytes(), salt.as_bytes())?);
    if keys.decrypt(&proof).is_none() {
        return Err(FileError::WrongPassword);
    }
    keys.decrypt(&data).ok_or_else(|| damaged("its data was changed after it was written"))
}

/// How the password becomes a key.
enum Derivation {
    Pbkdf2 { iterations: u32 },
    Argon2id { iterations: u32, memory_kib: u32, lanes: u32 },
}

impl Derivation {
    fn read(document: &mut Part) -> Result<Self, FileError> {
        let mut number = |name: &str| {
            let number = document.number(name).and_then(|number| u64::try_from(number).ok());
            number.ok_or_else(|| damaged(&format!("it has no whole number `{name}`")))
        };
        let iterations = number("kdfIterations")?;
        match number("kdfType")? {
            0 => {
                LimitMet::check(Limit::KdfIterations, iterations, PBKDF2_ITERATIONS_MAX)?;
                Ok(Self::Pbkdf2 { iterations: at_least(iterations, PBKDF2_ITERATIONS_MIN)? })
            }
            1 => {
                let memory_mib = number("kdfMemory")?;
                let lanes = number("kdfParallelism")?;
                let memory_kib = memory_mib.saturating_mul(1024);
                limits::argon2(memory_kib, iterations, lanes)?;
                Ok(Self::Argon2id {
                    iterations: at_least(iterations, ARGON2_ITERATIONS_MIN)?,
                    memory_kib: at_least(memory_kib, ARGON2_MEMORY_MIB_MIN * 1024)?,
                    lanes: at_least(lanes, 1)?,
                })
            }
            other => Err(damaged(&format!("its key derivation {other} is none that VaultTerm knows"))),
        }
    }

    fn derive(&self, password: &[u8], salt: &[u8]) -> Result<Key, FileError> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        match *self {
            Self::Pbkdf2 { iterations } => {
                let iterations = iterations.try_into().map_err(|_| damaged("its key derivation has no iteration"))?;
                pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, password, key.as_mut_slice());
            }
            Self::Argon2id { iterations, memory_kib, lanes } => {
                let refused = |_| damaged("the numbers of its key derivation do not fit together");
                let params = Params::new(memory_kib, iterations, lanes, Some(KEY_BYTES)).map_err(refused)?;
                let salt = digest::digest(&digest::SHA256, salt);
                Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                    .hash_password_into(password, salt.as_ref(), key.as_mut_slice())
                    .map_err(refused)?;
            }
        }
        Ok(key)
    }
}

/// Checks a number whose other bound was checked.
fn at_least(found: u64, min: u64) -> Result<u32, FileError> {
    if found < min {
        return Err(damaged(&format!(
            "its key derivation has the number {found} where Bitwarden writes at least {min}"
        )));
    }
    u32::try_from(found).map_err(|_| damaged("a number of its key derivation is too large"))
}

/// An encrypted text: `2.` and three parts in base64.
struct Encrypted {
    iv: [u8; IV_BYTES],
    bytes: Vec<u8>,
    mac: Vec<u8>,
}

impl Encrypted {
    fn read(text: &str) -> Result<Self, FileError> {
        let Some(parts) = text.strip_prefix(SCHEME) else {
            return Err(damaged("an encrypted text of it is written in a way that VaultTerm does not know"));
        };
        let broken = || damaged("an encrypted text of it is cut off");
        let mut parts = parts.split('|').map(|part| STANDARD.decode(part).map_err(|_| broken()));
        let mut next = || parts.next().unwrap_or_else(|| Err(broken()));
        let (iv, bytes, mac) = (next()?, next()?, next()?);
        match iv.try_into() {
            Ok(iv) if parts.next().is_none() => Ok(Self { iv, bytes, mac }),
            _ => Err(broken()),
        }
    }
}

/// The keys of the file.
struct Keys {
    cipher: Key,
    mac: hmac::Key,
}

impl Keys {
    fn stretch(key: &Key) -> Self {
        let mac = stretched(key, b"mac");
        Self { cipher: stretched(key, b"enc"), mac: hmac::Key::new(hmac::HMAC_SHA256, mac.as_slice()) }
    }

    /// Returns the plain bytes, or nothing if the key does not belong to the text.
    fn decrypt(&self, text: &Encrypted) -> Option<Zeroizing<Vec<u8>>> {
        let mut signed = hmac::Context::with_key(&self.mac);
        signed.update(&text.iv);
        signed.update(&text.bytes);
        aws_lc_rs::constant_time::verify_slices_are_equal(signed.sign().as_ref(), &text.mac).ok()?;
        let key = UnboundCipherKey::new(&AES_256, self.cipher.as_slice()).ok()?;
        let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).ok()?;
        let mut bytes = Zeroizing::new(text.bytes.clone());
        let length = key.decrypt(&mut bytes, DecryptionContext::Iv128(text.iv.into())).ok()?.len();
        bytes.truncate(length);
        Some(bytes)
    }
}

fn stretched(key: &Key, purpose: &[u8]) -> Key {
    let mut out = Zeroizing::new([0; KEY_BYTES]);
    hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, key.as_slice())
        .expand(&[purpose], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(out.as_mut_slice()))
        .expect("32 bytes are within what HKDF gives");
    out
}

fn damaged(detail: &str) -> FileError {
    FileError::damaged(None, detail)
}
