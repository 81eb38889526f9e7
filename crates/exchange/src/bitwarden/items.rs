//! Reads an item of Bitwarden's JSON.

use std::collections::BTreeMap;

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

use super::parts::{self, Pair, field, kind};

/// The folders of a person and the collections of an organisation, by id.
pub(super) struct Folders {
    pub(super) folders: BTreeMap<String, String>,
    pub(super) collections: BTreeMap<String, String>,
}

/// What says nothing to VaultTerm: ids and rights of the account, keys of the file's own encryption.
const BOOKKEEPING: [&str; 9] = [
    "edit",
    "externalId",
    "key",
    "localData",
    "object",
    "organizationId",
    "organizationUseTotp",
    "permissions",
    "viewPassword",
];

/// Reads an item and adds it, and each of its passkeys beside it.
pub(super) fn add(
    mut part: Part,
    place: Place,
    folders: &Folders,
    attachments: &BTreeMap<String, Vec<(String, u64)>>,
    collector: &mut Collector,
) -> Result<(), LimitMet> {
    let name = part.text("name").unwrap_or_default();
    let Some(number) = part.number("type") else {
        return collector.refuse(Refused::new(place, Some(&name), "the item has no type"));
    };
    let mut item = Item::new(place, name, record_type(number));
    item.source_id = part.text("id");
    around(&mut part, folders, &mut item);
    for (name, size) in item.source_id.as_ref().and_then(|id| attachments.get(id)).into_iter().flatten() {
        item.lose(Loss::named(Lost::Attachment, name).sized(*size));
    }
    let passkeys = typed(&mut part, number, &mut item);
    if let Some(notes) = part.text("notes") {
        item.text(usual::note(item.record_type), notes);
    }
    let hidden = own_fields(&mut part, &mut item);
    history(&mut part, &hidden, &mut item);
    part.ignore(&BOOKKEEPING);
    part.rest(&mut item);
    add_all(item, passkeys, collector)
}

const fn record_type(number: i64) -> RecordType {
    match number {
        kind::LOGIN => RecordType::Password,
        kind::NOTE => RecordType::SecureNote,
        kind::CARD => RecordType::PaymentCard,
        kind::IDENTITY => RecordType::Identity,
        kind::SSH_KEY => RecordType::SshKey,
        _ => RecordType::KeyValue,
    }
}

/// Reads what all items have around their values.
fn around(part: &mut Part, folders: &Folders, item: &mut Item) {
    if let Some(path) = part.text("folderId").and_then(|id| folders.folders.get(&id)) {
        item.folder = usual::folder(path, '/');
    }
    for id in part.list("collectionIds") {
        let name = id.as_str().and_then(|id| folders.collections.get(id));
        match name {
            Some(path) if item.folder.is_empty() => item.folder = usual::folder(path, '/'),
            Some(path) => item.lose(Loss::named(Lost::Rights, path)),
            None => {}
        }
    }
    item.created_us = part.text("creationDate").and_then(|text| item.date("creationDate", &text));
    item.updated_us = part.text("revisionDate").and_then(|text| item.date("revisionDate", &text));
    item.is_trashed = part.text("deletedDate").is_some();
    if part.text("archivedDate").is_some() {
        item.tags.push(usual::ARCHIVED.to_owned());
    }
    if part.flag("favorite") {
        item.lose(Loss::new(Lost::Favourite));
    }
    item.ask_again = part.number("reprompt") == Some(1);
    for mut file in part.parts("attachments", item) {
        let name = file.text("fileName").unwrap_or_default();
        let size = file.text("size").and_then(|size| size.parse().ok());
        let loss = Loss::named(Lost::Attachment, name);
        item.lose(if let Some(size) = size { loss.sized(size) } else { loss });
    }
}

/// Reads the values of the type, and returns the passkeys.
fn typed(part: &mut Part, number: i64, item: &mut Item) -> Vec<Part> {
    match number {
        kind::LOGIN => return part.part("login").map(|login| self::login(login, item)).unwrap_or_default(),
        kind::NOTE => part.part("secureNote").into_iter().for_each(|mut note| {
            note.ignore(&["type"]);
            note.rest(item);
        }),
        kind::CARD => part.part("card").into_iter().for_each(|card| self::card(card, item)),
        kind::IDENTITY => of_type(part, "identity", &parts::IDENTITY, item).rest(item),
        kind::SSH_KEY => of_type(part, "sshKey", &parts::SSH_KEY, item).rest(item),
        kind::BANK_ACCOUNT => young_type(part, "bankAccount", &parts::BANK_ACCOUNT, "bank account", item),
        kind::DRIVING_LICENCE => {
            young_type(part, "driversLicense", &parts::DRIVING_LICENCE, "driver's licence", item);
        }
        kind::PASSPORT => young_type(part, "passport", &parts::PASSPORT, "passport", item),
        _ => {
            young_fields(part, "", &[], item);
            item.lose(Loss::named(Lost::UnknownType, number.to_string()));
        }
    }
    Vec::new()
}

/// Reads the values of a type whose names are known. Returns what is left of them.
fn of_type(part: &mut Part, name: &str, pairs: &[Pair], item: &mut Item) -> Part {
    let mut inner = part.part(name).unwrap_or_default();
    take(&mut inner, pairs, item);
    inner
}

/// Reads the values of a type that Bitwarden still changes, or that nobody knows yet. Values under other names than those
/// that are known keep their names, in whatever object they lie.
fn young_fields(part: &mut Part, name: &str, pairs: &[Pair], item: &mut Item) {
    of_type(part, name, pairs, item).fields(item);
    part.ignore(&BOOKKEEPING);
    part.objects().into_iter().for_each(|(_, object)| object.fields(item));
}

/// Reads the values of a type that Bitwarden still changes, and that VaultTerm has no type for.
fn young_type(part: &mut Part, name: &str, pairs: &[Pair], words: &str, item: &mut Item) {
    young_fields(part, name, pairs, item);
    item.lose(Loss::named(Lost::OtherType, words));
}

/// Moves values into the fields that they become.
fn take(part: &mut Part, pairs: &[Pair], item: &mut Item) {
    for (theirs, ours) in pairs {
        if let Some(text) = part.text(theirs) {
            item.text(ours, text);
        }
    }
}

fn login(mut login: Part, item: &mut Item) -> Vec<Part> {
    take(&mut login, &parts::LOGIN, item);
    let mut urls = Vec::new();
    for mut uri in login.parts("uris", item) {
        urls.extend(uri.text("uri"));
        if uri.text("match").is_some() {
            item.lose(Loss::named(Lost::Filling, "match"));
        }
        uri.ignore(&["uriChecksum"]);
        uri.rest(item);
    }
    item.urls(urls);
    if let Some(secret) = login.text("totp") {
        item.one_time(secret);
    }
    if login.text("autofillOnPageLoad").is_some() {
        item.lose(Loss::named(Lost::Filling, "autofillOnPageLoad"));
    }
    let passkeys = login.parts("fido2Credentials", item);
    login.ignore(&["passwordRevisionDate", "uri"]);
    login.rest(item);
    passkeys
}

fn card(mut card: Part, item: &mut Item) {
    take(&mut card, &parts::CARD, item);
    let text = |card: &mut Part, name| card.text(name).unwrap_or_default();
    let (year, month) = (text(&mut card, parts::YEAR.0), text(&mut card, parts::MONTH.0));
    match usual::month_of(&year, &month) {
        Some(expires) => item.text(parts::EXPIRES, expires),
        None => {
            item.text(parts::YEAR.1, year);
            item.text(parts::MONTH.1, month);
        }
    }
    card.rest(item);
}

/// Reads the fields that a person added, and returns the names of the hidden ones.
fn own_fields(part: &mut Part, item: &mut Item) -> Vec<String> {
    let mut hidden = Vec::new();
    for mut own in part.parts("fields", item) {
        let (name, number) = (own.text("name"), own.number("type").unwrap_or_default());
        if number == field::LINKED {
            item.lose(Loss::named(Lost::Link, name.unwrap_or_default()));
            own.ignore(&["linkedId", "value"]);
        } else {
            if number == field::HIDDEN {
                hidden.extend(name.clone());
            }
            let value = own.text("value").unwrap_or_default();
            item.own(name, value);
            own.ignore(&["linkedId"]);
        }
        own.rest(item);
    }
    hidden
}

/// Reads the earlier passwords. Bitwarden writes an earlier value of a hidden field as `name: value` among them.
fn history(part: &mut Part, hidden: &[String], item: &mut Item) {
    let mut past = Vec::new();
    for mut entry in part.parts("passwordHistory", item) {
        let date = entry.text("lastUsedDate").and_then(|text| item.date("lastUsedDate", &text));
        match entry.text("password") {
            Some(text) if !text.is_empty() => past.push((date, text)),
            _ => item.lose(Loss::new(Lost::EmptyPast)),
        }
        entry.rest(item);
    }
    // The file has the newest first.
    past.reverse();
    past.sort_by_key(|(date, _)| *date);
    for (date, text) in past {
        let of_hidden =
            hidden.iter().find_map(|name| Some((name, text.strip_prefix(name.as_str())?.strip_prefix(": ")?)));
        let (field, value) = match of_hidden {
            Some((name, value)) => (name.clone(), value.to_owned()),
            None => ("password".to_owned(), text),
        };
        item.past(date, [(field, Value::String(value))]);
    }
}

/// Adds an item and its passkeys. A login that has nothing but passkeys is no record of its own.
fn add_all(mut item: Item, passkeys: Vec<Part>, collector: &mut Collector) -> Result<(), LimitMet> {
    let is_bare = item.fields.expose().is_empty() && item.history.is_empty() && !passkeys.is_empty();
    let mut beside = Vec::new();
    for (mut part, number) in passkeys.into_iter().zip(1..) {
        let suffix = match (is_bare, number) {
            (true, 1) => String::new(),
            (_, 1) => " (passkey)".to_owned(),
            _ => format!(" (passkey {number})"),
        };
        let mut passkey = Item::new(item.place, format!("{}{suffix}", item.name), RecordType::Passkey);
        passkey.folder.clone_from(&item.folder);
        passkey.tags.clone_from(&item.tags);
        (passkey.is_trashed, passkey.ask_again) = (item.is_trashed, item.ask_again);
        passkey.source_id = match (&item.source_id, is_bare && number == 1) {
            (Some(id), false) => Some(format!("{id}/passkey-{number}")),
            (id, _) => id.clone(),
        };
        take(&mut part, &parts::PASSKEY, &mut passkey);
        passkey.created_us = part.text("creationDate").and_then(|text| passkey.date("creationDate", &text));
        passkey.updated_us = item.updated_us;
        part.rest(&mut passkey);
        beside.push(passkey);
    }
    if is_bare {
        beside[0].losses.append(&mut item.losses);
    } else {
        collector.item(item)?;
    }
    beside.into_iter().try_for_each(|passkey| collector.item(passkey))
}
