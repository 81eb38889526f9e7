//! Tables: headers, delimiters, quotes, rows of the wrong length.

use vaultterm_reconcile::RecordType;

use super::*;
use crate::limits::{Limit, LimitMet};

const COLUMNS: Columns = Columns { required: &["name", "password"], optional: &["note"], dates: &["created"] };

fn read_all(text: &str) -> Result<Found, FileError> {
    read(Format::ChromeCsv, &COLUMNS, text.as_bytes(), |row, _| {
        let mut item = Item::new(row.place, row.cell("name"), RecordType::Password);
        item.text("password", row.cell("password"));
        item.text("note", row.cell("note"));
        Some(item)
    })
}

fn passwords(text: &str) -> Vec<String> {
    let found = read_all(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let password = |item: &Item| item.fields.expose()["password"].as_str().unwrap().to_owned();
    found.items.iter().map(password).collect()
}

#[test]
fn columns_are_found_by_name_in_any_order_and_case() {
    assert_eq!(passwords("name,password\nA,p\n"), ["p"]);
    assert_eq!(passwords("Password, NAME \r\np,A\r\n"), ["p"]);
    assert_eq!(passwords("\"password\",\"name\"\n\n\"p\",\"A\""), ["p"]);
}

#[test]
fn quotes_delimiters_and_line_ends_within_a_cell_belong_to_it() {
    let text = "name,password\nA,\"a\"\"b,\r\nc\"\nB,a\"b\n\"C\",\" d \"\n";
    assert_eq!(passwords(text), ["a\"b,\r\nc", "a\"b", " d "]);
}

#[test]
fn what_a_spreadsheet_takes_for_a_formula_comes_over_as_it_is() {
    assert_eq!(passwords("name,password\nA,=1+1\nB,+x\nC,-x\nD,@x\n"), ["=1+1", "+x", "-x", "@x"]);
}

#[test]
fn a_table_with_semicolons_or_tabs_is_read_where_only_they_make_sense() {
    assert_eq!(passwords("name;password\nA;p,q\n"), ["p,q"]);
    assert_eq!(passwords("name\tpassword\nA\tp;q\n"), ["p;q"]);
    let error = read_all("name|password\nA|p\n").unwrap_err().to_string();
    assert!(error.contains("the first row names no column `name`"), "{error}");
}

#[test]
fn a_row_with_too_few_or_too_many_cells_is_refused_with_its_place() {
    let found = read_all("name,password\nA,p\nB\nC,p,q\nD,p\n").unwrap();
    assert_eq!(found.items.len(), 2);
    let refused: Vec<_> = found.refused.iter().map(|refused| (refused.place, refused.why.as_str())).collect();
    let why = |count| format!("the row has {count} cells, and the table has 2 columns");
    assert_eq!(refused, [(Place::row(3), why(1).as_str()), (Place::row(4), why(3).as_str())]);
}

#[test]
fn a_table_whose_names_say_two_things_is_refused() {
    let error = read_all("name,password,Name\nA,p,B\n").unwrap_err().to_string();
    assert!(error.contains("two columns have the name `name`"), "{error}");
    assert!(matches!(read_all("").unwrap_err(), FileError::NotThisFormat { .. }));
}

#[test]
fn a_quoted_cell_that_does_not_end_is_told_with_its_line() {
    let error = read_all("name,password\nA,\"x\"\"y\"\nB,\"geheim\nC,p\n").unwrap_err();
    assert_eq!(error, FileError::damaged(Place::line(3), "a quoted cell begins here and does not end"));
}

#[test]
fn columns_that_nobody_knows_are_lost_by_name_and_dates_once_for_the_file() {
    let found = read_all("name,password,rating,created\nA,p,5,x\nB,q,,y\n").unwrap();
    assert_eq!(found.items[0].losses, [Loss::named(Lost::UnknownPart, "rating")]);
    assert_eq!(found.items[1].losses, []);
    assert_eq!(found.losses, [Loss::named(Lost::DateLeft, "created").times(2)]);
}

#[test]
fn too_many_columns_and_rows_meet_limits_that_are_named() {
    let wide = format!("name,password{}", ",x".repeat(300));
    let met = LimitMet { limit: Limit::Columns, found: None, max: 256 };
    assert_eq!(read_all(&wide).unwrap_err(), met.into());
    let long = format!("name,password\n{}", "A,p\n".repeat(50_001));
    assert!(matches!(read_all(&long).unwrap_err(), FileError::Limit { met } if met.limit == Limit::Items));
}

#[test]
fn a_cell_that_goes_on_after_its_quote_is_refused_with_its_line() {
    for (text, line) in [("name,password\nA,\"p\"q\"\n", 2), ("name,password\nA,p\nB,\"x\" y\n", 3)] {
        let error = read_all(text).unwrap_err();
        assert!(matches!(error, FileError::Unclear { place, .. } if place == Place::line(line)), "{error}");
        assert!(error.to_string().contains("is written twice"), "{error}");
    }
}

#[test]
fn rows_without_any_value_are_left_out_and_counted() {
    let found = read_all("name,password\nA,p\n,\n\"\",\nB,q\n").unwrap();
    assert_eq!((found.items.len(), found.refused.len()), (2, 0));
    assert_eq!(found.losses, [Loss::many(Lost::EmptyRow, 2)]);
    assert_eq!(found.losses[0].to_string(), "row without any value, which is left out (2 times)");
}
