//! Reads a file in the format that the person names, or that the file shows.

mod documents;
mod managers;
mod recognise;
mod seen;

use crate::{
    archive::MAGIC,
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
    not_another(format, bytes)?;
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

/// Refuses a database or an archive that was named as a file of text.
fn not_another(format: Format, bytes: &[u8]) -> Result<(), FileError> {
    let may_be_archive =
        matches!(format, Format::BitwardenJson | Format::OnePasswordArchive | Format::Cxf | Format::Kdbx);
    let what = if format != Format::Kdbx && kdbx::fits(bytes) {
        "it is a KeePass database"
    } else if !may_be_archive && bytes.starts_with(MAGIC) {
        "it is a zip archive"
    } else {
        return Ok(());
    };
    let detail = format!("{what}: leave the format out, so that it is recognised");
    Err(FileError::NotThisFormat { expected: format, detail })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::tests::zipped;

    #[test]
    fn a_database_or_an_archive_that_was_named_as_text_is_said_to_be_one() {
        let kdbx = include_bytes!("../tests/samples/kdbx/pykeepass-4.kdbx");
        let zip = zipped(&[("x", b"y")]);
        for (format, bytes, words) in [
            (Format::BitwardenJson, &kdbx[..], "it is a KeePass database"),
            (Format::Env, kdbx, "it is a KeePass database"),
            (Format::ChromeCsv, &zip, "it is a zip archive"),
        ] {
            let error = read(format, bytes, &Options::default()).unwrap_err().to_string();
            assert!(error.contains(words) && !error.contains("UTF-8"), "{error}");
        }
    }
}
