//! Writing with check-and-set, and reading versions.

use vaultterm_reconcile::{RemoteHead, Version};
use vaultterm_sync::{FaultClass, Remote};

use super::{data, fields, head, live, path, read, write, write_is_stale};
use crate::{Backdoor, Metadata};

/// A new key is created together with its first version, at the same moment.
pub async fn the_first_write_needs_cas_zero_and_makes_version_one<R: Remote, B: Backdoor>(remote: &R, backdoor: &B) {
    write_is_stale(remote, "new", 1).await;
    let receipt = write(remote, "new", "1", 0).await;
    assert_eq!(receipt.version, Version(1));
    assert_eq!(receipt.expires, None);
    assert!(receipt.request_id.is_some(), "the audit names Vault's request");
    assert_eq!(live(remote, "new").await, receipt.stamp(None));
    assert_eq!(backdoor.get("new", 1).await, Some(data("1")));
}

/// The creation time of the key stays. The version number and the creation time of the version change.
pub async fn a_write_on_the_newest_version_makes_the_next<R: Remote, B: Backdoor>(remote: &R, _: &B) {
    let first = write(remote, "key", "1", 0).await.stamp(None);
    let receipt = write(remote, "key", "2", 1).await;
    assert_eq!(receipt.version, Version(2));
    let second = receipt.stamp(Some(first.key_created));
    assert_eq!(live(remote, "key").await, second);
    assert!(second.version_created > first.version_created);
}

/// The same holds for `cas=0` on a key that exists.
pub async fn a_write_on_an_older_version_is_stale_and_changes_nothing<R: Remote, B: Backdoor>(
    remote: &R,
    backdoor: &B,
) {
    backdoor.put("key", data("1")).await;
    backdoor.put("key", data("2")).await;
    let before = head(remote, "key").await;
    for cas in [0, 1, 3] {
        write_is_stale(remote, "key", cas).await;
    }
    assert_eq!(head(remote, "key").await, before);
}

/// A writer never overwrites a version that it has not seen.
pub async fn of_two_writes_on_the_same_version_one_wins<R: Remote, B: Backdoor>(remote: &R, backdoor: &B) {
    backdoor.put("key", data("1")).await;
    let (one, other) = (fields("one"), fields("other"));
    let at = path("key");
    let (one, other) =
        futures_util::future::join(remote.write(&at, &one, Version(1)), remote.write(&at, &other, Version(1))).await;
    let refused = match (one, other) {
        (Ok(_), Err(fault)) | (Err(fault), Ok(_)) => fault,
        both => panic!("exactly one write succeeds, not {both:?}"),
    };
    assert_eq!(refused.class, FaultClass::Stale);
    assert_eq!(live(remote, "key").await.version, Version(2));
}

/// A caller must therefore leave out writes that change nothing.
pub async fn an_identical_write_makes_a_version<R: Remote, B: Backdoor>(remote: &R, _: &B) {
    write(remote, "key", "same", 0).await;
    assert_eq!(write(remote, "key", "same", 1).await.version, Version(2));
}

/// A version is read by its number. The answer tells when that version was created.
pub async fn an_older_version_can_be_read<R: Remote, B: Backdoor>(remote: &R, _: &B) {
    let first = write(remote, "key", "1", 0).await;
    let second = write(remote, "key", "2", 1).await;
    for (text, receipt) in [("1", first), ("2", second)] {
        let read = remote.read(&path("key"), receipt.version).await.expect("the read succeeds").expect("live");
        assert_eq!(read.fields.expose(), &data(text));
        assert_eq!(read.version_created, receipt.version_created);
    }
}

/// This holds for a key that exists and for a key that does not.
pub async fn a_version_that_was_never_written_reads_as_none<R: Remote, B: Backdoor>(remote: &R, backdoor: &B) {
    backdoor.put("key", data("1")).await;
    assert!(remote.read(&path("key"), Version(2)).await.expect("the read succeeds").is_none());
    assert!(remote.read(&path("none"), Version(1)).await.expect("the read succeeds").is_none());
}

/// The merge base therefore never depends on old versions in Vault. The larger `max_versions` of the key and
/// of the mount counts, and the default is 10.
pub async fn the_oldest_versions_are_evicted<R: Remote, B: Backdoor>(remote: &R, backdoor: &B) {
    backdoor.put_metadata("key", Metadata { versions_max: 3, ..Metadata::default() }).await;
    for cas in 0..5 {
        write(remote, "key", &cas.to_string(), cas).await;
    }
    for (version, there) in [(1, false), (2, false), (3, true), (4, true), (5, true)] {
        let read = remote.read(&path("key"), Version(version)).await.expect("the read succeeds");
        assert_eq!(read.is_some(), there, "version {version}");
    }
}

/// `current_version` is 0 in that case, and the creation time of the key is that of its metadata.
pub async fn metadata_without_a_version_is_written_with_cas_zero<R: Remote, B: Backdoor>(remote: &R, backdoor: &B) {
    backdoor.put_metadata("key", Metadata::default()).await;
    let empty = head(remote, "key").await;
    let RemoteHead::Empty { key_created } = empty else { panic!("expected no version, found {empty:?}") };
    assert_eq!(empty.cas(), Version::NONE);
    let receipt = write(remote, "key", "1", 0).await;
    assert_eq!(live(remote, "key").await, receipt.stamp(Some(key_created)));
    assert!(receipt.version_created > key_created);
    assert_eq!(read(remote, "key", 1).await, data("1"));
}
