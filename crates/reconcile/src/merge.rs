//! Three-way merge, field by field.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{Content, RecordType, record_type::Group};

/// Where a field of a merge comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The record (also for fields equal on both sides).
    Local,
    /// The secret.
    Remote,
    /// Neither: a person gave a new value while resolving a conflict.
    Given,
}

/// Merges two edits of one base. `Err` holds the names of the fields in conflict, sorted.
///
/// Fields of one atomic group are one unit: a unit that only one side touched is taken from
/// that side whole, one that both sides touched alike is taken as it is.
///
/// # Errors
/// When both sides touched the same unit differently.
pub fn merge(
    base: &Content,
    local: &Content,
    remote: &Content,
    record_type: RecordType,
) -> Result<BTreeMap<String, Side>, Vec<String>> {
    let mut merged = BTreeMap::new();
    let mut diverged = Vec::new();
    for unit in units(base, local, remote, record_type) {
        let differs = |one: &Content, other: &Content| unit.iter().any(|name| one.get(*name) != other.get(*name));
        let (side, source) = if !differs(local, remote) || !differs(base, remote) {
            (Side::Local, local)
        } else if !differs(base, local) {
            (Side::Remote, remote)
        } else {
            diverged.extend(
                unit.iter().filter(|name| local.get(**name) != remote.get(**name)).map(|name| (*name).to_owned()),
            );
            continue;
        };
        merged.extend(unit.iter().filter(|name| source.contains_key(**name)).map(|name| ((*name).to_owned(), side)));
    }
    diverged.sort();
    if diverged.is_empty() { Ok(merged) } else { Err(diverged) }
}

/// Splits all fields into the units that are merged as one.
fn units<'a>(
    base: &'a Content,
    local: &'a Content,
    remote: &'a Content,
    record_type: RecordType,
) -> impl Iterator<Item = Vec<&'a str>> {
    let names: BTreeSet<&str> = base.keys().chain(local.keys()).chain(remote.keys()).map(String::as_str).collect();
    let mut units: BTreeMap<(Group, &str), Vec<&str>> = BTreeMap::new();
    for name in names {
        let group = record_type.group(name);
        let key = if group == Group::Alone { name } else { "" };
        units.entry((group, key)).or_default().push(name);
    }
    units.into_values()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FieldDigest;

    fn content(fields: &[(&str, u8)]) -> Content {
        let field = |(name, value): &(&str, u8)| ((*name).to_owned(), FieldDigest { digest: [*value; 32], length: 1 });
        fields.iter().map(field).collect()
    }

    fn merged(
        base: &[(&str, u8)],
        local: &[(&str, u8)],
        remote: &[(&str, u8)],
    ) -> Result<Vec<(String, Side)>, Vec<String>> {
        let merged = merge(&content(base), &content(local), &content(remote), RecordType::KeyValue);
        merged.map(|fields| fields.into_iter().collect())
    }

    #[test]
    fn a_field_that_one_side_removed_stays_removed_whatever_the_other_side_did_elsewhere() {
        let base = [("kept", 0), ("gone", 0)];
        let edited = [("kept", 1), ("gone", 0)];
        let removed = [("kept", 0)];
        assert_eq!(merged(&base, &edited, &removed), Ok(vec![("kept".to_owned(), Side::Local)]));
        assert_eq!(merged(&base, &removed, &edited), Ok(vec![("kept".to_owned(), Side::Remote)]));
    }

    #[test]
    fn a_field_that_one_side_removed_and_the_other_changed_is_a_conflict() {
        let base = [("x", 0), ("y", 0)];
        let diverged = Err(vec!["x".to_owned()]);
        assert_eq!(merged(&base, &[("x", 1), ("y", 0)], &[("y", 0)]), diverged);
        assert_eq!(merged(&base, &[("y", 0)], &[("x", 1), ("y", 0)]), diverged);
    }

    #[test]
    fn fields_added_on_either_side_are_all_kept() {
        let all = merged(&[], &[("a", 1)], &[("b", 2)]);
        assert_eq!(all, Ok(vec![("a".to_owned(), Side::Local), ("b".to_owned(), Side::Remote)]));
        assert_eq!(merged(&[], &[("a", 1)], &[("a", 2)]), Err(vec!["a".to_owned()]));
        assert_eq!(merged(&[], &[("a", 1)], &[("a", 1)]), Ok(vec![("a".to_owned(), Side::Local)]));
    }
}
