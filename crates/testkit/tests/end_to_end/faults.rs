//! Each fault is named, costs nothing on either side, and is gone when its cause is fixed.

use serde_json::json;
use vaultterm_ledger::AuditAction;
use vaultterm_reconcile::{HaltKind, Mode};
use vaultterm_store::RecordState;
use vaultterm_sync::RunState;
use vaultterm_testkit::{
    openbao::{Meddling, only_on_openbao},
    world::data,
};

use crate::{house::House, vault_side::writes};

/// Asserts that a run reports exactly one problem and writes nothing on either side.
async fn fails(house: &House, class: &str, said: &str) {
    let (before, entries) = (house.print().await, house.asked());
    let run = house.run(&[]).await;
    assert_eq!(run.state, RunState::Failed, "{run:#?}");
    let [problem] = run.problems.as_slice() else { panic!("one problem is expected: {run:#?}") };
    assert_eq!((problem.path.as_str(), problem.class.as_str()), ("", class), "{run:#?}");
    assert!(problem.detail.contains(said), "{problem:?}");
    assert!(problem.hint.is_some(), "{problem:?}");
    assert_eq!(writes(&house.asked_since(entries)), Vec::<String>::new());
    assert_eq!(house.print().await, before);
}

#[tokio::test]
async fn a_run_names_the_capability_that_its_role_lacks_and_writes_nothing() {
    if only_on_openbao("it takes apart the policy that is printed for OpenBao, line by line") {
        return;
    }
    let mode = Mode::Bidirectional;
    let house = House::new(mode).await;
    house.save("here", json!({"value": "1"})).await;
    house.put("there", json!({"value": "1"})).await;
    let whole = House::printed_policy(mode);
    for (grants, less, lacks) in [
        (r#"["create", "read", "update"]"#, r#"["read", "update"]"#, "`create` on kv/data/team/app/*"),
        (r#"["create", "read", "update"]"#, r#"["create", "update"]"#, "`read` on kv/data/team/app/*"),
        (r#"["create", "read", "update"]"#, r#"["create", "read"]"#, "`update` on kv/data/team/app/*"),
        (r#"["read", "patch"]"#, r#"["read"]"#, "`patch` on kv/metadata/team/app/*"),
        (r#"["read", "patch"]"#, r#"["patch"]"#, "`read` on kv/metadata/team/app/*"),
        (r#"["list", "scan"]"#, r#"["deny"]"#, "`list` on kv/detailed-metadata/team/app/*"),
        ("kv/delete/team/app/", "kv/delete/elsewhere/", "`update` on kv/delete/team/app/*"),
    ] {
        assert!(whole.contains(grants), "{grants} in {whole}");
        house.make_role(&whole.replace(grants, less), json!({})).await;
        fails(&house, "denied", &format!("the role lacks {lacks}")).await;
    }
    house.make_role(&whole, json!({})).await;
    let run = house.succeed().await;
    assert_eq!((run.counts.created_remote, run.counts.created_local), (1, 1));
    house.rests().await;
}

#[tokio::test]
async fn a_run_outlives_its_tokens() {
    let house = House::new(Mode::Bidirectional).await;
    // Every token is good for 10 requests, and the run makes hundreds.
    house.make_role(&House::printed_policy(Mode::Bidirectional), json!({"token_num_uses": 10})).await;
    for number in 0..100 {
        house.save(&format!("here/{number}"), json!({"value": number})).await;
        house.put(&format!("there/{number}"), json!({"value": number})).await;
    }
    let entries = house.asked();
    let run = house.succeed().await;
    assert_eq!((run.counts.created_remote, run.counts.created_local), (100, 100));
    let logins = house.asked_since(entries).into_iter().filter(|request| request.path == "auth/approle/login").count();
    assert!(logins > 30, "{logins} logins");
    assert!(house.heads().await.values().all(|head| head.version == 1), "nothing was written twice");
    house.rests().await;
}

#[tokio::test]
async fn a_wrapped_secret_id_is_unwrapped_by_the_first_run_and_kept() {
    let house = House::new(Mode::Push).await;
    house.save("x", json!({"value": "1"})).await;
    house.wrap_secret_id().await;
    house.succeed().await;
    assert_eq!(house.secret("x").await, Some(data(json!({"value": "1"}))));
    house.rests().await;
    let unwraps = house.asked_since(0).into_iter().filter(|request| request.path == "sys/wrapping/unwrap").count();
    assert_eq!(unwraps, 1);
    assert_eq!(house.audited(AuditAction::HcvSecretIdRotated).await, 2, "given wrapped, then unwrapped");
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_recognised_and_not_made_twice() {
    let house = House::meddled(Mode::Bidirectional).await;
    house.save("new", json!({"value": "1"})).await;
    house.save("changed", json!({"value": "0"})).await;
    house.between.meddle("POST /v1/kv/data/team/app/new", Meddling::Lost);
    house.succeed().await;
    house.save("changed", json!({"value": "1"})).await;
    house.between.meddle("POST /v1/kv/data/team/app/changed", Meddling::Cut(10));
    house.succeed().await;
    house.between.meddle("", Meddling::Pass);
    for (path, version) in [("new", 1), ("changed", 2)] {
        house.in_step(path, json!({"value": "1"})).await;
        assert_eq!(house.head(path).await.version, version, "{path}");
    }
    house.rests().await;
}

#[tokio::test]
async fn a_deletion_whose_answer_is_lost_is_made_once_and_rests() {
    let house = House::meddled(Mode::Bidirectional).await;
    for path in ["x", "y", "z"] {
        house.save(path, json!({"value": "1"})).await;
    }
    house.succeed().await;
    house.trash("x").await;
    house.between.meddle("POST /v1/kv/delete/", Meddling::Lost);
    house.run(&[]).await;
    house.between.meddle("", Meddling::Pass);
    house.run(&[]).await;
    assert!(!house.head("x").await.is_live());
    assert_eq!(house.trashed().await, ["x"], "it does not come back");
    house.rests().await;
}

#[tokio::test]
async fn a_page_that_is_no_listing_deletes_nothing() {
    let house = House::meddled(Mode::Bidirectional).await;
    for path in ["x", "y", "z"] {
        house.save(path, json!({"value": "1"})).await;
    }
    house.succeed().await;
    for answer in [
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<html>Please log in</html>",
        "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n<html>Nothing here</html>",
        "HTTP/1.1 307 Temporary Redirect\r\nConnection: close\r\nLocation: /elsewhere\r\n\r\n",
    ] {
        house.between.meddle("metadata/team/app/", Meddling::Instead(answer));
        let before = house.print().await;
        let run = house.run(&[]).await;
        assert_eq!(run.state, RunState::Failed, "{run:#?}");
        assert_eq!(house.print().await, before);
    }
    // An empty listing that looks right, from a server that gives the same answer for each path. A side that
    // shows nothing halts the run.
    let empty = "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n{\"errors\":[]}";
    house.between.meddle("metadata/team/app/", Meddling::Instead(empty));
    let before = house.print().await;
    let run = house.run(&[]).await;
    assert_eq!((run.state, run.halts[0].kind), (RunState::Halted, HaltKind::SideEmptied), "{run:#?}");
    assert_eq!(house.print().await, before);
    // No record tells people that its secret is gone.
    let told = house.records(RecordState::Live).await.into_iter().flat_map(|record| record.sync);
    assert!(told.into_iter().all(|sync| sync.seen.is_none()));
}
