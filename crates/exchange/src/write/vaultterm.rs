//! Writes VaultTerm's own archive, which loses nothing.

use serde_json::value::RawValue;
use vaultterm_sealing::SecretFields;
use zeroize::Zeroizing;

use crate::{
    outgoing::{Outgoing, RecordLoss, Written},
    vaultterm::{HeadLine, PastLine, RecordLine, VERSION},
};

/// Writes records as an archive.
pub(super) fn write(records: &[Outgoing]) -> Written {
    let mut bytes = Zeroizing::new(Vec::new());
    line(&mut bytes, &HeadLine { vaultterm: VERSION, records: records.len() });
    for record in records {
        let newest = json(&record.fields);
        let history: Vec<_> = record.history.iter().map(|past| (past.at_us, json(&past.fields))).collect();
        let history = history.iter().map(|(at_us, fields)| PastLine { at_us: *at_us, fields: raw(fields) });
        let record = RecordLine {
            id: record.id.as_str().into(),
            path: record.path.as_str().into(),
            record_type: record.record_type,
            fields: raw(&newest),
            tags: record.tags.clone(),
            ask_again: record.ask_again,
            trashed: record.is_trashed,
            created_us: record.created_us,
            updated_us: record.updated_us,
            history: history.collect(),
        };
        line(&mut bytes, &record);
    }
    Written { bytes, losses: Vec::new() }
}

/// Foretells the losses: there are none.
pub(super) fn losses(_: &[Outgoing]) -> Vec<RecordLoss> {
    Vec::new()
}

/// The length is known before a line is added, so that no piece of it stays behind in memory that was given back.
fn line(out: &mut Zeroizing<Vec<u8>>, value: &impl serde::Serialize) {
    let text = Zeroizing::new(serde_json::to_vec(value).expect("a line of an archive always encodes"));
    let length = out.len() + text.len() + 1;
    if out.capacity() < length {
        let mut larger = Zeroizing::new(Vec::with_capacity(length * 2));
        larger.extend_from_slice(out);
        *out = larger;
    }
    out.extend_from_slice(&text);
    out.push(b'\n');
}

fn json(fields: &SecretFields) -> Zeroizing<String> {
    Zeroizing::new(String::from_utf8(fields.to_json().expose().to_vec()).expect("JSON is UTF-8"))
}

fn raw(json: &str) -> &RawValue {
    serde_json::from_str(json).expect("fields always encode as JSON")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{format::Format, options::Options, read::read, testing::records::records};

    proptest! {
        #[test]
        fn an_archive_that_is_read_again_is_what_was_written(records in records()) {
            let written = write(&records);
            prop_assert!(written.losses.is_empty() && losses(&records).is_empty());
            let found = read(Format::Vaultterm, &written.bytes, &Options::default()).unwrap();
            prop_assert!(found.refused.is_empty() && found.losses.is_empty());
            prop_assert_eq!(found.items.len(), records.len());
            for (item, record) in found.items.iter().zip(&records) {
                let path = [item.folder.as_slice(), std::slice::from_ref(&item.name)].concat().join("/");
                prop_assert_eq!(&path, &record.path);
                prop_assert_eq!(item.source_id.as_ref(), Some(&record.id));
                prop_assert_eq!(item.record_type, record.record_type);
                prop_assert_eq!(item.fields.expose(), record.fields.expose());
                prop_assert_eq!(&item.tags, &record.tags);
                prop_assert_eq!((item.ask_again, item.is_trashed), (record.ask_again, record.is_trashed));
                prop_assert_eq!((item.created_us, item.updated_us), (record.created_us, record.updated_us));
                prop_assert!(item.losses.is_empty());
                prop_assert_eq!(item.history.len(), record.history.len());
                for (past, other) in item.history.iter().zip(&record.history) {
                    prop_assert_eq!((past.at_us, past.fields.expose()), (other.at_us, other.fields.expose()));
                }
            }
        }
    }
}
