//! Defines a mutant and its place in a source.

use std::path::PathBuf;

use serde::Deserialize;

/// A mutant, in the form of `cargo mutants --list --json`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Mutant {
    pub(super) name: String,
    pub(super) file: PathBuf,
    pub(super) span: Span,
    pub(super) replacement: String,
    pub(super) genre: Genre,
    /// The number of the mutant in the copy, starting with 1.
    #[serde(skip)]
    pub(super) number: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Genre {
    FnValue,
    BinaryOperator,
    UnaryOperator,
    MatchArm,
    MatchArmGuard,
    StructField,
}

/// Lines and columns (in characters) start with 1. The end is exclusive.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Span {
    pub(super) start: Place,
    pub(super) end: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Mutant {
    /// Returns the name without line and column, because these change with every edit.
    pub(super) fn plain_name(&self) -> String {
        let mut parts = self.name.splitn(4, ':');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(file), Some(_), Some(_), Some(what)) => format!("{file}:{what}"),
            _ => self.name.clone(),
        }
    }
}
