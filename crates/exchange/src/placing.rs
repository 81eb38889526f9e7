//! Where each item of a file goes: its path, and what it does to a record that is here already. Pure: the caller says what is
//! here.
//!
//! Start with [`fates`].

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use vaultterm_names::names;
use vaultterm_reconcile::{RecordId, RecordType, Revision, SecretPath};
use vaultterm_sealing::SecretFields;

use crate::item::Item;

names!(
    /// What happens to an item that is here already, with other values.
    Duplicates, "choice for duplicates" {
        /// The record here stays as it is.
        Skip = "skip",
        /// The record here gets the values of the item as its next revision.
        Update = "update",
        /// The item becomes a record of its own, with a number behind its name.
        Both = "both",
    }
);

names!(
    /// Why an item is left out.
    SkipReason, "reason for leaving out" {
        /// A record here has the same values.
        Identical = "identical",
        /// A record here is the same item with other values, and the person chose to leave it.
        Kept = "kept",
        /// The file holds the same item twice.
        Twice = "twice",
    }
);

names!(
    /// How far an import is.
    ImportState, "state of an import" {
        /// The file was read; nothing is stored yet but the preview.
        Reviewed = "reviewed",
        /// The records are stored.
        Done = "done",
        /// The records that nobody changed since went to the trash.
        Undone = "undone",
    }
);

/// What happens to an item. `found = created + updated + skipped + refused`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It becomes a record.
    Create {
        /// The path of the record.
        path: SecretPath,
        /// The path is not the name in the file: characters were replaced, or a number was added.
        is_renamed: bool,
    },
    /// It becomes the next revision of a record.
    Update {
        /// The record.
        record: RecordId,
        /// Its revision now.
        revision: Revision,
        /// Its path.
        path: SecretPath,
    },
    /// It is left out.
    Skip {
        /// Why.
        reason: SkipReason,
        /// The path of what is here, or of the item that comes earlier in the file.
        path: SecretPath,
    },
    /// It cannot become a record.
    Refuse {
        /// The reason, in words.
        why: String,
    },
}

/// A record that is here.
pub struct Held {
    /// The record.
    pub record: RecordId,
    /// Its revision.
    pub revision: Revision,
    /// Its path.
    pub path: SecretPath,
    /// Its type.
    pub record_type: RecordType,
    /// Its values.
    pub fields: SecretFields,
}

/// What is here.
#[derive(Default)]
pub struct World {
    /// The live records whose path an item wants, by path.
    pub live: BTreeMap<SecretPath, Held>,
    /// The records in the trash whose path an item wants.
    pub trashed: BTreeMap<SecretPath, Vec<Held>>,
    /// The live records that an earlier import made, by [`source_key`] of the item.
    pub imported: BTreeMap<String, Held>,
    /// The records in the trash that an earlier import made, by [`source_key`] of the item.
    pub imported_trashed: BTreeMap<String, Held>,
    /// All live paths of the collection.
    pub taken: BTreeSet<SecretPath>,
}

/// Returns the text by which an item of a file is recognised when it is imported again: the id that the other program gave it,
/// with the format, because ids of two programs could be the same. `None` in a format without ids, also for a file that an
/// older version read, which took paths for ids.
#[must_use]
pub fn source_key(format: crate::Format, item: &Item) -> Option<String> {
    item.source_id.as_deref().filter(|_| format.has_ids()).map(|id| format!("{format}\n{id}"))
}

/// Says whether an item met a record that does not lie below the prefix of the import: an earlier import brought the item there,
/// or somebody moved the record.
#[must_use]
pub fn is_elsewhere(fate: &Fate, prefix: Option<&SecretPath>) -> bool {
    let (Fate::Update { path, .. } | Fate::Skip { path, .. }) = fate else { return false };
    prefix.is_some_and(|prefix| {
        let below = path.as_str().strip_prefix(prefix.as_str());
        !below.is_some_and(|below| below.starts_with('/'))
    })
}

/// Returns the path that an item wants, below a prefix. Its folders and its name become segments; a character that a path
/// cannot hold becomes `_`, and a `/` within a name becomes `-`, because it would be a folder.
///
/// # Errors
/// A sentence, if the path is too long.
pub fn wanted_path(item: &Item, prefix: Option<&SecretPath>) -> Result<(SecretPath, bool), String> {
    let mut is_renamed = false;
    let mut path = prefix.map(|prefix| prefix.as_str().to_owned()).unwrap_or_default();
    for part in item.folder.iter().chain([&item.name]) {
        let segment = segment(part);
        is_renamed |= segment != *part;
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(&segment);
    }
    SecretPath::new(path).map(|path| (path, is_renamed)).map_err(|error| error.to_string())
}

/// Returns the segment of a path that a name becomes.
fn segment(name: &str) -> String {
    let fits = |c: char| SecretPath::new(format!("x{c}x")).is_ok();
    let replaced: String = name
        .trim()
        .chars()
        .map(|c| {
            if c == '/' {
                '-'
            } else if fits(c) {
                c
            } else {
                '_'
            }
        })
        .collect();
    match replaced.trim() {
        "" => "unnamed".to_owned(),
        "." => "_".to_owned(),
        ".." => "__".to_owned(),
        segment => segment.to_owned(),
    }
}

/// Says whether a person should look at an item: it changes or meets another record, also one that does not lie below the prefix
/// of the import; it gets another name, goes to the trash, loses something, or cannot come over.
#[must_use]
pub fn is_notable(item: &Item, fate: &Fate, prefix: Option<&SecretPath>) -> bool {
    let is_of_note = match fate {
        Fate::Create { is_renamed, .. } => *is_renamed,
        Fate::Skip { reason, .. } => *reason != SkipReason::Identical,
        Fate::Update { .. } | Fate::Refuse { .. } => true,
    };
    is_of_note || is_elsewhere(fate, prefix) || item.is_trashed || !item.losses.is_empty()
}

/// Returns a digest of what will happen, by which a person confirms what they saw and nothing else.
#[must_use]
pub fn plan_digest(fates: &[Fate]) -> String {
    let json = serde_json::to_vec(fates).expect("fates have only text keys");
    hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &json))
}

/// Decides what happens to each item, in the order of the file.
#[must_use]
pub fn fates(
    format: crate::Format,
    items: &[Item],
    prefix: Option<&SecretPath>,
    world: &World,
    duplicates: Duplicates,
) -> Vec<Fate> {
    let mut placing =
        Placing { world, duplicates, used: BTreeMap::new(), numbers: BTreeMap::new(), updated: BTreeSet::new() };
    items.iter().map(|item| placing.fate(format, item, prefix)).collect()
}

struct Placing<'a> {
    world: &'a World,
    duplicates: Duplicates,
    /// The paths that earlier items of the file got, with these items.
    used: BTreeMap<SecretPath, &'a Item>,
    /// The numbers that were given last behind a path. Smaller ones are taken, so nobody tries them again: a file may have
    /// tens of thousands of items of one name.
    numbers: BTreeMap<SecretPath, u32>,
    /// The records that earlier items of the file change.
    updated: BTreeSet<RecordId>,
}

impl<'a> Placing<'a> {
    fn fate(&mut self, format: crate::Format, item: &'a Item, prefix: Option<&SecretPath>) -> Fate {
        let (path, is_renamed) = match wanted_path(item, prefix) {
            Ok(wanted) => wanted,
            Err(why) => return Fate::Refuse { why },
        };
        if item.is_trashed {
            return self.trash(source_key(format, item), item, path, is_renamed);
        }
        if let Some(earlier) = self.used.get(&path)
            && is_same(item, earlier.record_type, &earlier.fields)
            && earlier.source_id == item.source_id
        {
            return Fate::Skip { reason: SkipReason::Twice, path };
        }
        let known = source_key(format, item).and_then(|key| self.world.imported.get(&key));
        let here = known.or_else(|| self.world.live.get(&path).filter(|held| is_about_the_same(item, held)));
        match here {
            Some(held) => self.meet(item, held, path, is_renamed),
            None => self.create(item, path, is_renamed),
        }
    }

    /// Decides about an item that is here already.
    fn meet(&mut self, item: &'a Item, held: &Held, path: SecretPath, is_renamed: bool) -> Fate {
        if is_same(item, held.record_type, &held.fields) {
            return Fate::Skip { reason: SkipReason::Identical, path: held.path.clone() };
        }
        match self.duplicates {
            Duplicates::Skip => Fate::Skip { reason: SkipReason::Kept, path: held.path.clone() },
            Duplicates::Both => self.create(item, path, is_renamed),
            // A second item that would change the same record would hide the first one.
            Duplicates::Update if !self.updated.insert(held.record) => self.create(item, path, is_renamed),
            Duplicates::Update => {
                Fate::Update { record: held.record, revision: held.revision, path: held.path.clone() }
            }
        }
    }

    fn create(&mut self, item: &'a Item, path: SecretPath, is_renamed: bool) -> Fate {
        let is_free = |path: &SecretPath| !self.world.taken.contains(path) && !self.used.contains_key(path);
        if is_free(&path) {
            self.used.insert(path.clone(), item);
            return Fate::Create { path, is_renamed };
        }
        // There are fewer records than numbers, so a free one is found unless the path grows too long.
        let last = self.numbers.get(&path).copied().unwrap_or(1);
        for number in last + 1.. {
            match SecretPath::new(format!("{path} ({number})")) {
                Ok(numbered) if is_free(&numbered) => {
                    self.numbers.insert(path, number);
                    self.used.insert(numbered.clone(), item);
                    return Fate::Create { path: numbered, is_renamed: true };
                }
                Ok(_) => {}
                Err(error) => return Fate::Refuse { why: error.to_string() },
            }
        }
        unreachable!("a file has fewer items than there are numbers")
    }

    /// An item of the trash takes no path from a live record, and changes no record. It is left out if it is here with the same
    /// values, and also with others unless the person wants both. By its id it is recognised anywhere; without one only in the
    /// trash here, at its path.
    fn trash(&self, key: Option<String>, item: &Item, path: SecretPath, is_renamed: bool) -> Fate {
        let there = self.world.trashed.get(&path).map(Vec::as_slice).unwrap_or_default();
        let by_id = key
            .as_ref()
            .into_iter()
            .flat_map(|key| self.world.imported.get(key).into_iter().chain(self.world.imported_trashed.get(key)));
        let by_id: Vec<_> = by_id.collect();
        let same = by_id.iter().copied().chain(there).find(|held| is_same(item, held.record_type, &held.fields));
        if let Some(held) = same {
            return Fate::Skip { reason: SkipReason::Identical, path: held.path.clone() };
        }
        let by_path = there.iter().find(|held| key.is_none() && is_about_the_same(item, held));
        match by_id.first().copied().or(by_path) {
            Some(held) if self.duplicates != Duplicates::Both => {
                Fate::Skip { reason: SkipReason::Kept, path: held.path.clone() }
            }
            _ => Fate::Create { path, is_renamed },
        }
    }
}

fn is_same(item: &Item, record_type: RecordType, fields: &SecretFields) -> bool {
    item.record_type == record_type && item.fields.expose() == fields.expose()
}

/// The fields by which two items of one name are told apart: whose account it is, and where.
const IDENTIFYING: [&str; 2] = ["username", "url"];

/// Says whether an item without a known id is the record at its path: the same type, user name and address.
fn is_about_the_same(item: &Item, held: &Held) -> bool {
    item.record_type == held.record_type
        && IDENTIFYING.iter().all(|name| item.fields.expose().get(*name) == held.fields.expose().get(*name))
}

#[cfg(test)]
mod tests;
