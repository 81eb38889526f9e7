//! Reads a file in the format that the person names, or that the file shows.

mod recognise;

use zeroize::Zeroizing;

use crate::{
    format::Format,
    item::Found,
    limits::{FILE_BYTES_MAX, Limit, LimitMet},
    refused::FileError,
};

pub use recognise::recognise;

/// What the person gives beside the file.
#[derive(Default)]
pub struct Options {
    /// The password of a protected file.
    pub password: Option<Zeroizing<String>>,
    /// The key file of a KeePass database.
    pub key_file: Option<Zeroizing<Vec<u8>>>,
    /// Yes to [`crate::Question::DecodeEntities`].
    pub decode_entities: bool,
    /// Yes to [`crate::Question::KeepNested`].
    pub keep_nested: bool,
}

/// Reads a file.
///
/// # Errors
/// [`FileError`], which says what the person can do.
pub fn read(format: Format, bytes: &[u8], options: &Options) -> Result<Found, FileError> {
    LimitMet::check(Limit::FileBytes, bytes.len() as u64, FILE_BYTES_MAX)?;
    let _ = options;
    // TEMPORARY, while the readers are written.
    Err(FileError::NotThisFormat { expected: format, detail: "no reader yet".to_owned() })
}
