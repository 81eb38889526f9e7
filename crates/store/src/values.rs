//! Rows that one statement takes at once, as a list of `VALUES`. A statement is a message to the database and back, so many
//! rows cost little more than one.

use std::fmt::Write as _;

use crate::arguments::Arg;

/// The maximum number of placeholders of a statement. SQLite allows 32,766, and PostgreSQL 65,535. A longer statement would
/// save no time that can be measured, and each connection keeps the plans of all its statements.
const PLACES_MAX: usize = 1_024;

/// A part of the rows, for one statement.
pub(crate) struct Values {
    /// The rows with their placeholders: `($2, $3), ($4, $5)`.
    pub(crate) rows: String,
    /// The arguments of the statement: those that all rows share, and those of the rows.
    pub(crate) args: Vec<Arg>,
}

/// Divides rows into parts for one statement each. `shared` are the first arguments of every statement, from `$1` on.
///
/// The number of rows in a statement is a power of two, so that there are few texts to prepare. The rows that are missing
/// are NULL in every column: a statement leaves out the rows whose first column is NULL.
pub(crate) fn values(shared: Vec<Arg>, rows: Vec<Vec<Arg>>) -> Vec<Values> {
    let Some(width) = rows.first().map(Vec::len) else { return Vec::new() };
    let missing: Vec<Arg> = rows[0].iter().map(Arg::null).collect();
    let (rows_max, mut rows) = (rows_max(width), rows.into_iter());
    let mut parts = Vec::new();
    while rows.len() > 0 {
        let taken = rows.len().min(rows_max);
        let count = taken.next_power_of_two();
        let mut args = shared.clone();
        args.extend(rows.by_ref().take(taken).flatten());
        args.extend(missing.iter().cycle().take((count - taken) * width).cloned());
        parts.push(Values { rows: placeholders(shared.len() + 1, count, width), args });
    }
    parts
}

/// Returns the maximum number of rows in a statement, which is a power of two.
const fn rows_max(width: usize) -> usize {
    let fit = if width < PLACES_MAX { PLACES_MAX / width } else { 1 };
    1 << fit.ilog2()
}

fn placeholders(first: usize, count: usize, width: usize) -> String {
    // The rows of a batch have thousands of placeholders, so they are written into one text.
    let mut text = String::with_capacity(count * width * "$1000, ".len());
    for place in 0..count * width {
        text.push_str(if place == 0 {
            "("
        } else if place % width == 0 {
            "), ("
        } else {
            ", "
        });
        write!(text, "${}", first + place).expect("a text takes everything");
    }
    text.push(')');
    text
}

#[cfg(test)]
mod tests {
    use super::{Arg, PLACES_MAX, rows_max, values};
    use crate::sql::args;

    #[test]
    fn the_rows_of_a_statement_are_filled_up_to_a_power_of_two() {
        let parts = values(args!["all"], vec![args![1_u64, "a"], args![2_u64, "b"], args![3_u64, "c"]]);
        let [part] = &parts[..] else { panic!("{} parts", parts.len()) };
        assert_eq!(part.rows, "($2, $3), ($4, $5), ($6, $7), ($8, $9)");
        let told = format!("{:?}", part.args);
        assert_eq!(part.args.len(), 9);
        assert!(told.ends_with("Int(Some(3)), Text(Some(\"c\")), Int(None), Text(None)]"), "{told}");
        assert!(values(args!["all"], Vec::new()).is_empty());
    }

    #[test]
    fn no_row_is_lost_and_no_statement_is_too_long_whatever_the_number_of_rows() {
        for width in [1, 2, 7, 18, PLACES_MAX, PLACES_MAX + 1] {
            for count in [1, 2, 3, rows_max(width), rows_max(width) + 1, rows_max(width) * 3 + 2] {
                let rows: Vec<_> = (0..count).map(|row| vec![Arg::from(row as u64); width]).collect();
                let parts = values(args![], rows);
                let kept = parts.iter().flat_map(|part| &part.args).filter(|arg| matches!(arg, Arg::Int(Some(_))));
                assert_eq!(kept.count(), count * width);
                assert!(parts.iter().all(|part| part.args.len() <= PLACES_MAX.max(width)));
                assert!(parts.iter().all(|part| part.rows.matches('$').count() == part.args.len()));
            }
        }
    }
}
