//! Writes variables as lines of `NAME='value'`, so that our reader, shells and the programs that read such files agree on them.
//!
//! Only an `ENV_VAR` that is not in the trash can be a line, and only if its name is that of a variable. It is left out where
//! its name would have to change, or where another record has the same name.

use std::collections::HashSet;

use serde_json::Value;
use vaultterm_reconcile::RecordType;
use zeroize::Zeroizing;

use crate::{
    env::{FIELD, lines},
    loss::{Loss, Lost},
    outgoing::{LossesOf, Outgoing, RecordLoss, Written},
};

/// Writes the variables among the records.
pub(super) fn write(records: &[Outgoing]) -> Written {
    let (mut losses, mut lines) = (Vec::new(), Vec::new());
    plan(records, |lost, line| {
        losses.extend(lost);
        lines.extend(line);
    });
    let length = lines.iter().map(|line| line.len() + 1).sum();
    let mut bytes = Zeroizing::new(Vec::with_capacity(length));
    for line in &lines {
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
    }
    Written { bytes, losses }
}

/// Foretells what the file will not hold.
pub(super) fn losses(records: &[Outgoing]) -> Vec<RecordLoss> {
    let mut losses = Vec::new();
    plan(records, |lost, _| losses.extend(lost));
    losses
}

fn plan(records: &[Outgoing], mut each: impl FnMut(Vec<RecordLoss>, Option<Zeroizing<String>>)) {
    let mut names = HashSet::new();
    for record in records {
        let mut lost = LossesOf::new(record);
        let line = line(record, &mut names, &mut lost);
        each(lost.finish(), line);
    }
}

/// Returns the line of a record, and notes what it does not hold.
fn line<'a>(record: &'a Outgoing, names: &mut HashSet<&'a str>, lost: &mut LossesOf<'_>) -> Option<Zeroizing<String>> {
    let value = value(record).filter(|_| lines::name(record.name()) == Some(record.name()));
    let Some((value, is_text)) = value else {
        lost.add(Loss::new(Lost::Record));
        return None;
    };
    if !names.insert(record.name()) {
        lost.add(Loss::new(Lost::SameRecord));
        return None;
    }
    if !is_text {
        lost.add(Loss::named(Lost::Kind, FIELD));
    }
    for name in record.fields.names().filter(|name| *name != FIELD) {
        lost.add(Loss::named(Lost::Field, name));
    }
    lost.add_if(record.folder().is_some(), Lost::Path);
    lost.add_if(!record.tags.is_empty(), Lost::Tags);
    lost.add_if(record.ask_again, Lost::Mark);
    if !record.history.is_empty() {
        lost.add(Loss::many(Lost::Past, record.history.len() as u64));
    }
    Some(Zeroizing::new(format!("{}={}", record.name(), *quoted(&value))))
}

/// Returns the text of the value, and whether it is one.
fn value(record: &Outgoing) -> Option<(Zeroizing<String>, bool)> {
    if record.record_type != RecordType::EnvVar || record.is_trashed {
        return None;
    }
    let value = match record.fields.expose().get(FIELD)? {
        Value::String(text) => (Zeroizing::new(text.clone()), true),
        other => (Zeroizing::new(other.to_string()), false),
    };
    Some(value).filter(|(text, _)| !text.contains('\0'))
}

/// Writes a value without quotes where no program can take it in another way, and else in single quotes, within which nothing
/// is special. A single quote itself stands in double quotes.
fn quoted(value: &str) -> Zeroizing<String> {
    let is_plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':' | ',' | '@' | '%' | '+');
    if !value.is_empty() && value.chars().all(is_plain) {
        return Zeroizing::new(value.to_owned());
    }
    let mut out = Zeroizing::new(String::with_capacity(value.len() * 3 + 2));
    let mut rest = value;
    loop {
        let plain = rest.find('\'').unwrap_or(rest.len());
        if plain > 0 || value.is_empty() {
            out.push('\'');
            out.push_str(&rest[..plain]);
            out.push('\'');
        }
        rest = &rest[plain..];
        let quotes = rest.find(|c| c != '\'').unwrap_or(rest.len());
        if quotes > 0 {
            out.push('"');
            out.push_str(&rest[..quotes]);
            out.push('"');
        }
        rest = &rest[quotes..];
        if rest.is_empty() {
            return out;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use vaultterm_sealing::SecretFields;

    use super::*;
    use crate::{
        format::Format,
        options::Options,
        read::read,
        testing::records::{records, text},
    };

    fn variable(path: &str, value: impl Into<Value>) -> Outgoing {
        let mut fields = SecretFields::new();
        fields.insert(FIELD.to_owned(), value.into());
        Outgoing::new("1", path, RecordType::EnvVar, fields)
    }

    #[test]
    fn values_are_quoted_only_where_they_must_be() {
        let written = write(&[
            variable("A", "postgres://db:5432/x"),
            variable("B", ""),
            variable("C", "it's ''$x\n"),
            variable("D", "'"),
            variable("E", 7),
        ]);
        let text = "A=postgres://db:5432/x\nB=''\nC='it'\"'\"'s '\"''\"'$x\n'\nD=\"'\"\nE=7\n";
        assert_eq!(std::str::from_utf8(&written.bytes).unwrap(), text);
        assert_eq!(written.losses, [("E".to_owned(), Loss::named(Lost::Kind, FIELD))]);
    }

    #[test]
    fn what_no_line_can_hold_is_left_out_and_named() {
        let mut trashed = variable("T", "x");
        trashed.is_trashed = true;
        let records = [
            variable("a/SAME", "1"),
            variable("b/SAME", "2"),
            variable("my name", "3"),
            variable("N", "a\0"),
            trashed,
            Outgoing::new("1", "note", RecordType::SecureNote, SecretFields::new()),
        ];
        let lost: Vec<_> = losses(&records).into_iter().map(|(path, loss)| (path, loss.what)).collect();
        let record = |path: &str| (path.to_owned(), Lost::Record);
        assert_eq!(lost[0], ("a/SAME".to_owned(), Lost::Path));
        assert_eq!(lost[1], ("b/SAME".to_owned(), Lost::SameRecord));
        assert_eq!(lost[2..], ["my name", "N", "T", "note"].map(record));
        assert_eq!(&**write(&records).bytes, b"SAME=1\n");
    }

    proptest! {
        #[test]
        fn variables_that_are_read_again_are_what_was_written(mut records in records(), values in prop::collection::vec(text(), 6)) {
            for (at, (record, value)) in records.iter_mut().zip(values).enumerate() {
                if at % 2 == 0 {
                    record.record_type = RecordType::EnvVar;
                    record.fields.insert(FIELD.to_owned(), value.into());
                }
            }
            let written = write(&records);
            prop_assert_eq!(&written.losses, &losses(&records));
            let found = read(Format::Env, &written.bytes, &Options::default()).unwrap();
            prop_assert!(found.refused.is_empty());
            let is_lost = |record: &&Outgoing| {
                !written.losses.iter().any(|(path, loss)| *path == record.path && loss.what.is_whole_record())
            };
            let kept: Vec<_> = records.iter().filter(is_lost).collect();
            prop_assert_eq!(found.items.len(), kept.len());
            for (item, record) in found.items.iter().zip(kept) {
                prop_assert_eq!(&item.name, record.name());
                let expected = match &record.fields.expose()[FIELD] {
                    Value::String(text) => text.clone(),
                    other => {
                        prop_assert!(written.losses.contains(&(record.path.clone(), Loss::named(Lost::Kind, FIELD))));
                        other.to_string()
                    }
                };
                prop_assert_eq!(&item.fields.expose()[FIELD], &Value::String(expected));
                prop_assert_eq!(item.fields.expose().len(), 1);
            }
        }
    }
}
