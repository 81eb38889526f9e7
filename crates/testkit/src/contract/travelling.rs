//! Names and values that break careless clients.

use serde_json::{Value, json};
use vaultterm_reconcile::{RemoteHead, RemoteSight, Version};
use vaultterm_sealing::SecretFields;
use vaultterm_sync::Remote;

use super::{data, head, live, path, read, write};
use crate::{Backdoor, Data};

const ODD_NAMES: &[&str] = &[
    "with space/in the  middle",
    "percent%20 and %2F and %",
    "hash#fragment",
    "question?list=true&x=1",
    "back\\slash",
    "plus+star*tilde~semi;colon:comma,",
    "quote\"single'back`",
    "brackets[0]{1}(2)<3>",
    "equals=at@dollar$bang!pipe|caret^",
    "emoji-🔑/ключ/鍵",
    "data/metadata/delete",
    "dots.in.name/...three",
];

/// Every operation accepts these names, and listings show them unchanged.
pub async fn odd_names_travel<R: Remote, B: Backdoor>(remote: &R, backdoor: &B) {
    for name in ODD_NAMES {
        let receipt = write(remote, name, name, 0).await;
        assert_eq!(live(remote, name).await, receipt.stamp(None), "{name}");
        assert_eq!(read(remote, name, 1).await, data(name), "{name}");
        assert_eq!(backdoor.get(name, 1).await, Some(data(name)), "{name}");
    }
    let snapshot = remote.observe().await.expect("the scope can be observed");
    let mut expected: Vec<_> = ODD_NAMES.iter().map(|name| path(name)).collect();
    expected.sort();
    assert_eq!(snapshot.sights.keys().cloned().collect::<Vec<_>>(), expected);
    for (path, sight) in snapshot.sights {
        assert_eq!(remote.look(&path).await.expect("looking succeeds"), sight, "{path}");
        remote.delete(&path, Version(1)).await.expect("the deletion succeeds");
        assert!(matches!(head(remote, path.as_str()).await, RemoteHead::Deleted { .. }), "{path}");
    }
}

/// For example `foo` beside `foo/bar`.
pub async fn a_name_may_be_secret_and_folder_at_once<R: Remote, B: Backdoor>(remote: &R, _: &B) {
    write(remote, "foo", "the secret", 0).await;
    write(remote, "foo/bar", "the one inside", 0).await;
    let snapshot = remote.observe().await.expect("the scope can be observed");
    assert_eq!(snapshot.sights.keys().cloned().collect::<Vec<_>>(), [path("foo"), path("foo/bar")]);
    assert!(snapshot.sights.values().all(|sight| matches!(sight, RemoteSight::Seen(_))));
    remote.delete(&path("foo"), Version(1)).await.expect("the deletion succeeds");
    assert_eq!(read(remote, "foo/bar", 1).await, data("the one inside"));
}

/// Any JSON value comes back exactly as it was written.
pub async fn odd_values_travel_unchanged<R: Remote, B: Backdoor>(remote: &R, backdoor: &B) {
    let values = json!({
        "empty text": "", "null": null, "true": true, "list": [1, "two", null, [], {}], "empty map": {},
        "nested": {"a": {"b": {"c": [{"d": "e"}]}}, "": "a name may be empty inside"},
        "whole": 42, "negative": -7, "fraction": 1.5, "small": 1e-7, "2^53": 9_007_199_254_740_992_i64,
        "lines": "one\r\ntwo\ttabbed", "unicode": "🔑 ключ 鍵 \u{0000} \u{FEFF}", "html": "<a href='&'>",
        "looks like a number": "007", "a.b/c d%": "odd field name",
    });
    let Value::Object(values) = values else { unreachable!("the literal is an object") };
    let values: Data = values.into_iter().collect();
    let sent = SecretFields::from_trusted(values.clone());
    remote.write(&path("odd"), &sent, Version(0)).await.expect("the write succeeds");
    assert_eq!(read(remote, "odd", 1).await, values);
    assert_eq!(backdoor.get("odd", 1).await, Some(values));

    remote.write(&path("none"), &SecretFields::new(), Version(0)).await.expect("no fields at all are fine");
    assert_eq!(read(remote, "none", 1).await, Data::new());
}

/// For this reason such numbers are refused when a record is saved.
pub async fn large_numbers_come_back_as_floats<R: Remote, B: Backdoor>(remote: &R, backdoor: &B) {
    let sent = Data::from([("number".to_owned(), json!(9_007_199_254_740_993_i64))]);
    let back = Data::from([("number".to_owned(), json!(9_007_199_254_740_992_i64))]);
    backdoor.put("key", sent).await;
    assert_eq!(read(remote, "key", 1).await, back);
}
