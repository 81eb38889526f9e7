//! KeePass databases: KDBX 3.1, 4 and 4.1, opened with a password, a key file or both.
//!
//! VaultTerm opens them by itself, from the ciphers of the `RustCrypto` crates. The crate `keepass` (0.17) was tried and left
//! out: it refuses databases whose XML holds other elements between two `String` elements, derives and inflates without a
//! bound, panics on short header fields, and hides the elements that it does not know, which a report must count.
//!
//! Order of work: the header is read and its work factors are checked, and only then a key is derived. The XML is read
//! element by element. It has no document type and no entities of its own, so nothing in it expands.

mod entry;
mod groups;
mod header;
mod key;
mod moment;
mod one_time;
mod open;
mod stream;
mod xml;

use crate::{item::Found, options::Options, refused::FileError};

/// Reads a database.
///
/// # Errors
/// [`FileError::NeedsPassword`] without a password and a key file, [`FileError::WrongPassword`] or, without a key file,
/// [`FileError::WrongPasswordAlone`], [`FileError::Limit`] when the
/// work factors are too high, [`FileError::Damaged`].
pub(crate) fn read(bytes: &[u8], options: &Options) -> Result<Found, FileError> {
    let header = header::read(bytes)?;
    let key = key::composite(options)?;
    let opened = open::open(bytes, &header, &key).map_err(|error| match error {
        FileError::WrongPassword if options.key_file.is_none() => FileError::WrongPasswordAlone,
        other => other,
    })?;
    groups::read(&opened)
}

/// Says whether a file begins as a KeePass database does, of whatever version.
pub(crate) fn fits(bytes: &[u8]) -> bool {
    header::is_keepass(bytes)
}

#[cfg(test)]
mod tests;
