//! Reads an item of 1Password's archive.

use serde_json::Value;
use vaultterm_reconcile::RecordType;

use crate::{
    collect::Collector,
    document::Part,
    item::Item,
    limits::LimitMet,
    loss::{Loss, Lost},
    place::Place,
    refused::Refused,
    usual,
};

use super::values;

/// The categories that VaultTerm has a type for.
const TYPES: [(&str, RecordType); 7] = [
    ("001", RecordType::Password),
    ("002", RecordType::PaymentCard),
    ("003", RecordType::SecureNote),
    ("004", RecordType::Identity),
    ("005", RecordType::Password),
    ("112", RecordType::ApiKey),
    ("114", RecordType::SshKey),
];

/// The other categories, which become fields of any name.
const OTHERS: [(&str, &str); 15] = [
    ("006", "document"),
    ("100", "software licence"),
    ("101", "bank account"),
    ("102", "database"),
    ("103", "driver's licence"),
    ("104", "outdoor licence"),
    ("105", "membership"),
    ("106", "passport"),
    ("107", "rewards programme"),
    ("108", "social security number"),
    ("109", "wireless router"),
    ("110", "server"),
    ("111", "email account"),
    ("113", "medical record"),
    ("115", "crypto wallet"),
];

/// Reads an item and adds it.
pub(super) fn add(mut part: Part, place: Place, folder: &[String], collector: &mut Collector) -> Result<(), LimitMet> {
    // The first versions put the item and its file into one object.
    let file = part.part("file");
    if let Some(inner) = part.part("item") {
        part = inner;
    }
    let mut overview = part.part("overview").unwrap_or_default();
    let name = overview.text("title").unwrap_or_default();
    let Some(category) = part.text("categoryUuid") else {
        return collector.refuse(Refused::new(place, Some(&name), "the item has no category"));
    };
    let known = TYPES.iter().find(|(number, _)| *number == category);
    let mut item = Item::new(place, name, known.map_or(RecordType::KeyValue, |(_, record_type)| *record_type));
    if known.is_none() {
        item.lose(match OTHERS.iter().find(|(number, _)| *number == category) {
            Some((_, words)) => Loss::named(Lost::OtherType, words),
            None => Loss::named(Lost::UnknownType, &category),
        });
    }
    item.folder = folder.to_vec();
    around(&mut part, &mut item);
    let mut details = part.part("details").unwrap_or_default();
    login(&mut details, &mut item);
    urls(&mut overview, &mut item);
    if let Some(notes) = details.text("notesPlain") {
        item.text(usual::note(item.record_type), notes);
    }
    for section in details.parts("sections", &mut item) {
        values::section(section, &category, &mut item);
    }
    for file in file.into_iter().chain(details.part("documentAttributes")) {
        values::attachment(file, &mut item);
    }
    history(&mut details, &mut item);
    details.rest(&mut item);
    overview.ignore(&["ainfo", "pbe", "pgrng", "ps", "subtitle", "watchtowerExclusions"]);
    overview.rest(&mut item);
    part.rest(&mut item);
    collector.item(item)
}

/// Reads what all items have around their values.
fn around(part: &mut Part, item: &mut Item) {
    item.source_id = part.text("uuid");
    item.created_us = part.number("createdAt").map(|count| item.since_1970("createdAt", count, 1_000_000));
    item.updated_us = part.number("updatedAt").map(|count| item.since_1970("updatedAt", count, 1_000_000));
    if part.number("favIndex").is_some_and(|index| index != 0) {
        item.lose(Loss::new(Lost::Favourite));
    }
    // The first versions have a mark, and later ones a word.
    let is_trashed = part.text("trashed").is_some_and(|mark| ["true", "Y"].contains(&mark.as_str()));
    match part.text("state").as_deref() {
        Some("archived") => item.tags.push(usual::ARCHIVED.to_owned()),
        Some("trashed" | "deleted") => item.is_trashed = true,
        Some("active") | None => {}
        Some(other) => item.lose(Loss::named(Lost::UnknownPart, format!("state {other}"))),
    }
    item.is_trashed |= is_trashed;
}

/// Reads the fields of the web form, and the password of an item that is nothing else.
fn login(details: &mut Part, item: &mut Item) {
    for mut field in details.parts("loginFields", item) {
        let designation = field.text("designation").unwrap_or_default();
        let (name, id, kind) = (field.text("name"), field.text("id"), field.text("fieldType").unwrap_or_default());
        let Some(value) = login_value(&mut field).filter(|value| !value.is_empty()) else {
            field.rest(item);
            continue;
        };
        match designation.as_str() {
            "username" | "password" => item.text(&designation, value),
            // Boxes and buttons of the page.
            _ if ["B", "C", "I", "R", "S"].contains(&kind.as_str()) => {
                item.lose(Loss::named(Lost::Filling, name.or(id).unwrap_or_default()));
            }
            _ => item.own(name.filter(|name| !name.is_empty()).or(id), value),
        }
        field.rest(item);
    }
    if let Some(password) = details.text("password") {
        item.text("password", password);
    }
}

/// Takes the value of a field. It is an object where it comes from another service.
fn login_value(field: &mut Part) -> Option<String> {
    if let Some(text) = field.text("value") {
        return Some(text);
    }
    let mut inner = field.part("value")?;
    inner.text("email_address").or_else(|| inner.text("string"))
}

fn urls(overview: &mut Part, item: &mut Item) {
    let first = overview.text("url");
    let mut urls: Vec<String> = Vec::new();
    for mut part in overview.parts("urls", item) {
        urls.extend(part.text("url"));
        if part.text("label").is_some_and(|label| !["", "website"].contains(&label.as_str())) {
            item.lose(Loss::named(Lost::Look, "label"));
        }
        if part.text("mode").is_some_and(|mode| mode != "default") {
            item.lose(Loss::named(Lost::Filling, "mode"));
        }
        part.rest(item);
    }
    if let Some(first) = first.filter(|first| !urls.contains(first)) {
        urls.insert(0, first);
    }
    item.urls(urls);
    for tag in overview.list("tags") {
        match tag {
            Value::String(tag) => item.tags.push(tag),
            _ => item.lose(Loss::named(Lost::UnknownPart, "tags")),
        }
    }
    if overview.text("icons").is_some_and(|icon| !icon.is_empty()) {
        item.lose(Loss::new(Lost::Look));
    }
}

/// Reads the earlier passwords.
fn history(details: &mut Part, item: &mut Item) {
    let mut past = Vec::new();
    for mut entry in details.parts("passwordHistory", item) {
        let date = entry.number("time").map(|count| item.since_1970("time", count, 1_000_000));
        match entry.text("value") {
            Some(text) if !text.is_empty() => past.push((date, text)),
            _ => item.lose(Loss::new(Lost::EmptyPast)),
        }
        entry.rest(item);
    }
    past.sort_by_key(|(date, _)| *date);
    for (date, text) in past {
        item.past(date, [("password".to_owned(), Value::String(text))]);
    }
}
