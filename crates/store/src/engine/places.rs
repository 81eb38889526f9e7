//! Placeholders of SQLite.
//!
//! The statements of this crate number their placeholders (`$1`), as PostgreSQL wants it. SQLite takes such a placeholder for a
//! name, and finds the name of a placeholder by a walk over all names. A driver that asks for each name therefore takes a time
//! that grows with the square of their number. Placeholders without a name (`?`) need no walk.

use crate::arguments::Arg;

/// Up to this number of arguments, the walks take less time than a new text.
const NAMED_MAX: usize = 16;

/// Rewrites a statement with many arguments: each `$n` outside of quotes becomes `?`, and the arguments follow the order of the
/// text. Returns `None` if it has few arguments, or names an argument that it does not have.
pub(super) fn by_position(sql: &str, args: &[Arg]) -> Option<(String, Vec<Arg>)> {
    if args.len() <= NAMED_MAX {
        return None;
    }
    let (mut text, mut ordered) = (String::with_capacity(sql.len()), Vec::with_capacity(args.len()));
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
            ordered.push(args.get(number.checked_sub(1)?)?.clone());
            text.push('?');
            text.push_str(&after[digits..]);
        }
    }
    Some((text, ordered))
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
        let (text, args) = by_position("SELECT $20, $3 WHERE x = '$1' AND y = '' AND z = $3", &many()).expect("many");
        assert_eq!(text, "SELECT ?, ? WHERE x = '$1' AND y = '' AND z = ?");
        assert_eq!(format!("{args:?}"), format!("{:?}", args![20_u64, 3_u64, 3_u64]));
    }

    #[test]
    fn a_statement_with_few_arguments_or_with_a_wrong_number_stays_as_it_is() {
        assert!(by_position("SELECT $1", &[Arg::from(1_u64)]).is_none());
        assert!(by_position("SELECT $21", &many()).is_none());
        assert!(by_position("SELECT $0", &many()).is_none());
        assert!(by_position("SELECT $x", &many()).is_none());
    }
}
