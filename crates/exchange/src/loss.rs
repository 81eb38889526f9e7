//! What does not come over: named before anything is stored, counted, and never a value.

use std::fmt;

use serde::{Deserialize, Serialize};
use vaultterm_names::names;

names!(
    /// What is lost of an item or of a file, or changes on the way.
    Lost, "loss" {
        /// A file beside the item.
        Attachment = "attachment",
        /// A part of the item that VaultTerm does not know.
        UnknownPart = "unknown_part",
        /// A type that VaultTerm does not know: the item becomes a `KEY_VALUE`.
        UnknownType = "unknown_type",
        /// A kind of item that VaultTerm knows but has no type for: the item becomes a `KEY_VALUE`.
        OtherType = "other_type",
        /// A field that only points to another field of its item.
        Link = "link",
        /// A reference to another item.
        Related = "related",
        /// A value that stands for a value of another entry: its text was stored as it is.
        Reference = "reference",
        /// A sign that the item is a favourite.
        Favourite = "favourite",
        /// An icon, a colour or another look.
        Look = "look",
        /// Settings of the other program for filling in forms.
        Filling = "filling",
        /// An earlier state that the file names but does not hold.
        EmptyPast = "empty_past",
        /// Earlier states that the format cannot hold.
        Past = "past",
        /// The newest version was deleted: the item goes to the trash.
        Deleted = "deleted",
        /// An earlier version that was deleted: it is an ordinary revision here.
        DeletedPast = "deleted_past",
        /// A date that no calendar has, or that lies before 1970: it was moved to the nearest that VaultTerm can keep.
        Date = "date",
        /// A date that does not come over at all.
        DateLeft = "date_left",
        /// A field whose name another field of the item has: it got a number behind its name.
        SameName = "same_name",
        /// A field without a name, and what it is called now.
        NoName = "no_name",
        /// An item without a name: it is called by its address.
        NoTitle = "no_title",
        /// A row of a table in which nothing stands.
        EmptyRow = "empty_row",
        /// A cell in which the other program joined several values: it was taken apart again, which may be wrong.
        Joined = "joined",
        /// A field that the format demands and the record has not: it was computed from the other fields.
        Computed = "computed",
        /// A text that another program may take for a formula.
        Formula = "formula",
        /// A field that the format cannot hold.
        Field = "field",
        /// A field of which the format holds the text but not the kind: a number, a list, an object.
        Kind = "kind",
        /// The type of the record.
        Type = "type",
        /// Labels.
        Tags = "tags",
        /// A mark of the record: that it asks again before it shows its values.
        Mark = "mark",
        /// A path that the format cannot hold as it is.
        Path = "path",
        /// A record that the format cannot hold at all.
        Record = "record",
        /// A record whose name in the file another record has already.
        SameRecord = "same_record",
        /// A record whose values no person may take out.
        InjectOnly = "inject_only",
        /// Expiry or another date that VaultTerm keeps as a field.
        Rights = "rights",
    }
);

names!(
    /// What a loss means for the person.
    Effect, "effect" {
        /// Something is not there afterwards.
        Lost = "lost",
        /// Something has another form, another name or another place afterwards.
        Changed = "changed",
        /// Everything is there, and something about it should be known.
        Caution = "caution",
    }
);

impl Effect {
    /// Returns the heading of a list of such losses.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Lost => "What is lost",
            Self::Changed => "What changes its form",
            Self::Caution => "What to know about it",
        }
    }

    /// Returns the words before one such loss, in a list of all of them.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Changed => "changes",
            Self::Caution => "to know",
        }
    }
}

/// Something that does not come over, or comes over changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Loss {
    /// What.
    pub what: Lost,
    /// Which: the name of a field, of an attachment, of a part. Never a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How many of them.
    pub count: u64,
    /// Its size in bytes, if it is an attachment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

impl Lost {
    /// Says what it means for the person.
    #[must_use]
    pub const fn effect(self) -> Effect {
        match self {
            Self::Attachment
            | Self::UnknownPart
            | Self::Link
            | Self::Related
            | Self::Favourite
            | Self::Look
            | Self::Filling
            | Self::EmptyPast
            | Self::Past
            | Self::DateLeft
            | Self::Field
            | Self::Type
            | Self::Tags
            | Self::Mark
            | Self::Path
            | Self::Record
            | Self::SameRecord
            | Self::InjectOnly
            | Self::Rights => Effect::Lost,
            Self::UnknownType
            | Self::OtherType
            | Self::Deleted
            | Self::DeletedPast
            | Self::Date
            | Self::SameName
            | Self::NoName
            | Self::NoTitle
            | Self::Joined
            | Self::Computed
            | Self::Kind => Effect::Changed,
            Self::Reference | Self::Formula | Self::EmptyRow => Effect::Caution,
        }
    }

    /// Says whether a whole record is left out of a file.
    #[must_use]
    pub const fn is_whole_record(self) -> bool {
        matches!(self, Self::Record | Self::SameRecord)
    }
}

impl Loss {
    /// One thing without a name.
    #[must_use]
    pub const fn new(what: Lost) -> Self {
        Self { what, name: None, count: 1, bytes: None }
    }

    /// One thing with a name, which is cut to a length that people read.
    #[must_use]
    pub fn named(what: Lost, name: impl AsRef<str>) -> Self {
        Self { what, name: Some(shown(name.as_ref())), count: 1, bytes: None }
    }

    /// So many things.
    #[must_use]
    pub const fn many(what: Lost, count: u64) -> Self {
        Self { what, name: None, count, bytes: None }
    }

    /// As often as this.
    #[must_use]
    pub const fn times(mut self, count: u64) -> Self {
        self.count = count;
        self
    }

    /// With a size.
    #[must_use]
    pub const fn sized(mut self, bytes: u64) -> Self {
        self.bytes = Some(bytes);
        self
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, name, count, bytes } = self;
        if what.is_whole_record() {
            return records(*what, *count, f);
        }
        let words = match what {
            Lost::Attachment => "attached file",
            Lost::UnknownPart => "part that VaultTerm does not know",
            Lost::UnknownType => "type that VaultTerm does not know; it becomes KEY_VALUE",
            Lost::OtherType => "kind of item that has no type of its own in VaultTerm; it becomes KEY_VALUE",
            Lost::Link => "field without a value of its own, which only points to another field of the item",
            Lost::Related => "reference to another item",
            Lost::Reference => "reference to another entry; its text was stored, not the value that it stands for",
            Lost::Favourite => "mark as a favourite",
            Lost::Look => "icon or colour",
            Lost::Filling => "setting for filling in forms",
            Lost::EmptyPast => "earlier state without values",
            Lost::Past => "earlier state",
            Lost::Deleted => "newest version was deleted; the record goes to the trash",
            Lost::DeletedPast => "deleted in the other program, an ordinary revision here: version",
            Lost::Date => "date that cannot be kept as it is",
            Lost::DateLeft => "date that does not come over",
            Lost::SameName => "field with a name that another field has; it gets a number",
            Lost::NoName => "field without a name; it is called",
            Lost::NoTitle => "item without a name; it is called by its address",
            Lost::EmptyRow => "row without any value, which is left out",
            Lost::Joined => "cell with several values, taken apart where its separator stands",
            Lost::Computed => "field that this format demands, computed from the others",
            Lost::Formula => "text that a spreadsheet may take for a formula",
            Lost::Field => "field that this format cannot hold",
            Lost::Kind => "field whose kind (number, list, object) becomes text",
            Lost::Type => "type of the record",
            Lost::Tags => "labels",
            Lost::Mark => "mark that the record asks again",
            Lost::Path => "path that this format cannot hold as it is",
            Lost::Record | Lost::SameRecord => "record",
            Lost::InjectOnly => "record that only programs may get",
            Lost::Rights => "rights and sharing",
        };
        f.write_str(words)?;
        if let Some(name) = name {
            write!(f, " `{name}`")?;
        }
        if *count > 1 {
            write!(f, " ({count} times)")?;
        }
        if let Some(bytes) = bytes {
            write!(f, " ({bytes} bytes)")?;
        }
        Ok(())
    }
}

/// Words records that a file leaves out.
fn records(what: Lost, count: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match (what, count) {
        (Lost::SameRecord, 1) => f.write_str(
            "1 record has the same name as another record in the file, which can hold one of them: export one folder at a time",
        ),
        (Lost::SameRecord, count) => write!(
            f,
            "{count} records have the same name as another record in the file, which can hold one of each name: export one \
             folder at a time"
        ),
        (_, 1) => f.write_str("1 record that this format cannot hold"),
        (_, count) => write!(f, "{count} records that this format cannot hold"),
    }
}

/// The characters of a name that a report shows.
const NAME_CHARS_MAX: usize = 128;

/// Returns a name for a report: bounded, with invisible characters as escapes.
pub(crate) fn shown(name: &str) -> String {
    let start: String = name.chars().take(NAME_CHARS_MAX).collect();
    vaultterm_reconcile::visible(&start).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_changes_and_what_is_only_to_be_known_is_not_called_lost() {
        for (what, effect) in [
            (Lost::Attachment, Effect::Lost),
            (Lost::Link, Effect::Lost),
            (Lost::SameName, Effect::Changed),
            (Lost::OtherType, Effect::Changed),
            (Lost::Formula, Effect::Caution),
            (Lost::Reference, Effect::Caution),
        ] {
            assert_eq!(what.effect(), effect, "{what}");
        }
        for effect in Effect::ALL {
            assert!(Lost::ALL.iter().any(|what| what.effect() == *effect), "{effect}");
        }
    }

    #[test]
    fn records_that_are_left_out_are_counted_first() {
        assert_eq!(Loss::many(Lost::Record, 49).to_string(), "49 records that this format cannot hold");
        assert!(Loss::new(Lost::SameRecord).to_string().ends_with("export one folder at a time"));
    }
}
