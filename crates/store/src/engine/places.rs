//! Placeholders of SQLite.
//!
//! The statements of this crate number their placeholders (`$1`), as PostgreSQL wants it. SQLite takes such a placeholder for a
//! name, and finds the name of a placeholder by a walk over all names. A driver that asks for each name therefore takes a time
//! that grows with the square of their number. Placeholders without a name (`?`) need no walk.

use crate::arguments::Arg;

/// Up to this number of arguments, the walks take less time than a new text.
const NAMED_MAX: usize = 16;

/// Rewrites a statement with many arguments: each `$n` outside of quotes becomes `?`, and the arguments follow the order of the
/// text. Gives the arguments back unchanged if there are few of them, or if the text names one that there is not.
pub(super) fn by_position(sql: &str, args: Vec<Arg>) -> Result<(String, Vec<Arg>), Vec<Arg>> {
    if args.len() <= NAMED_MAX {
        return Err(args);
    }
    let Some((text, order)) = places(sql, args.len()) else { return Err(args) };
    let mut left = vec![0_usize; args.len()];
    for place in &order {
        left[*place] += 1;
    }
    let mut args: Vec<_> = args.into_iter().map(Some).collect();
    let ordered = order.into_iter().filter_map(|place| {
        left[place] -= 1;
        // The last place takes the argument itself.
        if left[place] == 0 { args[place].take() } else { args[place].clone() }
    });
    Ok((text, ordered.collect()))
}

/// Returns the text with `?`, and for each of them the index of its argument.
fn places(sql: &str, count: usize) -> Option<(String, Vec<usize>)> {
    let (mut text, mut order) = (String::with_capacity(sql.len()), Vec::with_capacity(count));
    for (at, part) in sql.split('\'').enumerate() {
        if at > 0 {
            text.push('\'');
        }
        if at % 2 == 1 {
            text.push_str(part);
            continue;
        }
        let mut parts = part.split('$');
        text.push_str(parts.next().unwrap_or_default());
        for after in parts {
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            let number: usize = after[..digits].parse().ok()?;
            order.push(number.checked_sub(1).filter(|place| *place < count)?);
            text.push('?');
            text.push_str(&after[digits..]);
        }
    }
    Some((text, order))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::args;

    fn many() -> Vec<Arg> {
        (1..=20_u64).map(Arg::from).collect()
    }

    #[test]
    fn numbered_placeholders_become_places_in_the_order_of_the_text() {
        let (text, args) = by_position("SELECT $20, $3 WHERE x = '$1' AND y = '' AND z = $3", many()).expect("many");
        assert_eq!(text, "SELECT ?, ? WHERE x = '$1' AND y = '' AND z = ?");
        assert_eq!(format!("{args:?}"), format!("{:?}", args![20_u64, 3_u64, 3_u64]));
    }

    #[test]
    fn a_statement_with_few_arguments_or_with_a_wrong_number_stays_as_it_is() {
        for (sql, args) in
            [("SELECT $1", args![1_u64]), ("SELECT $21", many()), ("SELECT $0", many()), ("SELECT $x", many())]
        {
            let told = format!("{args:?}");
            let left = by_position(sql, args).expect_err(sql);
            assert_eq!(format!("{left:?}"), told, "{sql}");
        }
    }
}
