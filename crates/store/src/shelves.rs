//! The paths of live records in memory, for lists that are narrowed by words, type or label.
//!
//! A database finds a part of a text only by reading every row. With a hundred thousand records that takes longer than
//! a person wants to wait, and differs between database engines. So each process keeps in memory the path, type
//! and labels of each record in the collections that were searched. It keeps no value, and only what a viewer of the
//! collection may see. `paths.rs` fills and searches these shelves.

mod matching;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, RwLock},
};

use vaultterm_reconcile::{RecordId, RecordType};
use vaultterm_sync::CollectionId;

use matching::RANKS;
pub(crate) use matching::{Wanted, folded};

/// The collections whose paths are kept.
#[derive(Default)]
pub(crate) struct Paths(pub(crate) RwLock<HashMap<CollectionId, Arc<Shelf>>>);

/// The live records of a collection at one change number, sorted by path.
#[derive(Clone, Default)]
pub(crate) struct Shelf {
    pub(crate) number: u64,
    pub(crate) entries: Vec<Arc<Entry>>,
}

impl Shelf {
    /// Returns the places that fit, of each rank the first `limit`. The entries are in the order of their paths, so the rest of
    /// a rank comes after these.
    pub(crate) fn fitting(&self, conditions: &Conditions<'_>, tag: Option<&str>, limit: usize) -> Vec<Found<'_>> {
        let (mut of_rank, mut found) = ([0; RANKS], Vec::new());
        for entry in &self.entries {
            if of_rank[0] >= limit {
                break;
            }
            let Some(rank) = conditions.rank(entry, tag) else { continue };
            let count = &mut of_rank[usize::from(rank)];
            if *count < limit {
                *count += 1;
                found.push((rank, &*entry.path, entry.id));
            }
        }
        found
    }
}

/// What searching needs of a record.
pub(crate) struct Entry {
    pub(crate) path: Box<str>,
    /// The path in the form that is searched, where it differs.
    pub(crate) folded: Option<Box<str>>,
    pub(crate) id: RecordId,
    pub(crate) record_type: RecordType,
    /// As in the database: each between newlines.
    pub(crate) tags: Box<str>,
}

impl Entry {
    fn folded(&self) -> &str {
        self.folded.as_deref().unwrap_or(&self.path)
    }
}

/// A place that was found on a shelf.
pub(crate) type Found<'a> = (u8, &'a str, RecordId);

/// The place of a record in a list: how well it matches, its path, its id.
pub(crate) type Place = (u8, String, RecordId);

/// Which records to find.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Conditions<'a> {
    pub(crate) wanted: Option<&'a Wanted>,
    pub(crate) prefix: Option<&'a str>,
    pub(crate) record_type: Option<RecordType>,
    pub(crate) tag: Option<&'a str>,
    /// Only what comes after this place.
    pub(crate) after: Option<&'a Place>,
    /// Only these records.
    pub(crate) only: Option<&'a HashSet<RecordId>>,
}

impl Conditions<'_> {
    /// Returns the rank of an entry that fits.
    pub(crate) fn rank(&self, entry: &Entry, tag: Option<&str>) -> Option<u8> {
        let fits = self.prefix.is_none_or(|prefix| entry.path.starts_with(prefix))
            && self.record_type.is_none_or(|kind| entry.record_type == kind)
            && tag.is_none_or(|tag| entry.tags.contains(tag))
            && self.only.is_none_or(|only| only.contains(&entry.id));
        if !fits {
            return None;
        }
        let rank = self.wanted.map_or(Some(0), |wanted| wanted.rank(entry.folded()))?;
        let after = self.after.is_none_or(|(r, path, id)| (rank, &*entry.path, entry.id) > (*r, path.as_str(), *id));
        after.then_some(rank)
    }
}

#[cfg(test)]
mod tests {
    use vaultterm_sync::new_id;

    use super::*;

    #[test]
    fn the_first_of_each_rank_hold_all_that_a_page_can_show() {
        let names = ["pay", "pay-a", "a-pay", "xpayx", "pay/x", "other", "b/pay", "z/pay-1", "z/my.pay", "zpay/q"];
        let entry = |path: &&str| {
            let (path, tags) = ((*path).into(), String::new().into());
            Arc::new(Entry { path, folded: None, id: RecordId(new_id()), record_type: RecordType::Password, tags })
        };
        let mut entries: Vec<_> = names.iter().map(entry).collect();
        entries.sort_by(|one, other| one.path.cmp(&other.path));
        let shelf = Shelf { number: 1, entries };
        let wanted = Wanted::of("pay");
        for wanted in [None, Some(&wanted)] {
            let conditions = Conditions { wanted, ..Conditions::default() };
            let mut all: Vec<_> = shelf
                .entries
                .iter()
                .filter_map(|entry| conditions.rank(entry, None).map(|rank| (rank, &*entry.path, entry.id)))
                .collect();
            all.sort_unstable();
            for limit in 0..names.len() + 1 {
                let mut found = shelf.fitting(&conditions, None, limit);
                found.sort_unstable();
                found.truncate(limit);
                assert_eq!(found, all[..limit.min(all.len())], "{limit}");
            }
        }
    }
}
