//! VaultTerm's own archive: every record with its earlier states and their dates, its labels, its marks and the trash.
//!
//! It is a text of lines, each an object of JSON. The first line is the head, `{"vaultterm":1,"records":2}`: the version of
//! the archive and the number of records. Each further line is a record:
//!
//! | name | value |
//! |---|---|
//! | `id` | the id of the record in the vault that wrote it |
//! | `path` | the path below its collection |
//! | `type` | the type |
//! | `fields` | an object of its newest values |
//! | `tags` | a list of labels, if it has any |
//! | `ask_again` | `true`, if it asks again before it shows its values |
//! | `trashed` | `true`, if it is in the trash |
//! | `created_us`, `updated_us` | when it was made, and when its newest values were saved, in microseconds since 1970 |
//! | `history` | a list of earlier states, the oldest first, each with its `fields` and, if known, `at_us` |
//!
//! The reader is strict: a name that it does not know, a line too few and a line too many are errors. A newer version is
//! refused with its number.

mod line;

use serde_json::value::RawValue;
use vaultterm_sealing::{FieldsError, SecretFields};

pub(crate) use line::{HeadLine, PastLine, RecordLine, VERSION};

use crate::{
    collect::Collector,
    format::Format,
    item::{Found, Item, Past},
    limits::{ITEMS_MAX, Limit, LimitMet},
    options::Options,
    place::Place,
    refused::{FileError, Refused},
    text,
};

/// Reads an archive.
///
/// # Errors
/// [`FileError::NotThisFormat`] for another file or another version, [`FileError::Damaged`] with the line.
pub(crate) fn read(bytes: &[u8], _: &Options) -> Result<Found, FileError> {
    let text = text::decode(bytes)?;
    let (head, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let count = records(head)?;
    LimitMet::check(Limit::Items, count, ITEMS_MAX)?;
    let mut found = Collector::new(Format::Vaultterm);
    let mut lines = rest.split_inclusive('\n');
    for number in 0..count {
        let place = Place::line(number + 2);
        let line = lines.next().and_then(|line| line.strip_suffix('\n')).ok_or_else(|| {
            FileError::damaged(place, format!("its head promises {count} records, and this one is missing or cut off"))
        })?;
        // The message of the library may quote the text.
        let record: RecordLine<'_> = serde_json::from_str(line)
            .map_err(|_| FileError::damaged(place, "this is no record of an archive, or one of a newer version"))?;
        match item(place, &record) {
            Ok(item) => found.item(item)?,
            Err(why) => found.refuse(Refused::fields(place, &record.path, &why))?,
        }
    }
    if lines.next().is_some() {
        return Err(FileError::damaged(Place::line(count + 2), format!("its head promises only {count} records")));
    }
    Ok(found.finish())
}

/// Says whether a text begins as an archive does, of whatever version.
pub(crate) fn fits(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    crate::node::Node::json(first).is_ok_and(|head| head.at("vaultterm").is_some())
}

/// Reads the head, and returns the number of records.
fn records(head: &str) -> Result<u64, FileError> {
    let other = |detail: String| FileError::NotThisFormat { expected: Format::Vaultterm, detail };
    let head =
        crate::node::Node::json(head).map_err(|_| other("its first line is no head of an archive".to_owned()))?;
    match head.at("vaultterm").and_then(crate::node::Node::whole) {
        Some(VERSION) => {}
        Some(version) => {
            return Err(other(format!(
                "its version is {version}, and this VaultTerm reads version {VERSION}: read it with the VaultTerm that \
                 wrote it, or with a newer one"
            )));
        }
        None => return Err(other("its first line is no head of an archive".to_owned())),
    }
    let is_known = head.map_names().all(|name| matches!(name, "vaultterm" | "records"));
    let count = head.at("records").and_then(crate::node::Node::whole).and_then(|count| u64::try_from(count).ok());
    count.filter(|_| is_known).ok_or_else(|| FileError::damaged(Place::line(1), "its head is not whole"))
}

fn item(place: Place, record: &RecordLine<'_>) -> Result<Item, FieldsError> {
    let mut segments: Vec<String> = record.path.split('/').map(str::to_owned).collect();
    let name = segments.pop().unwrap_or_default();
    let mut item = Item::new(place, name, record.record_type);
    item.folder = segments;
    item.source_id = Some(record.id.to_string());
    item.fields = fields(record.fields)?;
    item.tags.clone_from(&record.tags);
    item.ask_again = record.ask_again;
    item.is_trashed = record.trashed;
    item.created_us = record.created_us;
    item.updated_us = record.updated_us;
    for past in &record.history {
        item.history.push(Past { at_us: past.at_us, fields: fields(past.fields)? });
    }
    Ok(item)
}

fn fields(json: &RawValue) -> Result<SecretFields, FieldsError> {
    SecretFields::parse_patch(json.get().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    const SAMPLE: &[u8] = include_bytes!("../tests/samples/vaultterm/two.vaultterm");

    fn refused(text: &str) -> String {
        match read(text.as_bytes(), &Options::default()) {
            Ok(found) => panic!("{found:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn an_archive_is_read_with_everything_that_it_holds() {
        let found = read(SAMPLE, &Options::default()).unwrap();
        assert_eq!(
            testing::outline(&found),
            [
                "PASSWORD work/mail password=\"new\" port=25 username=\"ann\" #ops",
                "  was 5 password=\"old\" username=\"ann\"",
                "(trash) ENV_VAR TOKEN value=\"x\"",
            ]
        );
        assert_eq!((found.items[0].created_us, found.items[0].updated_us), (Some(1), Some(9)));
        assert!(found.items[0].ask_again && !found.items[1].ask_again);
        assert_eq!(found.items[0].source_id.as_deref(), Some("01"));
    }

    #[test]
    fn a_newer_archive_is_refused_with_its_version() {
        assert!(refused("{\"vaultterm\":2,\"records\":0,\"new\":1}\n").contains("its version is 2"));
        assert!(refused("{\"records\":0}\n").contains("no head of an archive"));
        assert!(refused("").contains("no head of an archive"));
    }

    #[test]
    fn the_reader_is_strict() {
        let sample = std::str::from_utf8(SAMPLE).unwrap();
        assert!(refused(&sample.replace("\"records\":2", "\"records\":3")).contains("at line 4"));
        assert!(refused(&sample.replace("\"records\":2", "\"records\":1")).contains("promises only 1"));
        assert!(refused(&sample.replace("\"ask_again\"", "\"ask_never\"")).contains("at line 2"));
        assert!(refused(&sample.replace("\"records\":2", "\"records\":2,\"x\":1")).contains("at line 1"));
        assert!(refused(&sample.replace("PASSWORD", "PASSWORT")).contains("at line 2"));
        assert!(refused(&sample.replace("\"records\":2", "\"records\":99999999")).contains("99999999 items"));
        assert!(refused(&sample[..sample.len() - 1]).contains("at line 3"));
        let twice = read(sample.replace("\"port\"", "\"username\"").as_bytes(), &Options::default()).unwrap();
        assert!(twice.refused[0].why.contains("stands twice"), "{:?}", twice.refused);
    }

    #[test]
    fn no_bytes_make_the_reader_panic() {
        testing::shake(SAMPLE, &Options::default(), read);
    }
}
