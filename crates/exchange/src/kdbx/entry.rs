//! An entry of a database with its history.

use std::collections::HashMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use vaultterm_reconcile::RecordType;

use super::{moment, one_time, xml::Element};
use crate::{
    collect::Collector,
    item::{Item, Past},
    limits::LimitMet,
    loss::{Loss, Lost},
    place::Place,
    refused::Refused,
};

/// The sizes of attachments by the number to which entries refer.
pub(super) type Binaries = HashMap<usize, u64>;

/// The field that holds when an entry expires.
const EXPIRES: &str = "expires";
/// The further addresses that KeePass2Android and KeePassXC keep.
const FURTHER_ADDRESS: &str = "KP2A_URL";

/// Adds an entry to what was found, or refuses it.
pub(super) fn collect(
    entry: &Element,
    folder: Vec<String>,
    is_trashed: bool,
    binaries: &Binaries,
    found: &mut Collector,
) -> Result<(), LimitMet> {
    let place = Place::entry(found.count() + 1);
    let name = string(entry, "Title").map(Element::text).unwrap_or_default();
    let history = entry.at("History").map(|history| history.children.as_slice()).unwrap_or_default();
    if std::iter::once(entry).chain(history).any(|state| !is_readable(state)) {
        return found.refuse(Refused::new(place, Some(name), "a value of it is not UTF-8"));
    }
    let record_type = record_type(std::iter::once(entry).chain(history));
    let mut item = Item::new(place, name, record_type);
    item.folder = folder;
    item.is_trashed = is_trashed;
    item.source_id = STANDARD.decode(entry.text_at("UUID").trim()).ok().map(hex::encode);
    fill(entry, &mut item);
    parts(entry, binaries, &mut item);
    let times = entry.at("Times");
    item.created_us = moment_at(times, "CreationTime", &mut item);
    item.updated_us = moment_at(times, "LastModificationTime", &mut item);
    for state in history {
        past(state, binaries, &mut item);
    }
    found.item(item)
}

/// Adds an earlier state. It is whole in the file.
fn past(state: &Element, binaries: &Binaries, item: &mut Item) {
    if state.name != "Entry" {
        item.lose(Loss::named(Lost::UnknownPart, format!("History/{}", state.name)));
        return;
    }
    let mut then = Item::new(item.place, "", item.record_type);
    fill(state, &mut then);
    let at_us = moment_at(state.at("Times"), "LastModificationTime", item);
    if string(state, "Title").map(Element::text).unwrap_or_default() != item.name {
        item.lose(Loss::named(Lost::UnknownPart, "History/Title"));
    }
    for (name, size) in attachments(state, binaries) {
        let is_known = |loss: &Loss| loss.what == Lost::Attachment && loss.name.as_deref() == Some(name.as_str());
        if !item.losses.iter().any(is_known) {
            item.lose(attachment(&name, size));
        }
    }
    item.losses.extend(then.losses.into_iter().filter(|loss| loss.what != Lost::Reference));
    item.history.push(Past { at_us, fields: then.fields });
}

/// Returns the type. An entry that never held anything but notes is a note.
fn record_type<'a>(states: impl Iterator<Item = &'a Element>) -> RecordType {
    let (mut has_notes, mut has_more) = (false, false);
    for state in states {
        for (name, value) in strings(state) {
            let is_empty = value.value().is_empty();
            match name {
                "Title" => {}
                "Notes" => has_notes |= !is_empty,
                "UserName" | "Password" | "URL" => has_more |= !is_empty,
                _ => has_more = true,
            }
        }
        has_more |= state.at("Times").is_some_and(|times| times.is_true("Expires"));
    }
    if has_notes && !has_more { RecordType::SecureNote } else { RecordType::Password }
}

/// Sets the fields.
fn fill(entry: &Element, item: &mut Item) {
    let notes = if item.record_type == RecordType::SecureNote { "note" } else { "notes" };
    let codes: Vec<(&str, &str)> = strings(entry)
        .filter(|(name, _)| name.starts_with(one_time::FIELDS))
        .map(|(name, value)| (name, value.text()))
        .collect();
    let code = one_time::of_keepass(&codes);
    let of_tray = |name: &str| string(entry, name).map(Element::text).filter(|text| !text.is_empty());
    let [seed, settings] = one_time::TRAY.map(of_tray);
    let tray = seed.and_then(|seed| one_time::of_tray(seed, settings));
    let mut addresses = 1;
    // The usual fields first, so that a field of the same name that a person made gets the number.
    for (name, field) in [("UserName", "username"), ("Password", "password"), ("URL", "url"), ("Notes", notes)] {
        for value in strings(entry).filter(|(other, _)| *other == name).map(|(_, value)| value.text()) {
            link(field, value, item);
            item.text(field, value);
        }
    }
    if let Some(code) = &code {
        item.text("otpauth_url", code.as_str());
    }
    for (name, value) in strings(entry) {
        let value = value.text();
        match name {
            "Title" | "UserName" | "Password" | "URL" | "Notes" => {}
            "otp" if value.to_ascii_lowercase().starts_with("otpauth://") => item.text("otpauth_url", value),
            "otp" => match one_time::of_plugin(value) {
                Some(code) => item.text("otpauth_url", code.as_str()),
                None => item.value(name, Value::from(value)),
            },
            _ if code.is_some() && name.starts_with(one_time::FIELDS) => {}
            _ if tray.is_some() && one_time::TRAY.contains(&name) => {}
            _ if name.starts_with(FURTHER_ADDRESS) && !value.is_empty() => {
                addresses += 1;
                item.text(&format!("url_{addresses}"), value);
            }
            _ => {
                link(name, value, item);
                item.value(name, Value::from(value));
            }
        }
    }
    if let Some(code) = &tray {
        item.text("otpauth_url", code.as_str());
    }
    let times = entry.at("Times");
    if times.is_some_and(|times| times.is_true("Expires"))
        && let Some(us) = moment_at(times, "ExpiryTime", item)
        && let Ok(moment) = jiff::Timestamp::from_microsecond(us)
    {
        item.text(EXPIRES, moment.to_string());
    }
}

/// Notes a value that points to a field of another entry. It stays as it is typed.
fn link(field: &str, value: &str, item: &mut Item) {
    if value.to_ascii_uppercase().contains("{REF:") {
        item.lose(Loss::named(Lost::Reference, field));
    }
}

/// Looks at all other parts of the entry.
fn parts(entry: &Element, binaries: &Binaries, item: &mut Item) {
    for part in &entry.children {
        let text = part.text().trim();
        match part.name.as_str() {
            "UUID" | "Times" | "String" | "Binary" | "History" | "PreviousParentGroup" => {}
            "Tags" => {
                let tags = text.split([';', ',']).map(str::trim).filter(|tag| !tag.is_empty());
                item.tags.extend(tags.map(str::to_owned));
            }
            "IconID" if text == "0" => {}
            "IconID" | "CustomIconUUID" => item.lose(Loss::new(Lost::Look)),
            "ForegroundColor" | "BackgroundColor" | "OverrideURL" if text.is_empty() => {}
            "ForegroundColor" | "BackgroundColor" => item.lose(Loss::new(Lost::Look)),
            "OverrideURL" => item.lose(Loss::named(Lost::Filling, "OverrideURL")),
            "AutoType" if is_usual(part) => {}
            "AutoType" => item.lose(Loss::named(Lost::Filling, "AutoType")),
            "QualityCheck" if text.eq_ignore_ascii_case("true") => {}
            "CustomData" => {
                let names = part.children.iter().map(|data| data.text_at("Key"));
                item.losses.extend(names.map(|name| Loss::named(Lost::UnknownPart, format!("CustomData/{name}"))));
            }
            name => item.losses.push(Loss::named(Lost::UnknownPart, name)),
        }
    }
    for (name, size) in attachments(entry, binaries) {
        item.lose(attachment(&name, size));
    }
}

/// Says whether automatic typing is set as in a new entry. pykeepass writes `None` for no sequence, and one association with no
/// window.
fn is_usual(typing: &Element) -> bool {
    let sequence = typing.text_at("DefaultSequence").trim();
    let is_set = |name: &str, part: &Element| !part.text_at(name).trim().is_empty();
    let mut associations = typing.children.iter().filter(|child| child.name == "Association");
    !typing.text_at("Enabled").trim().eq_ignore_ascii_case("false")
        && matches!(sequence, "" | "None")
        && !associations.any(|part| is_set("Window", part) || is_set("KeystrokeSequence", part))
}

fn attachment(name: &str, size: Option<u64>) -> Loss {
    let loss = Loss::named(Lost::Attachment, name);
    match size {
        Some(bytes) => loss.sized(bytes),
        None => loss,
    }
}

/// Returns the attachments with their sizes, as far as the file tells.
fn attachments<'a>(entry: &'a Element, binaries: &'a Binaries) -> impl Iterator<Item = (String, Option<u64>)> + 'a {
    entry.children.iter().filter(|child| child.name == "Binary").map(|binary| {
        let size = binary.at("Value").and_then(|value| match value.attribute("Ref") {
            Some(number) => number.parse().ok().and_then(|number: usize| binaries.get(&number).copied()),
            None => Some(size(value, u64::MAX)),
        });
        (binary.text_at("Key").to_owned(), size)
    })
}

/// Returns the size of an attachment that stands in the XML. If it is compressed, its last bytes tell, and nothing inflates.
pub(super) fn size(binary: &Element, max: u64) -> u64 {
    let decoded = STANDARD.decode(binary.value().trim_ascii()).map(zeroize::Zeroizing::new);
    let bytes: &[u8] = match (&decoded, binary.says("Protected")) {
        (Ok(bytes), false) => bytes,
        _ => binary.value(),
    };
    let told = match bytes.last_chunk::<4>() {
        Some(last) if binary.says("Compressed") => u64::from(u32::from_le_bytes(*last)),
        _ => bytes.len() as u64,
    };
    told.min(max)
}

/// Returns the named values.
fn strings(entry: &Element) -> impl Iterator<Item = (&str, &Element)> {
    let strings = entry.children.iter().filter(|child| child.name == "String");
    strings.filter_map(|string| Some((string.text_at("Key"), string.at("Value")?)))
}

fn string<'a>(entry: &'a Element, name: &str) -> Option<&'a Element> {
    strings(entry).find(|(other, _)| *other == name).map(|(_, value)| value)
}

fn is_readable(entry: &Element) -> bool {
    strings(entry).all(|(_, value)| value.is_text())
}

/// Reads a moment, and notes when it had to be moved.
fn moment_at(times: Option<&Element>, name: &str, item: &mut Item) -> Option<i64> {
    let (us, moved) = moment::read(times?.text_at(name))?;
    if moved {
        item.lose(Loss::named(Lost::Date, name));
    }
    Some(us)
}
