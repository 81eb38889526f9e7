//! How a test server counts its requests. Measurements rely on it.

use serde_json::json;
use vaultterm_testkit::openbao::{Answered, OpenBao};

#[tokio::test]
async fn the_requests_of_a_phase_are_counted_once_and_by_what_they_did() {
    let server = OpenBao::start().await;
    let root = server.root();
    root.mount_kv("kv", 2).await;
    assert_ne!(server.take_answered(), Answered::default(), "the mount was made");
    assert_eq!(server.take_answered(), Answered::default(), "and is counted once");

    root.put("kv", "a", json!({"v": "1"})).await;
    root.put("kv", "b", json!({"v": "1"})).await;
    root.value("kv", "a").await.expect("a value");
    root.metadata("kv", "b").await.expect("metadata");
    let taken = json!({"options": {"cas": 0}, "data": {"v": "2"}});
    assert_eq!(root.try_call("POST", "kv/data/a", Some(taken)).await.0, 400, "check-and-set");
    let counted = Answered { requests: 5, values_asked: 1, values_written: 2, refused: 1 };
    assert_eq!(server.take_answered(), counted);

    root.put("kv", "c", json!({"v": "1"})).await;
    assert_eq!(server.take_answered().values_written, 1, "the server goes on in the emptied log");
}
