//! What was found, as lines of JSON on the pipe between the process that parses and the server: a head, then the items.
//!
//! The server trusts the other end no further than the limits: it reads a bounded number of bytes, and checks what it reads.

use std::{collections::BTreeMap, io};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use vaultterm_reconcile::RecordType;
use vaultterm_sealing::SecretFields;
use zeroize::Zeroizing;

use crate::{
    format::Format,
    item::{Found, Item, Past, Question},
    limits::{ITEMS_MAX, PAST_MAX},
    loss::Loss,
    place::Place,
    refused::{FileError, Refused},
};

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Head {
    Found { format: Format, refused: Vec<Refused>, losses: Vec<Loss>, questions: Vec<Question>, items: u64 },
    Refused(FileError),
}

/// A further line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    place: Place,
    source_id: Option<String>,
    folder: Vec<String>,
    name: String,
    record_type: RecordType,
    #[serde(with = "exposed")]
    fields: SecretFields,
    tags: Vec<String>,
    is_trashed: bool,
    ask_again: bool,
    created_us: Option<i64>,
    updated_us: Option<i64>,
    history: Vec<PastLine>,
    losses: Vec<Loss>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PastLine {
    at_us: Option<i64>,
    #[serde(with = "exposed")]
    fields: SecretFields,
}

/// Why the lines could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PipeError {
    /// The other end stopped before the last line.
    #[error("the process that parses the file ended before it was done")]
    CutOff,
    /// A line is not what this version writes.
    #[error("the process that parses the file sent what this version does not know")]
    Malformed,
    /// The file was refused.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Writes what was found.
///
/// # Errors
/// When the pipe fails.
pub fn to_pipe(found: Result<Found, FileError>, out: &mut impl io::Write) -> io::Result<()> {
    let found = match found {
        Ok(found) => found,
        Err(error) => return line(out, &Head::Refused(error)),
    };
    let Found { format, items, refused, losses, questions } = found;
    line(out, &Head::Found { format, refused, losses, questions, items: items.len() as u64 })?;
    for item in items {
        line(out, &Line::from(item))?;
    }
    out.flush()
}

fn line(out: &mut impl io::Write, value: &impl Serialize) -> io::Result<()> {
    let mut text = Zeroizing::new(serde_json::to_vec(value)?);
    text.push(b'\n');
    out.write_all(&text)
}

/// Reads what was found.
///
/// # Errors
/// [`PipeError`].
pub fn from_pipe(bytes: &[u8]) -> Result<Found, PipeError> {
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let mut next = || match lines.next() {
        Some([line @ .., b'\n']) => Ok(line),
        _ => Err(PipeError::CutOff),
    };
    let head: Head = serde_json::from_slice(next()?).map_err(|_| PipeError::Malformed)?;
    let (format, refused, losses, questions, count) = match head {
        Head::Refused(error) => return Err(error.into()),
        Head::Found { format, refused, losses, questions, items } => (format, refused, losses, questions, items),
    };
    if count.saturating_add(refused.len() as u64) > ITEMS_MAX {
        return Err(PipeError::Malformed);
    }
    let mut items = Vec::new();
    for _ in 0..count {
        let line: Line = serde_json::from_slice(next()?).map_err(|_| PipeError::Malformed)?;
        if line.history.len() > PAST_MAX || line.fields.check_limits().is_err() {
            return Err(PipeError::Malformed);
        }
        items.push(Item::from(line));
    }
    match lines.next() {
        None => Ok(Found { format, items, refused, losses, questions }),
        Some(_) => Err(PipeError::Malformed),
    }
}

impl From<Item> for Line {
    fn from(item: Item) -> Self {
        let history = item.history.into_iter().map(|Past { at_us, fields }| PastLine { at_us, fields }).collect();
        Self {
            place: item.place,
            source_id: item.source_id,
            folder: item.folder,
            name: item.name,
            record_type: item.record_type,
            fields: item.fields,
            tags: item.tags,
            is_trashed: item.is_trashed,
            ask_again: item.ask_again,
            created_us: item.created_us,
            updated_us: item.updated_us,
            history,
            losses: item.losses,
        }
    }
}

impl From<Line> for Item {
    fn from(line: Line) -> Self {
        let history = line.history.into_iter().map(|PastLine { at_us, fields }| Past { at_us, fields }).collect();
        Self {
            place: line.place,
            source_id: line.source_id,
            folder: line.folder,
            name: line.name,
            record_type: line.record_type,
            fields: line.fields,
            tags: line.tags,
            is_trashed: line.is_trashed,
            ask_again: line.ask_again,
            created_us: line.created_us,
            updated_us: line.updated_us,
            history,
            losses: line.losses,
        }
    }
}

/// Values on the pipe. [`SecretFields`] wipes them when they are dropped.
mod exposed {
    use serde::{Deserializer, Serializer};

    use super::{BTreeMap, Deserialize as _, SecretFields, Serialize as _, Value};

    pub(super) fn serialize<S: Serializer>(fields: &SecretFields, to: S) -> Result<S::Ok, S::Error> {
        fields.expose().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SecretFields, D::Error> {
        BTreeMap::<String, Value>::deserialize(from).map(SecretFields::from_trusted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        limits::{Limit, LimitMet},
        loss::Lost,
    };

    fn found() -> Found {
        let mut item = Item::new(Place::row(2), "Mail", RecordType::Password);
        item.text("username", "ann");
        item.text("password", "new");
        item.past(Some(5), [("password".to_owned(), Value::from("old"))]);
        item.lose(Loss::named(Lost::Attachment, "a.pdf").sized(3));
        item.folder = vec!["Work".to_owned()];
        let mut found = Found::new(Format::BitwardenJson);
        found.items.push(item);
        found.refused.push(Refused::new(Place::row(3), None, "no name"));
        found.questions.push(Question::KeepNested);
        found
    }

    #[test]
    fn what_was_found_comes_over_the_pipe_as_it_was() {
        let mut bytes = Vec::new();
        to_pipe(Ok(found()), &mut bytes).unwrap();
        let mut again = Vec::new();
        let found = from_pipe(&bytes).unwrap();
        assert_eq!(found.items[0].history[0].fields.to_json().expose(), br#"{"password":"old","username":"ann"}"#);
        to_pipe(Ok(found), &mut again).unwrap();
        assert_eq!(bytes, again);
        for end in 0..bytes.len() {
            assert!(matches!(from_pipe(&bytes[..end]), Err(PipeError::CutOff)), "{end}");
        }
        bytes.extend_from_slice(b"{}\n");
        assert!(matches!(from_pipe(&bytes), Err(PipeError::Malformed)));
    }

    #[test]
    fn a_refused_file_comes_over_the_pipe_with_its_reason() {
        let refused = FileError::from(LimitMet { limit: Limit::Items, found: None, max: 5 });
        let mut bytes = Vec::new();
        to_pipe(Err(refused.clone()), &mut bytes).unwrap();
        let Err(PipeError::File(error)) = from_pipe(&bytes) else { panic!("refused") };
        assert_eq!(error, refused);
    }
}
