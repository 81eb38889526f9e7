//! Records of every kind, for the tests that write a file and read it again.

use proptest::prelude::*;
use serde_json::{Value, json};
use vaultterm_reconcile::RecordType;
use vaultterm_sealing::SecretFields;

use crate::{item::Past, outgoing::Outgoing};

/// Any text, often one that some program takes for something else.
pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("it's \"q\" ''\r\n$HOME `x` \\n #".to_owned()),
        Just(" lead, trail; ".to_owned()),
        Just("otpauth://totp/Mail:ann?secret=JBSWY3DPEHPK3PXP&issuer=Mail".to_owned()),
        Just(
            "otpauth://totp/Mail:ann?secret=JBSWY3DPEHPK3PXP&algorithm=SHA256&digits=8&period=60&issuer=Mail"
                .to_owned()
        ),
        Just("2030-01".to_owned()),
        Just("AAEC".to_owned()),
        "[ -~\n€]{0,12}",
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => text().prop_map(Value::String),
        1 => Just(json!(7)),
        1 => Just(json!(1.5)),
        1 => Just(json!({"a": [null, true]})),
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "username",
            "password",
            "url",
            "url_2",
            "notes",
            "note",
            "value",
            "otpauth_url",
            "totp_secret",
            "card_number",
            "holder",
            "expires",
            "security_code",
            "key",
            "key_id",
            "private_key",
            "public_key",
            "first_name",
            "last_name",
            "email",
            "credential_id",
            "rp_id",
            "user_handle",
            "api_key",
            "tags",
            "passphrase",
            "field",
        ])
        .prop_map(str::to_owned),
        "[a-z =:,€]{1,8}",
    ]
}

fn fields() -> impl Strategy<Value = SecretFields> {
    prop::collection::btree_map(name(), value(), 1..6).prop_map(SecretFields::from_trusted)
}

fn moment() -> impl Strategy<Value = Option<i64>> {
    // Whole seconds, because some formats know no others.
    prop::option::of((0_i64..2_000_000_000).prop_map(|seconds| seconds * 1_000_000))
}

/// Any record.
pub(crate) fn record() -> impl Strategy<Value = Outgoing> {
    let about = (
        "[0-9a-f]{4}",
        prop::collection::vec("[A-Za-z_][A-Za-z0-9_ €-]{0,6}", 1..4),
        prop::sample::select(RecordType::ALL.to_vec()),
        // Records have each label once, in order.
        prop::collection::btree_set("[a-z]{1,4}", 0..3),
    );
    let history = prop::collection::vec((moment(), fields()), 0..3);
    (about, fields(), history, any::<[bool; 2]>(), (moment(), moment())).prop_map(
        |((id, path, record_type, tags), fields, history, [ask_again, is_trashed], (created_us, updated_us))| {
            Outgoing {
                tags: tags.into_iter().collect(),
                ask_again,
                is_trashed: is_trashed && ask_again,
                history: history.into_iter().map(|(at_us, fields)| Past { at_us, fields }).collect(),
                created_us,
                updated_us,
                ..Outgoing::new(id, path.join("/"), record_type, fields)
            }
        },
    )
}

/// Any records, with different paths.
pub(crate) fn records() -> impl Strategy<Value = Vec<Outgoing>> {
    prop::collection::vec(record(), 0..6).prop_map(|mut records| {
        let mut paths = std::collections::HashSet::new();
        records.retain(|record| paths.insert(record.path.clone()));
        records
    })
}
