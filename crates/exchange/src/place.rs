//! Where something stands in a file.

use std::fmt;

use serde::{Deserialize, Serialize};
use vaultterm_names::names;

names!(
    /// How places in a file are counted.
    Unit, "unit" {
        /// Lines of the text.
        Line = "line",
        /// Rows of a table; the row of names is row 1.
        Row = "row",
        /// Items of a list.
        Entry = "entry",
    }
);

/// Where something stands in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// What is counted.
    pub unit: Unit,
    /// The number, from 1.
    pub number: u64,
}

impl Place {
    /// A line of a text, from 1.
    #[must_use]
    pub const fn line(number: u64) -> Self {
        Self { unit: Unit::Line, number }
    }

    /// A row of a table; the row of names is row 1.
    #[must_use]
    pub const fn row(number: u64) -> Self {
        Self { unit: Unit::Row, number }
    }

    /// An item of a list, from 1.
    #[must_use]
    pub const fn entry(number: u64) -> Self {
        Self { unit: Unit::Entry, number }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.unit, self.number)
    }
}
