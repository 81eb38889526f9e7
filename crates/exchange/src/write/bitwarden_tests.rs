//! What is written for Bitwarden and read again is what it was, but for the losses that were foretold.

use std::collections::BTreeMap;

use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Value, json};
use vaultterm_reconcile::RecordType;
use vaultterm_sealing::SecretFields;

use super::*;
use crate::{
    item::{Item, Past},
    loss::{Loss, Lost},
    options::Options,
    read::read,
    testing::outline,
};

const PUBLIC_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMwKRhbOzVJ5WC4eEaw2nBVmtSJUIlRtHMT8Rf8DfA6N ann";

fn record(path: &str, record_type: RecordType, fields: &Value) -> Outgoing {
    let fields = fields.as_object().unwrap().clone().into_iter().collect();
    Outgoing::new(format!("id of {path}"), path, record_type, SecretFields::from_trusted(fields))
}

fn told(format: Format, records: &[Outgoing]) -> Vec<String> {
    losses(format, records).unwrap().iter().map(|(path, loss)| format!("{path}: {loss}")).collect()
}

/// One record of each type, with the fields that the pages offer.
fn usual() -> Vec<Outgoing> {
    let mut mail = record(
        "work/mail",
        RecordType::Password,
        &json!({ "username": "ann", "password": "new", "url": "https://mail.example", "url_2": "https://b.example",
                 "notes": "one\ntwo", "otpauth_url": "otpauth://totp/x?secret=A", "PIN": 1234 }),
    );
    let mut past = mail.fields.duplicate();
    past.insert("password".to_owned(), "old".into());
    mail.history = vec![Past { at_us: Some(1_700_000_000_000_001), fields: past }];
    (mail.created_us, mail.updated_us) = (Some(1), Some(1_700_000_000_000_002));
    (mail.tags, mail.ask_again) = (vec!["archived".to_owned(), "team".to_owned()], true);
    let mut gone = record("gone", RecordType::SecureNote, &json!({ "note": "text" }));
    gone.is_trashed = true;
    vec![
        mail,
        gone,
        record("card", RecordType::PaymentCard, &json!({ "card_number": "4111", "expires": "2030-01", "holder": "A" })),
        record("me", RecordType::Identity, &json!({ "first_name": "Ann", "last_name": "A", "nick": "" })),
        record("key", RecordType::SshKey, &json!({ "private_key": "a\nb", "public_key": PUBLIC_KEY })),
        record("api", RecordType::ApiKey, &json!({ "key_id": "id", "key": "=k" })),
        record(
            "passkey",
            RecordType::Passkey,
            &json!({ "credential_id": "c", "key_type": "public-key", "key_algorithm": "ECDSA", "key_curve": "P-256",
                     "private_key": "MIGH", "rp_id": "a.example", "counter": "0", "discoverable": "true", "x": "y" }),
        ),
        record("half", RecordType::Passkey, &json!({ "credential_id": "c", "private_key": "MIGH" })),
    ]
}

#[test]
fn what_the_json_does_not_hold_is_foretold() {
    assert_eq!(
        told(Format::BitwardenJson, &usual()),
        [
            "work/mail: field whose kind (number, list, object) becomes text `PIN`",
            "work/mail: labels",
            "key: field that this format demands, computed from the others `fingerprint`",
            "api: type of the record",
            "passkey: field that this format cannot hold `x`",
            "passkey: date that cannot be kept as it is",
            "half: type of the record",
        ]
    );
}

#[test]
fn what_the_csv_does_not_hold_is_foretold() {
    assert_eq!(
        told(Format::BitwardenCsv, &usual()),
        [
            "work/mail: field whose kind (number, list, object) becomes text `PIN`",
            "work/mail: labels (2 times)",
            "work/mail: earlier state",
            "work/mail: date that does not come over (2 times)",
            "gone: 1 record that this format cannot hold",
            "card: type of the record",
            "me: type of the record",
            "key: field that this format cannot hold `private_key`",
            "key: type of the record",
            "api: type of the record",
            "passkey: type of the record",
            "half: type of the record",
        ]
    );
    let formula = [record("=x", RecordType::Password, &json!({ "username": "@a", "password": "-b", "+c": "d" }))];
    let cell = "text that a spreadsheet may take for a formula";
    let cells = ["name", "fields", "login_username", "login_password"].map(|name| format!("=x: {cell} `{name}`"));
    assert_eq!(told(Format::BitwardenCsv, &formula), cells);
}

#[test]
fn bitwarden_gets_its_own_types_and_the_order_that_it_writes() {
    let written = write(Format::BitwardenJson, &usual()).unwrap();
    let file: Value = serde_json::from_slice(&written.bytes).unwrap();
    let items = file["items"].as_array().unwrap();
    let types: Vec<_> = items.iter().map(|item| item["type"].as_i64().unwrap()).collect();
    assert_eq!(types, [1, 2, 3, 4, 5, 2, 1, 2]);
    assert_eq!(items[0]["folderId"], file["folders"][0]["id"]);
    assert_eq!(items[0]["passwordHistory"][0]["lastUsedDate"], "2023-11-14T22:13:20.000001Z");
    assert_eq!(items[0]["deletedDate"], Value::Null);
    assert_eq!(items[1]["deletedDate"], "1970-01-01T00:00:00.000000Z");
    assert_eq!((&items[2]["card"]["expMonth"], &items[2]["card"]["expYear"]), (&json!("1"), &json!("2030")));
    // The fingerprint that `ssh-keygen -l` tells for this key.
    assert_eq!(items[4]["sshKey"]["keyFingerprint"], "SHA256:ahAxYct9CxNJK4RqoAdeu3w2q2zHiZc26ardKlpxIAM");
    assert_eq!(items[6]["login"]["fido2Credentials"][0]["counter"], "0");
    let csv = write(Format::BitwardenCsv, &usual()[..1]).unwrap();
    assert_eq!(
        std::str::from_utf8(&csv.bytes).unwrap(),
        "folder,favorite,type,name,notes,fields,reprompt,login_uri,login_username,login_password,login_totp\n\
         work,,login,mail,\"one\ntwo\",PIN: 1234,1,\"https://mail.example,https://b.example\",ann,new,otpauth://totp/x?secret=A\n"
    );
}

#[test]
fn a_format_that_is_only_read_is_not_written() {
    let error = write(Format::Kdbx, &[]).unwrap_err();
    assert_eq!(error, losses(Format::Kdbx, &[]).unwrap_err());
    assert!(error.to_string().contains("`bitwarden-json`"), "{error}");
}

#[test]
fn what_is_written_is_read_again_but_for_the_losses() {
    for format in [Format::BitwardenJson, Format::BitwardenCsv] {
        round_trip(format, &usual());
    }
}

/// Records whose fields could be taken for others when they are read again.
fn corners() -> Vec<Outgoing> {
    let card = |fields: &Value, at: u8| record(&format!("card {at}"), RecordType::PaymentCard, fields);
    let login = |fields: &Value, at: u8| record(&format!("login {at}"), RecordType::Password, fields);
    let mut hidden = login(&json!({ "PIN": "2", "password": "new" }), 9);
    let mut past = hidden.fields.duplicate();
    past.insert("password".to_owned(), "PIN: 1".into());
    hidden.history = vec![Past { at_us: Some(1), fields: past }];
    vec![
        hidden,
        card(&json!({ "expiry_year": "2030", "expiry_month": "4" }), 0),
        card(&json!({ "expiry_year": "30", "expiry_month": "4" }), 1),
        card(&json!({ "expiry_year": "30", "expiry_month": "4", "expires": "2030-04" }), 2),
        card(&json!({ "expiry_year": "2030", "expires": "04/30" }), 3),
        login(&json!({ "url": "a", "url_3": "c" }), 0),
        login(&json!({ "url": "", "url_2": "c" }), 1),
        login(&json!({ "url": " a", "url_2": " ", "url_3": "b,c", "url_4": "d" }), 2),
        login(&json!({ "otpauth_url": "JBSWY3DP", "totp_secret": "otpauth://totp/x" }), 3),
        login(&json!({ "otpauth_url": "otpauth://totp/x", "totp_secret": "JBSWY3DP" }), 4),
        login(&json!({ "username": " ", "password": "", "notes": "\n", "note": "x", "field": "y", "": "z" }), 5),
        record(
            "key 0",
            RecordType::SshKey,
            &json!({ "private_key": "a", "public_key": PUBLIC_KEY, "fingerprint": "" }),
        ),
        record("key 1", RecordType::SshKey, &json!({ "private_key": "a", "public_key": "ssh-rsa" })),
        record("note", RecordType::SecureNote, &json!({ "notes": "a", "note": "b" })),
        record("pairs", RecordType::KeyValue, &json!({ "notes": "a", "note": "b", "username": "c", "url": "d" })),
        record("nothing", RecordType::KeyValue, &json!({})),
    ]
}

#[test]
fn fields_that_look_like_others_stay_apart() {
    for format in [Format::BitwardenJson, Format::BitwardenCsv] {
        for record in corners() {
            round_trip(format, &[record]);
        }
    }
    // Bitwarden takes this earlier password for one of the hidden field.
    assert_eq!(told(Format::BitwardenJson, &corners()[..1]), ["login 9: earlier state"]);
}

/// Writes records, reads the file, and compares all that the losses do not excuse.
fn round_trip(format: Format, records: &[Outgoing]) {
    let written = write(format, records).unwrap();
    assert_eq!(written.losses, losses(format, records).unwrap());
    let found = read(format, &written.bytes, &Options::default()).unwrap();
    assert!(found.refused.is_empty() && found.losses.is_empty(), "{found:?}");
    let mut losses: BTreeMap<&str, Vec<&Loss>> = BTreeMap::new();
    written.losses.iter().for_each(|(path, loss)| losses.entry(path).or_default().push(loss));
    let mut items = found.items.iter();
    for record in records {
        let losses = losses.remove(record.path.as_str()).unwrap_or_default();
        let is = |what: Lost| losses.iter().any(|loss| loss.what == what);
        if is(Lost::Record) {
            continue;
        }
        compare(record, items.next().unwrap_or_else(|| panic!("{record:?} is missing")), &losses);
    }
    assert!(items.next().is_none(), "{:?}", outline(&found));
    assert!(losses.is_empty());
}

fn compare(record: &Outgoing, item: &Item, losses: &[&Loss]) {
    let is = |what: Lost| losses.iter().any(|loss| loss.what == what);
    let path: Vec<&str> = item.folder.iter().map(String::as_str).chain([item.name.as_str()]).collect();
    assert_eq!(path.join("/"), record.path);
    assert_eq!(item.record_type != record.record_type, is(Lost::Type));
    let now = without(&record.fields, losses);
    let mut read = item.fields.expose().clone();
    let computed = losses.iter().filter(|loss| loss.what == Lost::Computed).filter_map(|loss| loss.name.as_ref());
    computed.for_each(|name| assert!(read.remove(name).is_some(), "{name}"));
    assert_eq!(read, now);
    let lost = |what: Lost| losses.iter().filter(|loss| loss.what == what).map(|loss| loss.count).sum::<u64>();
    if is(Lost::Tags) {
        assert!(item.tags.iter().all(|tag| record.tags.contains(tag)));
        assert_eq!(item.tags.len() as u64, (record.tags.len() as u64 - lost(Lost::Tags)).min(1));
    } else {
        assert_eq!(item.tags.len(), usize::from(!record.tags.is_empty()));
    }
    assert_eq!((item.is_trashed, item.ask_again), (record.is_trashed, record.ask_again));
    if !(is(Lost::Date) || is(Lost::DateLeft)) {
        assert_eq!((item.created_us, item.updated_us), (record.created_us, record.updated_us));
    }
    assert!(item.history.len() as u64 >= record.history.len() as u64 - lost(Lost::Past));
    let mut past = record.history.iter();
    for read in &item.history {
        let same = |past: &&Past| {
            let then = without(&past.fields, losses);
            let dates = is(Lost::Date) || is(Lost::DateLeft) || past.at_us == read.at_us;
            let is_whole = &then == read.fields.expose();
            let password = |fields: &BTreeMap<String, Value>| fields.get("password").cloned();
            dates && (is_whole || (is(Lost::Past) && password(&then) == password(read.fields.expose())))
        };
        assert!(past.any(|past| same(&past)), "an earlier state changed, or is in another place");
    }
}

/// Takes away what is lost of the fields.
fn without(fields: &SecretFields, losses: &[&Loss]) -> BTreeMap<String, Value> {
    let mut fields = fields.expose().clone();
    for loss in losses {
        let Some(name) = &loss.name else { continue };
        match loss.what {
            Lost::Field => {
                fields.remove(name);
            }
            Lost::Kind => {
                if let Some(value) = fields.get_mut(name).filter(|value| !value.is_string()) {
                    *value = serde_json::to_string(value).unwrap().into();
                }
            }
            _ => {}
        }
    }
    fields
}

const NAMES: [&str; 42] = [
    "username",
    "password",
    "url",
    "url_2",
    "url_3",
    "otpauth_url",
    "totp_secret",
    "notes",
    "note",
    "value",
    "key",
    "key_id",
    "holder",
    "brand",
    "card_number",
    "security_code",
    "expires",
    "expiry_month",
    "expiry_year",
    "first_name",
    "address",
    "postal_code",
    "private_key",
    "public_key",
    "fingerprint",
    "passphrase",
    "credential_id",
    "key_type",
    "key_algorithm",
    "key_curve",
    "rp_id",
    "counter",
    "discoverable",
    "user_handle",
    "own name",
    "a: b",
    "x:",
    "é",
    "=f",
    "field",
    "password 2",
    " ",
];

fn name() -> impl Strategy<Value = String> {
    prop_oneof![8 => select(&NAMES[..]).prop_map(str::to_owned), 1 => "[a-z:\" ]{1,6}"]
}

fn value() -> impl Strategy<Value = Value> {
    const TEXTS: &[&str] = &[
        "",
        "x",
        "a,b",
        "a: b",
        "own name: x",
        "one\ntwo",
        "one\r\ntwo",
        "\r",
        "=1",
        "\"q\"",
        " lead",
        "end ",
        ",",
        "otpauth://totp/x?secret=A",
        "2030-01",
        "2030-13",
        "4",
        "04",
        "2030",
        PUBLIC_KEY,
        "ssh-rsa !!",
        "\0",
        "https://a",
    ];
    prop_oneof![
        10 => select(TEXTS).prop_map(Value::from),
        3 => ".{0,8}".prop_map(Value::from),
        1 => select(vec![json!(null), json!(true), json!(7), json!(1.5), json!(["a", 1]), json!({ "b": "c\nd: e" })]),
    ]
}

fn fields() -> impl Strategy<Value = SecretFields> {
    vec((name(), value()), 0..9).prop_map(|fields| SecretFields::from_trusted(fields.into_iter().collect()))
}

/// The fields of a passkey that Bitwarden can use, or of a key of SSH, with some changed.
fn whole() -> impl Strategy<Value = SecretFields> {
    let whole = json!({ "credential_id": "c", "key_type": "public-key", "key_algorithm": "ECDSA", "key_curve": "P-256",
        "private_key": "MIGH", "rp_id": "a", "counter": "0", "discoverable": "true", "public_key": PUBLIC_KEY });
    (Just(whole), vec((name(), value()), 0..3)).prop_map(|(whole, changes)| {
        let mut fields: BTreeMap<String, Value> = whole.as_object().unwrap().clone().into_iter().collect();
        fields.extend(changes);
        SecretFields::from_trusted(fields)
    })
}

prop_compose! {
    fn outgoing()(
        path in "[a-zA-Z0-9,;:\"'=é]{1,6}(/[a-z ,]{1,4}){0,2}",
        record_type in select(RecordType::ALL),
        fields in prop_oneof![3 => fields(), 1 => whole()],
        tags in vec(select(&["archived", "a", "b"][..]), 0..3),
        ask_again: bool,
        is_trashed in prop::bool::weighted(0.1),
        past in vec((option::of(-1_000_000_i64..2_000_000_000_000_000), option::of(fields()), value()), 0..4),
        dates in (option::of(0_i64..2_000_000_000_000_000), option::of(0_i64..2_000_000_000_000_000)),
    ) -> Outgoing {
        let history = past.into_iter().map(|(at_us, other, password)| {
            let mut fields = other.unwrap_or_else(|| fields.duplicate());
            fields.insert("password".to_owned(), password);
            Past { at_us, fields }
        }).collect();
        let mut record = Outgoing::new("id", path, record_type, fields);
        record.tags = tags.into_iter().map(str::to_owned).collect();
        record.tags.dedup();
        (record.ask_again, record.is_trashed, record.history) = (ask_again, is_trashed, history);
        (record.created_us, record.updated_us) = dates;
        record
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_records_are_read_again_but_for_the_losses(
        records in vec(outgoing(), 1..4),
        format in select(&[Format::BitwardenJson, Format::BitwardenCsv][..]),
    ) {
        // Losses go by path, so each record has one of its own.
        let mut records = records;
        for (record, at) in records.iter_mut().zip(0..) {
            record.path = format!("{at}{}", record.path);
        }
        round_trip(format, &records);
    }
}
