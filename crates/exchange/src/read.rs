//! Reads a file in the format that the person names, or that the file shows.

mod recognise;

use crate::{
    cxf, env,
    format::Format,
    item::Found,
    kdbx,
    limits::{FILE_BYTES_MAX, Limit, LimitMet},
    options::Options,
    refused::FileError,
    vault, vaultterm,
};

pub use recognise::recognise;

/// Reads a file.
///
/// # Errors
/// [`FileError`], which says what the person can do.
pub fn read(format: Format, bytes: &[u8], options: &Options) -> Result<Found, FileError> {
    LimitMet::check(Limit::FileBytes, bytes.len() as u64, FILE_BYTES_MAX)?;
    match format {
        Format::Kdbx => kdbx::read(bytes, options),
        Format::Env => env::read(bytes, options),
        Format::VaultKv => vault::kv::read(bytes, options),
        Format::Medusa => vault::medusa::read(bytes, options),
        Format::Vkv => vault::vkv::read(bytes, options),
        Format::Safe => vault::safe::read(bytes, options),
        Format::Cxf => cxf::read(bytes, options),
        Format::Vaultterm => vaultterm::read(bytes, options),
        // TEMPORARY, while the other readers are written.
        _ => Err(FileError::NotThisFormat { expected: format, detail: "no reader yet".to_owned() }),
    }
}
