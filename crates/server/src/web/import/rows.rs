//! The items of a file as rows of a table: first those about which there is something to say.

use vaultterm_exchange::{Effect, Fate, Item, is_notable};
use vaultterm_operations::imports::Review;
use vaultterm_reconcile::SecretPath;

use super::words;
use crate::web::{link, words::type_name};

/// Rows of a page.
pub(super) const ROWS: usize = 100;
/// The lines of a list beside the table.
const LINES: usize = 50;

/// An item of the file.
#[derive(Debug)]
pub(crate) struct Row {
    pub(super) place: String,
    /// Its folders in the file.
    pub(super) folder: String,
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) becomes: Becomes,
    pub(super) remarks: Vec<String>,
}

/// What an item becomes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Becomes {
    /// A record at this path.
    New(String),
    /// A revision of the record at this address.
    Revision { revision: u64, path: String, href: String },
    /// Nothing, because of the record at this path.
    LeftOut(String),
    /// Nothing, because it cannot.
    Refused,
}

/// An item that cannot come over.
#[derive(Debug)]
pub(crate) struct RefusedRow {
    pub(super) place: String,
    pub(super) name: String,
    pub(super) why: String,
}

/// Lines of a list, and how many further ones there are.
#[derive(Debug)]
pub(crate) struct Lines<T> {
    pub(super) shown: Vec<T>,
    pub(super) more: usize,
}

impl<T> Default for Lines<T> {
    fn default() -> Self {
        Self { shown: Vec::new(), more: 0 }
    }
}

impl<T> Lines<T> {
    fn of(all: impl Iterator<Item = T>) -> Self {
        let mut lines = Self::default();
        for line in all {
            if lines.shown.len() < LINES { lines.shown.push(line) } else { lines.more += 1 }
        }
        lines
    }
}

/// The items in the order of the page, with those that need a look first.
pub(super) struct Ordered<'a> {
    prefix: Option<&'a SecretPath>,
    pub(super) look: Vec<(&'a Item, &'a Fate)>,
    rest: Vec<(&'a Item, &'a Fate)>,
}

impl<'a> Ordered<'a> {
    pub(super) fn of(review: &'a Review) -> Self {
        let all = review.items.iter().zip(&review.fates);
        let prefix = review.head.prefix.as_ref();
        let (look, rest) = all.partition(|(item, fate)| is_notable(item, fate, prefix));
        Self { prefix, look, rest }
    }

    /// Returns the rows of one page, and how many rows there are.
    pub(super) fn page(&self, only_look: bool, from: usize) -> (Vec<Row>, usize) {
        let rest = if only_look { &[] } else { self.rest.as_slice() };
        let all = self.look.iter().chain(rest);
        let rows = all.skip(from).take(ROWS).map(|(item, fate)| row(item, fate, self.prefix)).collect();
        (rows, self.look.len() + rest.len())
    }
}

fn row(item: &Item, fate: &Fate, prefix: Option<&SecretPath>) -> Row {
    let text = |path: &SecretPath| path.as_str().to_owned();
    Row {
        place: item.place.to_string(),
        folder: item.folder.iter().map(|folder| format!("{folder} / ")).collect(),
        name: item.name.clone(),
        kind: type_name(item.record_type),
        becomes: match fate {
            Fate::Create { path, .. } => Becomes::New(text(path)),
            Fate::Update { record, revision, path } => {
                Becomes::Revision { revision: revision.0 + 1, path: text(path), href: link::record(record.0) }
            }
            Fate::Skip { path, .. } => Becomes::LeftOut(text(path)),
            Fate::Refuse { .. } => Becomes::Refused,
        },
        remarks: words::remarks(item, fate, prefix),
    }
}

/// Lists the items that cannot come over, those of which the file already says why first.
pub(super) fn refused(review: &Review) -> Lines<RefusedRow> {
    let in_file = review.report.refused.iter().map(|refused| RefusedRow {
        place: refused.place.to_string(),
        name: refused.name.clone().unwrap_or_default(),
        why: refused.why.clone(),
    });
    let here = review.items.iter().zip(&review.fates).filter_map(|(item, fate)| match fate {
        Fate::Refuse { why } => {
            Some(RefusedRow { place: item.place.to_string(), name: item.name.clone(), why: why.clone() })
        }
        _ => None,
    });
    Lines::of(in_file.chain(here))
}

/// Lists what is lost, what changes and what is to be known, of the file and of all items together: each with its heading.
pub(super) fn losses(review: &Review) -> Vec<(&'static str, Lines<String>)> {
    let all = crate::view::imports::losses(review);
    let of = |effect: Effect| all.iter().filter(move |loss| loss.what.effect() == effect).map(ToString::to_string);
    let lists = Effect::ALL.iter().map(|effect| (effect.title(), Lines::of(of(*effect))));
    lists.filter(|(_, lines)| !lines.shown.is_empty()).collect()
}
