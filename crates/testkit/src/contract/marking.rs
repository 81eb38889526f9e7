//! Marks, which name the manager of a secret.

use std::collections::BTreeMap;

use uuid::Uuid;
use vaultterm_reconcile::{RecordId, RecordType, RemoteSight, RunMark, SeenMark, Version};
use vaultterm_sync::{Mark, Remote};

use super::{data, head, path, write};
use crate::{Backdoor, Metadata};

async fn mark(remote: &impl Remote, at: &str) -> RecordId {
    let record_id = RecordId(vaultterm_sync::new_id());
    let run = RunMark { connection: Uuid::from_u128(0xC0), number: 7 };
    let mark = Mark { record: Some((record_id, RecordType::ApiKey)), run };
    remote.mark(&path(at), &mark).await.expect("marking succeeds");
    record_id
}

async fn seen_mark(remote: &impl Remote, at: &str) -> SeenMark {
    match remote.look(&path(at)).await.expect("looking succeeds") {
        RemoteSight::Seen(entry) => entry.mark,
        other => panic!("expected a key, found {other:?}"),
    }
}

/// Looking, listing and reading show the same mark.
pub async fn a_mark_is_seen_by_every_kind_of_look<R: Remote, B: Backdoor>(remote: &R, _: &B) {
    write(remote, "key", "1", 0).await;
    assert_eq!(seen_mark(remote, "key").await, SeenMark::default());
    let record_id = mark(remote, "key").await;

    let looked = seen_mark(remote, "key").await;
    assert!(looked.instance.is_some());
    assert_eq!((looked.record_id, looked.record_type), (Some(record_id), Some(RecordType::ApiKey)));
    assert_eq!(looked.run.map(|run| run.number), Some(7));
    let snapshot = remote.observe().await.expect("the scope can be observed");
    let Some(RemoteSight::Seen(listed)) = snapshot.sights.get(&path("key")) else { panic!("the key is listed") };
    assert_eq!(listed.mark, looked);
    let read = remote.read(&path("key"), Version(1)).await.expect("the read succeeds").expect("live");
    assert_eq!(read.mark, looked);
}

/// A mark must be sent with PATCH, because POST would replace all keys.
pub async fn a_mark_leaves_other_keys_alone_and_makes_no_version<R: Remote, B: Backdoor>(remote: &R, backdoor: &B) {
    let custom = BTreeMap::from([("owner".to_owned(), "the billing team".to_owned())]);
    backdoor.put_metadata("key", Metadata { custom, ..Metadata::default() }).await;
    backdoor.put("key", data("1")).await;
    let before = head(remote, "key").await;
    mark(remote, "key").await;
    assert_eq!(head(remote, "key").await, before);
    let custom = backdoor.custom_metadata("key").await;
    assert_eq!(custom.get("owner").map(String::as_str), Some("the billing team"));
    assert_eq!(custom.get("managed-by").map(String::as_str), Some("vaultterm"));
}

/// A run marks a secret with its id. The other marks stay, whether the secret is deleted or not.
pub async fn a_run_is_shown_without_touching_whose_it_is<R: Remote, B: Backdoor>(remote: &R, backdoor: &B) {
    write(remote, "key", "1", 0).await;
    mark(remote, "key").await;
    let before = seen_mark(remote, "key").await;
    backdoor.delete("key", 1).await;
    let run = RunMark { connection: Uuid::from_u128(0xC0), number: 8 };
    remote.mark(&path("key"), &Mark { record: None, run }).await.expect("marking succeeds");
    assert_eq!(seen_mark(remote, "key").await, SeenMark { run: Some(run), ..before });
}

/// Metadata belong to the key and not to a version.
pub async fn a_mark_survives_a_write<R: Remote, B: Backdoor>(remote: &R, _: &B) {
    write(remote, "key", "1", 0).await;
    mark(remote, "key").await;
    let before = seen_mark(remote, "key").await;
    write(remote, "key", "2", 1).await;
    assert_eq!(seen_mark(remote, "key").await, before);
}

/// The manager and the type come from keys that another instance set. An unknown type counts as none.
pub async fn a_foreign_mark_is_shown<R: Remote, B: Backdoor>(remote: &R, backdoor: &B) {
    let marks = [("managed-by", "vaultterm"), ("vaultterm-instance", "another"), ("vaultterm-type", "PASSPORT")];
    let custom = marks.map(|(name, value)| (name.to_owned(), value.to_owned()));
    backdoor.put("key", data("1")).await;
    backdoor.put_metadata("key", Metadata { custom: BTreeMap::from(custom), ..Metadata::default() }).await;
    let expected = SeenMark { instance: Some("another".to_owned()), record_id: None, record_type: None, run: None };
    assert_eq!(seen_mark(remote, "key").await, expected);
}
