//! The header of a database, before anything is derived or opened: ciphers, seeds and work factors, each within its bound.

use crate::{
    format::Format,
    limits::{self, AES_ROUNDS_MAX, Limit, LimitMet},
    refused::FileError,
};

const SIGNATURE: [u8; 4] = [0x03, 0xD9, 0xA2, 0x9A];
const KEEPASS_2: [u8; 4] = [0x67, 0xFB, 0x4B, 0xB5];
/// The newest version that the reader knows: 4.1. A higher minor version stays readable by the rules of the format.
const MAJOR_MAX: u16 = 4;
/// The seeds and keys of the header have a fixed length or at most this.
const SEED_BYTES_MAX: usize = 128;

/// What the header says.
#[derive(Debug)]
pub(super) struct Header<'a> {
    /// Version 4 or 4.1, not 3.1.
    pub(super) is_four: bool,
    pub(super) cipher: Cipher,
    pub(super) is_compressed: bool,
    pub(super) master_seed: &'a [u8],
    pub(super) iv: &'a [u8],
    pub(super) derivation: Derivation<'a>,
    /// Version 3.1: the kind and the key of the cipher within the XML.
    pub(super) stream: (u32, &'a [u8]),
    /// Version 3.1: what the opened file begins with.
    pub(super) start: &'a [u8],
    /// The bytes of the header in the file.
    pub(super) length: usize,
}

/// The cipher around the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cipher {
    Aes256,
    Twofish,
    ChaCha20,
}

/// How the key is derived.
#[derive(Debug)]
pub(super) enum Derivation<'a> {
    Aes { rounds: u64, seed: &'a [u8] },
    Argon2 { is_id: bool, version: u32, memory_kib: u32, iterations: u32, lanes: u32, salt: &'a [u8] },
}

pub(super) fn is_keepass(bytes: &[u8]) -> bool {
    bytes.starts_with(&SIGNATURE)
}

/// Reads the header.
pub(super) fn read(bytes: &[u8]) -> Result<Header<'_>, FileError> {
    let other = |detail: &str| FileError::NotThisFormat { expected: Format::Kdbx, detail: detail.to_owned() };
    if !is_keepass(bytes) {
        return Err(other("it does not begin as a KeePass database does"));
    }
    let mut rest = Bytes(&bytes[4..]);
    if rest.take(4)? != KEEPASS_2 {
        return Err(other("it is a database of KeePass 1: open it in KeePass 2 or KeePassXC and save it again"));
    }
    let _minor = rest.u16()?;
    let major = rest.u16()?;
    if !(3..=MAJOR_MAX).contains(&major) {
        return Err(other(&format!("its version is {major}, and VaultTerm knows 3.1, 4 and 4.1")));
    }
    let is_four = major == 4;
    let mut fields = Fields::default();
    loop {
        let kind = rest.u8()?;
        let length = if is_four { rest.u32()? as usize } else { usize::from(rest.u16()?) };
        let field = rest.take(length)?;
        match kind {
            0 => break,
            2 => fields.cipher = Some(cipher(field)?),
            3 => fields.is_compressed = Some(number(field)? == 1),
            4 => fields.master_seed = Some(seed(field)?),
            5 => fields.transform_seed = Some(seed(field)?),
            6 => fields.rounds = Some(u64::from_le_bytes(field.try_into().map_err(|_| short())?)),
            7 => fields.iv = Some(seed(field)?),
            8 => fields.stream_key = Some(seed(field)?),
            9 => fields.start = Some(seed(field)?),
            10 => fields.stream = Some(number(field)?),
            11 => fields.derivation = Some(derivation(field)?),
            // Comments, and data that plugins keep in the clear.
            1 | 12 => {}
            _ => return Err(FileError::damaged(None, format!("its header has a field of the unknown kind {kind}"))),
        }
    }
    let length = bytes.len() - rest.0.len();
    fields.header(is_four, length).ok_or_else(short)
}

/// The fields of the header that were read so far.
#[derive(Default)]
struct Fields<'a> {
    cipher: Option<Cipher>,
    is_compressed: Option<bool>,
    master_seed: Option<&'a [u8]>,
    transform_seed: Option<&'a [u8]>,
    rounds: Option<u64>,
    iv: Option<&'a [u8]>,
    stream_key: Option<&'a [u8]>,
    start: Option<&'a [u8]>,
    stream: Option<u32>,
    derivation: Option<Derivation<'a>>,
}

impl<'a> Fields<'a> {
    fn header(self, is_four: bool, length: usize) -> Option<Header<'a>> {
        let (derivation, stream, start) = if is_four {
            (self.derivation?, (0, &[][..]), &[][..])
        } else {
            let derivation = Derivation::Aes { rounds: self.rounds?, seed: self.transform_seed? };
            (derivation, (self.stream?, self.stream_key?), self.start?)
        };
        Some(Header {
            is_four,
            cipher: self.cipher?,
            is_compressed: self.is_compressed?,
            master_seed: self.master_seed?,
            iv: self.iv?,
            derivation,
            stream,
            start,
            length,
        })
    }
}

impl Header<'_> {
    /// Checks the work factors.
    ///
    /// # Errors
    /// [`LimitMet`] with the number of the file.
    pub(super) fn check(&self) -> Result<(), LimitMet> {
        match &self.derivation {
            Derivation::Aes { rounds, .. } => LimitMet::check(Limit::AesRounds, *rounds, AES_ROUNDS_MAX),
            Derivation::Argon2 { memory_kib, iterations, lanes, .. } => {
                limits::argon2(u64::from(*memory_kib), u64::from(*iterations), u64::from(*lanes))
            }
        }
    }
}

fn cipher(id: &[u8]) -> Result<Cipher, FileError> {
    match *id {
        [0x31, 0xC1, 0xF2, 0xE6, 0xBF, 0x71, 0x43, 0x50, 0xBE, 0x58, 0x05, 0x21, 0x6A, 0xFC, 0x5A, 0xFF] => {
            Ok(Cipher::Aes256)
        }
        [0xAD, 0x68, 0xF2, 0x9F, 0x57, 0x6F, 0x4B, 0xB9, 0xA3, 0x6A, 0xD4, 0x7A, 0xF9, 0x65, 0x34, 0x6C] => {
            Ok(Cipher::Twofish)
        }
        [0xD6, 0x03, 0x8A, 0x2B, 0x8B, 0x6F, 0x4C, 0xB5, 0xA5, 0x24, 0x33, 0x9A, 0x31, 0xDB, 0xB5, 0x9A] => {
            Ok(Cipher::ChaCha20)
        }
        _ => Err(FileError::damaged(None, "its cipher is none of AES-256, Twofish and ChaCha20")),
    }
}

const AES_OF_3: [u8; 16] =
    [0xC9, 0xD9, 0xF3, 0x9A, 0x62, 0x8A, 0x44, 0x60, 0xBF, 0x74, 0x0D, 0x08, 0xC1, 0x8A, 0x4F, 0xEA];
const AES_OF_4: [u8; 16] =
    [0x7C, 0x02, 0xBB, 0x82, 0x79, 0xA7, 0x4A, 0xC0, 0x92, 0x7D, 0x11, 0x4A, 0x00, 0x64, 0x82, 0x38];
const ARGON2_D: [u8; 16] =
    [0xEF, 0x63, 0x6D, 0xDF, 0x8C, 0x29, 0x44, 0x4B, 0x91, 0xF7, 0xA9, 0xA4, 0x03, 0xE3, 0x0A, 0x0C];
const ARGON2_ID: [u8; 16] =
    [0x9E, 0x29, 0x8B, 0x19, 0x56, 0xDB, 0x47, 0x73, 0xB2, 0x3D, 0xFC, 0x3E, 0xC6, 0xF0, 0xA1, 0xE6];

/// Reads the parameters of the derivation, a dictionary of typed values.
fn derivation(bytes: &[u8]) -> Result<Derivation<'_>, FileError> {
    let mut rest = Bytes(bytes);
    if rest.u16()? >> 8 != 1 {
        return Err(FileError::damaged(None, "the parameters of its key derivation have an unknown version"));
    }
    let mut values: Vec<(&[u8], &[u8])> = Vec::new();
    loop {
        if rest.u8()? == 0 {
            break;
        }
        let length = rest.u32()? as usize;
        let name = rest.take(length)?;
        let length = rest.u32()? as usize;
        values.push((name, rest.take(length)?));
    }
    let value = |name: &str| {
        values.iter().find(|(other, _)| *other == name.as_bytes()).map(|(_, value)| *value).ok_or_else(short)
    };
    let count = |name: &str| {
        value(name).and_then(|value| match *value {
            [a, b, c, d] => Ok(u64::from(u32::from_le_bytes([a, b, c, d]))),
            [a, b, c, d, e, f, g, h] => Ok(u64::from_le_bytes([a, b, c, d, e, f, g, h])),
            _ => Err(short()),
        })
    };
    let id = value("$UUID")?;
    if id == AES_OF_3 || id == AES_OF_4 {
        return Ok(Derivation::Aes { rounds: count("R")?, seed: seed(value("S")?)? });
    }
    if id != ARGON2_D && id != ARGON2_ID {
        return Err(FileError::damaged(None, "its key derivation is neither AES-KDF nor Argon2"));
    }
    if value("K").is_ok_and(|secret| !secret.is_empty()) || value("A").is_ok_and(|data| !data.is_empty()) {
        return Err(FileError::damaged(None, "its key derivation has a secret key, which VaultTerm does not know"));
    }
    // A number that no Argon2 has is far beyond every bound, and stays so.
    let clamped = |name: &str| count(name).map(|number| u32::try_from(number).unwrap_or(u32::MAX));
    Ok(Derivation::Argon2 {
        is_id: id == ARGON2_ID,
        version: clamped("V")?,
        memory_kib: u32::try_from(count("M")?.div_ceil(1024)).unwrap_or(u32::MAX),
        iterations: clamped("I")?,
        lanes: clamped("P")?,
        salt: seed(value("S")?)?,
    })
}

fn number(field: &[u8]) -> Result<u32, FileError> {
    Ok(u32::from_le_bytes(field.try_into().map_err(|_| short())?))
}

fn seed(field: &[u8]) -> Result<&[u8], FileError> {
    if field.len() > SEED_BYTES_MAX {
        return Err(FileError::damaged(None, "a seed of its header is too long"));
    }
    Ok(field)
}

fn short() -> FileError {
    FileError::damaged(None, "its header is not complete")
}

/// Bytes that are taken from the front.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    /// Takes so many bytes.
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], FileError> {
        let (taken, rest) = self
            .0
            .split_at_checked(length)
            .ok_or_else(|| FileError::damaged(None, "it ends too early: copy it again from where it came"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, FileError> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, FileError> {
        Ok(u16::from_le_bytes(self.take(2)?.try_into().expect("two bytes were taken")))
    }

    pub(super) fn u32(&mut self) -> Result<u32, FileError> {
        Ok(u32::from_le_bytes(self.take(4)?.try_into().expect("four bytes were taken")))
    }
}
