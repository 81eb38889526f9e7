//! What the process that parses is asked, and its whole work: read the errand and the file, parse, write what was found.
//!
//! The errand is one line of JSON; the file follows it, to the end of the input.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    format::Format,
    limits::{FILE_BYTES_MAX, Limit, LimitMet},
    options::Options,
    pipe::to_pipe,
    read::{read, recognise, seen},
    refused::FileError,
    sealed,
};

/// The bytes of an errand: a password and a key file are short.
const ERRAND_BYTES_MAX: usize = 1024 * 1024;

/// What the process is asked.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Errand {
    /// The format, if the person named it.
    pub format: Option<Format>,
    /// The name of the file, if it is known.
    pub file_name: Option<String>,
    /// The password of a protected file.
    pub password: Option<Zeroizing<String>>,
    /// The key file of a database.
    pub key_file: Option<Zeroizing<Vec<u8>>>,
    /// Yes to [`crate::Question::DecodeEntities`].
    pub decode_entities: bool,
    /// Yes to [`crate::Question::KeepNested`].
    pub keep_nested: bool,
}

impl Errand {
    /// Returns the errand and the file as the input of the process.
    #[must_use]
    pub fn input(&self, file: &[u8]) -> Zeroizing<Vec<u8>> {
        let errand = Zeroizing::new(serde_json::to_vec(self).expect("an errand has only text keys"));
        // The whole length at once, so that no piece stays behind in memory that was given back.
        let mut input = Zeroizing::new(Vec::with_capacity(errand.len() + 1 + file.len()));
        input.extend_from_slice(&errand);
        input.push(b'\n');
        input.extend_from_slice(file);
        input
    }

    /// Parses a file.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn parse(self, file: &[u8]) -> Result<crate::Found, FileError> {
        let options = Options {
            file_name: self.file_name,
            password: self.password,
            key_file: self.key_file,
            decode_entities: self.decode_entities,
            keep_nested: self.keep_nested,
        };
        let opened = sealed::is_sealed(file).then(|| sealed::open(file, &options)).transpose()?;
        let file = opened.as_deref().map_or(file, Vec::as_slice);
        let format = self.format.or_else(|| recognise(file, options.file_name.as_deref()));
        let format = format.ok_or_else(|| FileError::Unrecognised { seen: seen(file) })?;
        read(format, file, &options)
    }
}

/// Does the work of the process that parses.
///
/// # Errors
/// When the input or the output fails, or the input is no errand.
pub fn serve(input: impl Read, out: &mut impl Write) -> io::Result<()> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(64 * 1024));
    // One byte more than is allowed tells a file that is too large from one that just fits.
    let max = FILE_BYTES_MAX + ERRAND_BYTES_MAX as u64 + 2;
    input.take(max).read_to_end(&mut bytes)?;
    let no_errand = || io::Error::new(io::ErrorKind::InvalidData, "the input begins with no errand");
    let end = bytes.iter().take(ERRAND_BYTES_MAX + 1).position(|byte| *byte == b'\n').ok_or_else(no_errand)?;
    let errand: Errand = serde_json::from_slice(&bytes[..end]).map_err(|_| no_errand())?;
    let file = &bytes[end + 1..];
    let found = if file.len() as u64 > FILE_BYTES_MAX {
        Err(LimitMet { limit: Limit::FileBytes, found: None, max: FILE_BYTES_MAX }.into())
    } else {
        errand.parse(file)
    };
    to_pipe(found, out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipe::{PipeError, from_pipe};

    fn served(input: &[u8]) -> Result<crate::Found, PipeError> {
        let mut out = Vec::new();
        serve(input, &mut out).unwrap();
        from_pipe(&out)
    }

    #[test]
    fn a_file_is_parsed_as_the_errand_says() {
        let errand = Errand { file_name: Some("x".to_owned()), ..Errand::default() };
        let error = served(&errand.input(b"nothing that anybody knows")).unwrap_err();
        assert!(matches!(error, PipeError::File(FileError::Unrecognised { .. })), "{error}");
    }

    #[test]
    fn an_input_without_an_errand_is_an_error_and_no_answer() {
        for input in [&b""[..], b"\n", b"{}", b"{\"unknown\":1}\nfile", &[b'x'; 4_000]] {
            let mut out = Vec::new();
            assert!(serve(input, &mut out).is_err());
            assert!(out.is_empty());
        }
    }

    #[test]
    fn a_file_that_is_too_large_is_refused_with_the_limit() {
        let file = vec![b' '; usize::try_from(FILE_BYTES_MAX).unwrap() + 1];
        let error = served(&Errand::default().input(&file)).unwrap_err().to_string();
        assert!(error.contains("32 MiB"), "{error}");
    }
}
