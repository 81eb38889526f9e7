//! Splits the text of a table into rows and cells (RFC 4180), in memory that is wiped.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use zeroize::Zeroizing;

use crate::{
    limits::{COLUMNS_MAX, Limit, LimitMet},
    refused::FileError,
};

/// The delimiters that programs write, the usual one first.
pub(super) const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

/// The rows of a table.
pub(super) struct Cells<'a> {
    reader: Reader,
    rest: &'a [u8],
    /// The cells of one row, one behind the other. It is as long as the table, so a row always fits.
    row: Zeroizing<Vec<u8>>,
    ends: Vec<usize>,
}

impl<'a> Cells<'a> {
    pub(super) fn new(text: &'a str, delimiter: u8) -> Self {
        Self {
            reader: ReaderBuilder::new().delimiter(delimiter).build(),
            rest: text.as_bytes(),
            row: Zeroizing::new(vec![0; text.len() + 1]),
            ends: vec![0; usize::try_from(COLUMNS_MAX).expect("a small number")],
        }
    }

    /// Returns the cells of the next row. Empty lines are no rows.
    pub(super) fn next(&mut self) -> Result<Option<Vec<&str>>, FileError> {
        let (mut bytes, mut count) = (0, 0);
        loop {
            let (result, read, wrote, ended) =
                self.reader.read_record(self.rest, &mut self.row[bytes..], &mut self.ends[count..]);
            self.rest = &self.rest[read..];
            bytes += wrote;
            count += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputEndsFull => {
                    return Err(LimitMet { limit: Limit::Columns, found: None, max: COLUMNS_MAX }.into());
                }
                ReadRecordResult::OutputFull => return Err(FileError::damaged(None, "a row is longer than the file")),
                ReadRecordResult::Record => break,
                ReadRecordResult::End => return Ok(None),
            }
        }
        let mut cells = Vec::with_capacity(count);
        let mut start = 0;
        for end in &self.ends[..count] {
            let cell = std::str::from_utf8(&self.row[start..*end])
                .map_err(|_| FileError::damaged(None, "a cell is not UTF-8"))?;
            cells.push(cell);
            start = *end;
        }
        Ok(Some(cells))
    }
}

/// What is wrong with the quotes of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QuoteFault {
    /// The quoted cell that begins in this line never ends: the table was cut off, or a quote is missing.
    Open(u64),
    /// In this line a cell goes on after the quote that ends it, so that nobody knows what it holds.
    GoesOn(u64),
}

/// Finds the first fault in the quotes of a table.
pub(super) fn quote_fault(text: &str, delimiter: u8) -> Option<QuoteFault> {
    let mut state = State::Start;
    let (mut line, mut opened) = (1, 1);
    for byte in text.bytes() {
        state = match (state, byte) {
            (State::Start, b'"') => {
                opened = line;
                State::Quoted
            }
            // A doubled quote belongs to the cell.
            (State::Closed, b'"') => State::Quoted,
            (State::Quoted, b'"') => State::Closed,
            (State::Quoted, _) => State::Quoted,
            (_, byte) if byte == delimiter || byte == b'\n' || byte == b'\r' => State::Start,
            (State::Closed, _) => return Some(QuoteFault::GoesOn(line)),
            _ => State::Inside,
        };
        line += u64::from(byte == b'\n');
    }
    matches!(state, State::Quoted).then_some(QuoteFault::Open(opened))
}

/// Where a byte stands.
#[derive(Clone, Copy)]
enum State {
    /// At the beginning of a cell.
    Start,
    /// In a cell without quotes.
    Inside,
    /// Between the quotes of a cell.
    Quoted,
    /// Behind a quote that ended a cell, or is the first of two.
    Closed,
}
