//! Tables for people: plain columns without frames, as in other command lines.

use comfy_table::{ContentArrangement, presets};

use crate::printable::printable;

/// The number of columns of the narrowest terminal for which cells are wrapped. Some terminals report no
/// columns (`script`, containers without a window).
const COLUMNS_MIN: u16 = 20;

/// A header and rows. Control characters in cells are escaped.
#[derive(Debug)]
pub(crate) struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    /// The text in place of an empty table.
    empty: &'static str,
}

impl Table {
    /// Returns an empty table. `empty` is printed if the table has no rows.
    pub(crate) fn new(header: &[&'static str], empty: &'static str) -> Self {
        Self { header: header.to_vec(), rows: Vec::new(), empty }
    }

    /// Returns an empty table of names and values, without a header.
    pub(crate) fn of_facts() -> Self {
        Self::new(&[], "")
    }

    /// Adds a row.
    pub(crate) fn row(mut self, cells: impl IntoIterator<Item = String>) -> Self {
        self.rows.push(cells.into_iter().map(|cell| printable(&cell).into_owned()).collect());
        self
    }

    /// Adds a name with its value.
    pub(crate) fn fact(self, name: &str, value: impl Into<String>) -> Self {
        self.row([name.to_owned(), value.into()])
    }

    /// Adds a name with its value, if there is a value.
    pub(crate) fn fact_if(self, name: &str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.fact(name, value),
            None => self,
        }
    }

    /// Renders the table. Cells are wrapped to the width of a terminal, and otherwise not at all.
    pub(crate) fn render(&self, terminal: bool) -> String {
        if self.rows.is_empty() {
            return if terminal && !self.empty.is_empty() { format!("{}\n", self.empty) } else { String::new() };
        }
        self.render_in(if terminal { comfy_table::Table::new().width() } else { None })
    }

    /// Renders the rows. Cells are wrapped to this many columns if that leaves them readable.
    fn render_in(&self, columns: Option<u16>) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING);
        match columns.filter(|columns| *columns >= COLUMNS_MIN) {
            Some(columns) => table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns),
            None => table.set_content_arrangement(ContentArrangement::Disabled).force_no_tty(),
        };
        if !self.header.is_empty() {
            table.set_header(&self.header);
        }
        table.add_rows(&self.rows);
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let mut text: String = table.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        text.shrink_to_fit();
        text
    }
}

/// Returns a time of the API (RFC 3339) without its fraction of a second.
pub(crate) fn moment(time: &str) -> String {
    match (time.split_once('.'), time.ends_with('Z')) {
        (Some((seconds, _)), true) => format!("{seconds}Z"),
        _ => time.to_owned(),
    }
}

/// The text in place of a hidden value.
pub(crate) const MASK: &str = "••••••••";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_nothing_trails() {
        let table = Table::new(&["NAME", "ROLE"], "none")
            .row(["anna".into(), "owner".into()])
            .row(["b\u{1b}".into(), "member".into()]);
        assert_eq!(table.render(false), "NAME     ROLE\nanna     owner\nb\\u{1b}  member\n");
    }

    #[test]
    fn a_terminal_without_columns_shows_the_whole_table() {
        let table = Table::new(&["NAME", "ROLE"], "none").row(["anna of accounting".into(), "owner".into()]);
        for columns in [0, 1, 19] {
            assert_eq!(table.render_in(Some(columns)), table.render_in(None), "{columns}");
        }
        assert!(table.render_in(Some(20)).lines().count() > 2, "it is wrapped");
    }

    #[test]
    fn an_empty_table_says_so_only_to_people() {
        let table = Table::new(&["NAME"], "no collections");
        assert_eq!(table.render(true), "no collections\n");
        assert_eq!(table.render(false), "");
    }

    #[test]
    fn a_moment_loses_its_fraction_only() {
        assert_eq!(moment("2026-11-23T10:00:00.123456Z"), "2026-11-23T10:00:00Z");
        assert_eq!(moment("2026-11-23T10:00:00Z"), "2026-11-23T10:00:00Z");
    }
}
