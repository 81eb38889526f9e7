//! A place in a file that is recognized again: by the file, the offset, and the bytes before it.

use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The bytes before a place that are compared. An entry of an audit log is longer, and holds a time and a random id.
pub(crate) const TAIL_BYTES: u64 = 256;
/// The bytes of the digest that are kept.
const DIGEST_BYTES: usize = 12;

/// Which file it is, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// A place in a file, at the begin of a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) file: Identity,
    pub(crate) offset: u64,
    /// A digest of the bytes before the place, in hexadecimal. A file of the same number may be another one by now.
    before: String,
}

impl Place {
    pub(crate) fn at(file: &File, offset: u64) -> io::Result<Self> {
        Ok(Self { file: Identity::of(&file.metadata()?), offset, before: digest(&bytes_before(file, offset)?) })
    }

    /// Returns whether the place is in this file.
    pub(crate) fn is_in(&self, file: &File) -> io::Result<bool> {
        let metadata = file.metadata()?;
        Ok(Identity::of(&metadata) == self.file
            && metadata.len() >= self.offset
            && digest(&bytes_before(file, self.offset)?) == self.before)
    }
}

/// Reads the bytes before a place. There are fewer at the begin of a file, and in a file that became shorter.
pub(crate) fn bytes_before(file: &File, offset: u64) -> io::Result<Vec<u8>> {
    let begin = offset.saturating_sub(TAIL_BYTES);
    let mut bytes = vec![0; usize::try_from(offset - begin).unwrap_or(0)];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], begin + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(&Sha256::digest(bytes)[..DIGEST_BYTES])
}
