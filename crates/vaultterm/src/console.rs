//! The only module that prints. Data go to stdout, and everything else goes to stderr.
//!
//! Text from outside (paths, names, messages, values) may contain control characters. None of them reaches a
//! terminal, so that the name of a record cannot move the cursor. Other invisible characters are printed as
//! escapes too, because a name with such a character looks like another name.

use std::{
    borrow::Cow,
    io::{self, IsTerminal, Write},
};

use clap::ValueEnum;
use serde::Serialize;

use crate::{
    failure::{Exit, Failure},
    printable::printable_lines,
    table::Table,
};

/// How data is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs: the API's JSON.
    Json,
}

/// The two output streams, and whether each is a terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Console {
    format: Format,
    stdout_terminal: bool,
    stderr_terminal: bool,
    colour: bool,
}

/// The style of a word on stdout or stderr, where colour is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    /// For created objects and passed checks.
    Green,
    /// For changed objects and warnings.
    Yellow,
    /// For deleted objects and failures.
    Red,
    /// For headings.
    Bold,
    /// For less important words.
    Dim,
}

impl Console {
    /// Checks what the streams are connected to, and reads `NO_COLOR`.
    pub(crate) fn new(format: Format) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            format,
            stdout_terminal: io::stdout().is_terminal(),
            stderr_terminal: io::stderr().is_terminal(),
            colour: !no_color && !dumb,
        }
    }

    /// Returns the format of printed data.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Returns whether stderr is a terminal. Only then is live progress shown.
    pub(crate) fn is_live(&self) -> bool {
        self.stderr_terminal
    }

    /// Prints an answer: its JSON, or the table that `table` returns.
    pub(crate) fn answer(&self, json: &impl Serialize, table: impl FnOnce() -> Table) -> Result<(), Failure> {
        match self.format {
            Format::Json => self.json(json),
            Format::Table => self.table(&table()),
        }
    }

    /// Prints an answer to stderr, because stdout carries other data.
    pub(crate) fn answer_on_stderr(&self, json: &impl Serialize, table: impl FnOnce() -> Table) -> Result<(), Failure> {
        let text = match self.format {
            Format::Json => pretty(json)?,
            Format::Table => table().render(self.stderr_terminal),
        };
        // If stderr is closed, there is no place to report that.
        let _ = io::stderr().lock().write_all(text.as_bytes());
        Ok(())
    }

    /// Returns whether stdout is a terminal.
    pub(crate) fn shows_stdout(&self) -> bool {
        self.stdout_terminal
    }

    /// Prints an answer: its JSON, or a text for people.
    pub(crate) fn answer_text(&self, json: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Failure> {
        match self.format {
            Format::Json => self.json(json),
            Format::Table => write_data(text().as_bytes()),
        }
    }

    /// Prints JSON.
    pub(crate) fn json(&self, json: &impl Serialize) -> Result<(), Failure> {
        write_data(pretty(json)?.as_bytes())
    }

    /// Prints a table.
    fn table(&self, table: &Table) -> Result<(), Failure> {
        write_data(table.render(self.stdout_terminal).as_bytes())
    }

    /// Prints a value unchanged. On a terminal, control characters are escaped.
    pub(crate) fn value(&self, value: &str, newline: bool) -> Result<(), Failure> {
        let mut text = if self.stdout_terminal { printable_lines(value) } else { Cow::Borrowed(value) }.into_owned();
        if newline {
            text.push('\n');
        }
        let written = write_data(text.as_bytes());
        zeroize::Zeroize::zeroize(&mut text);
        written
    }

    /// Prints a note to stderr.
    pub(crate) fn note(&self, message: &str) {
        self.line(None, message);
    }

    /// Prints to stderr what a question is about, for a person.
    pub(crate) fn about_the_question(&self, text: &str) {
        // If stderr is closed, there is no place to report that.
        let _ = write!(io::stderr().lock(), "{}", printable_lines(text));
    }

    /// Prints a warning to stderr.
    pub(crate) fn warn(&self, message: &str) {
        self.line(Some(("warning:", Ink::Yellow)), message);
    }

    /// Prints the next useful command to stderr.
    pub(crate) fn next(&self, command: &str) {
        self.line(Some(("next:", Ink::Dim)), command);
    }

    /// Prints an error and returns the exit code.
    pub(crate) fn failure(&self, failure: &Failure) -> Exit {
        if !failure.silent {
            self.line(Some(("error:", Ink::Red)), &failure.message);
            for cause in &failure.causes {
                self.line(Some(("caused by:", Ink::Red)), cause);
            }
            for hint in &failure.hints {
                self.line(Some(("hint:", Ink::Green)), hint);
            }
        }
        failure.exit
    }

    /// Prints a usage error as clap wrote it.
    pub(crate) fn usage(&self, text: &str) {
        let _ = write!(io::stderr().lock(), "{}", printable_lines(text));
    }

    /// Colours a word for stdout, if that is a terminal.
    pub(crate) fn ink(&self, ink: Ink, word: &str) -> String {
        if self.stdout_terminal { self.paint(ink, word) } else { word.to_owned() }
    }

    fn line(&self, label: Option<(&str, Ink)>, message: &str) {
        let message = printable_lines(message);
        let mut stderr = io::stderr().lock();
        // If stderr is closed, there is no place to report that.
        let _ = match label {
            Some((label, ink)) if self.stderr_terminal => {
                writeln!(stderr, "{} {message}", self.paint(ink, label))
            }
            Some((label, _)) => writeln!(stderr, "{label} {message}"),
            None => writeln!(stderr, "{message}"),
        };
    }

    fn paint(&self, ink: Ink, word: &str) -> String {
        let code = match ink {
            Ink::Green => "32",
            Ink::Yellow => "33",
            Ink::Red => "31",
            Ink::Bold => "1",
            Ink::Dim => "2",
        };
        if self.colour { format!("\u{1b}[{code}m{word}\u{1b}[0m") } else { word.to_owned() }
    }
}

fn pretty(json: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(json);
    text.map(|text| text + "\n").map_err(|error| Failure::local("the answer cannot be printed as JSON").because(&error))
}

/// Writes to stdout. If the reader went away (`| head`), the command ends quietly.
pub(crate) fn write_data(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::silent(Exit::Done),
        _ => Failure::local("cannot write to stdout").because(&error),
    })
}
