//! An item of an account: a record, and one more for each further passkey.

use vaultterm_reconcile::RecordType;

use super::{
    collections::Folders,
    credentials::{self, field},
    kinds::{Kind, type_of},
};
use crate::{
    collect::Collector,
    document::Part,
    item::Item,
    limits::LimitMet,
    loss::{Loss, Lost},
    place::Place,
    refused::Refused,
};

/// Reads an item and adds it, or refuses it when it holds no values.
pub(super) fn read(mut part: Part, folders: &Folders, found: &mut Collector) -> Result<(), LimitMet> {
    let place = Place::entry(found.count() + 1);
    let name = part.text("title").unwrap_or_default();
    let mut item = Item::new(place, name, RecordType::KeyValue);
    let mut parts = Vec::new();
    let mut names = Vec::new();
    for value in part.list("credentials") {
        names.extend(credentials::own_names(&value));
        match Part::of(value) {
            Ok(mut credential) => {
                let name = credential.text("type").unwrap_or_default();
                parts.push((Kind::of(&name), name, credential));
            }
            Err(_) => item.lose(Loss::named(Lost::UnknownPart, "credentials")),
        }
    }
    let kinds: Vec<Kind> = parts.iter().map(|(kind, ..)| *kind).collect();
    item.record_type = type_of(&kinds, names.iter().map(String::as_str));
    around(&mut part, folders, &mut item);
    let mut passkeys = Vec::new();
    // Addresses of drafts stand in the login.
    let mut urls = addresses(&mut part, &mut item);
    for (kind, name, mut credential) in parts {
        if kind == Kind::Passkey && (item.record_type != RecordType::Passkey || passkeys_in(&item)) {
            passkeys.push(credential);
            continue;
        }
        urls.extend(texts(&mut credential, "urls"));
        credentials::fill(credential, kind, &name, &mut item);
    }
    item.urls(urls);
    part.rest(&mut item);
    let beside = passkeys.into_iter().zip(1..).map(|(part, number)| passkey(part, number, &item));
    let beside: Vec<Item> = beside.collect();
    if credentials::holds_nothing(&item) {
        found.refuse(Refused::new(place, Some(&item.name), "it holds no values"))?;
    } else {
        found.item(item)?;
    }
    beside.into_iter().try_for_each(|passkey| found.item(passkey))
}

/// Says whether the item is a passkey already.
fn passkeys_in(item: &Item) -> bool {
    item.fields.expose().contains_key("credential_id")
}

/// Reads what stands around the credentials.
fn around(part: &mut Part, folders: &Folders, item: &mut Item) {
    item.source_id = part.text("id");
    if let Some(paths) = item.source_id.as_ref().and_then(|id| folders.get(id)) {
        item.folder.clone_from(&paths[0]);
        for path in &paths[1..] {
            item.lose(Loss::named(Lost::Rights, path.join("/")));
        }
    }
    item.created_us = moment(part, "creationAt", item);
    item.updated_us = moment(part, "modifiedAt", item);
    if part.flag("favorite") {
        item.lose(Loss::new(Lost::Favourite));
    }
    item.tags = texts(part, "tags");
    part.ignore(&["type"]);
}

/// Reads a moment in seconds. One before 1970 or beyond the calendar is moved, which is counted.
fn moment(part: &mut Part, name: &str, item: &mut Item) -> Option<i64> {
    let seconds = part.number(name)?;
    let kept = seconds.clamp(0, jiff::Timestamp::MAX.as_second());
    if kept != seconds {
        item.lose(Loss::named(Lost::Date, name));
    }
    Some(kept * 1_000_000)
}

/// Reads the addresses for which the credentials are.
fn addresses(part: &mut Part, item: &mut Item) -> Vec<String> {
    let Some(mut scope) = part.part("scope") else { return Vec::new() };
    let urls = texts(&mut scope, "urls");
    for mut app in scope.parts("androidApps", item) {
        let name = app.text("bundleId").unwrap_or_default();
        app.ignore(&["certificate", "name"]);
        app.rest(item);
        item.lose(Loss::named(Lost::Filling, format!("androidApps/{name}")));
    }
    scope.rest(item);
    urls
}

fn texts(part: &mut Part, name: &str) -> Vec<String> {
    part.list(name).into_iter().filter_map(|value| value.as_str().map(str::to_owned)).collect()
}

/// A passkey beside its login.
fn passkey(mut part: Part, number: u32, login: &Item) -> Item {
    let suffix = if number == 1 { " (passkey)".to_owned() } else { format!(" (passkey {number})") };
    let mut item = Item::new(login.place, format!("{}{suffix}", login.name), RecordType::Passkey);
    item.folder.clone_from(&login.folder);
    item.tags.clone_from(&login.tags);
    (item.created_us, item.updated_us) = (login.created_us, login.updated_us);
    item.source_id = login.source_id.as_ref().map(|id| format!("{id}/passkey-{number}"));
    for (theirs, ours) in Kind::Passkey.pairs() {
        if let Some(text) = field(&mut part, theirs, &mut item) {
            item.text(ours, text);
        }
    }
    part.rest(&mut item);
    item
}
