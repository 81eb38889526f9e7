//! Zip archives, whose files unfold only as far as is allowed. What nobody asks for is never unfolded.

use std::io::{Cursor, Read as _};

use zeroize::Zeroizing;
use zip::{ZipArchive, result::ZipError};

use crate::{
    limits::{ARCHIVE_FILES_MAX, Limit, LimitMet, UNFOLDED_BYTES_MAX},
    refused::FileError,
};

/// The first bytes of an archive that holds a file.
pub(crate) const MAGIC: &[u8] = b"PK\x03\x04";
/// The first bytes of an entry in the list of files at the end.
const ENTRY: &[u8] = b"PK\x01\x02";

/// An archive.
pub(crate) struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    /// The bytes that may still be unfolded.
    left: u64,
}

impl<'a> Archive<'a> {
    /// Reads the list of files.
    ///
    /// # Errors
    /// [`FileError::Damaged`] or [`FileError::Limit`].
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Self, FileError> {
        // The list costs memory for each file, so the files are counted before it is read.
        let count = bytes.windows(ENTRY.len()).filter(|window| *window == ENTRY).count() as u64;
        LimitMet::check(Limit::ArchiveFiles, count, ARCHIVE_FILES_MAX)?;
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|_| damaged("its list of files cannot be read"))?;
        Ok(Self { zip, left: UNFOLDED_BYTES_MAX })
    }

    /// Returns the names of all files, with the sizes that the list tells.
    ///
    /// # Errors
    /// [`FileError::Damaged`].
    pub(crate) fn files(&mut self) -> Result<Vec<(String, u64)>, FileError> {
        let count = self.zip.len();
        let file = |at| {
            let file = self.zip.by_index_raw(at).map_err(|_| damaged("its list of files cannot be read"))?;
            let name = file.name().map_err(|_| damaged("a name in its list of files cannot be read"))?;
            Ok((name.into_owned(), file.size()))
        };
        (0..count).map(file).collect()
    }

    /// Says whether the archive has a file.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.zip.index_for_name(name).is_some()
    }

    /// Unfolds a file. Nothing if there is none of this name.
    ///
    /// # Errors
    /// [`FileError::Damaged`] or [`FileError::Limit`].
    pub(crate) fn read(&mut self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, FileError> {
        let mut file = match self.zip.by_name(name) {
            Ok(file) => file,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(ZipError::UnsupportedArchive(_)) => {
                return Err(damaged(&format!(
                    "its file `{name}` is encrypted, or packed in a way that the program never uses"
                )));
            }
            Err(_) => return Err(damaged(&format!("its file `{name}` cannot be read"))),
        };
        let expected = usize::try_from(file.size().min(self.left)).unwrap_or_default();
        let mut bytes = Zeroizing::new(Vec::with_capacity(expected + 1));
        let read = file.by_ref().take(self.left + 1).read_to_end(&mut bytes);
        read.map_err(|_| damaged(&format!("its file `{name}` cannot be unfolded")))?;
        let Some(left) = self.left.checked_sub(bytes.len() as u64) else {
            return Err(LimitMet { limit: Limit::UnfoldedBytes, found: None, max: UNFOLDED_BYTES_MAX }.into());
        };
        self.left = left;
        Ok(Some(bytes))
    }
}

fn damaged(detail: &str) -> FileError {
    FileError::damaged(None, detail)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write as _;

    use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

    use super::*;

    /// Makes an archive.
    pub(crate) fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        for (name, bytes) in files {
            zip.start_file(*name, options).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn files_are_listed_and_unfolded() {
        let bytes = zipped(&[("a/b.txt", b"hello"), ("c", b"")]);
        assert!(bytes.starts_with(MAGIC));
        let mut archive = Archive::open(&bytes).unwrap();
        assert_eq!(archive.files().unwrap(), [("a/b.txt".to_owned(), 5), ("c".to_owned(), 0)]);
        assert_eq!(archive.read("a/b.txt").unwrap().unwrap().as_slice(), b"hello");
        assert!(archive.read("b.txt").unwrap().is_none() && archive.has("c") && !archive.has("d"));
    }

    #[test]
    fn a_bomb_is_stopped_where_the_limit_is_and_others_do_not_matter() {
        let zeros = vec![0; usize::try_from(UNFOLDED_BYTES_MAX).unwrap() + 1];
        let bytes = zipped(&[("bomb", &zeros), ("small", b"x")]);
        assert!(bytes.len() < 1_000_000);
        let mut archive = Archive::open(&bytes).unwrap();
        assert_eq!(archive.read("small").unwrap().unwrap().as_slice(), b"x");
        let met = LimitMet { limit: Limit::UnfoldedBytes, found: None, max: UNFOLDED_BYTES_MAX };
        assert_eq!(archive.read("bomb").unwrap_err(), met.into());
    }

    #[test]
    fn an_archive_with_too_many_files_is_refused_before_its_list_is_read() {
        let bytes = ENTRY.repeat(usize::try_from(ARCHIVE_FILES_MAX).unwrap() + 1);
        let error = Archive::open(&bytes).map(|_| ()).unwrap_err();
        assert!(matches!(error, FileError::Limit { met } if met.limit == Limit::ArchiveFiles));
    }

    #[test]
    fn a_damaged_archive_is_refused() {
        let bytes = zipped(&[("a", b"hello, hello, hello, hello")]);
        for end in 0..bytes.len() {
            if let Ok(mut archive) = Archive::open(&bytes[..end]) {
                let _ = archive.files();
                assert!(archive.read("a").map_or(true, |file| file.is_none_or(|file| file.len() == 26)));
            }
        }
        for at in 0..bytes.len() {
            let mut bent = bytes.clone();
            bent[at] ^= 0x55;
            if let Ok(mut archive) = Archive::open(&bent) {
                let _ = archive.files();
                let _ = archive.read("a");
            }
        }
    }
}
