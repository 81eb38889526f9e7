//! Writes the Credential Exchange Format (CXF 1.0), at the level of the header, with one account.
//!
//! A field that the standard has a place for stands there; every other field is one that a person added. A record in the
//! trash is left out, because the format has no trash. A link of one-time codes becomes a credential of its own where the
//! credential can hold all of it.

mod fields;
mod folders;

use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use self::folders::id;
use crate::{
    cxf::type_of,
    document::wipe,
    loss::{Loss, Lost},
    outgoing::{LossesOf, Outgoing, RecordLoss, Written},
};

/// The name of the program in the file.
const EXPORTER: &str = "VaultTerm";

/// Writes the records.
pub(super) fn write(records: &[Outgoing]) -> Written {
    let (mut losses, mut items, mut folders) = (Vec::new(), Vec::new(), folders::Folders::default());
    for record in records {
        let mut lost = LossesOf::new(record);
        if let Some(item) = item(record, &mut lost) {
            folders.add(record.folder(), &id(&record.id));
            items.push(item);
        }
        losses.extend(lost.finish());
    }
    // The crate asks no clock: the newest change is the time of the file.
    let newest = records.iter().filter_map(|record| record.updated_us.or(record.created_us)).max();
    let mut document = json!({
        "version": {"major": 1, "minor": 0},
        "exporterRpId": "vaultterm.invalid",
        "exporterDisplayName": EXPORTER,
        "timestamp": seconds(newest.unwrap_or_default()),
        "accounts": [{
            "id": id(EXPORTER),
            "username": "",
            "email": "",
            "collections": folders.finish(),
            "items": items,
        }],
    });
    let bytes = Zeroizing::new(serde_json::to_vec(&document).expect("a document always encodes"));
    wipe(&mut document);
    Written { bytes, losses }
}

/// Foretells what the file will not hold.
pub(super) fn losses(records: &[Outgoing]) -> Vec<RecordLoss> {
    let mut losses = Vec::new();
    for record in records {
        let mut lost = LossesOf::new(record);
        if let Some(mut item) = item(record, &mut lost) {
            wipe(&mut item);
        }
        losses.extend(lost.finish());
    }
    losses
}

fn seconds(us: i64) -> i64 {
    (us / 1_000_000).max(0)
}

/// Returns the item of a record, and notes what it does not hold.
fn item(record: &Outgoing, lost: &mut LossesOf<'_>) -> Option<Value> {
    if record.is_trashed || record.fields.expose().is_empty() {
        lost.add(Loss::new(Lost::Record));
        return None;
    }
    let written = fields::credentials(record, lost);
    let own: Vec<&str> = written.own.iter().map(String::as_str).collect();
    lost.add_if(type_of(&written.kinds, own) != record.record_type, Lost::Type);
    lost.add_if(record.ask_again, Lost::Mark);
    if !record.history.is_empty() {
        lost.add(Loss::many(Lost::Past, record.history.len() as u64));
    }
    let mut item = Map::new();
    item.insert("id".to_owned(), id(&record.id).into());
    item.insert("title".to_owned(), record.name().into());
    if let Some(us) = record.created_us {
        item.insert("creationAt".to_owned(), seconds(us).into());
    }
    if let Some(us) = record.updated_us {
        item.insert("modifiedAt".to_owned(), seconds(us).into());
    }
    if !written.urls.is_empty() {
        item.insert("scope".to_owned(), json!({"urls": written.urls, "androidApps": []}));
    }
    item.insert("credentials".to_owned(), written.credentials.into());
    if !record.tags.is_empty() {
        item.insert("tags".to_owned(), record.tags.clone().into());
    }
    Some(item.into())
}

#[cfg(test)]
mod tests;
