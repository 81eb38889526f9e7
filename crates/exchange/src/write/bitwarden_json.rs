//! Writes Bitwarden's JSON, unencrypted. Fields that its types have no place for become hidden fields of their own, so nearly
//! nothing is lost but the types that it does not have.
//!
//! A plan of each record comes first: it says where each field goes and what is lost. The losses that are foretold and those
//! of the file are therefore the same.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use jiff::Timestamp;
use serde_json::Value;
use vaultterm_reconcile::RecordType;

use crate::{
    bitwarden::parts::{self, Pair, field, kind},
    loss::{Loss, Lost},
    outgoing::{LossesOf, Outgoing, RecordLoss, Written},
    usual,
};

use super::{
    json::Json,
    place::{any_text, one_time, text, urls},
};

/// The parts of a passkey without which Bitwarden cannot use it.
const PASSKEY_NEEDS: [&str; 8] =
    ["credential_id", "key_type", "key_algorithm", "key_curve", "private_key", "rp_id", "counter", "discoverable"];
/// The names of the objects of the types.
const OBJECTS: [(i64, &str); 5] = [
    (kind::LOGIN, "login"),
    (kind::NOTE, "secureNote"),
    (kind::CARD, "card"),
    (kind::IDENTITY, "identity"),
    (kind::SSH_KEY, "sshKey"),
];

/// Foretells the losses.
pub(super) fn losses(records: &[Outgoing]) -> Vec<RecordLoss> {
    records.iter().flat_map(|record| Plan::of(record).losses).collect()
}

/// Writes the file.
pub(super) fn write(records: &[Outgoing]) -> Written {
    let paths: BTreeSet<&str> = records.iter().filter_map(Outgoing::folder).collect();
    let folders: BTreeMap<&str, String> =
        paths.into_iter().zip(1_u32..).map(|(path, at)| (path, folder_id(at))).collect();
    let mut losses = Vec::new();
    let items = records.iter().map(|record| {
        let mut plan = Plan::of(record);
        losses.append(&mut plan.losses);
        plan.item(record, record.folder().map(|path| folders[path].as_str()))
    });
    let items = items.collect();
    let list = folders.iter().map(|(path, id)| Json::Object(vec![("id", Json::Text(id)), ("name", Json::Text(path))]));
    let file = Json::Object(vec![
        ("encrypted", Json::Flag(false)),
        ("folders", Json::List(list.collect())),
        ("items", Json::List(items)),
    ]);
    Written { bytes: file.to_bytes(), losses }
}

/// Ids of folders are new in each file; they only tie the items to their folders.
fn folder_id(at: u32) -> String {
    format!("{at:08x}-0000-4000-8000-000000000000")
}

/// Where the fields of a record go.
struct Plan {
    kind: i64,
    /// The record is a passkey within a login.
    is_passkey: bool,
    /// Names in the object of the type, and their fields.
    parts: Vec<Pair>,
    urls: Vec<String>,
    one_time: Option<&'static str>,
    /// The field for the notes.
    notes: Option<&'static str>,
    /// The card's month and year are one field.
    expires: bool,
    /// The fingerprint of a key that lacks it.
    fingerprint: Option<String>,
    /// The fields that become fields of their own.
    own: Vec<String>,
    /// The earlier states whose passwords are kept, with their dates.
    past: Vec<(usize, i64)>,
    losses: Vec<RecordLoss>,
}

impl Plan {
    fn of(record: &Outgoing) -> Self {
        let mut lost = LossesOf::new(record);
        let fingerprint = fingerprint(record);
        let (kind, is_passkey) = kind_of(record, fingerprint.as_deref());
        let is_exact = matches!(
            (record.record_type, kind),
            (RecordType::Password, kind::LOGIN)
                | (RecordType::SecureNote, kind::NOTE)
                | (RecordType::PaymentCard, kind::CARD)
                | (RecordType::Identity, kind::IDENTITY)
                | (RecordType::SshKey, kind::SSH_KEY)
        );
        lost.add_if(!is_exact && !is_passkey, Lost::Type);
        let mut plan = Self {
            kind,
            is_passkey,
            parts: Vec::new(),
            urls: Vec::new(),
            one_time: None,
            notes: None,
            expires: false,
            fingerprint: None,
            own: Vec::new(),
            past: Vec::new(),
            losses: Vec::new(),
        };
        plan.places(record);
        if kind == kind::SSH_KEY && text(record, "fingerprint").is_none() {
            plan.fingerprint = fingerprint;
            lost.add(Loss::named(Lost::Computed, "fingerprint"));
        }
        plan.rest(record, &mut lost);
        plan.history(record, &mut lost);
        let tags = record.tags.iter().filter(|tag| *tag != usual::ARCHIVED).count();
        if tags > 0 {
            lost.add(Loss::many(Lost::Tags, tags as u64));
        }
        plan.losses = lost.finish();
        plan
    }

    /// Finds the fields for which Bitwarden has a place.
    fn places(&mut self, record: &Outgoing) {
        let pairs: &[Pair] = match self.kind {
            kind::LOGIN if self.is_passkey => &parts::PASSKEY,
            kind::LOGIN => &parts::LOGIN,
            kind::CARD => &parts::CARD,
            kind::IDENTITY => &parts::IDENTITY,
            kind::SSH_KEY => &parts::SSH_KEY,
            _ => &[],
        };
        self.parts = pairs.iter().filter(|(_, ours)| text(record, ours).is_some()).copied().collect();
        if self.is_passkey {
            return;
        }
        if self.kind == kind::LOGIN {
            self.urls = urls(record, |_| true);
            self.one_time = one_time(record);
        }
        if self.kind == kind::CARD {
            self.expires = text(record, parts::EXPIRES).and_then(usual::year_and_month).is_some();
            let (year, month) = (text(record, parts::YEAR.1), text(record, parts::MONTH.1));
            // Two numbers that make a month come back as one field.
            let is_month = usual::month_of(year.unwrap_or_default(), month.unwrap_or_default()).is_some();
            if !self.expires && !is_month {
                self.parts.extend(year.map(|_| parts::YEAR).into_iter().chain(month.map(|_| parts::MONTH)));
            }
        }
        let notes = if self.kind == kind::NOTE { "note" } else { "notes" };
        self.notes = text(record, notes).map(|_| notes);
    }

    /// Makes all other fields fields of their own.
    fn rest(&mut self, record: &Outgoing, lost: &mut LossesOf<'_>) {
        for (name, value) in record.fields.expose() {
            let is_placed = self.parts.iter().any(|(_, ours)| ours == name)
                || self.urls.contains(name)
                || self.one_time.is_some_and(|field| field == name)
                || self.notes.is_some_and(|field| field == name)
                || (self.expires && name == parts::EXPIRES);
            if is_placed {
                continue;
            }
            if name.is_empty() || self.is_passkey {
                lost.add(Loss::named(Lost::Field, name));
                continue;
            }
            if !value.is_string() {
                lost.add(Loss::named(Lost::Kind, name));
            }
            self.own.push(name.clone());
        }
    }

    /// Keeps the earlier passwords of a login. Of an earlier state in which more was different, only the password is kept.
    fn history(&mut self, record: &Outgoing, lost: &mut LossesOf<'_>) {
        let now = record.fields.expose();
        let (mut states, mut before) = (0, 0);
        let is_moved = |us: &i64| !(0..=usual::LAST_US).contains(us);
        let mut dates = [record.created_us, record.updated_us].iter().flatten().filter(|us| is_moved(us)).count();
        // A passkey without a date does not open in Bitwarden.
        dates += usize::from(self.is_passkey && record.created_us.is_none());
        for (at, past) in record.history.iter().enumerate() {
            let then = past.fields.expose();
            let password = then.get("password").and_then(Value::as_str).filter(|text| !text.is_empty());
            let is_kept = self.kind == kind::LOGIN
                && !self.is_passkey
                && password.is_some_and(|text| !self.own.iter().any(|name| is_of_hidden(text, name)));
            let differs = |name: &String| name != "password" && now.get(name) != then.get(name);
            if !is_kept || now.keys().chain(then.keys()).any(differs) {
                states += 1;
            }
            if is_kept {
                let date = past.at_us.unwrap_or(before).clamp(before, usual::LAST_US);
                dates += usize::from(past.at_us != Some(date));
                self.past.push((at, date));
                before = date;
            }
        }
        for (what, count) in [(Lost::Past, states), (Lost::Date, dates as u64)] {
            if count > 0 {
                lost.add(Loss::many(what, count));
            }
        }
    }

    /// Makes the item.
    fn item<'a>(&self, record: &'a Outgoing, folder: Option<&'a str>) -> Json<'a> {
        let changed = record.updated_us.or(record.created_us).unwrap_or_default();
        let date = |us: Option<i64>| us.map_or(Json::Null, |us| Json::made(moment(us)));
        let is_archived = record.tags.iter().any(|tag| tag == usual::ARCHIVED);
        let mut item = vec![
            ("id", Json::Text(&record.id)),
            ("organizationId", Json::Null),
            ("folderId", folder.map_or(Json::Null, |id| Json::made(id.to_owned()))),
            ("collectionIds", Json::Null),
            ("type", Json::Number(self.kind)),
            ("reprompt", Json::Number(record.ask_again.into())),
            ("name", Json::Text(record.name())),
            ("notes", Json::maybe(self.notes.and_then(|name| text(record, name)))),
            ("favorite", Json::Flag(false)),
            ("fields", Json::List(self.own.iter().map(|name| own(record, name)).collect())),
            ("passwordHistory", Json::List(self.past.iter().rev().map(|past| earlier(record, *past)).collect())),
            ("creationDate", date(record.created_us)),
            ("revisionDate", date(record.updated_us)),
            ("deletedDate", date(record.is_trashed.then_some(changed))),
            ("archivedDate", date(is_archived.then_some(changed))),
        ];
        let object = OBJECTS.iter().find(|(kind, _)| *kind == self.kind).map(|(_, name)| *name);
        item.extend(object.map(|name| (name, Json::Object(self.object(record)))));
        Json::Object(item)
    }

    /// Makes the object of the type.
    fn object<'a>(&self, record: &'a Outgoing) -> Vec<(&'static str, Json<'a>)> {
        let mut parts: Vec<_> =
            self.parts.iter().map(|(theirs, ours)| (*theirs, Json::maybe(text(record, ours)))).collect();
        if self.is_passkey {
            parts.push(("creationDate", Json::made(moment(record.created_us.unwrap_or_default()))));
            return vec![("uris", Json::List(Vec::new())), ("fido2Credentials", Json::List(vec![Json::Object(parts)]))];
        }
        if self.kind == kind::NOTE {
            parts.push(("type", Json::Number(0)));
        }
        if self.kind == kind::LOGIN {
            let uri =
                |name: &String| Json::Object(vec![("match", Json::Null), ("uri", Json::maybe(text(record, name)))]);
            parts.push(("uris", Json::List(self.urls.iter().map(uri).collect())));
            parts.push(("totp", Json::maybe(self.one_time.and_then(|name| text(record, name)))));
        }
        if let Some((year, month)) =
            text(record, parts::EXPIRES).filter(|_| self.expires).and_then(usual::year_and_month)
        {
            parts.extend([(parts::YEAR.0, Json::made(year)), (parts::MONTH.0, Json::made(month))]);
        }
        parts.extend(self.fingerprint.clone().map(|text| ("keyFingerprint", Json::made(text))));
        parts
    }
}

/// Returns the type of the item, and whether it is a passkey within a login.
fn kind_of(record: &Outgoing, fingerprint: Option<&str>) -> (i64, bool) {
    match record.record_type {
        RecordType::Password | RecordType::Totp => (kind::LOGIN, false),
        RecordType::PaymentCard => (kind::CARD, false),
        RecordType::Identity => (kind::IDENTITY, false),
        RecordType::SshKey
            if text(record, "private_key").is_some()
                && text(record, "public_key").is_some()
                && fingerprint.is_some() =>
        {
            (kind::SSH_KEY, false)
        }
        RecordType::Passkey if PASSKEY_NEEDS.iter().all(|name| text(record, name).is_some()) => (kind::LOGIN, true),
        _ => (kind::NOTE, false),
    }
}

/// Returns the fingerprint of a key of SSH: the one of the record, or the one of its public key.
fn fingerprint(record: &Outgoing) -> Option<String> {
    if record.fields.expose().contains_key("fingerprint") {
        return text(record, "fingerprint").map(str::to_owned);
    }
    let public = text(record, "public_key")?.split_ascii_whitespace().nth(1)?;
    let bytes = STANDARD.decode(public).ok().filter(|bytes| !bytes.is_empty())?;
    Some(format!("SHA256:{}", STANDARD_NO_PAD.encode(digest::digest(&digest::SHA256, &bytes))))
}

/// Says whether Bitwarden takes an earlier password for an earlier value of a hidden field.
fn is_of_hidden(text: &str, name: &str) -> bool {
    text.strip_prefix(name).is_some_and(|rest| rest.starts_with(": "))
}

fn own<'a>(record: &'a Outgoing, name: &str) -> Json<'a> {
    let (name, value) = record.fields.expose().get_key_value(name).expect("a field of the record");
    let value = value.as_str().map_or_else(|| Json::Made(any_text(value)), Json::Text);
    Json::Object(vec![
        ("name", Json::Text(name)),
        ("value", value),
        ("type", Json::Number(field::HIDDEN)),
        ("linkedId", Json::Null),
    ])
}

fn earlier(record: &Outgoing, (at, date): (usize, i64)) -> Json<'_> {
    let password = record.history[at].fields.expose().get("password").and_then(Value::as_str);
    Json::Object(vec![("lastUsedDate", Json::made(moment(date))), ("password", Json::maybe(password))])
}

/// Writes a date.
fn moment(us: i64) -> String {
    let bounded = us.clamp(0, usual::LAST_US);
    Timestamp::from_microsecond(bounded).expect("within the calendar").strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}
