//! Opens a database: checks its blocks, decrypts and inflates them, and finds the XML with the cipher of its values.

use std::io::Read as _;

use aes::cipher::{BlockModeDecrypt as _, KeyIvInit as _, StreamCipher as _, block_padding::Pkcs7};
use chacha20::ChaCha20;
use hmac::{Hmac, KeyInit as _, Mac as _};
use salsa20::Salsa20;
use sha2::{Digest as _, Sha256, Sha512};
use zeroize::Zeroizing;

use super::{
    header::{Bytes, Cipher, Header},
    key::{Key, derive, sha256},
    stream::Stream,
};
use crate::{
    limits::{Limit, LimitMet, UNFOLDED_BYTES_MAX},
    refused::FileError,
};

/// The nonce that KeePass uses for Salsa20, always.
const SALSA20_NONCE: [u8; 8] = [0xE8, 0x30, 0x09, 0x4B, 0x97, 0x20, 0x5D, 0x2A];
/// The attachments of a file. A file with more is damaged.
const BINARIES_MAX: usize = 100_000;

/// An opened database.
pub(super) struct Opened {
    /// The XML, with its first byte.
    unfolded: Zeroizing<Vec<u8>>,
    xml_at: usize,
    /// The kind and the key of the cipher of the values within the XML.
    stream: (u32, Zeroizing<Vec<u8>>),
    /// The sizes of the attachments (version 4), in the order to which the XML refers.
    pub(super) binaries: Vec<u64>,
    /// Version 3.1: the hash of the header, which the XML may hold as well.
    pub(super) header_hash: Option<Key>,
}

impl Opened {
    /// Returns the XML.
    pub(super) fn xml(&self) -> Result<&str, FileError> {
        let text = std::str::from_utf8(&self.unfolded[self.xml_at..])
            .map_err(|_| FileError::damaged(None, "the XML within is not UTF-8"))?;
        Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
    }

    /// Returns the cipher of the values within the XML, at its start.
    pub(super) fn stream(&self) -> Result<Stream, FileError> {
        let (kind, key) = &self.stream;
        let hash = sha512(&[key]);
        match kind {
            0 => Ok(Stream::Plain),
            2 => Ok(Stream::Salsa20(Box::new(Salsa20::new((&*sha256(&[key])).into(), &SALSA20_NONCE.into())))),
            3 => Ok(Stream::ChaCha20(Box::new(
                ChaCha20::new_from_slices(&hash[..32], &hash[32..44]).expect("the lengths are those of ChaCha20"),
            ))),
            _ => Err(FileError::damaged(None, "its values are protected by a cipher that VaultTerm does not know")),
        }
    }
}

/// Opens a database. The work factors are checked before the key is derived.
pub(super) fn open(bytes: &[u8], header: &Header<'_>, key: &Key) -> Result<Opened, FileError> {
    header.check()?;
    if header.is_four { open_4(bytes, header, key) } else { open_3(bytes, header, key) }
}

fn open_4(bytes: &[u8], header: &Header<'_>, key: &Key) -> Result<Opened, FileError> {
    let mut rest = Bytes(bytes);
    let head = rest.take(header.length)?;
    let (hash, mac) = (rest.take(32)?, rest.take(32)?);
    if hash != sha256(&[head]).as_slice() {
        return Err(FileError::damaged(None, "its header does not fit its check"));
    }
    let derived = derive(key, &header.derivation)?;
    let base = sha512(&[header.master_seed, derived.as_slice(), &[1]]);
    checker(&base, u64::MAX).chain_update(head).verify_slice(mac).map_err(|_| FileError::WrongPassword)?;
    let mut sealed = Vec::with_capacity(rest.0.len());
    for index in 0.. {
        let (mac, length) = (rest.take(32)?, rest.take(4)?);
        let block = rest.take(u32::from_le_bytes(length.try_into().expect("four bytes were taken")) as usize)?;
        let check = checker(&base, index).chain_update(index.to_le_bytes()).chain_update(length).chain_update(block);
        check.verify_slice(mac).map_err(|_| FileError::damaged(None, "a block of it does not fit its check"))?;
        if block.is_empty() {
            break;
        }
        sealed.extend_from_slice(block);
    }
    let key = sha256(&[header.master_seed, derived.as_slice()]);
    let damaged = || FileError::damaged(None, "what it holds cannot be decrypted");
    let opened = decrypt(header, &key, sealed).ok_or_else(damaged)?;
    inner(inflated(header, opened)?)
}

/// The check of a block, or of the header.
fn checker(base: &[u8; 64], index: u64) -> Hmac<Sha256> {
    let key = sha512(&[&index.to_le_bytes(), base]);
    Hmac::new_from_slice(key.as_slice()).expect("this check takes keys of any length")
}

fn sha512(parts: &[&[u8]]) -> Zeroizing<[u8; 64]> {
    let mut hash = Sha512::new();
    parts.iter().for_each(|part| hash.update(part));
    Zeroizing::new(hash.finalize().into())
}

/// Reads the header within, of version 4.
fn inner(unfolded: Zeroizing<Vec<u8>>) -> Result<Opened, FileError> {
    let mut rest = Bytes(&unfolded);
    let (mut kind, mut key, mut binaries) = (None, None, Vec::new());
    loop {
        let field_kind = rest.u8()?;
        let length = rest.u32()? as usize;
        let field = rest.take(length)?;
        match field_kind {
            0 => break,
            1 => kind = field.try_into().ok().map(u32::from_le_bytes),
            2 => key = Some(Zeroizing::new(field.to_vec())),
            // One byte says whether it is protected in memory.
            3 if binaries.len() < BINARIES_MAX => binaries.push(field.len().saturating_sub(1) as u64),
            _ => return Err(FileError::damaged(None, "a part of it is of an unknown kind")),
        }
    }
    let xml_at = unfolded.len() - rest.0.len();
    let stream =
        kind.zip(key).ok_or_else(|| FileError::damaged(None, "it does not say how its values are protected"))?;
    Ok(Opened { unfolded, xml_at, stream, binaries, header_hash: None })
}

fn open_3(bytes: &[u8], header: &Header<'_>, key: &Key) -> Result<Opened, FileError> {
    let (head, sealed) = bytes.split_at(header.length);
    let derived = derive(key, &header.derivation)?;
    let key = sha256(&[header.master_seed, derived.as_slice()]);
    let opened = decrypt(header, &key, sealed.to_vec()).ok_or(FileError::WrongPassword)?;
    let opened = opened.strip_prefix(header.start).ok_or(FileError::WrongPassword)?;
    let (mut rest, mut packed) = (Bytes(opened), Zeroizing::new(Vec::with_capacity(opened.len())));
    loop {
        let (_index, hash, length) = (rest.u32()?, rest.take(32)?, rest.u32()? as usize);
        if length == 0 {
            break;
        }
        let block = rest.take(length)?;
        if hash != sha256(&[block]).as_slice() {
            return Err(FileError::damaged(None, "a block of it does not fit its check"));
        }
        packed.extend_from_slice(block);
    }
    let (kind, key) = header.stream;
    Ok(Opened {
        unfolded: inflated(header, packed)?,
        xml_at: 0,
        stream: (kind, Zeroizing::new(key.to_vec())),
        binaries: Vec::new(),
        header_hash: Some(sha256(&[head])),
    })
}

/// Decrypts in place. `None` when the length, the vector or the padding is wrong.
fn decrypt(header: &Header<'_>, key: &Key, sealed: Vec<u8>) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(sealed);
    let length = match header.cipher {
        Cipher::Aes256 => {
            let cipher = cbc::Decryptor::<aes::Aes256>::new_from_slices(key.as_slice(), header.iv).ok()?;
            cipher.decrypt_padded::<Pkcs7>(&mut bytes).ok()?.len()
        }
        Cipher::Twofish => {
            let cipher = cbc::Decryptor::<twofish::Twofish>::new_from_slices(key.as_slice(), header.iv).ok()?;
            cipher.decrypt_padded::<Pkcs7>(&mut bytes).ok()?.len()
        }
        Cipher::ChaCha20 => {
            ChaCha20::new_from_slices(key.as_slice(), header.iv).ok()?.try_apply_keystream(&mut bytes).ok()?;
            bytes.len()
        }
    };
    bytes.truncate(length);
    Some(bytes)
}

/// Inflates, up to the bound.
fn inflated(header: &Header<'_>, packed: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, FileError> {
    if !header.is_compressed {
        return Ok(packed);
    }
    let mut unfolded = Zeroizing::new(Vec::new());
    flate2::read::GzDecoder::new(packed.as_slice())
        .take(UNFOLDED_BYTES_MAX + 1)
        .read_to_end(&mut unfolded)
        .map_err(|_| FileError::damaged(None, "what it holds cannot be inflated"))?;
    if unfolded.len() as u64 > UNFOLDED_BYTES_MAX {
        return Err(LimitMet { limit: Limit::UnfoldedBytes, found: None, max: UNFOLDED_BYTES_MAX }.into());
    }
    Ok(unfolded)
}
