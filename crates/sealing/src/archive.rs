//! A long message, sealed in parts and signed as a whole: what a backup is made of.
//!
//! ```text
//! "VTBAK" ‖ format 1
//! length (4) ‖ header                 what is needed before anything can be opened; not secret
//! 1 ‖ length (4) ‖ part               every part but the last
//! 2 ‖ length (4) ‖ part               the last
//! 3 ‖ key id (16) ‖ signature (64)    over SHA-256 of everything before it
//! ```
//!
//! A part is a message of the envelope: record key id (16) ‖ length (2) ‖ wrapped data key ‖
//! ciphertext. It is bound to the archive, to its number and to whether it is the last, so that none
//! can be left out, doubled, moved or taken from elsewhere. Numbers are big-endian. Neither side
//! ever holds more than one part. What the header says, and where bytes come from, is not known here.

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
/// What the signature is over, in the words of [`crate::Signer::sign`].
const DOMAIN: &str = "vaultterm archive v1\n";

/// Bytes of a message that one part holds, at most.
pub const PART_BYTES: usize = 1 << 20;
/// What the envelope adds to them, generously.
const PART_OVERHEAD: usize = 1024;
/// A header is a few keys.
const HEADER_BYTES_MAX: usize = 1 << 20;

/// Why an archive cannot be written or is not believed.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It begins otherwise.
    #[error("this is not a VaultTerm backup")]
    NotAnArchive,
    /// Another version made it.
    #[error("the backup has format {0}, which this version cannot read")]
    Format(u8),
    /// The header cannot be one.
    #[error("the header of the backup is damaged")]
    Header,
    /// It ends before its end.
    #[error("the backup ends early: it was cut off, or not copied whole")]
    Truncated,
    /// What follows a part is neither a part nor the signature.
    #[error("the backup is damaged after part {0}")]
    Damaged(u64),
    /// A part does not open where it is.
    #[error("part {0} of the backup was changed, is not in its place, or comes from another backup")]
    Part(u64),
    /// The signature is not of these bytes.
    #[error("the signature of the backup does not hold: something in it was changed")]
    Signature,
    /// There is something behind the end.
    #[error("something was added behind the end of the backup")]
    Trailing,
    /// A key failed.
    #[error("the keys of the installation cannot be used")]
    Sealing(#[from] SealingError),
    /// The file failed.
    #[error("the file cannot be read or written")]
    Io(#[source] io::Error),
}

/// Writes an archive, part by part.
pub struct ArchiveWriter<W> {
    out: W,
    hash: Context,
    keyring: Arc<Keyring>,
    archive: Uuid,
    parts: u64,
}

impl<W: Write> ArchiveWriter<W> {
    /// Begins an archive with its header.
    ///
    /// # Errors
    /// [`ArchiveError::Io`]; [`ArchiveError::Header`] for one that is too long.
    pub fn begin(out: W, keyring: Arc<Keyring>, archive: Uuid, header: &[u8]) -> Result<Self, ArchiveError> {
        if header.len() > HEADER_BYTES_MAX {
            return Err(ArchiveError::Header);
        }
        let mut writer = Self { out, hash: Context::new(&SHA256), keyring, archive, parts: 0 };
        writer.put(&[MAGIC.as_slice(), &[FORMAT], &length(header), header].concat())?;
        Ok(writer)
    }

    /// Adds a part that is not the last: up to [`PART_BYTES`].
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn part(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.seal(bytes, false)
    }

    /// Adds the last part and the signature.
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
        debug_assert!(bytes.len() <= PART_BYTES, "a part is read into memory");
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

/// Reads an archive, part by part. Nothing of it counts before [`Self::next_part`] said that there
/// are no more: only then the signature was seen.
pub struct ArchiveReader<R> {
    input: R,
    hash: Context,
    parts: u64,
    last_seen: bool,
}

impl<R: Read> ArchiveReader<R> {
    /// Reads the header. It proves nothing yet.
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

    /// Opens the next part of this archive. `None`: there are no more, and the signature over all
    /// of it holds.
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
        // Whatever is wrong with the keys named in it, they were not named so when it was signed.
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

/// Where a part belongs: to this archive, in this order, with this end.
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

    /// Cuts an archive into what stands before the parts, its parts, and the signature.
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
    fn what_is_written_is_read_back_and_nothing_of_it_can_be_seen() {
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
    fn an_archive_that_ends_early_or_late_says_so() {
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
        // Whole parts, and an end that another archive of the same keyring signed.
        let found = arranged(&[head, one, two, three, frames(&other)[4]]);
        assert!(matches!(found, Err(ArchiveError::Signature)), "{found:?}");
        let found = arranged(&[head, one, two, signature]);
        assert!(matches!(found, Err(ArchiveError::Damaged(2))), "{found:?}");
        let found = arranged(&[head, one, two, three, three, signature]);
        assert!(matches!(found, Err(ArchiveError::Damaged(3))), "{found:?}");
        // A part that says it is the last, and one that says it is not.
        for (frame, kind) in [(two, 2), (three, 1)] {
            let lying = [&[kind], &frame[1..]].concat();
            let found = if kind == 2 { arranged(&[head, one, &lying]) } else { arranged(&[head, one, two, &lying]) };
            assert!(matches!(found, Err(ArchiveError::Part(_))), "{found:?}");
        }
    }

    #[test]
    fn a_part_is_no_record_and_a_record_no_part() {
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
