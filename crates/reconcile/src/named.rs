//! Plans for some named paths, where nobody looked at the rest of the connection.
//!
//! Such a plan concludes nothing about other paths. Two things are still needed from them: the paths with which a
//! named path belongs together ([`together`]), and the numbers on which the guards of the whole connection rest
//! ([`Beyond`]).

use std::collections::{BTreeMap, BTreeSet};

use unicode_normalization::UnicodeNormalization;

use crate::{BaseEntry, LocalSnapshot, RecordId, SecretPath};

/// What lies beyond the paths that a plan looks at, in space and in time. The guards count it. Without it, many small
/// runs could delete what one large run may not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beyond {
    /// The number of paths that were in step and that this plan does not look at. 0 for a plan of the whole connection.
    pub based: u64,
    /// The deletions since the last run of the whole connection.
    pub deleted: Deleted,
}

/// The number of secrets that runs for some paths deleted since the last run of the whole connection, which no person
/// saw in a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// The number of records that went to the trash.
    pub local: u64,
    /// The number of secrets that were deleted in Vault.
    pub remote: u64,
}

/// Returns the named paths, and all paths that a decision about them depends on: where a record at one of them was in
/// step before it was renamed, where a record that was in step there lives now, and paths that look the same.
#[must_use]
pub fn together(
    named: &BTreeSet<SecretPath>,
    base: &BTreeMap<SecretPath, BaseEntry>,
    local: &LocalSnapshot,
) -> BTreeSet<SecretPath> {
    let mut of_record: BTreeMap<RecordId, Vec<&SecretPath>> = BTreeMap::new();
    let live = local.live.iter().map(|(path, entry)| (entry.record_id, path));
    for (record, path) in live.chain(base.iter().map(|(path, entry)| (entry.record_id, path))) {
        of_record.entry(record).or_default().push(path);
    }
    let looks_like = forms(named, base, local);
    let mut whole = BTreeSet::new();
    let mut open: Vec<SecretPath> = named.iter().cloned().collect();
    while let Some(path) = open.pop() {
        if whole.contains(&path) {
            continue;
        }
        let records =
            [local.live.get(&path).map(|entry| entry.record_id), base.get(&path).map(|entry| entry.record_id)];
        let related = records.into_iter().flatten().filter_map(|record| of_record.get(&record)).flatten();
        open.extend(related.map(|path| (*path).clone()));
        open.extend(looks_like.get(&path.normalized()).into_iter().flatten().cloned());
        whole.insert(path);
    }
    whole
}

/// Returns the paths that may look like a named path, by their normal form. Vault is asked for both of the usual forms,
/// because nobody has listed it.
fn forms(
    named: &BTreeSet<SecretPath>,
    base: &BTreeMap<SecretPath, BaseEntry>,
    local: &LocalSnapshot,
) -> BTreeMap<String, Vec<SecretPath>> {
    let mut forms: BTreeMap<String, Vec<SecretPath>> = BTreeMap::new();
    for path in named.iter().filter(|path| !path.as_str().is_ascii()) {
        let usual = [path.normalized(), path.as_str().nfd().collect()];
        forms.insert(path.normalized(), usual.into_iter().filter_map(|form| SecretPath::new(form).ok()).collect());
    }
    if forms.is_empty() {
        return forms;
    }
    for path in local.live.keys().chain(base.keys()).filter(|path| !path.as_str().is_ascii()) {
        if let Some(alike) = forms.get_mut(&path.normalized()) {
            alike.push(path.clone());
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{Link, LocalEntry, RecordType, RemoteStamp, Revision, UnixNanos, Version};

    fn path(text: &str) -> SecretPath {
        SecretPath::new(text).expect("a good path")
    }

    fn paths(texts: &[&str]) -> BTreeSet<SecretPath> {
        texts.iter().map(|text| path(text)).collect()
    }

    fn record(number: u64) -> RecordId {
        RecordId(Uuid::from_u64_pair(0, number))
    }

    fn live(records: &[(&str, u64)]) -> LocalSnapshot {
        let entry =
            |number| LocalEntry { record_id: record(number), revision: Revision(1), record_type: RecordType::KeyValue };
        let live = records.iter().map(|(text, number)| (path(text), entry(*number))).collect();
        LocalSnapshot { live, ..LocalSnapshot::default() }
    }

    fn based(records: &[(&str, u64)]) -> BTreeMap<SecretPath, BaseEntry> {
        let stamp = RemoteStamp { key_created: UnixNanos(1), version: Version(1), version_created: UnixNanos(1) };
        let entry = |number| BaseEntry {
            record_id: record(number),
            revision: Revision(1),
            record_type: RecordType::KeyValue,
            stamp,
            expires: None,
            link: Link::Linked,
            held_since: Version(1),
            accepted: None,
        };
        records.iter().map(|(text, number)| (path(text), entry(*number))).collect()
    }

    #[test]
    fn a_path_that_nothing_is_known_about_stands_for_itself() {
        assert_eq!(together(&paths(&["new"]), &based(&[("a", 1)]), &live(&[("a", 1)])), paths(&["new"]));
    }

    #[test]
    fn both_ends_of_a_rename_belong_together_whichever_is_named() {
        let (base, local) = (based(&[("old", 1), ("other", 2)]), live(&[("new", 1), ("other", 2)]));
        for named in ["old", "new"] {
            assert_eq!(together(&paths(&[named]), &base, &local), paths(&["old", "new"]), "{named}");
        }
    }

    #[test]
    fn names_that_records_passed_on_to_each_other_belong_together_as_a_whole() {
        let base = based(&[("a", 1), ("b", 2), ("c", 3), ("d", 4)]);
        let local = live(&[("b", 1), ("c", 2), ("a", 3), ("d", 4)]);
        assert_eq!(together(&paths(&["b"]), &base, &local), paths(&["a", "b", "c"]));
    }

    #[test]
    fn paths_that_look_the_same_belong_together_even_if_only_vault_may_have_one() {
        let (composed, decomposed) = ("caf\u{e9}", "cafe\u{301}");
        let both = paths(&[composed, decomposed]);
        let nothing = (based(&[]), live(&[]));
        assert_eq!(together(&paths(&[composed]), &nothing.0, &nothing.1), both);
        assert_eq!(together(&paths(&[decomposed]), &nothing.0, &nothing.1), both);
        assert_eq!(together(&paths(&[composed]), &based(&[]), &live(&[(decomposed, 1)])), both);
    }
}
