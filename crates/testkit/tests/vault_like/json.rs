//! Limits of JSON.

use serde_json::{Value, json};

use crate::asking::Vault;

/// Returns the body of a write with this data.
fn with(data: &str) -> String {
    format!("{{\"data\":{data}}}")
}

#[tokio::test]
async fn each_limit_of_json_is_answered_by_500_with_one_line() {
    let vault = Vault::new().await;
    let entries: Vec<_> = (0..10_001).map(|number| format!("\"k{number}\":1")).collect();
    let object = format!("{{{}}}", entries.join(","));
    let list = format!("{{\"l\":[{}]}}", vec!["1"; 10_001].join(","));
    let string = format!("{{\"v\":\"{}\"}}", "x".repeat(1_048_577));
    let deep = format!("{{\"v\":{}1{}}}", "[".repeat(300), "]".repeat(300));
    for (data, says) in [
        (object.as_str(), "JSON object exceeds allowed entry count"),
        (&list, "JSON array exceeds allowed element count"),
        (&string, "JSON string value exceeds allowed length"),
        (&deep, "JSON input exceeds allowed nesting depth"),
        ("{\"a\":\"1\",\"a\":\"2\"}", "duplicate key 'a' in object"),
        ("{\"v\":1e400}", "malformed JSON, invalid number syntax for '1e400'"),
        ("{\"v\":\"\\ud83d\"}", "malformed JSON, unterminated surrogate pair in string"),
        ("{\"v\":\"open", "malformed JSON, unclosed string"),
    ] {
        let answer = vault.post_raw("kv/data/a", with(data)).await;
        assert_eq!(answer.status, 500, "{says}: {}", answer.body);
        answer.refuses(500, &[says]);
    }
    assert_eq!(vault.get("kv/metadata/a").await.status, 404, "nothing was written");
}

#[tokio::test]
async fn what_is_just_within_the_limits_is_accepted() {
    let vault = Vault::new().await;
    let entries: Vec<_> = (0..10_000).map(|number| format!("\"k{number}\":1")).collect();
    let list = format!("{{\"l\":[{}]}}", vec!["1"; 10_000].join(","));
    let string = format!("{{\"v\":\"{}\"}}", "x".repeat(900_000));
    for data in [format!("{{{}}}", entries.join(",")), list, string] {
        let answer = vault.post_raw("kv/data/a", with(&data)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}

#[tokio::test]
async fn a_record_of_two_strings_of_900_000_bytes_is_accepted() {
    let vault = Vault::new().await;
    let large = "x".repeat(900_000);
    let body = json!({"data": {"a": large, "b": large}});
    vault.ask("POST", "kv/data/a", body.clone()).await.data(200);
    let data = vault.get("kv/data/a").await.data(200);
    assert!(data["data"] == body["data"], "both strings come back whole");
}

#[tokio::test]
async fn there_is_no_limit_of_1_000_strings() {
    let vault = Vault::new().await;
    let fields: serde_json::Map<String, Value> = (0..5_000).map(|n| (format!("field-{n}"), json!("v"))).collect();
    vault.put("a", Value::Object(fields)).await;
}
