//! The archive format of backups: a long message that is sealed in parts and signed as a whole.
//!
//! ```text
//! "VTBAK" ‖ format 1
//! length (4) ‖ header                 plain: the reader needs it before it can open a part
//! 1 ‖ length (4) ‖ part               each part except the last
//! 2 ‖ length (4) ‖ part               the last part
//! 3 ‖ key id (16) ‖ signature (64)    over SHA-256 of all bytes before
//! ```
//!
//! A part is a sealed message: record key id (16) ‖ length (2) ‖ wrapped data key ‖ ciphertext. Its
//! place names the archive, the index of the part and whether it is the last part. An attacker
//! therefore cannot leave out, duplicate or move a part, or bring in a part of another archive.
//! Numbers are big-endian. Reader and writer hold at most one part in memory. This module knows
//! neither the content of the header nor the source of the bytes.

use std::{
    io::{self, Read, Write},
    sync::Arc,
};

use aws_lc_rs::digest::{Context, SHA256};
use uuid::Uuid;

use crate::{Keyring, Place, Purpose, Sealed, SealingError, SecretBytes, signer::SIGNATURE_BYTES};

const MAGIC: &[u8; 5] = b"VTBAK";
const FORMAT: u8 = 1;
const PART: u8 = 1;
const LAST_PART: u8 = 2;
const SIGNATURE: u8 = 3;
/// The domain of the signature (see [`crate::Signer::sign`]).
const DOMAIN: &str = "vaultterm archive v1\n";

/// The maximum number of message bytes in a part.
pub const PART_BYTES: usize = 1 << 20;
/// An upper bound for the bytes that the envelope adds to a part.
const PART_OVERHEAD: usize = 1024;
/// The maximum number of bytes of a header. A header holds little more than a few keys.
const HEADER_BYTES_MAX: usize = 1 << 20;

/// Why an archive cannot be written or is refused.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file does not begin like an archive.
    #[error("this is not a VaultTerm backup")]
    NotAnArchive,
    /// Another version of VaultTerm made the archive.
    #[error("the backup has format {0}, which this version cannot read")]
    Format(u8),
    /// The header is too long.
    #[error("the header of the backup is damaged")]
    Header,
    /// The file ends before the archive is complete.
    #[error("the backup ends early: it was cut off, or the copy is not complete")]
    Truncated,
    /// The bytes after a part are neither a part nor the signature.
    #[error("the backup is damaged after part {0}")]
    Damaged(u64),
    /// A part does not open at its place.
    #[error("part {0} of the backup was changed, moved, or comes from another backup")]
    Part(u64),
    /// The signature was made for other bytes.
    #[error("the signature of the backup is not valid: the backup was changed")]
    Signature,
    /// Bytes follow the signature.
    #[error("there are extra bytes after the end of the backup")]
    Trailing,
    /// The keys failed.
    #[error("the keys of the installation cannot be used")]
    Sealing(#[from] SealingError),
    /// The file could not be read or written.
    #[error("the file cannot be read or written")]
    Io(#[source] io::Error),
}

/// Writes an archive part by part.
pub struct ArchiveWriter<W> {
    out: W,
    hash: Context,
    keyring: Arc<Keyring>,
    archive: Uuid,
    parts: u64,
}

impl<W: Write> ArchiveWriter<W> {
    /// Starts an archive and writes its header.
    ///
    /// # Errors
    /// [`ArchiveError::Io`], or [`ArchiveError::Header`] when the header is too long.
    pub fn begin(out: W, keyring: Arc<Keyring>, archive: Uuid, header: &[u8]) -> Result<Self, ArchiveError> {
        if header.len() > HEADER_BYTES_MAX {
            return Err(ArchiveError::Header);
        }
        let mut writer = Self { out, hash: Context::new(&SHA256), keyring, archive, parts: 0 };
        writer.put(&[MAGIC.as_slice(), &[FORMAT], &length(header), header].concat())?;
        Ok(writer)
    }

    /// Writes a part of up to [`PART_BYTES`] bytes that is not the last part.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn part(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.seal(bytes, false)
    }

    /// Writes the last part and the signature, and returns the output.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn finish(mut self, bytes: &[u8]) -> Result<W, ArchiveError> {
        self.seal(bytes, true)?;
        let signer = self.keyring.signer();
        let signature = signer.sign(DOMAIN, self.hash.clone().finish().as_ref());
        self.put(&[&[SIGNATURE], signer.key_id().as_bytes().as_slice(), &signature].concat())?;
        self.out.flush().map_err(ArchiveError::Io)?;
        Ok(self.out)
    }

    fn seal(&mut self, bytes: &[u8], last: bool) -> Result<(), ArchiveError> {
        debug_assert!(bytes.len() <= PART_BYTES, "a part must fit into memory when it is read");
        let sealed = self.keyring.seal(&place(self.archive, self.parts, last), bytes)?;
        let wrapped = u16::try_from(sealed.wrapped_key.len()).map_err(|_| SealingError::Malformed)?;
        let part =
            [sealed.key_id.as_bytes().as_slice(), &wrapped.to_be_bytes(), &sealed.wrapped_key, &sealed.ciphertext]
                .concat();
        self.put(&[&[if last { LAST_PART } else { PART }], length(&part).as_slice(), &part].concat())?;
        self.parts += 1;
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.hash.update(bytes);
        self.out.write_all(bytes).map_err(ArchiveError::Io)
    }
}

/// Reads an archive part by part. The caller must not use any part before [`Self::next_part`] has
/// returned `None`, because only then the signature has been checked.
pub struct ArchiveReader<R> {
    input: R,
    hash: Context,
    parts: u64,
    last_seen: bool,
}

impl<R: Read> ArchiveReader<R> {
    /// Reads the header. It is not authenticated at this point.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn begin(input: R) -> Result<(Self, Vec<u8>), ArchiveError> {
        let mut reader = Self { input, hash: Context::new(&SHA256), parts: 0, last_seen: false };
        if reader.take::<5>()? != *MAGIC {
            return Err(ArchiveError::NotAnArchive);
        }
        let [format] = reader.take()?;
        if format != FORMAT {
            return Err(ArchiveError::Format(format));
        }
        let length = u32::from_be_bytes(reader.take()?) as usize;
        if length > HEADER_BYTES_MAX {
            return Err(ArchiveError::Header);
        }
        let header = reader.take_long(length)?;
        Ok((reader, header))
    }

    /// Opens the next part of this archive. Returns `None` when there are no more parts and the
    /// signature over the whole archive is valid.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn next_part(&mut self, keyring: &Keyring, archive: Uuid) -> Result<Option<SecretBytes>, ArchiveError> {
        let before = self.hash.clone();
        let [kind] = self.take()?;
        match (kind, self.last_seen) {
            (PART | LAST_PART, false) => self.open(keyring, archive, kind == LAST_PART).map(Some),
            (SIGNATURE, true) => self.check_signature(keyring, before).map(|()| None),
            _ => Err(ArchiveError::Damaged(self.parts)),
        }
    }

    fn open(&mut self, keyring: &Keyring, archive: Uuid, last: bool) -> Result<SecretBytes, ArchiveError> {
        let length = u32::from_be_bytes(self.take()?) as usize;
        let number = self.parts + 1;
        if length > PART_BYTES + PART_OVERHEAD {
            return Err(ArchiveError::Damaged(self.parts));
        }
        let part = self.take_long(length)?;
        let sealed = parsed(&part).ok_or(ArchiveError::Part(number))?;
        let opened = keyring.unseal(&place(archive, self.parts, last), &sealed);
        // All errors mean that the part was changed: a part as it was signed names keys of this keyring.
        let opened = opened.map_err(|_| ArchiveError::Part(number))?;
        (self.parts, self.last_seen) = (number, last);
        Ok(opened)
    }

    fn check_signature(&mut self, keyring: &Keyring, before: Context) -> Result<(), ArchiveError> {
        let key_id = Uuid::from_bytes(self.take()?);
        let signature: [u8; SIGNATURE_BYTES] = self.take()?;
        let signed = before.finish();
        let checked = keyring.verify(key_id, DOMAIN, signed.as_ref(), &signature);
        checked.map_err(|_| ArchiveError::Signature)?;
        match self.input.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(ArchiveError::Trailing),
            Err(error) => Err(ArchiveError::Io(error)),
        }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], ArchiveError> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes).map_err(cut_off)?;
        self.hash.update(&bytes);
        Ok(bytes)
    }

    fn take_long(&mut self, length: usize) -> Result<Vec<u8>, ArchiveError> {
        let mut bytes = vec![0; length];
        self.input.read_exact(&mut bytes).map_err(cut_off)?;
        self.hash.update(&bytes);
        Ok(bytes)
    }
}

/// Returns the place of a part in an archive.
const fn place(archive: Uuid, index: u64, last: bool) -> Place {
    Place {
        purpose: Purpose::BackupPart,
        collection: Uuid::nil(),
        object: archive,
        revision: (index << 1) | last as u64,
    }
}

fn parsed(part: &[u8]) -> Option<Sealed> {
    let (key_id, rest) = part.split_first_chunk::<16>()?;
    let (wrapped, rest) = rest.split_first_chunk::<2>()?;
    let (wrapped_key, ciphertext) = rest.split_at_checked(u16::from_be_bytes(*wrapped).into())?;
    let key_id = Uuid::from_bytes(*key_id);
    Some(Sealed { key_id, wrapped_key: wrapped_key.to_vec(), ciphertext: ciphertext.to_vec() })
}

fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).expect("headers and parts have limits").to_be_bytes()
}

fn cut_off(error: io::Error) -> ArchiveError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ArchiveError::Truncated,
        _ => ArchiveError::Io(error),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use uuid::Uuid;

    use super::{ArchiveError, ArchiveReader, ArchiveWriter, PART_BYTES, parsed, place};
    use crate::{InstanceId, Keyring, KeyringRow, Place, Purpose, RootKey};

    const ARCHIVE: Uuid = Uuid::from_u128(0xA);
    const HEADER: &[u8] = b"{\"made\":\"today\"}";
    const PARTS: [&[u8]; 3] = [b"one", b"two", b"three"];

    struct Keys {
        root: RootKey,
        rows: Vec<KeyringRow>,
        keyring: Arc<Keyring>,
    }

    fn keys(instance: u128) -> Keys {
        let root = RootKey::generate();
        let (keyring, rows) = Keyring::create(&root, InstanceId(Uuid::from_u128(instance))).unwrap();
        Keys { root, rows, keyring: Arc::new(keyring) }
    }

    fn written(keyring: &Arc<Keyring>, archive: Uuid, parts: &[&[u8]]) -> Vec<u8> {
        let mut writer = ArchiveWriter::begin(Vec::new(), Arc::clone(keyring), archive, HEADER).unwrap();
        let (last, before) = parts.split_last().unwrap();
        before.iter().for_each(|part| writer.part(part).unwrap());
        writer.finish(last).unwrap()
    }

    fn read(keyring: &Keyring, bytes: &[u8]) -> Result<Vec<Vec<u8>>, ArchiveError> {
        let (mut reader, header) = ArchiveReader::begin(bytes)?;
        let mut parts = vec![header];
        while let Some(part) = reader.next_part(keyring, ARCHIVE)? {
            parts.push(part.expose().to_vec());
        }
        Ok(parts)
    }

    /// Cuts an archive into its head, its parts and its signature.
    fn frames(bytes: &[u8]) -> Vec<&[u8]> {
        let (head, mut rest) = bytes.split_at(5 + 1 + 4 + HEADER.len());
        let mut frames = vec![head];
        while rest[0] != 3 {
            let length = u32::from_be_bytes(rest[1..5].try_into().unwrap()) as usize;
            let (frame, after) = rest.split_at(5 + length);
            frames.push(frame);
            rest = after;
        }
        frames.push(rest);
        frames
    }

    #[test]
    fn a_written_archive_is_read_back_and_shows_none_of_its_content() {
        let keys = keys(7);
        let long = vec![7; PART_BYTES];
        let bytes = written(&keys.keyring, ARCHIVE, &[b"s3cret", &long, b""]);
        assert_eq!(read(&keys.keyring, &bytes).unwrap(), [HEADER, b"s3cret", &long, b""]);
        let again = Keyring::open(&keys.root, keys.keyring.instance(), &keys.rows).unwrap();
        assert_eq!(read(&again, &bytes).unwrap().len(), 4);
        assert!(!bytes.windows(6).any(|window| window == b"s3cret"));
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let keys = keys(7);
        let bytes = written(&keys.keyring, ARCHIVE, &PARTS);
        for at in 0..bytes.len() * 8 {
            let mut bent = bytes.clone();
            bent[at / 8] ^= 1 << (at % 8);
            assert!(read(&keys.keyring, &bent).is_err(), "bit {at}");
        }
    }

    #[test]
    fn an_archive_that_ends_early_or_late_is_refused() {
        let keys = keys(7);
        let bytes = written(&keys.keyring, ARCHIVE, &PARTS);
        for end in 0..bytes.len() {
            let found = read(&keys.keyring, &bytes[..end]);
            assert!(matches!(found, Err(ArchiveError::Truncated)), "{end}: {found:?}");
        }
        let longer = [&bytes[..], b"x"].concat();
        assert!(matches!(read(&keys.keyring, &longer), Err(ArchiveError::Trailing)));
    }

    #[test]
    fn no_part_can_be_left_out_doubled_moved_or_brought_from_elsewhere() {
        let (keys, strange) = (keys(7), keys(8));
        let bytes = written(&keys.keyring, ARCHIVE, &PARTS);
        let other = written(&keys.keyring, Uuid::from_u128(0xB), &PARTS);
        let foreign = written(&strange.keyring, ARCHIVE, &PARTS);
        let [head, one, two, three, signature] = frames(&bytes)[..] else { panic!("three parts") };
        let arranged = |frames: &[&[u8]]| read(&keys.keyring, &frames.concat());
        assert!(arranged(&[head, one, two, three, signature]).is_ok());
        let wrong = [
            ("left out", vec![head, one, three, signature], 2),
            ("doubled", vec![head, one, one, two, three, signature], 2),
            ("moved", vec![head, two, one, three, signature], 1),
            ("of another archive", vec![head, one, frames(&other)[2], three, signature], 2),
            ("of another installation", vec![head, one, frames(&foreign)[2], three, signature], 2),
            ("the last one early", vec![head, three, signature], 1),
        ];
        for (what, frames, part) in wrong {
            let found = arranged(&frames);
            assert!(matches!(found, Err(ArchiveError::Part(number)) if number == part), "{what}: {found:?}");
        }
        // All parts are whole, but the signature is that of another archive with the same keyring.
        let found = arranged(&[head, one, two, three, frames(&other)[4]]);
        assert!(matches!(found, Err(ArchiveError::Signature)), "{found:?}");
        let found = arranged(&[head, one, two, signature]);
        assert!(matches!(found, Err(ArchiveError::Damaged(2))), "{found:?}");
        let found = arranged(&[head, one, two, three, three, signature]);
        assert!(matches!(found, Err(ArchiveError::Damaged(3))), "{found:?}");
        // A middle part is marked as the last part, and the last part as a middle part.
        for (frame, kind) in [(two, 2), (three, 1)] {
            let lying = [&[kind], &frame[1..]].concat();
            let found = if kind == 2 { arranged(&[head, one, &lying]) } else { arranged(&[head, one, two, &lying]) };
            assert!(matches!(found, Err(ArchiveError::Part(_))), "{found:?}");
        }
    }

    #[test]
    fn a_part_does_not_open_as_a_record_and_a_record_not_as_a_part() {
        let keys = keys(7);
        let bytes = written(&keys.keyring, ARCHIVE, &PARTS);
        let part = parsed(&frames(&bytes)[1][5..]).unwrap();
        let here = place(ARCHIVE, 0, false);
        assert_eq!(keys.keyring.unseal(&here, &part).unwrap().expose(), b"one");
        let purposes = [
            Purpose::RecordFields,
            Purpose::ConnectionSecretId,
            Purpose::ConnectionTlsKey,
            Purpose::UserOtpSeed,
            Purpose::ConflictCopy,
            Purpose::IdempotentAnswer,
            Purpose::Plan,
        ];
        for purpose in purposes {
            let elsewhere = Place { purpose, ..here };
            assert!(keys.keyring.unseal(&elsewhere, &part).is_err(), "{purpose:?}");
            let sealed = keys.keyring.seal(&elsewhere, b"x").unwrap();
            assert!(keys.keyring.unseal(&here, &sealed).is_err(), "{purpose:?}");
        }
    }

    #[test]
    fn other_files_and_other_formats_are_named() {
        let keys = keys(7);
        assert!(matches!(read(&keys.keyring, b"SQLite format 3\0"), Err(ArchiveError::NotAnArchive)));
        assert!(matches!(read(&keys.keyring, b"VTBAK\x02\0\0\0\0"), Err(ArchiveError::Format(2))));
        assert!(matches!(read(&keys.keyring, b"VTBAK\x01\xff\0\0\0"), Err(ArchiveError::Header)));
    }
}
