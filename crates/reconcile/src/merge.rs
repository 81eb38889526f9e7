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
