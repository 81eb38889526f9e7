//! Files that a person names for a command to read. `-` is stdin.
//!
//! People sometimes give a secret itself in place of the name of its file (`--password-file hunter2`,
//! `password=@maera`). Therefore no error here repeats the name. It names the flag or field instead.

use std::{
    fs,
    io::{self, Read},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use zeroize::{Zeroize as _, Zeroizing};

use crate::failure::Failure;

/// The maximum number of bytes of a file.
const BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Whether a part of this command has read stdin already.
static STDIN_TAKEN: AtomicBool = AtomicBool::new(false);

/// A file that a command reads.
#[derive(Clone, Copy)]
pub(crate) struct InputFile<'a> {
    /// The path of the file, or `-`.
    pub(crate) path: &'a Path,
    /// The content, for errors: "the password".
    pub(crate) what: &'a str,
    /// The flag or field that named the file, for errors: "--password-file".
    pub(crate) by: &'a str,
}

impl InputFile<'_> {
    /// Reads a secret. A text of a single line loses its line end, which `echo` and editors add. A text of
    /// several lines (a private key) stays unchanged.
    ///
    /// # Errors
    /// The same as for [`Self::text`].
    pub(crate) fn secret(&self) -> Result<Zeroizing<String>, Failure> {
        self.text().map(|text| Zeroizing::new(without_line_end(&text).to_owned()))
    }

    /// Reads a secret that cannot be empty.
    ///
    /// # Errors
    /// As [`Self::secret`], and if there is nothing but spaces.
    pub(crate) fn credential(&self) -> Result<Zeroizing<String>, Failure> {
        let text = self.secret()?;
        if !text.trim().is_empty() {
            return Ok(text);
        }
        let failure = Failure::local(format!("{} is missing: {} is empty", self.what, self.place()));
        Err(if self.is_stdin() {
            failure.hint("did the command before the pipe fail? Its output is what is read here")
        } else {
            failure.hint("write it into the file first, without quotes")
        })
    }

    /// Reads a text unchanged.
    ///
    /// # Errors
    /// A [`Failure`] without the name of the file, if the file does not exist, is too large or is not UTF-8.
    pub(crate) fn text(&self) -> Result<Zeroizing<String>, Failure> {
        let mut bytes = self.bytes()?;
        String::from_utf8(std::mem::take(&mut *bytes)).map(Zeroizing::new).map_err(|error| {
            error.into_bytes().zeroize();
            Failure::local(format!("{} in {} is not UTF-8 text", self.what, self.place()))
                .hint("values are JSON texts: encode binary data, for example with base64")
        })
    }

    /// Reads the bytes of the file.
    ///
    /// # Errors
    /// The same as for [`Self::text`].
    pub(crate) fn bytes(&self) -> Result<Zeroizing<Vec<u8>>, Failure> {
        self.bytes_up_to(BYTES_MAX)
    }

    /// Reads the bytes of a file that may be larger than the usual ones.
    ///
    /// # Errors
    /// The same as for [`Self::text`].
    pub(crate) fn bytes_up_to(&self, max: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let mut bytes = Zeroizing::new(Vec::new());
        self.open()?.take(max + 1).read_to_end(&mut bytes).map_err(|error| self.unreadable(&error))?;
        if bytes.len() as u64 > max {
            return Err(Failure::local(format!("{} in {} is larger than {}", self.what, self.place(), size(max))));
        }
        Ok(bytes)
    }

    /// Opens the file for a reader that reads it piece by piece.
    ///
    /// # Errors
    /// A [`Failure`] without the name of the file, if the file does not exist or if stdin was read already.
    pub(crate) fn open(&self) -> Result<Box<dyn Read>, Failure> {
        if !self.is_stdin() {
            let file = fs::File::open(self.path).map_err(|error| self.unreadable(&error))?;
            return Ok(Box::new(file));
        }
        if STDIN_TAKEN.swap(true, Ordering::Relaxed) {
            return Err(Failure::local(format!("stdin can be read only once, and not for {} too", self.what))
                .hint(format!("put it into a file, and name that with {}", self.by)));
        }
        Ok(Box::new(io::stdin()))
    }

    fn is_stdin(&self) -> bool {
        self.path == Path::new("-")
    }

    fn place(&self) -> String {
        if self.is_stdin() { "stdin".to_owned() } else { format!("the file that {} names", self.by) }
    }

    fn unreadable(&self, error: &io::Error) -> Failure {
        let message = match self.what {
            _ if self.is_stdin() => format!("cannot read {} from stdin", self.what),
            "the file" => format!("cannot open the file given as {}", self.by),
            what => format!("cannot read {what} from the file that {} names", self.by),
        };
        let failure = Failure::local(message).because(error);
        if self.is_stdin() {
            return failure;
        }
        failure.hint(format!(
            "{} takes the name of a file, or - for stdin. Check the name that you gave: this message leaves it out, because \
             people sometimes type a secret in its place",
            self.by
        ))
    }
}

/// Words a number of bytes: in MiB where it is a whole number of them.
fn size(bytes: u64) -> String {
    const MIB: u64 = 1024 * 1024;
    if bytes >= MIB && bytes.is_multiple_of(MIB) { format!("{} MiB", bytes / MIB) } else { format!("{bytes} bytes") }
}

/// Removes the line end from a text of a single line.
fn without_line_end(text: &str) -> &str {
    let Some(line) = text.strip_suffix('\n') else { return text };
    if line.contains('\n') { text } else { line.strip_suffix('\r').unwrap_or(line) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_loses_its_line_end_and_a_key_keeps_it() {
        assert_eq!(without_line_end("hunter2\n"), "hunter2");
        assert_eq!(without_line_end("hunter2\r\n"), "hunter2");
        assert_eq!(without_line_end("hunter2"), "hunter2");
        assert_eq!(without_line_end("-----BEGIN\nabc\n"), "-----BEGIN\nabc\n");
        assert_eq!(without_line_end("\n"), "");
    }

    #[test]
    fn a_file_that_is_not_there_or_too_large_is_said_in_plain_words() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("hunter2");
        let file = InputFile { path: &path, what: "the file", by: "FILE" };
        let failure = file.bytes().expect_err("refused");
        assert_eq!(failure.message, "cannot open the file given as FILE");
        assert!(failure.causes[0].starts_with("No such file"), "{failure:?}");
        assert!(!format!("{failure:?}").contains("hunter2"), "{failure:?}");
        fs::write(&path, vec![b'x'; 1024 * 1024 + 1]).expect("written");
        let failure = file.bytes_up_to(1024 * 1024).expect_err("refused");
        assert!(failure.message.ends_with("is larger than 1 MiB"), "{failure:?}");
    }

    #[test]
    fn an_empty_file_is_no_credential() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("id");
        fs::write(&path, " \n").expect("written");
        let file = InputFile { path: &path, what: "the SecretID", by: "--secret-id-file" };
        let failure = file.credential().expect_err("refused");
        assert_eq!(failure.message, "the SecretID is missing: the file that --secret-id-file names is empty");
        fs::write(&path, "x\n").expect("written");
        assert_eq!(file.credential().expect("read").as_str(), "x");
    }

    #[test]
    fn a_secret_in_the_place_of_a_file_name_is_not_repeated() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let binary = directory.path().join("hunter2");
        fs::write(&binary, [0xff]).expect("written");
        for path in ["hunter2".as_ref(), binary.as_path(), directory.path()] {
            let file = InputFile { path, what: "the password", by: "--password-file" };
            let failure = file.secret().expect_err("refused");
            assert!(!format!("{failure:?}").contains("hunter2"), "{failure:?}");
            assert!(failure.message.contains("the file that --password-file names"), "{failure:?}");
            assert!(!failure.hints.is_empty(), "{failure:?}");
        }
    }
}
