//! Collects the items of a file under the limits that hold for all formats.

use vaultterm_reconcile::RecordType;
use vaultterm_sealing::SecretFields;

use crate::{
    format::Format,
    item::{Found, Item, Past, Question},
    limits::{ITEMS_MAX, LOSSES_MAX, Limit, LimitMet, PAST_MAX, PAST_OF_ALL_MAX},
    loss::{Loss, Lost},
    place::Place,
    refused::Refused,
    usual,
};

/// Collects what a reader finds.
pub struct Collector {
    found: Found,
    past: u64,
}

impl Collector {
    /// Starts with nothing.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self { found: Found::new(format), past: 0 }
    }

    /// Adds an item, or refuses it if its fields break a limit of records.
    ///
    /// An earlier state that breaks a limit is left out and counted as lost, as are the oldest of too many.
    ///
    /// # Errors
    /// [`LimitMet`] when the file holds too much.
    pub fn item(&mut self, mut item: Item) -> Result<(), LimitMet> {
        self.room()?;
        if let Err(why) = item.fields.check_limits() {
            self.found.refused.push(Refused::fields(item.place, &item.name, &why));
            return Ok(());
        }
        name_by_address(&mut item);
        fit_tags(&mut item);
        let before = item.history.len();
        item.history.retain(|past| past.fields.check_limits().is_ok());
        let too_many = item.history.len().saturating_sub(PAST_MAX);
        item.history.drain(..too_many);
        let lost = before - item.history.len();
        if lost > 0 {
            item.losses.push(Loss::many(Lost::Past, lost as u64));
        }
        self.past += item.history.len() as u64;
        LimitMet::check(Limit::Past, self.past, PAST_OF_ALL_MAX)?;
        item.losses = bounded(item.losses);
        self.found.items.push(item);
        Ok(())
    }

    /// Adds an item that cannot become a record.
    ///
    /// # Errors
    /// [`LimitMet`] when the file holds too much.
    pub fn refuse(&mut self, refused: Refused) -> Result<(), LimitMet> {
        self.room()?;
        self.found.refused.push(refused);
        Ok(())
    }

    /// Adds a loss of the file as a whole.
    pub fn lose(&mut self, loss: Loss) {
        self.found.losses.push(loss);
    }

    /// Adds a question, once.
    pub fn ask(&mut self, question: Question) {
        if !self.found.questions.contains(&question) {
            self.found.questions.push(question);
        }
    }

    /// The number of items so far, with those that are refused.
    #[must_use]
    pub fn count(&self) -> u64 {
        (self.found.items.len() + self.found.refused.len()) as u64
    }

    /// Returns everything.
    #[must_use]
    pub fn finish(mut self) -> Found {
        self.found.losses = bounded(self.found.losses);
        self.found
    }

    fn room(&self) -> Result<(), LimitMet> {
        if self.count() >= ITEMS_MAX {
            return Err(LimitMet { limit: Limit::Items, found: None, max: ITEMS_MAX });
        }
        Ok(())
    }
}

/// The labels of a record, and the characters of a label.
const TAGS_MAX: usize = 32;
const TAG_CHARS_MAX: usize = 64;

/// Leaves out labels that a record cannot have.
fn fit_tags(item: &mut Item) {
    item.tags.sort();
    item.tags.dedup();
    let fits =
        |tag: &String| !tag.is_empty() && tag.chars().count() <= TAG_CHARS_MAX && !tag.chars().any(char::is_control);
    let (mut kept, mut left): (Vec<_>, Vec<_>) = std::mem::take(&mut item.tags).into_iter().partition(fits);
    left.extend(kept.drain(kept.len().min(TAGS_MAX)..));
    item.tags = kept;
    item.losses.extend(left.iter().map(|tag| Loss::named(Lost::Tags, tag)));
}

/// Calls an item without a name by the host of its address.
fn name_by_address(item: &mut Item) {
    if !item.name.is_empty() {
        return;
    }
    let url = item.fields.expose().get("url").and_then(serde_json::Value::as_str).unwrap_or_default();
    let host = usual::host(url);
    if !host.is_empty() {
        item.name = host.to_owned();
        item.lose(Loss::named(Lost::NoTitle, &item.name));
    }
}

/// Adds up equal losses, and the last ones of too many.
fn bounded(mut losses: Vec<Loss>) -> Vec<Loss> {
    losses.sort();
    let mut sums: Vec<Loss> = Vec::new();
    for loss in losses {
        match sums.last_mut() {
            Some(last) if last.what == loss.what && last.name == loss.name && last.bytes == loss.bytes => {
                last.count += loss.count;
            }
            _ => sums.push(loss),
        }
    }
    if sums.len() > LOSSES_MAX {
        let rest: u64 = sums.drain(LOSSES_MAX - 1..).map(|loss| loss.count).sum();
        sums.push(Loss::named(Lost::UnknownPart, "…").times(rest));
    }
    sums
}

/// Returns a number from 2 on that is free while the one before it is not. A file may have tens of thousands of fields of one
/// name, so the numbers are not tried one by one.
fn free_number(is_taken: impl Fn(u64) -> bool) -> u64 {
    let (mut taken, mut free) = (1, 2);
    while is_taken(free) {
        (taken, free) = (free, free * 2);
    }
    while free - taken > 1 {
        let middle = u64::midpoint(taken, free);
        *(if is_taken(middle) { &mut taken } else { &mut free }) = middle;
    }
    free
}

impl Item {
    /// Makes an item without fields.
    #[must_use]
    pub fn new(place: Place, name: impl Into<String>, record_type: RecordType) -> Self {
        Self {
            place,
            source_id: None,
            folder: Vec::new(),
            name: name.into(),
            record_type,
            fields: SecretFields::new(),
            tags: Vec::new(),
            is_trashed: false,
            ask_again: false,
            created_us: None,
            updated_us: None,
            history: Vec::new(),
            losses: Vec::new(),
        }
    }

    /// Sets a field to a text, if the text is not empty and the field is not set yet. A second field of the same name gets
    /// a number behind its name, which is a loss that is named.
    pub fn text(&mut self, name: &str, value: impl Into<String>) {
        let value: String = value.into();
        if !value.is_empty() {
            self.value(name, serde_json::Value::String(value));
        }
    }

    /// Sets a field to a value, under the same rule.
    pub fn value(&mut self, name: &str, value: serde_json::Value) {
        let taken = |name: &str| self.fields.expose().contains_key(name);
        if !taken(name) {
            self.fields.insert(name.to_owned(), value);
            return;
        }
        let free = free_number(|number| taken(&format!("{name} {number}")));
        let free = format!("{name} {free}");
        self.losses.push(Loss::named(Lost::SameName, &free));
        self.fields.insert(free, value);
    }

    /// Notes a loss.
    pub fn lose(&mut self, loss: Loss) {
        self.losses.push(loss);
    }

    /// Adds an earlier state in which some fields had other values.
    pub fn past(&mut self, at_us: Option<i64>, other: impl IntoIterator<Item = (String, serde_json::Value)>) {
        let past = Past::of(&self.fields, at_us, other);
        self.history.push(past);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn numbers_behind_a_name_are_given_in_a_row_and_none_twice() {
        let mut taken = BTreeSet::new();
        for expected in 2..500 {
            assert_eq!(free_number(|number| taken.contains(&number)), expected);
            taken.insert(expected);
        }
        // Numbers that a file gave itself are passed over.
        taken = BTreeSet::from([2, 3, 4, 7, 8, 20]);
        for _ in 0..500 {
            let free = free_number(|number| taken.contains(&number));
            assert!(taken.contains(&(free - 1)) && taken.insert(free), "{free}");
        }
        let mut item = Item::new(Place::row(1), "x", RecordType::KeyValue);
        for at in 0..50_000 {
            item.value("name", at.into());
        }
        assert_eq!((item.fields.names().count(), item.losses.len()), (50_000, 49_999));
        assert_eq!(item.fields.expose()["name 50000"], 49_999);
    }
}
