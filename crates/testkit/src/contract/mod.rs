//! The contract of a [`Remote`]: everything that the engine relies on, with one function per sentence. It
//! runs on the fake, and on a real server through the Vault client, so that the fake is known to behave like
//! the real server.
//!
//! [`contract!`](macro@crate::contract) makes a test of each sentence.

mod deleting;
mod looking;
mod marking;
mod travelling;
mod writing;

pub use deleting::*;
pub use looking::*;
pub use marking::*;
pub use travelling::*;
pub use writing::*;

use serde_json::Value;
use vaultterm_reconcile::{RemoteHead, RemoteSight, RemoteStamp, SecretPath, Version};
use vaultterm_sealing::SecretFields;
use vaultterm_sync::{FaultClass, Remote, WriteReceipt};

use crate::Data;

/// Makes a `#[tokio::test]` of each sentence of the contract.
///
/// `$world` is an expression that gives `(remote, backdoor)` on a fresh, empty scope. It may await. The back
/// door owns everything that must live as long as the test, such as a server.
#[macro_export]
macro_rules! contract {
    ($world:expr) => {
        $crate::contract!(@tests $world,
            an_empty_scope_shows_nothing,
            a_listing_shows_what_looking_shows,
            a_listing_ends_at_the_prefix,
            a_listing_reaches_every_depth,
            a_folder_is_not_a_secret,
            a_wide_scope_is_seen_whole,
            every_request_is_counted,
            the_first_write_needs_cas_zero_and_makes_version_one,
            a_write_on_the_newest_version_makes_the_next,
            a_write_on_an_older_version_is_stale_and_changes_nothing,
            of_two_writes_on_the_same_version_one_wins,
            an_identical_write_makes_a_version,
            an_older_version_can_be_read,
            a_version_that_was_never_written_reads_as_none,
            the_oldest_versions_are_evicted,
            metadata_without_a_version_is_written_with_cas_zero,
            a_deleted_head_stays_listed_and_reads_as_none,
            a_deleted_head_is_written_with_its_own_version,
            an_undelete_restores_the_same_stamp,
            a_destroyed_head_is_deleted_for_good_but_can_be_written,
            a_metadata_delete_proves_absence,
            numbering_restarts_after_a_metadata_delete_but_stamps_differ,
            deleting_an_older_version_leaves_the_newest_alive,
            deleting_twice_is_harmless,
            a_future_deletion_time_is_live_until_it_passes,
            a_mark_is_seen_by_every_kind_of_look,
            a_mark_leaves_other_keys_alone_and_makes_no_version,
            a_mark_survives_a_write,
            a_run_is_shown_without_touching_whose_it_is,
            a_foreign_mark_is_shown,
            odd_names_travel,
            a_name_may_be_secret_and_folder_at_once,
            odd_values_travel_unchanged,
            large_numbers_come_back_as_floats,
        );
    };
    (@tests $world:expr, $($name:ident),+ $(,)?) => {
        $(#[tokio::test]
        async fn $name() {
            let (remote, backdoor) = $world;
            $crate::contract::$name(&remote, &backdoor).await;
        })+
    };
}

/// Parses a path.
fn path(text: &str) -> SecretPath {
    SecretPath::new(text).expect("the contract uses good paths")
}

/// Returns data with one text field.
fn data(text: &str) -> Data {
    Data::from([("value".to_owned(), Value::from(text))])
}

/// Returns fields with one text field.
fn fields(text: &str) -> SecretFields {
    SecretFields::from_trusted(data(text))
}

/// Writes a secret and expects success.
async fn write(remote: &impl Remote, at: &str, text: &str, cas: u64) -> WriteReceipt {
    remote.write(&path(at), &fields(text), Version(cas)).await.expect("the write succeeds")
}

/// Writes a secret and expects that check-and-set refuses it.
async fn write_is_stale(remote: &impl Remote, at: &str, cas: u64) {
    let refused = remote.write(&path(at), &fields("never"), Version(cas)).await;
    assert_eq!(refused.expect_err("the write is refused").class, FaultClass::Stale);
}

/// Reads a version and expects it to be live.
async fn read(remote: &impl Remote, at: &str, version: u64) -> Data {
    let read = remote.read(&path(at), Version(version)).await.expect("the read succeeds");
    read.expect("the version is live").fields.expose().clone()
}

/// Looks at a path and expects a key.
async fn head(remote: &impl Remote, at: &str) -> RemoteHead {
    match remote.look(&path(at)).await.expect("looking succeeds") {
        RemoteSight::Seen(entry) => entry.head,
        other => panic!("expected a key at {at}, found {other:?}"),
    }
}

/// Looks at a path and expects a live version.
async fn live(remote: &impl Remote, at: &str) -> RemoteStamp {
    match head(remote, at).await {
        RemoteHead::Live { stamp, .. } => stamp,
        other => panic!("expected a live version at {at}, found {other:?}"),
    }
}
