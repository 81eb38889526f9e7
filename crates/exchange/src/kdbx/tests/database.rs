//! Databases that no program writes: any header and any content, under checks that are right.

use std::io::Write as _;

use aes::cipher::{BlockModeEncrypt as _, KeyIvInit as _, StreamCipher as _, block_padding::Pkcs7};
use chacha20::ChaCha20;
use flate2::{Compression, write::GzEncoder};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256, Sha512};

use super::super::key::sha256;

/// Every seed and vector begins with these.
const SEED: [u8; 32] = [7; 32];
const AES_256: [u8; 16] =
    [0x31, 0xC1, 0xF2, 0xE6, 0xBF, 0x71, 0x43, 0x50, 0xBE, 0x58, 0x05, 0x21, 0x6A, 0xFC, 0x5A, 0xFF];
const CHACHA20: [u8; 16] =
    [0xD6, 0x03, 0x8A, 0x2B, 0x8B, 0x6F, 0x4C, 0xB5, 0xA5, 0x24, 0x33, 0x9A, 0x31, 0xDB, 0xB5, 0x9A];
const AES_KDF: [u8; 16] =
    [0xC9, 0xD9, 0xF3, 0x9A, 0x62, 0x8A, 0x44, 0x60, 0xBF, 0x74, 0x0D, 0x08, 0xC1, 0x8A, 0x4F, 0xEA];
const ARGON2_D: [u8; 16] =
    [0xEF, 0x63, 0x6D, 0xDF, 0x8C, 0x29, 0x44, 0x4B, 0x91, 0xF7, 0xA9, 0xA4, 0x03, 0xE3, 0x0A, 0x0C];

/// What a database is made of. The password is `geheim`, and nothing is derived: the derivation has no rounds.
pub(super) struct Database {
    /// Version 4, not 3.1.
    pub(super) is_four: bool,
    /// AES-256 around the whole, not ChaCha20.
    pub(super) is_aes: bool,
    pub(super) is_compressed: bool,
    /// The number of the cipher of the values within.
    pub(super) stream: u32,
    /// The attachments (version 4).
    pub(super) binaries: Vec<Vec<u8>>,
}

impl Default for Database {
    fn default() -> Self {
        Self { is_four: true, is_aes: true, is_compressed: true, stream: 0, binaries: Vec::new() }
    }
}

impl Database {
    /// Returns the file with this XML.
    pub(super) fn around(&self, xml: &[u8]) -> Vec<u8> {
        if self.is_four { self.four(xml) } else { self.three(xml) }
    }

    fn four(&self, xml: &[u8]) -> Vec<u8> {
        let mut content = Vec::new();
        let fields = [(1, self.stream.to_le_bytes().to_vec()), (2, SEED.to_vec())];
        let binaries = self.binaries.iter().map(|binary| (3, [&[0], binary.as_slice()].concat()));
        for (kind, bytes) in fields.into_iter().chain(binaries).chain([(0, Vec::new())]) {
            content.push(kind);
            add(&mut content, &bytes);
        }
        content.extend_from_slice(xml);
        let file = self.head(&derivation(0));
        let derived = derived();
        let base: [u8; 64] = Sha512::new().chain_update(SEED).chain_update(derived).chain_update([1]).finalize().into();
        let mut out = [&file[..], &sha256(&[&file])[..], &checked(&base, u64::MAX, &[&file])].concat();
        let sealed = self.sealed(content, &derived);
        for (index, block) in (0_u64..).zip([&sealed[..], &[]]) {
            let length = u32::try_from(block.len()).unwrap().to_le_bytes();
            out.extend(checked(&base, index, &[&index.to_le_bytes(), &length, block]));
            add(&mut out, block);
        }
        out
    }

    /// The header of version 4 with these parameters of the derivation.
    fn head(&self, derivation: &[u8]) -> Vec<u8> {
        let mut file = b"\x03\xD9\xA2\x9A\x67\xFB\x4B\xB5\x01\0\x04\0".to_vec();
        for (kind, bytes) in self.fields().into_iter().chain([(11, derivation.to_vec()), (0, b"\r\n\r\n".to_vec())]) {
            file.push(kind);
            add(&mut file, &bytes);
        }
        file
    }

    fn three(&self, xml: &[u8]) -> Vec<u8> {
        let mut file = b"\x03\xD9\xA2\x9A\x67\xFB\x4B\xB5\x01\0\x03\0".to_vec();
        let more = [(5, SEED.to_vec()), (6, vec![0; 8]), (8, SEED.to_vec()), (9, SEED.to_vec())];
        let last = [(10, self.stream.to_le_bytes().to_vec()), (0, b"\r\n\r\n".to_vec())];
        for (kind, bytes) in self.fields().into_iter().chain(more).chain(last) {
            file.push(kind);
            file.extend(u16::try_from(bytes.len()).unwrap().to_le_bytes());
            file.extend(bytes);
        }
        let packed = if self.is_compressed { gzipped(xml) } else { xml.to_vec() };
        let mut content = SEED.to_vec();
        for (index, block) in (0_u32..).zip([&packed[..], &[]]) {
            content.extend(index.to_le_bytes());
            content.extend(if block.is_empty() { [0; 32] } else { *sha256(&[block]) });
            add(&mut content, block);
        }
        file.extend(self.encrypted(content, &derived()));
        file
    }

    fn fields(&self) -> Vec<(u8, Vec<u8>)> {
        let (cipher, length) = if self.is_aes { (AES_256, 16) } else { (CHACHA20, 12) };
        let compression = u32::from(self.is_compressed).to_le_bytes();
        vec![(2, cipher.to_vec()), (3, compression.to_vec()), (4, SEED.to_vec()), (7, SEED[..length].to_vec())]
    }

    fn sealed(&self, content: Vec<u8>, derived: &[u8; 32]) -> Vec<u8> {
        self.encrypted(if self.is_compressed { gzipped(&content) } else { content }, derived)
    }

    fn encrypted(&self, mut content: Vec<u8>, derived: &[u8; 32]) -> Vec<u8> {
        let key = sha256(&[&SEED, derived]);
        if self.is_aes {
            let cipher = cbc::Encryptor::<aes::Aes256>::new_from_slices(key.as_slice(), &SEED[..16]).unwrap();
            let length = content.len();
            content.resize(length + 16, 0);
            return cipher.encrypt_padded::<Pkcs7>(&mut content, length).unwrap().to_vec();
        }
        ChaCha20::new_from_slices(key.as_slice(), &SEED[..12]).unwrap().apply_keystream(&mut content);
        content
    }
}

/// Returns a header of version 4, as far as the check of its own, whose derivation is Argon2 with these parameters: memory in
/// bytes, iterations, lanes, version, salt.
pub(super) fn argon2(memory: u64, iterations: u64, lanes: u32, version: u32, salt: &[u8]) -> Vec<u8> {
    let values = dictionary(&[
        (0x42, "$UUID", &ARGON2_D),
        (0x05, "M", &memory.to_le_bytes()),
        (0x05, "I", &iterations.to_le_bytes()),
        (0x04, "P", &lanes.to_le_bytes()),
        (0x04, "V", &version.to_le_bytes()),
        (0x42, "S", salt),
    ]);
    complete(&values)
}

/// Does the same with AES-KDF.
pub(super) fn aes_kdf(rounds: u64) -> Vec<u8> {
    complete(&derivation(rounds))
}

fn complete(values: &[u8]) -> Vec<u8> {
    let head = Database::default().head(values);
    // The check of the header is right, that of the password is not: the derivation is done, and then it ends.
    [&head[..], &sha256(&[&head])[..], &[0; 32]].concat()
}

fn derivation(rounds: u64) -> Vec<u8> {
    dictionary(&[(0x42, "$UUID", &AES_KDF), (0x05, "R", &rounds.to_le_bytes()), (0x42, "S", &SEED)])
}

fn dictionary(values: &[(u8, &str, &[u8])]) -> Vec<u8> {
    let mut out = vec![0, 1];
    for (kind, name, value) in values {
        out.push(*kind);
        add(&mut out, name.as_bytes());
        add(&mut out, value);
    }
    out.push(0);
    out
}

fn derived() -> [u8; 32] {
    *sha256(&[sha256(&[sha256(&[b"geheim"]).as_slice()]).as_slice()])
}

fn add(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
    to.extend_from_slice(bytes);
}

fn checked(base: &[u8; 64], index: u64, parts: &[&[u8]]) -> [u8; 32] {
    let key = Sha512::new().chain_update(index.to_le_bytes()).chain_update(base).finalize();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}
