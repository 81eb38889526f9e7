//! Reads files that hold variables as lines of `NAME=VALUE`: those of `run --env-file`, and what a person pastes.
//!
//! A value arrives exactly as it is in the file. Otherwise the file is refused with a line number and a
//! reason. Nothing is expanded: `$`, `\` and backquotes stand for themselves, and no variable of the caller
//! is used. If the programs that read such files disagree about a text (a comment or a part of the value? an
//! escape or a backslash?), the text is refused, because a guess could be wrong.
//!
//! VaultTerm has its own parser because the libraries for such files all expand `$NAME` and remove
//! backslashes, and none of them can be told not to. `docs/reference/env-files.md` has the rules.
//!
//! Errors never contain text of the file, because any part of it may be a secret.

use std::{error::Error, fmt};

use zeroize::Zeroizing;

/// An entry `NAME=VALUE` of a file.
#[derive(PartialEq, Eq)]
pub struct Entry {
    /// The variable's name.
    pub name: String,
    /// The value exactly as it is in the file.
    pub value: Zeroizing<String>,
    /// The line in which the entry begins, counted from 1.
    pub line: usize,
}

/// A refused file.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    /// The line, counted from 1.
    pub line: usize,
    /// The reason, without any text of the file.
    pub why: Why,
}

/// The fault of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// There is no `=`.
    NoAssignment,
    /// The name is empty or contains a character that is not allowed in names.
    Name,
    /// A value without quotes contains ` #`.
    MayBeComment,
    /// A quote is not closed before the end of the file.
    Unclosed,
    /// There is text after the closing quote.
    AfterQuote,
    /// Two quotes of the same kind follow each other directly.
    DoubledQuote,
    /// Double quotes contain a backslash that other readers take for an escape.
    MayBeEscape,
    /// A carriage return that is not part of a line end.
    CarriageReturn,
    /// A NUL, which no variable can hold.
    Nul,
}

impl Why {
    /// Returns what is wrong.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::NoAssignment => "there is no `=`",
            Self::Name => "what stands before the `=` is not the name of a variable",
            Self::MayBeComment => "a blank and `#` may begin a comment or belong to the value",
            Self::Unclosed => "the quote that opens here is not closed",
            Self::AfterQuote => "a text follows the closing quote",
            Self::DoubledQuote => "two quotes of the same kind stand side by side",
            Self::MayBeEscape => "a backslash in double quotes may be an escape or stand for itself",
            Self::CarriageReturn => "a carriage return stands within the line",
            Self::Nul => "the line holds a NUL, which no variable can",
        }
    }

    /// Returns what the person can do about it.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Self::NoAssignment => {
                "write NAME=VALUE; a value of several lines stands in quotes, and a comment begins with `#`"
            }
            Self::Name => "a name has letters, digits, `_`, `-` and `.`, and begins with a letter or `_`",
            Self::MayBeComment => {
                "put the value in single quotes: NAME='a #b' keeps the `#`, NAME='a' # b has a comment"
            }
            Self::Unclosed => "close the quote, or put a value that begins with a quote into the other kind of quotes",
            Self::AfterQuote => "end the line after the closing quote; a comment there begins with ` #`",
            Self::DoubledQuote => r#"a single quote stands in double quotes: 'it'"'"'s', or "it's""#,
            Self::MayBeEscape => {
                "in single quotes a backslash stands for itself; a line end in quotes is written as a line end"
            }
            Self::CarriageReturn => "save the file with line ends of one kind, or put the value in quotes",
            Self::Nul => "save the file as UTF-8 text; no variable can hold a NUL",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.why.words())
    }
}

impl Error for Refused {}

/// Reads the entries of a file in their order. A name may occur several times.
///
/// # Errors
/// [`Refused`] for the first line that can be read in more than one way, or not at all.
pub fn parse(text: &str) -> Result<Vec<Entry>, Refused> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // An editor that ends every line with CRLF also ends the lines within quotes in that way.
    let crlf = text.matches("\r\n").count() == text.matches('\n').count();
    let mut reader = Reader { rest: text, line: 1, crlf };
    let mut entries = Vec::new();
    while let Some(entry) = reader.entry()? {
        entries.push(entry);
    }
    Ok(entries)
}

/// The rest of the text, and the line in which it begins.
struct Reader<'a> {
    rest: &'a str,
    line: usize,
    /// Whether every line of the file ends with CRLF.
    crlf: bool,
}

const BLANKS: [char; 2] = [' ', '\t'];

impl<'a> Reader<'a> {
    /// Reads the next entry. Returns `None` at the end.
    fn entry(&mut self) -> Result<Option<Entry>, Refused> {
        loop {
            if self.rest.is_empty() {
                return Ok(None);
            }
            let text = self.first_line().trim_matches(BLANKS);
            if !text.is_empty() && !text.starts_with('#') {
                break;
            }
            self.next_line();
        }
        let line = self.line;
        let text = self.first_line();
        if text.contains('\0') {
            return Err(self.refused(Why::Nul));
        }
        let (before, after) = text.split_once('=').ok_or(self.refused(Why::NoAssignment))?;
        let name = name(before).ok_or(self.refused(Why::Name))?.to_owned();
        let value = after.trim_start_matches(BLANKS);
        let value = if value.starts_with(['\'', '"']) {
            self.rest = &self.rest[text.len() - value.len()..];
            self.quoted()?
        } else {
            let value = self.bare(value)?;
            self.next_line();
            value
        };
        Ok(Some(Entry { name, value, line }))
    }

    /// Returns the next line without its line end.
    fn first_line(&self) -> &'a str {
        let line = self.rest.split('\n').next().unwrap_or_default();
        // A carriage return at the very end of the file is not a line end.
        if line.len() < self.rest.len() { line.strip_suffix('\r').unwrap_or(line) } else { line }
    }

    fn next_line(&mut self) {
        self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
        self.line += 1;
    }

    fn refused(&self, why: Why) -> Refused {
        Refused { line: self.line, why }
    }

    /// Reads a value without quotes: the rest of the line, without the blanks at both ends.
    fn bare(&self, text: &str) -> Result<Zeroizing<String>, Refused> {
        if text.contains('\r') {
            return Err(self.refused(Why::CarriageReturn));
        }
        // In `NAME= # text`, the blank before the `#` was removed with the others.
        if text.starts_with('#') || BLANKS.iter().any(|blank| text.contains(&format!("{blank}#"))) {
            return Err(self.refused(Why::MayBeComment));
        }
        Ok(Zeroizing::new(text.trim_end_matches(BLANKS).to_owned()))
    }

    /// Reads a value in quotes, which may span several lines. It has one part, or several adjacent parts with
    /// alternating kinds of quotes.
    fn quoted(&mut self) -> Result<Zeroizing<String>, Refused> {
        let mut value = Zeroizing::new(String::new());
        let mut before = None;
        while let Some(quote) = self.rest.chars().next().filter(|c| matches!(c, '\'' | '"')) {
            if before == Some(quote) {
                return Err(self.refused(Why::DoubledQuote));
            }
            before = Some(quote);
            self.part(quote, &mut value)?;
        }
        let rest = self.first_line();
        let after = rest.trim_start_matches(BLANKS);
        let comment = after.starts_with('#') && after.len() < rest.len();
        if !after.is_empty() && !comment {
            return Err(self.refused(Why::AfterQuote));
        }
        self.next_line();
        Ok(value)
    }

    /// Reads a part in quotes.
    fn part(&mut self, quote: char, value: &mut String) -> Result<(), Refused> {
        let opened = self.line;
        let (part, rest) = self.rest[1..].split_once(quote).ok_or(Refused { line: opened, why: Why::Unclosed })?;
        let line_of = |at: usize| opened + part[..at].matches('\n').count();
        if let Some(at) = part.find('\0') {
            return Err(Refused { line: line_of(at), why: Why::Nul });
        }
        let escape = (quote == '"').then(|| escape(part)).flatten();
        if let Some(at) = escape {
            return Err(Refused { line: line_of(at), why: Why::MayBeEscape });
        }
        match self.crlf {
            true => part.split("\r\n").enumerate().for_each(|(at, line)| {
                value.push_str(if at == 0 { "" } else { "\n" });
                value.push_str(line);
            }),
            false => value.push_str(part),
        }
        (self.rest, self.line) = (rest, opened + part.matches('\n').count());
        Ok(())
    }
}

/// Reads the text before the `=`: a name, with or without `export` before it.
pub(crate) fn name(text: &str) -> Option<&str> {
    let text = text.trim_matches(BLANKS);
    let name = match text.strip_prefix("export") {
        Some(rest) if rest.starts_with(BLANKS) => rest.trim_start_matches(BLANKS),
        _ => text,
    };
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let fits = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    (begins && fits).then_some(name)
}

/// Returns the position of a backslash that some readers of such files take for the beginning of an escape. A
/// backslash at the end of the part stands before the closing quote.
fn escape(part: &str) -> Option<usize> {
    let may_be = |next: Option<char>| {
        next.is_none_or(|next| matches!(next, 'n' | 'r' | 't' | '\\' | '"' | '\'' | '$' | '`' | '\n' | '\r'))
    };
    part.match_indices('\\').map(|(at, _)| at).find(|at| may_be(part[at + 1..].chars().next()))
}

#[cfg(test)]
mod tests;
