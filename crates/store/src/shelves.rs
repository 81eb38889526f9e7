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
