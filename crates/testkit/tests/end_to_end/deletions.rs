//! Deletion, restore and rename on both sides. Nothing is destroyed, and nothing is deleted without a proof
//! or a decision.

use std::time::Duration;

use serde_json::json;
use vaultterm_reconcile::{HaltKind, Mode};
use vaultterm_sync::RunState;
use vaultterm_testkit::{Backdoor, Metadata, world::data};

use crate::house::House;

/// Returns a house in which these paths are in step.
async fn with(mode: Mode, paths: &[&str]) -> House {
    let house = House::new(mode).await;
    for path in paths {
        match mode {
            Mode::Pull => drop(house.put(path, json!({"value": *path})).await),
            _ => drop(house.save(path, json!({"value": *path})).await),
        }
    }
    house.succeed().await;
    house
}

#[tokio::test]
async fn a_record_deleted_here_soft_deletes_the_secret_and_restoring_it_writes_it_again() {
    let house = with(Mode::Bidirectional, &["x", "y", "z"]).await;
    let record = house.trash("x").await;
    assert_eq!(house.succeed().await.counts.deleted_remote, 1);
    assert!(!house.head("x").await.is_live());
    house.vault.undelete("x", 1).await;
    assert_eq!(house.vault.get("x", 1).await, Some(data(json!({"value": "x"}))), "the version can be had back");
    house.vault.delete("x", 1).await;
    house.rests().await;

    house.restore(record).await;
    assert_eq!(house.succeed().await.counts.created_remote, 1);
    house.in_step("x", json!({"value": "x"})).await;
    assert_eq!(house.head("x").await.version, 2);
    house.rests().await;
}

#[tokio::test]
async fn a_secret_deleted_there_trashes_the_record_and_undeleting_it_restores_the_same_record() {
    let house = with(Mode::Bidirectional, &["x", "y", "z"]).await;
    let record = house.found("x").await.unwrap().id;
    house.delete("x").await;
    assert_eq!(house.succeed().await.counts.deleted_local, 1);
    assert_eq!((house.record("x").await, house.trashed().await), (None, vec!["x".to_owned()]));
    house.rests().await;

    house.vault.undelete("x", 1).await;
    assert_eq!(house.succeed().await.counts.created_local, 1);
    house.in_step("x", json!({"value": "x"})).await;
    assert_eq!(house.found("x").await.unwrap().id, record);
    assert!(house.trashed().await.is_empty());
    house.rests().await;
}

#[tokio::test]
async fn metadata_deleted_there_prove_absence_and_versions_that_restart_fool_nobody() {
    let house = with(Mode::Bidirectional, &["x", "y", "z"]).await;
    house.vault.delete_metadata("x").await;
    assert_eq!(house.succeed().await.counts.deleted_local, 1);
    assert_eq!(house.trashed().await, ["x"]);

    // The version has the same number as that of the base but another value. A bare version number would show
    // no change.
    house.vault.delete_metadata("y").await;
    assert_eq!(house.put("y", json!({"value": "another"})).await, 1);
    assert_eq!(house.succeed().await.counts.updated_local, 1);
    house.in_step("y", json!({"value": "another"})).await;
    house.rests().await;
}

#[tokio::test]
async fn with_retain_the_other_side_is_left_alone_and_does_not_come_back() {
    let house = with(Mode::Push, &["x", "y", "z"]).await;
    house.trash("x").await;
    house.succeed().await;
    assert_eq!(house.secret("x").await, Some(data(json!({"value": "x"}))));
    house.rests().await;
    assert_eq!(house.record("x").await, None);

    let house = with(Mode::Pull, &["x", "y", "z"]).await;
    house.delete("x").await;
    house.succeed().await;
    assert_eq!(house.record("x").await, Some(data(json!({"value": "x"}))));
    house.rests().await;
}

#[tokio::test]
async fn a_rename_writes_the_new_path_and_soft_deletes_the_old_one() {
    for mode in [Mode::Push, Mode::Bidirectional] {
        let house = with(mode, &["old", "y", "z"]).await;
        house.rename("old", "folder/new").await;
        let run = house.succeed().await;
        assert_eq!((run.counts.updated_remote, run.counts.deleted_remote), (1, 0), "one step, no deletion");
        house.in_step("folder/new", json!({"value": "old"})).await;
        assert!(!house.head("old").await.is_live());
        assert_eq!(house.vault.get("old", 1).await, None);
        house.vault.undelete("old", 1).await;
        assert_eq!(house.vault.get("old", 1).await, Some(data(json!({"value": "old"}))), "{mode:?}");
    }
}

#[tokio::test]
async fn a_rename_rests_after_one_run_and_keeps_the_record() {
    let house = with(Mode::Bidirectional, &["old", "y", "z"]).await;
    let record = house.found("old").await.unwrap().id;
    house.rename("old", "new").await;
    house.succeed().await;
    house.rests().await;
    assert_eq!(house.found("new").await.unwrap().id, record);
    assert!(house.trashed().await.is_empty());
}

#[tokio::test]
async fn a_version_that_ran_out_before_any_run_saw_it_is_no_deletion() {
    let house = with(Mode::Bidirectional, &["x", "y", "z"]).await;
    let brief = Metadata { delete_version_after: Some(Duration::from_secs(1)), ..Metadata::default() };
    house.vault.put_metadata("x", brief).await;
    let version = house.put("x", json!({"value": "brief"})).await;
    let ran_out = async { while house.vault.get("x", version).await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(20), ran_out).await.expect("it runs out");
    assert_eq!(house.succeed().await.counts.deleted_local, 0);
    assert_eq!(house.record("x").await, Some(data(json!({"value": "x"}))));
    house.rests().await;

    house.save("x", json!({"value": "lives on"})).await;
    // Answers have times in whole seconds. Just after its end the version may still count as live, and a run
    // then skips the path because it cannot read it.
    let travels = async { while house.succeed().await.counts.created_remote == 0 {} };
    tokio::time::timeout(Duration::from_secs(20), travels).await.expect("the edit travels");
    assert_eq!(house.head("x").await.version, version + 1);
}

#[tokio::test]
async fn an_emptied_scope_halts_until_a_person_acknowledges() {
    let house = with(Mode::Bidirectional, &["x", "y", "z"]).await;
    for path in ["x", "y", "z"] {
        house.vault.delete_metadata(path).await;
    }
    let before = house.print().await;
    let run = house.run(&[]).await;
    let halts: Vec<_> = run.halts.iter().map(|halt| halt.kind).collect();
    assert_eq!((run.state, halts), (RunState::Halted, vec![HaltKind::SideEmptied]));
    assert_eq!(house.print().await, before, "nothing is written");
    let run = house.run(&[HaltKind::SideEmptied]).await;
    assert_eq!((run.state, run.counts.deleted_local), (RunState::Succeeded, 3));
    assert_eq!(house.trashed().await, ["x", "y", "z"]);
}

#[tokio::test]
async fn many_deletions_at_once_halt_until_a_person_acknowledges() {
    let paths: Vec<String> = (0..20).map(|number| format!("p{number:02}")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let house = with(Mode::Bidirectional, &paths).await;
    for path in &paths[..11] {
        house.trash(path).await;
    }
    let before = house.print().await;
    let run = house.run(&[]).await;
    let halts: Vec<_> = run.halts.iter().map(|halt| halt.kind).collect();
    assert_eq!((run.state, halts), (RunState::Halted, vec![HaltKind::MassDeletion]));
    assert_eq!(house.print().await, before, "nothing is written");
    assert_eq!(house.run(&[HaltKind::MassDeletion]).await.counts.deleted_remote, 11);
    assert_eq!(house.heads().await.values().filter(|head| head.is_live()).count(), 9);
}
