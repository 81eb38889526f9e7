//! Names and values that break careless programs, through all three parts and in both directions.

use serde_json::{Value, json};
use vaultterm_reconcile::{Mode, SecretPath};
use vaultterm_sealing::{FieldsError, SecretFields};
use vaultterm_testkit::world::data;

use crate::house::House;

const NAMES: [&str; 16] = [
    "foo",
    "foo/bar",
    "foo/bar/baz",
    "inner space/and  two",
    "percent%20 and %2F and %",
    "hash#fragment",
    "question?list=true&x=1",
    "back\\slash",
    "plus+star*",
    "tilde~semi;colon:comma,",
    "quote\"single'back`",
    "brackets[0]{1}(2)<3>",
    "emoji-🔑/ключ/鍵",
    "data/metadata",
    "...dots/.hidden",
    "UPPER/lower",
];

fn values() -> [(&'static str, Value); 7] {
    [
        ("nested", json!({"deep": {"list": [1, "two", null, {"three": [[], {}]}], "": "a nameless key"}})),
        ("null", json!({"value": null})),
        ("empty-map", json!({})),
        ("empty-string", json!({"value": "", "space": " "})),
        ("numbers", json!({"int": 9_007_199_254_740_992_u64, "negative": -1, "float": 0.1, "zero": 0})),
        ("booleans", json!({"yes": true, "no": false})),
        (
            "text",
            json!({"lines": "a\r\nb\tc", "null byte": "\u{0}", "odd": "\"\\/<>&\u{2028}🔑", "long": "x".repeat(100_000)}),
        ),
    ]
}

#[tokio::test]
async fn odd_names_travel_both_ways() {
    let house = House::new(Mode::Bidirectional).await;
    for (number, name) in NAMES.iter().enumerate() {
        if number % 2 == 0 {
            house.save(name, json!({"value": *name})).await;
        } else {
            house.put(name, json!({"value": *name})).await;
        }
    }
    house.succeed().await;
    for name in NAMES {
        house.in_step(name, json!({"value": name})).await;
    }
    house.rests().await;
    // The same follows in the other direction.
    for (number, name) in NAMES.iter().enumerate() {
        if number % 2 == 0 {
            house.put(name, json!({"value": "changed"})).await;
        } else {
            house.save(name, json!({"value": "changed"})).await;
        }
    }
    let run = house.succeed().await;
    assert_eq!((run.counts.updated_local, run.counts.updated_remote), (8, 8));
    for name in NAMES {
        house.in_step(name, json!({"value": "changed"})).await;
        assert_eq!(house.head(name).await.version, 2, "{name}");
    }
    house.rests().await;
}

#[tokio::test]
async fn odd_names_are_deleted_one_by_one() {
    let house = House::with(Mode::Bidirectional, |options| options.max_delete_count = 100).await;
    for name in NAMES {
        house.save(name, json!({"value": name})).await;
    }
    house.succeed().await;
    // Every second name is deleted: `foo` goes and `foo/bar` stays, for example.
    let (gone, kept): (Vec<_>, Vec<_>) = NAMES.iter().enumerate().partition(|(number, _)| number % 2 == 0);
    for (_, name) in &gone {
        house.trash(name).await;
    }
    assert_eq!(house.succeed().await.counts.deleted_remote, 8);
    let heads = house.heads().await;
    assert!(gone.iter().all(|(_, name)| !heads[**name].is_live()));
    assert!(kept.iter().all(|(_, name)| heads[**name].is_live()));
    house.rests().await;
}

#[tokio::test]
async fn odd_values_travel_to_vault_exactly() {
    let house = House::new(Mode::Push).await;
    for (name, fields) in values() {
        house.save(name, fields).await;
    }
    house.succeed().await;
    for (name, fields) in values() {
        house.in_step(name, fields).await;
    }
    house.rests().await;
}

#[tokio::test]
async fn odd_values_travel_from_vault_exactly() {
    let house = House::new(Mode::Pull).await;
    for (name, fields) in values() {
        house.put(name, fields).await;
    }
    house.succeed().await;
    for (name, fields) in values() {
        house.in_step(name, fields).await;
    }
    house.rests().await;
}

#[tokio::test]
async fn a_number_that_vault_would_change_is_refused_when_it_is_saved() {
    let house = House::new(Mode::Push).await;
    for number in ["9007199254740993", "0.1000000000000000055511151231257827"] {
        let refused = house.try_save("x", &format!(r#"{{"id": {number}}}"#)).await;
        assert_eq!(refused.unwrap_err(), FieldsError::NumberWouldChange { field: "id".to_owned() }, "{number}");
    }
    house.try_save("x", r#"{"id": "9007199254740993"}"#).await.unwrap();
    house.succeed().await;
    assert_eq!(house.secret("x").await, Some(data(json!({"id": "9007199254740993"}))));
}

/// Returns fields that reach every limit at once: the number of fields, of JSON strings and of bytes, and the
/// length of a name.
fn largest() -> Value {
    let mut fields: serde_json::Map<String, Value> =
        (0..398).map(|number| (format!("field-{number}"), json!("v"))).collect();
    fields.insert("名".repeat(SecretFields::NAME_CHARS_MAX), json!((0..101).map(|_| "in a list").collect::<Vec<_>>()));
    fields.insert("long".to_owned(), json!("x".repeat(500_000)));
    Value::Object(fields)
}

#[tokio::test]
async fn the_largest_record_at_the_longest_path_travels_both_ways() {
    let house = House::new(Mode::Bidirectional).await;
    let path = |first: &str| format!("{first}/{}", "segment/".repeat(64))[..SecretPath::BYTES_MAX - 1].to_owned() + "z";
    house.save(&path("here"), largest()).await;
    house.put(&path("there"), largest()).await;
    house.succeed().await;
    house.in_step(&path("here"), largest()).await;
    house.in_step(&path("there"), largest()).await;
    house.rests().await;
}

#[tokio::test]
async fn a_record_beyond_a_limit_is_refused_with_the_limit() {
    let house = House::new(Mode::Push).await;
    let fields = |count: usize| {
        let fields: serde_json::Map<_, _> = (0..count).map(|number| (number.to_string(), json!("v"))).collect();
        Value::Object(fields).to_string()
    };
    for (json, said) in [
        (fields(401), "at most 400 fields"),
        (json!({"list": vec!["v"; 900]}).to_string(), "at most 900 JSON strings"),
        (json!({"long": "x".repeat(600_000)}).to_string(), "at most 524288 bytes"),
        (json!({"n".repeat(129): "v"}).to_string(), "1 to 128 printable characters"),
        ("[]".to_owned(), "JSON object"),
    ] {
        let refused = house.try_save("x", &json).await.unwrap_err().to_string();
        assert!(refused.contains(said), "{refused}");
    }
}

#[tokio::test]
async fn a_secret_wider_than_a_person_may_save_is_pulled_whole() {
    let house = House::new(Mode::Bidirectional).await;
    let fields: serde_json::Map<_, _> = (0..450).map(|number| (number.to_string(), json!("v"))).collect();
    house.put("wide", Value::Object(fields.clone())).await;
    house.succeed().await;
    house.in_step("wide", Value::Object(fields)).await;
    house.rests().await;
}
