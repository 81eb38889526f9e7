//! The client uses a mount only while the same KV v2 engine answers there with which the session began.

#[path = "openbao/world.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod world;

use serde_json::json;
use vaultterm_reconcile::{Mode, Version};
use vaultterm_sync::{FaultClass, Remote, RemoteFault};
use world::{MOUNT, PREFIX, World, fields, hcl, path};

/// Returns the fault of a run, and checks that a test reports the same about the mount.
async fn refused_for_its_mount(world: &World) -> RemoteFault {
    let fault = world.refusal().await;
    let report = world.connector().test(&world.connection, &world.secrets()).await;
    let check = report.checks.iter().find(|check| !check.ok).expect("a check that failed");
    assert_eq!((check.name.as_str(), &check.detail), ("mount", &fault.message), "{report:#?}");
    assert_eq!(fault.class, FaultClass::WrongMount, "{fault:?}");
    fault
}

/// Returns the usual world with another mount and a policy for it.
async fn at_mount(mount: &str) -> World {
    let mut world = World::new(Mode::Bidirectional).await;
    world.connection.mount = mount.to_owned();
    world.set_policy(&hcl(Mode::Bidirectional).replace(&format!("\"{MOUNT}/"), &format!("\"{mount}/"))).await;
    world
}

#[tokio::test]
async fn a_kv_version_1_engine_is_refused_before_anything_is_written() {
    let world = at_mount("old").await;
    world.server.root().mount_kv("old", 1).await;
    let fault = refused_for_its_mount(&world).await;
    assert!(fault.message.contains("KV version 1 engine; version 2 is needed"), "{fault:?}");
    assert!(
        fault.hint.as_ref().map(ToString::to_string).unwrap_or_default().contains("enable-versioning"),
        "{fault:?}"
    );
    let touched = world.server.audited().into_iter().any(|request| request.path.starts_with("old/"));
    assert!(!touched, "the engine was never asked for anything");
}

#[tokio::test]
async fn a_mount_that_is_not_there_is_said() {
    let world = at_mount("nowhere").await;
    let fault = refused_for_its_mount(&world).await;
    assert!(fault.message.contains("there is no secrets engine at `nowhere/`"), "{fault:?}");
}

#[tokio::test]
async fn a_mount_that_the_role_may_not_know_of_is_not_said_to_be_missing() {
    let mut world = World::new(Mode::Bidirectional).await;
    world.server.root().mount_kv("theirs", 2).await;
    world.connection.mount = "theirs".to_owned();
    let fault = refused_for_its_mount(&world).await;
    assert!(fault.message.contains("or the role may do nothing below it"), "{fault:?}");
}

#[tokio::test]
async fn an_engine_of_another_kind_is_refused() {
    let world = at_mount("transit").await;
    world.server.root().call("POST", "sys/mounts/transit", Some(json!({"type": "transit"}))).await;
    let fault = refused_for_its_mount(&world).await;
    assert!(fault.message.contains("of type `transit`, not kv"), "{fault:?}");
}

#[tokio::test]
async fn a_path_that_was_given_as_part_of_the_mount_is_said() {
    let mut world = World::new(Mode::Bidirectional).await;
    world.connection.mount = format!("{MOUNT}/team");
    world.connection.path = "app".to_owned();
    world.set_policy(&format!("{}\npath \"{MOUNT}/team/*\" {{ capabilities = [\"read\"] }}", hcl(Mode::Push))).await;
    let fault = refused_for_its_mount(&world).await;
    assert!(fault.message.contains(&format!("lies below the mount `{MOUNT}/`")), "{fault:?}");
}

#[tokio::test]
async fn a_mount_with_slashes_in_its_name_works() {
    let mut world = at_mount("teams/a/kv").await;
    world.server.root().mount_kv("teams/a/kv", 2).await;
    world.connection.mount = "/teams/a/kv/".to_owned();
    let remote = world.connect().await;
    remote.write(&path("a"), &fields("1"), Version::NONE).await.expect("written");
    assert_eq!(remote.observe().await.expect("observed").sights.len(), 1);
    remote.close().await.expect("revoked");
}

#[tokio::test]
async fn a_whole_mount_is_a_scope() {
    let mut world = World::new(Mode::Bidirectional).await;
    world.connection.path = String::new();
    world.set_policy(&hcl(Mode::Bidirectional).replace(&format!("{PREFIX}/"), "")).await;
    world.server.root().put(MOUNT, "top", json!({"value": "1"})).await;
    world.server.root().put(MOUNT, "team/app/deep", json!({"value": "1"})).await;
    let remote = world.connect().await;
    let sights = remote.observe().await.expect("observed").sights;
    assert_eq!(sights.into_keys().collect::<Vec<_>>(), [path("team/app/deep"), path("top")]);
    remote.close().await.expect("revoked");
}

#[tokio::test]
async fn a_mount_that_vanishes_or_is_replaced_mid_run_proves_no_absence() {
    let world = World::new(Mode::Bidirectional).await;
    let remote = world.connect().await;
    remote.write(&path("a"), &fields("1"), Version::NONE).await.expect("written");
    for version in [None, Some(1), Some(2)] {
        world.server.root().unmount(MOUNT).await;
        if let Some(version) = version {
            world.server.root().mount_kv(MOUNT, version).await;
        }
        for (asked, answer) in [
            ("a look", remote.look(&path("a")).await.map(|sight| format!("{sight:?}"))),
            ("a listing", remote.observe().await.map(|snapshot| format!("{snapshot:?}"))),
        ] {
            let fault = answer.expect_err("neither an absence nor an empty scope");
            assert_eq!(fault.class, FaultClass::WrongMount, "{asked}, {version:?}: {fault:?}");
        }
    }
    remote.close().await.expect("revoked");
}

#[tokio::test]
async fn a_sealed_server_is_said_to_be_sealed_and_works_again_when_it_is_not() {
    let world = World::new(Mode::Bidirectional).await;
    let remote = world.connect().await;
    remote.write(&path("a"), &fields("1"), Version::NONE).await.expect("written");
    world.server.seal().await;
    assert_eq!(remote.look(&path("a")).await.expect_err("sealed").class, FaultClass::Sealed);
    assert_eq!(remote.observe().await.expect_err("sealed").class, FaultClass::Sealed);
    let written = remote.write(&path("b"), &fields("1"), Version::NONE).await;
    assert_eq!(written.expect_err("sealed").class, FaultClass::Sealed);
    let fault = world.refusal().await;
    assert_eq!((fault.class, fault.message.contains("sealed")), (FaultClass::Sealed, true), "{fault:?}");
    assert!(fault.hint.as_ref().map(ToString::to_string).unwrap_or_default().contains("unseal"), "{fault:?}");
    let report = world.connector().test(&world.connection, &world.secrets()).await;
    let last = report.checks.last().expect("a check");
    assert_eq!((last.name.as_str(), last.ok), ("health", false), "{report:#?}");

    world.server.unseal().await;
    world.connect().await.close().await.expect("revoked");
}
