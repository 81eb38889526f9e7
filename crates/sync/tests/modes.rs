//! The three modes, end to end: what travels, in which direction, and what stays.

use serde_json::json;
use vaultterm_reconcile::{Mode, RecordType};
use vaultterm_sync::{Run, RunState};
use vaultterm_testkit::{World, world::data};

fn succeeded(run: &Run) {
    assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
    assert!(run.problems.is_empty(), "{:?}", run.problems);
}

#[test]
fn a_first_push_writes_every_record_and_marks_it() {
    let world = World::new(Mode::Push);
    world.save("db/main", json!({"username": "app", "password": "p1"}));
    world.save("note", json!({"note": "hello"}));
    let run = world.run();
    succeeded(&run);
    assert_eq!(run.counts.created_remote, 2);
    assert_eq!(world.secret("db/main"), Some(data(json!({"username": "app", "password": "p1"}))));
    assert_eq!(world.marks("db/main").get("vaultterm-type").map(String::as_str), Some("PASSWORD"));
    assert_eq!(world.kv.sessions_open(), 0, "the token is revoked");
    assert!(!world.journal.is_leased(world.id), "the lease is given back");
}

#[test]
fn a_first_pull_imports_every_secret_and_infers_types() {
    let world = World::new(Mode::Pull);
    world.put("db/main", json!({"username": "app", "password": "p1"}));
    world.put("odd", json!({"nested": {"a": [1, null]}}));
    let run = world.run();
    succeeded(&run);
    assert_eq!(run.counts.created_local, 2);
    assert_eq!(world.record("odd"), Some(data(json!({"nested": {"a": [1, null]}}))));
    assert_eq!(world.record_type("db/main"), Some(RecordType::Password));
    assert_eq!(world.record_type("odd"), Some(RecordType::KeyValue));
    assert!(world.marks("db/main").is_empty(), "a pull writes nothing to Vault");
}
