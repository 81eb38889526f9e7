//! The place to which a command writes its data: a file, or stdout for `-`.
//!
//! When the data go to stdout, their summary goes to stderr, so that a pipe stores only the data.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use clap::builder::{PathBufValueParser, TypedValueParser};
use serde::Serialize;

use crate::{
    console::{self, Console},
    failure::Failure,
    private_file::Replacement,
    table::Table,
};

/// The name of stdin and stdout on the command line.
const DASH: &str = "-";

/// The place of the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OutputPlace {
    /// To stdout.
    Stdout,
    /// A file.
    File(PathBuf),
}

impl From<OsString> for OutputPlace {
    fn from(text: OsString) -> Self {
        if text == DASH { Self::Stdout } else { Self::File(text.into()) }
    }
}

impl OutputPlace {
    /// Returns the file, if the data go into one.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::Stdout => None,
            Self::File(path) => Some(path),
        }
    }

    /// Refuses a file that exists already. `instead` is the hint.
    pub(crate) fn refuse_existing(&self, instead: &str) -> Result<(), Failure> {
        match self.file().filter(|path| path.exists()) {
            Some(path) => Err(exists(path, instead)),
            None => Ok(()),
        }
    }

    /// Refuses to write to a terminal, for data that people cannot read.
    pub(crate) fn refuse_terminal(&self, console: Console) -> Result<(), Failure> {
        if self.file().is_some() || !console.shows_stdout() {
            return Ok(());
        }
        Err(Failure::local("the data are not for a terminal").hint("name a file, or send stdout into a pipe or file"))
    }

    /// Prints a summary of the written data: to stdout if the data went into a file, and otherwise to stderr.
    pub(crate) fn tell(
        &self,
        console: Console,
        json: &impl Serialize,
        table: impl FnOnce() -> Table,
    ) -> Result<(), Failure> {
        match self {
            Self::File(_) => console.answer(json, table),
            Self::Stdout => console.answer_on_stderr(json, table),
        }
    }

    /// Begins to write. A file appears in its place only after it is complete.
    pub(crate) fn begin(&self) -> Result<Output, Failure> {
        match self {
            Self::Stdout => Ok(Output::Stdout),
            Self::File(path) => Replacement::create(path).map(Output::File),
        }
    }
}

/// Returns the error for a file that exists already.
pub(crate) fn exists(path: &Path, instead: &str) -> Failure {
    Failure::local(format!("{} exists already; nothing was changed", path.display())).hint(instead)
}

/// Data that are being written.
pub(crate) enum Output {
    /// The data go to stdout at once.
    Stdout,
    /// The data go into a file that is not in its place yet.
    File(Replacement),
}

impl Output {
    /// Adds data.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Stdout => console::write_data(bytes),
            Self::File(file) => file.write(bytes),
        }
    }

    /// Puts the file in its place. An existing file is replaced.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Stdout => Ok(()),
            Self::File(file) => file.finish(),
        }
    }

    /// Puts the file in its place. It is an error if a file exists there.
    pub(crate) fn finish_new(self) -> Result<(), Failure> {
        match self {
            Self::Stdout => Ok(()),
            Self::File(file) => file.finish_new(),
        }
    }
}

impl io::Write for &Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Output::Stdout => io::stdout().write(bytes),
            Output::File(file) => (&mut &*file).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Output::Stdout => io::stdout().flush(),
            Output::File(file) => (&mut &*file).flush(),
        }
    }
}

/// Returns a parser for a file or directory that cannot be stdin or stdout. It refuses `-`.
pub(crate) fn never_a_dash() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| {
        if path == Path::new(DASH) {
            return Err("stdin and stdout cannot be used here: name a place on the disk (./- for one called -)");
        }
        Ok(path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dash_is_stdout_and_a_file_called_so_needs_its_folder() {
        assert_eq!(OutputPlace::from(OsString::from("-")), OutputPlace::Stdout);
        for file in ["./-", "a", "--"] {
            assert_eq!(OutputPlace::from(OsString::from(file)), OutputPlace::File(file.into()));
        }
    }
}
