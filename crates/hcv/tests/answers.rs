//! Answers that are not Vault's. Each must get its class, must never count as an absence or as a completed
//! write, and must repeat no value.

#[path = "openbao/world.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod world;

use std::time::Duration;

use serde_json::json;
use vaultterm_hcv::VaultRemote;
use vaultterm_reconcile::{Mode, RemoteSight, Version};
use vaultterm_sync::{FaultClass, Remote, RemoteFault};
use vaultterm_testkit::openbao::{Between, Meddling};
use world::{MOUNT, World, a_mark, fields, path};

/// Returns a session through a gateway that a test controls.
async fn through() -> (World, VaultRemote, Between) {
    let mut world = World::new(Mode::Bidirectional).await;
    let between = Between::new(world.server.port()).await;
    world.connection.address = between.address().to_owned();
    world.server.root().put(MOUNT, "team/app/there", json!({"value": "a-value-to-be-found"})).await;
    let remote = world.connect().await;
    (world, remote, between)
}

/// Calls each operation that changes nothing, and returns its fault.
async fn reads(remote: &VaultRemote) -> Vec<(&'static str, RemoteFault)> {
    let there = path("there");
    let look = remote.look(&there).await.map(|sight| format!("{sight:?}"));
    let read = remote.read(&there, Version(1)).await.map(|read| format!("{read:?}"));
    [("look", look), ("read", read)].map(|(name, result)| (name, result.expect_err(name))).to_vec()
}

/// Calls each operation that changes something, and returns its fault.
async fn changes(remote: &VaultRemote) -> Vec<(&'static str, RemoteFault)> {
    let there = path("there");
    let write = remote.write(&there, &fields("2"), Version(1)).await.map(drop);
    let delete = remote.delete(&there, Version(1)).await.map(drop);
    [("write", write), ("delete", delete)].map(|(name, result)| (name, result.expect_err(name))).to_vec()
}

async fn mark(remote: &VaultRemote) -> Result<(), RemoteFault> {
    remote.mark(&path("there"), &a_mark()).await
}

macro_rules! answer {
    ($status:literal, $headers:literal, $body:literal) => {
        concat!("HTTP/1.1 ", $status, "\r\nConnection: close\r\n", $headers, "\r\n", $body)
    };
}

#[tokio::test]
async fn every_answer_that_is_no_answer_has_its_class() {
    use FaultClass as F;
    let (world, remote, between) = through().await;
    let html = answer!("200 OK", "Content-Type: text/html\r\n", "<html>Please log in</html>");
    for (answer, of_reads, of_changes) in [
        (html, F::Protocol, F::Unknown),
        (answer!("200 OK", "", ""), F::Protocol, F::Unknown),
        (answer!("200 OK", "", "{\"data\": {\"data\""), F::Protocol, F::Unknown),
        (answer!("200 OK", "", "{}"), F::Protocol, F::Unknown),
        (answer!("307 Temporary Redirect", "Location: /v1/elsewhere\r\n", ""), F::Redirected, F::Redirected),
        (answer!("302 Found", "Location: http://127.0.0.1:1/\r\n", ""), F::Redirected, F::Redirected),
        (answer!("404 Not Found", "", "<html>not here</html>"), F::Protocol, F::Protocol),
        (answer!("404 Not Found", "", "{\"errors\":[\"no handler for route\"]}"), F::WrongMount, F::WrongMount),
        (
            answer!("412 Precondition Failed", "", "{\"errors\":[\"not replicated yet\"]}"),
            F::StaleReplica,
            F::StaleReplica,
        ),
        (answer!("429 Too Many", "Retry-After: 1\r\n", "{\"errors\":[]}"), F::StaleReplica, F::StaleReplica),
        (answer!("429 Too Many", "", "{\"errors\":[\"quota exceeded\"]}"), F::RateLimited, F::RateLimited),
        (answer!("473 Standby", "", "{\"errors\":[]}"), F::Sealed, F::Sealed),
        (answer!("501 Not Initialized", "", "{\"errors\":[]}"), F::Sealed, F::Sealed),
        (answer!("503 Unavailable", "", "{\"errors\":[\"Vault is sealed\"]}"), F::Sealed, F::Sealed),
        (answer!("503 Unavailable", "", "<html>no backend</html>"), F::Unavailable, F::Unknown),
        (answer!("502 Bad Gateway", "", "<html>bad gateway</html>"), F::Unavailable, F::Unknown),
        (answer!("500 Internal Server Error", "", "{\"errors\":[\"boom\"]}"), F::Unavailable, F::Unknown),
        (answer!("413 Too Large", "", "<html>too large</html>"), F::Invalid, F::Invalid),
        (answer!("400 Bad Request", "", "{\"errors\":[\"invalid\"]}"), F::Invalid, F::Invalid),
        (
            answer!("400 Bad Request", "", "{\"errors\":[\"Upgrading from non-versioned to versioned data. This\"]}"),
            F::Unavailable,
            F::Unavailable,
        ),
        (
            answer!(
                "400 Bad Request",
                "",
                "{\"errors\":[\"Waiting for the primary to upgrade from non-versioned to versioned data.\"]}"
            ),
            F::Unavailable,
            F::Unavailable,
        ),
        (answer!("400 Bad Request", "", "<html>no</html>"), F::Protocol, F::Protocol),
        (answer!("418 Teapot", "", ""), F::Protocol, F::Protocol),
    ] {
        between.meddle("/v1/kv/", Meddling::Instead(answer));
        for (name, fault) in reads(&remote).await {
            assert_eq!(fault.class, of_reads, "{name} of {answer:?}: {fault:?}");
        }
        for (name, fault) in changes(&remote).await {
            assert_eq!(fault.class, of_changes, "{name} of {answer:?}: {fault:?}");
        }
        assert!(mark(&remote).await.is_err(), "{answer:?}");
    }
    assert!(!between.seen().iter().any(|line| line.contains("elsewhere")), "no redirect is followed");
    let metadata = world.server.root().metadata(MOUNT, "team/app/there").await.expect("metadata");
    assert_eq!((&metadata["current_version"], &metadata["custom_metadata"]), (&json!(1), &json!(null)));
}

#[tokio::test]
async fn a_redirect_says_whether_it_leads_to_another_host() {
    let (_world, remote, between) = through().await;
    for (answer, says) in [
        (
            answer!("307 Temporary Redirect", "Location: https://active.example.com:8200/v1/x\r\n", ""),
            "a redirect to https://active.example.com:8200,",
        ),
        (answer!("307 Temporary Redirect", "Location: /v1/elsewhere\r\n", ""), "a redirect to another path,"),
        (answer!("307 Temporary Redirect", "", ""), "a redirect to another path,"),
    ] {
        between.meddle("/v1/kv/", Meddling::Instead(answer));
        for (name, fault) in reads(&remote).await {
            assert_eq!(fault.class, FaultClass::Redirected, "{name}: {fault:?}");
            assert!(fault.message.contains(says) && fault.hint.is_some(), "{name}: {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_listing_that_is_none_is_never_an_empty_scope() {
    let (_world, remote, between) = through().await;
    for answer in [
        answer!("200 OK", "Content-Type: text/html\r\n", "<html>Please log in</html>"),
        answer!("200 OK", "", "{\"data\":{\"keys\":[\"there\""),
        answer!("200 OK", "", "{\"errors\":[]}"),
        answer!("404 Not Found", "", "<html>not here</html>"),
        answer!("404 Not Found", "", "{\"errors\":[\"no handler for route\"]}"),
        answer!("307 Temporary Redirect", "Location: /v1/elsewhere\r\n", ""),
        answer!("400 Bad Request", "", "{\"errors\":[\"invalid\"]}"),
        answer!("200 OK", "", "{\"data\":{\"keys\":[\"folder/\"],\"key_info\":{}}}"),
    ] {
        between.meddle("metadata", Meddling::Instead(answer));
        if answer.contains("key_info") && world::flavor() == vaultterm_hcv::Flavor::Vault {
            // HashiCorp Vault lists only names. On it, this answer is a valid list of a folder that contains
            // a folder.
            continue;
        }
        let seen = remote.observe().await;
        assert!(seen.is_err(), "{answer:?}: {seen:?}");
    }
    between.meddle("", Meddling::Pass);
    assert_eq!(remote.observe().await.expect("observed").sights.len(), 1);
}

#[tokio::test]
async fn an_answer_that_breaks_off_leaves_a_read_to_be_repeated_and_a_change_unknown() {
    let (world, remote, between) = through().await;
    for meddling in [Meddling::Lost, Meddling::Cut(0), Meddling::Cut(20)] {
        between.meddle("/v1/kv/", meddling);
        for (name, fault) in reads(&remote).await {
            assert_eq!(fault.class, FaultClass::Unavailable, "{name}, {meddling:?}: {fault:?}");
            assert!(!format!("{fault:?}").contains("a-value-to-be-found"), "{fault:?}");
        }
        let written = remote.write(&path("there"), &fields("2"), Version(1)).await.expect_err("no answer came");
        assert!(matches!(written.class, FaultClass::Unknown | FaultClass::Stale), "{meddling:?}: {written:?}");
    }
    // The first write was applied although its answer was lost. `Unknown` exists for this case.
    assert_eq!(world.server.root().value(MOUNT, "team/app/there").await, Some(json!({"value": "2"})));
    between.meddle("", Meddling::Pass);
    let metadata = world.server.root().metadata(MOUNT, "team/app/there").await.expect("metadata");
    assert_eq!(metadata["current_version"], json!(2), "and was not made again");
}

#[tokio::test]
async fn a_denied_look_is_unreadable_and_no_absence() {
    let (_world, remote, between) = through().await;
    between
        .meddle("/metadata/team/app/there", Meddling::Instead(answer!("403 Forbidden", "", "{\"errors\":[\"no\"]}")));
    let sight = remote.look(&path("there")).await.expect("an answer");
    assert!(matches!(sight, RemoteSight::Unreadable(_)), "{sight:?}");
}

#[tokio::test]
async fn what_answers_without_being_vault_is_said_to_be_none() {
    let mut world = World::new(Mode::Push).await;
    let between = Between::new(world.server.port()).await;
    world.connection.address = between.address().to_owned();
    between.meddle("", Meddling::Instead(answer!("200 OK", "", "<html>It works!</html>")));
    let fault = world.refusal().await;
    assert_eq!(fault.class, FaultClass::Protocol);
    assert!(fault.message.contains("not a Vault"), "{fault:?}");
    assert!(fault.hint.as_ref().map(ToString::to_string).unwrap_or_default().contains("host and port"), "{fault:?}");
    let lines = between.seen();
    assert!(lines.iter().all(|line| line.contains("sys/health")), "nothing secret was sent to it: {lines:?}");
}

#[tokio::test]
async fn a_rate_limit_is_waited_out_in_a_listing_and_told_elsewhere() {
    let world = World::new(Mode::Bidirectional).await;
    for number in 0..3 {
        world.server.root().put(MOUNT, &format!("team/app/{number}"), json!({"value": "1"})).await;
    }
    let remote = world.connect().await;
    // The limit is high enough for a listing key by key, which waits and repeats.
    let limit = json!({"rate": 3, "interval": "2s", "path": MOUNT});
    world.server.root().call("POST", "sys/quotas/rate-limit/tight", Some(limit)).await;
    let limited = async {
        loop {
            if let Err(fault) = remote.read(&path("0"), Version(1)).await {
                return fault;
            }
        }
    };
    let fault = tokio::time::timeout(Duration::from_secs(20), limited).await.expect("the quota is enforced");
    assert_eq!(fault.class, FaultClass::RateLimited, "{fault:?}");
    assert_eq!(remote.observe().await.expect("observed, after a while").sights.len(), 3);
}
