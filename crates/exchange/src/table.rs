//! Tables (CSV). Columns are found by their names, never by their place.
//!
//! The delimiter is a comma. A table whose names fit only with `;` or a tab between them is read with that, because then no
//! other reading makes sense of the names. Cells come over as they are, also those that a spreadsheet takes for formulas.

mod cells;

use std::collections::BTreeSet;

use zeroize::Zeroizing;

use crate::{
    collect::Collector,
    format::Format,
    item::{Found, Item},
    loss::{Loss, Lost},
    place::Place,
    refused::{FileError, Refused},
    text,
};

use cells::{Cells, QuoteFault};

/// The columns of a format, in lower case.
pub(crate) struct Columns {
    /// Without these the table is of another format.
    pub(crate) required: &'static [&'static str],
    /// These may be there.
    pub(crate) optional: &'static [&'static str],
    /// These are bookkeeping of the other program: dates of its entries. They are counted once for the file.
    pub(crate) dates: &'static [&'static str],
}

impl Columns {
    fn knows(&self, name: &str) -> bool {
        [self.required, self.optional, self.dates].iter().any(|names| names.contains(&name))
    }

    /// Says whether these names are those of the format, all known.
    pub(crate) fn fit(&self, names: &[String]) -> bool {
        self.are_in(names) && names.iter().all(|name| self.knows(name))
    }

    /// Says whether all required columns are among these.
    pub(crate) fn are_in(&self, names: &[String]) -> bool {
        self.missing(names).is_none()
    }

    /// Counts the names that are none of the format.
    pub(crate) fn unknown(&self, names: &[String]) -> usize {
        names.iter().filter(|name| !self.knows(name)).count()
    }

    fn missing(&self, names: &[String]) -> Option<&'static str> {
        self.required.iter().find(|name| !names.iter().any(|other| other == *name)).copied()
    }
}

/// A row of a table.
pub(crate) struct Row<'a> {
    /// The place of the row.
    pub(crate) place: Place,
    names: &'a [String],
    cells: &'a [&'a str],
}

impl<'a> Row<'a> {
    /// Returns the cell of a column, or nothing if the table has no such column.
    pub(crate) fn cell(&self, name: &str) -> &'a str {
        self.names.iter().position(|other| other == name).map_or("", |at| self.cells[at])
    }
}

/// Returns the names of the columns of a table, in lower case, by every delimiter.
pub(crate) fn names(text: &str) -> Vec<Vec<String>> {
    let names = |delimiter| {
        let mut cells = Cells::new(text, delimiter);
        match cells.next() {
            Ok(Some(names)) => names.iter().map(|name| normal(name)).collect(),
            _ => Vec::new(),
        }
    };
    cells::DELIMITERS.map(names).into()
}

fn normal(name: &str) -> String {
    name.trim().to_lowercase()
}

/// Reads a table. `make` makes an item of a row, or nothing where the row is no item, for example a folder.
///
/// # Errors
/// [`FileError`].
pub(crate) fn read(
    format: Format,
    columns: &Columns,
    bytes: &[u8],
    mut make: impl FnMut(&Row<'_>, &mut Collector) -> Option<Item>,
) -> Result<Found, FileError> {
    let text = text::decode(bytes)?;
    let (delimiter, names) = head(format, columns, &text)?;
    match cells::quote_fault(&text, delimiter) {
        None => {}
        Some(QuoteFault::Open(line)) => {
            return Err(FileError::damaged(Place::line(line), "a quoted cell begins here and does not end"));
        }
        Some(QuoteFault::GoesOn(line)) => {
            let detail = "a cell goes on after the quote that ends it; a quote within a quoted cell is written twice";
            return Err(FileError::Unclear { place: Place::line(line), detail: detail.to_owned() });
        }
    }
    let mut collector = Collector::new(format);
    let mut cells = Cells::new(&text, delimiter);
    cells.next()?;
    let (mut dates, mut empty) = (vec![0; columns.dates.len()], 0);
    for number in 2.. {
        let Some(row) = cells.next()? else { break };
        let place = Place::row(number);
        if row.len() != names.len() {
            let why = format!("the row has {} cells, and the table has {} columns", row.len(), names.len());
            collector.refuse(Refused::new(place, None, why))?;
            continue;
        }
        if row.iter().all(|cell| cell.is_empty()) {
            empty += 1;
            continue;
        }
        let row = Row { place, names: &names, cells: &row };
        for (count, name) in dates.iter_mut().zip(columns.dates) {
            *count += u64::from(!row.cell(name).is_empty());
        }
        if let Some(mut item) = make(&row, &mut collector) {
            let unknown = |name: &&String| !columns.knows(name) && !row.cell(name).is_empty();
            for name in names.iter().filter(unknown) {
                item.lose(Loss::named(Lost::UnknownPart, name));
            }
            collector.item(item)?;
        }
    }
    if empty > 0 {
        collector.lose(Loss::many(Lost::EmptyRow, empty));
    }
    for (count, name) in dates.into_iter().zip(columns.dates) {
        if count > 0 {
            collector.lose(Loss::named(Lost::DateLeft, name).times(count));
        }
    }
    Ok(collector.finish())
}

/// Finds the delimiter and the names of the columns.
fn head(format: Format, columns: &Columns, text: &Zeroizing<String>) -> Result<(u8, Vec<String>), FileError> {
    let mut missing = None;
    for delimiter in cells::DELIMITERS {
        let mut cells = Cells::new(text, delimiter);
        let Some(names) = cells.next()? else {
            return Err(FileError::NotThisFormat { expected: format, detail: "the file is empty".to_owned() });
        };
        let names: Vec<String> = names.iter().map(|name| normal(name)).collect();
        let Some(name) = columns.missing(&names) else {
            let mut seen = BTreeSet::new();
            if let Some(twice) = names.iter().find(|name| !seen.insert(*name)) {
                let twice = crate::loss::shown(twice);
                let detail = format!("two columns have the name `{twice}`: rename or remove one of them");
                return Err(FileError::NotThisFormat { expected: format, detail });
            }
            return Ok((delimiter, names));
        };
        missing.get_or_insert(name);
    }
    let name = missing.expect("each delimiter left a column missing");
    Err(FileError::NotThisFormat { expected: format, detail: format!("the first row names no column `{name}`") })
}

#[cfg(test)]
mod tests;
