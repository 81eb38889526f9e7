//! The key of a database: from the password and the key file, through the derivation that the header names.

use aes::{
    Aes256, Block,
    cipher::{BlockCipherEncrypt as _, KeyInit as _},
};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{
    header::Derivation,
    xml::{Element, Xml},
};
use crate::{options::Options, refused::FileError};

/// 32 bytes that are wiped.
pub(super) type Key = Zeroizing<[u8; 32]>;

/// Puts password and key file together. An empty password beside a key file counts as none.
pub(super) fn composite(options: &Options) -> Result<Key, FileError> {
    let password = options.password.as_ref().filter(|password| !password.is_empty() || options.key_file.is_none());
    if password.is_none() && options.key_file.is_none() {
        return Err(FileError::NeedsPassword);
    }
    let mut hash = Sha256::new();
    if let Some(password) = password {
        hash.update(*sha256(&[password.as_bytes()]));
    }
    if let Some(file) = &options.key_file {
        hash.update(*key_of_file(file)?);
    }
    Ok(Zeroizing::new(hash.finalize().into()))
}

/// Derives the key. The work factors were checked before.
pub(super) fn derive(key: &Key, derivation: &Derivation<'_>) -> Result<Key, FileError> {
    match *derivation {
        Derivation::Aes { rounds, seed } => {
            let cipher = Aes256::new_from_slice(seed)
                .map_err(|_| FileError::damaged(None, "the seed of its key derivation has not 32 bytes"))?;
            let mut halves = Zeroizing::new([[0; 16]; 2]);
            for (half, bytes) in halves.iter_mut().zip(key.chunks(16)) {
                half.copy_from_slice(bytes);
            }
            let blocks = Block::cast_slice_from_core_mut(halves.as_mut_slice());
            for _ in 0..rounds {
                cipher.encrypt_blocks(blocks);
            }
            Ok(sha256(&[&halves[0], &halves[1]]))
        }
        Derivation::Argon2 { is_id, version, memory_kib, iterations, lanes, salt } => {
            let wrong = |_| FileError::damaged(None, "the parameters of its key derivation are none that Argon2 has");
            let algorithm = if is_id { Algorithm::Argon2id } else { Algorithm::Argon2d };
            let version = Version::try_from(version).map_err(wrong)?;
            let params = Params::new(memory_kib, iterations, lanes, Some(32)).map_err(wrong)?;
            let mut out = Zeroizing::new([0; 32]);
            Argon2::new(algorithm, version, params)
                .hash_password_into(key.as_slice(), salt, out.as_mut_slice())
                .map_err(wrong)?;
            Ok(out)
        }
    }
}

pub(super) fn sha256(parts: &[&[u8]]) -> Key {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    Zeroizing::new(hash.finalize().into())
}

/// Returns the key of a key file: XML of version 1 or 2, 32 bytes, 64 hexadecimal digits, or the hash of any other file. XML
/// that is no key file, as a picture may be, is such another file.
fn key_of_file(file: &[u8]) -> Result<Key, FileError> {
    if let Ok(key) = <[u8; 32]>::try_from(file) {
        return Ok(Zeroizing::new(key));
    }
    if let Some(key) = hexadecimal(file) {
        return Ok(key);
    }
    let text = std::str::from_utf8(file).unwrap_or_default();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let start = text.trim_start();
    if start.starts_with("<?xml") || start.starts_with("<KeyFile") {
        // XML that cannot be read is refused only where it says that it is a key file: the copy may be cut off.
        let is_named = || start.contains("<KeyFile");
        match Xml::new(text, None).document() {
            Ok(root) if root.name == "KeyFile" => return key_of_xml(&root),
            Err(_) if is_named() => return Err(wrong()),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(sha256(&[file]))
}

fn wrong() -> FileError {
    FileError::damaged(None, "the key file is XML, but holds no key that VaultTerm knows")
}

fn key_of_xml(root: &Element) -> Result<Key, FileError> {
    let version = root.at("Meta").and_then(|meta| meta.at("Version")).map(Element::text).unwrap_or_default();
    let data = root.at("Key").and_then(|key| key.at("Data")).ok_or_else(wrong)?;
    let blankless: Zeroizing<String> = Zeroizing::new(data.text().split_whitespace().collect());
    if version.starts_with("2.") {
        let key = hexadecimal(blankless.as_bytes()).ok_or_else(wrong)?;
        let check = hex::encode(&sha256(&[key.as_slice()])[..4]);
        match data.attribute("Hash") {
            Some(hash) if !hash.eq_ignore_ascii_case(&check) => {
                Err(FileError::damaged(None, "the key file was changed: its key does not fit its check"))
            }
            _ => Ok(key),
        }
    } else {
        let bytes = Zeroizing::new(STANDARD.decode(&*blankless).map_err(|_| wrong())?);
        Ok(Zeroizing::new(<[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| wrong())?))
    }
}

fn hexadecimal(text: &[u8]) -> Option<Key> {
    let mut key = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text, key.as_mut_slice()).ok()?;
    Some(key)
}
