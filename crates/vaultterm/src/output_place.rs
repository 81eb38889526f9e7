//! Where a command writes its data: a file, or stdout for `-`.
//!
//! When data go to stdout, the summary of them goes to stderr, so that a pipe stores the data alone.

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

/// How stdin and stdout are named on the command line.
const DASH: &str = "-";

/// Where data go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OutputPlace {
    /// To stdout.
    Stdout,
    /// Into this file.
    File(PathBuf),
}

impl From<OsString> for OutputPlace {
    fn from(text: OsString) -> Self {
        if text == DASH { Self::Stdout } else { Self::File(text.into()) }
    }
}

impl OutputPlace {
    /// Returns the file, when the data go into one.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::Stdout => None,
            Self::File(path) => Some(path),
        }
    }

    /// Refuses a file that exists already. `instead` says what to do.
    pub(crate) fn refuse_existing(&self, instead: &str) -> Result<(), Failure> {
        match self.file().filter(|path| path.exists()) {
            Some(path) => Err(exists(path, instead)),
            None => Ok(()),
        }
    }

    /// Refuses to write data to a terminal that people cannot read.
    pub(crate) fn refuse_terminal(&self, console: Console) -> Result<(), Failure> {
        if self.file().is_some() || !console.shows_stdout() {
            return Ok(());
        }
        Err(Failure::local("the data are not for a terminal").hint("name a file, or send stdout into a pipe or file"))
    }

    /// Prints a summary of the written data: on stdout when they went into a file, otherwise on stderr.
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

    /// Begins to write. A file appears in its place only when it is finished.
    pub(crate) fn begin(&self) -> Result<Output, Failure> {
        match self {
            Self::Stdout => Ok(Output::Stdout),
            Self::File(path) => Replacement::create(path).map(Output::File),
        }
    }
}

/// The error for a file that is there already.
pub(crate) fn exists(path: &Path, instead: &str) -> Failure {
    Failure::local(format!("{} exists already; nothing was changed", path.display())).hint(instead)
}

/// Data on their way to a place.
pub(crate) enum Output {
    /// To stdout, at once.
    Stdout,
    /// Into a file that is not in its place yet.
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

    /// Puts the file in its place, instead of one that is there.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Stdout => Ok(()),
            Self::File(file) => file.finish(),
        }
    }

    /// Puts the file in its place, where nothing may be.
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

/// Returns the parser of a file or directory that cannot be stdin or stdout: it refuses `-`.
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
