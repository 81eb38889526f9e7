//! A KeePass database around any content, so that a fuzzer reaches what the checks of the real format protect: the header
//! within, the attachments, the XML and the values that a cipher protects.

use chacha20::{
    ChaCha20,
    cipher::{KeyIvInit as _, StreamCipher as _},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256, Sha512};

const CHACHA20: [u8; 16] =
    [0xD6, 0x03, 0x8A, 0x2B, 0x8B, 0x6F, 0x4C, 0xB5, 0xA5, 0x24, 0x33, 0x9A, 0x31, 0xDB, 0xB5, 0x9A];
const AES_KDF: [u8; 16] = [0x7C, 0x02, 0xBB, 0x82, 0x79, 0xA7, 0x4A, 0xC0, 0x92, 0x7D, 0x11, 0x4A, 0x00, 0x64, 0x82, 0x38];
const SEED: [u8; 32] = [7; 32];

/// Returns a database of version 4 with the password of the samples, without rounds, whose opened content is this.
#[must_use]
pub fn around(content: &[u8]) -> Vec<u8> {
    let mut file = b"\x03\xD9\xA2\x9A\x67\xFB\x4B\xB5\x01\0\x04\0".to_vec();
    for (kind, bytes) in [
        (2, &CHACHA20[..]),
        (3, &[0; 4]),
        (4, &SEED),
        (7, &SEED[..12]),
        (11, &derivation()),
        (0, &[]),
    ] {
        file.push(kind);
        add(&mut file, bytes);
    }
    let hash = sha256(&[&file]);
    let derived = sha256(&[&sha256(&[&sha256(&[b"geheim"])])]);
    let base: [u8; 64] = Sha512::new().chain_update(SEED).chain_update(derived).chain_update([1]).finalize().into();
    let mac = checked(&base, u64::MAX, &[&file]);
    file.extend(hash);
    file.extend(mac);
    let mut sealed = content.to_vec();
    ChaCha20::new((&sha256(&[&SEED, &derived])).into(), SEED[..12].try_into().expect("12 bytes"))
        .apply_keystream(&mut sealed);
    for (index, block) in (0_u64..).zip([&sealed[..], &[]]) {
        let length = (block.len() as u32).to_le_bytes();
        file.extend(checked(&base, index, &[&index.to_le_bytes(), &length, block]));
        add(&mut file, block);
        // An empty content is the last block already.
        if block.is_empty() {
            break;
        }
    }
    file
}

/// Takes the bytes of a fuzzer apart: the cipher of the values, the attachments, and the XML behind them.
#[must_use]
pub fn content(bytes: &[u8]) -> Vec<u8> {
    let (kind, mut rest) = bytes.split_first().unwrap_or((&0, &[]));
    let mut content = vec![1];
    add(&mut content, &u32::from(*kind).to_le_bytes());
    content.push(2);
    add(&mut content, &SEED);
    if let Some((count, after)) = rest.split_first() {
        rest = after;
        for _ in 0..count % 8 {
            let Some((length, after)) = rest.split_first_chunk() else { break };
            let (binary, after) = after.split_at(usize::from(u16::from_le_bytes(*length)).min(after.len()));
            rest = after;
            content.push(3);
            add(&mut content, binary);
        }
    }
    content.push(0);
    add(&mut content, &[]);
    content.extend_from_slice(rest);
    content
}

fn derivation() -> Vec<u8> {
    let mut values = vec![0, 1];
    for (kind, name, value) in [(0x42, &b"$UUID"[..], &AES_KDF[..]), (0x05, b"R", &[0; 8]), (0x42, b"S", &SEED)] {
        values.push(kind);
        add(&mut values, name);
        add(&mut values, value);
    }
    values.push(0);
    values
}

fn add(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend((bytes.len() as u32).to_le_bytes());
    to.extend_from_slice(bytes);
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

fn checked(base: &[u8; 64], index: u64, parts: &[&[u8]]) -> [u8; 32] {
    let key = Sha512::new().chain_update(index.to_le_bytes()).chain_update(base).finalize();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("this check takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}
