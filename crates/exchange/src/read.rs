//! Reads a file in the format that the person names, or that the file shows.

mod documents;
mod managers;
mod recognise;
mod seen;

use crate::{
    bitwarden, browsers, cxf, env,
    format::Format,
    item::Found,
    kdbx, keepassxc, lastpass,
    limits::{FILE_BYTES_MAX, Limit, LimitMet},
    nordpass, onepassword,
    options::Options,
    refused::FileError,
    vault, vaultterm,
};

pub use recognise::recognise;
pub(crate) use seen::seen;

/// Reads a file.
///
/// # Errors
/// [`FileError`], which says what the person can do.
pub fn read(format: Format, bytes: &[u8], options: &Options) -> Result<Found, FileError> {
    LimitMet::check(Limit::FileBytes, bytes.len() as u64, FILE_BYTES_MAX)?;
    match format {
        Format::BitwardenJson => bitwarden::read(bytes, options),
        Format::BitwardenCsv => bitwarden::table::read(bytes, options),
        Format::OnePasswordArchive => onepassword::archive::read(bytes, options),
        Format::OnePasswordCsv => onepassword::table::read(bytes, options),
        Format::Kdbx => kdbx::read(bytes, options),
        Format::KeepassxcCsv => keepassxc::read(bytes, options),
        Format::LastpassCsv => lastpass::read(bytes, options),
        Format::ChromeCsv => browsers::read_chrome(bytes, options),
        Format::FirefoxCsv => browsers::read_firefox(bytes, options),
        Format::NordpassCsv => nordpass::read(bytes, options),
        Format::Env => env::read(bytes, options),
        Format::VaultKv => vault::kv::read(bytes, options),
        Format::Medusa => vault::medusa::read(bytes, options),
        Format::Vkv => vault::vkv::read(bytes, options),
        Format::Safe => vault::safe::read(bytes, options),
        Format::Cxf => cxf::read(bytes, options),
        Format::Vaultterm => vaultterm::read(bytes, options),
    }
}
