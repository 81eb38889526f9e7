//! The contract of a [`Journal`]: everything that the engine relies on, with one function per sentence. It
//! runs on the journal in memory and on the store with each of its databases, so that the results of the
//! engine's tests hold for the real store.
//!
//! [`journal_contract!`](macro@crate::journal_contract) makes a test of each sentence.

mod conflicts;
mod leases;
mod records;
mod runs;

pub use conflicts::*;
pub use leases::*;
pub use records::*;
pub use runs::*;

use std::{future::Future, time::Duration};

use serde_json::json;
use vaultterm_ledger::{AuditAction, RemoteRef};
use vaultterm_reconcile::{
    BaseEntry, Link, RecordId, RecordType, RemoteStamp, Revision, SecretPath, UnixNanos, Version,
};
use vaultterm_sealing::SecretFields;
use vaultterm_sync::{
    BaseChange, CollectionId, Committed, ConflictId, ConnectionId, Journal, JournalError, Lease, LocalChange, Outcome,
    Run, RunId, RunPart, RunState, SyncedAudit, Trigger,
};

use crate::{
    Data,
    world::{actor, at, data},
};

/// The actions of people on the same database, without the engine. There is one connection on one collection,
/// and both are empty at first.
pub trait Desk {
    /// Returns the connection.
    fn connection_id(&self) -> ConnectionId;

    /// Returns the collection of the connection.
    fn collection_id(&self) -> CollectionId;

    /// Saves a new record, or the next revision of the record at the path.
    fn save(&self, path: &SecretPath, record_type: RecordType, data: Data) -> impl Future<Output = RecordId>;

    /// Renames a record.
    fn rename(&self, from: &SecretPath, to: &SecretPath) -> impl Future<Output = ()>;

    /// Moves a record to the trash.
    fn trash(&self, path: &SecretPath) -> impl Future<Output = ()>;

    /// Marks the scope of the connection as changed, as an edit of its mount does.
    fn change_scope(&self) -> impl Future<Output = ()>;

    /// Pauses the connection, or lets runs start again.
    fn pause(&self, paused: bool) -> impl Future<Output = ()>;

    /// Raises the restore guard, as if the database had gone back in time.
    fn raise_guard(&self, reason: &str) -> impl Future<Output = ()>;

    /// Replaces the credential of the connection with a wrapping token.
    fn wrap_credential(&self, token: &str) -> impl Future<Output = ()>;

    /// Returns the recorded state of a run.
    fn run_state(&self, id: RunId) -> impl Future<Output = Option<RunState>>;

    /// Returns the ids of all conflicts of the connection, oldest first.
    fn conflict_ids(&self) -> impl Future<Output = Vec<ConflictId>>;

    /// Returns the audited actions so far, oldest first.
    fn audited(&self) -> impl Future<Output = Vec<AuditAction>>;

    /// Lets time pass for leases and plans.
    fn let_pass(&self, duration: Duration) -> impl Future<Output = ()>;
}

/// Makes a `#[tokio::test]` of each sentence of the contract.
///
/// `$world` is an expression that gives `(journal, desk)` on a fresh database. It may await.
#[macro_export]
macro_rules! journal_contract {
    ($world:expr) => {
        $crate::journal_contract!(@tests $world,
            a_lease_has_one_holder_at_a_time,
            a_lease_runs_out_and_the_next_one_has_a_higher_fence,
            a_renewed_lease_does_not_run_out,
            nothing_is_recorded_under_a_lost_lease,
            a_lost_lease_takes_nothing_back,
            a_created_record_is_its_bases_revision,
            a_record_is_not_created_where_one_lives,
            an_update_needs_its_revision,
            an_update_needs_its_path,
            several_revisions_are_read_at_once,
            what_surrounds_paths_and_records_is_read,
            a_rebase_makes_two_revisions_and_the_base_names_the_first,
            kept_versions_become_revisions_below_what_the_record_holds,
            a_trashed_record_keeps_its_revisions_and_comes_back,
            a_record_does_not_come_back_where_another_lives,
            a_record_comes_back_only_from_the_trash_and_only_at_its_path,
            a_base_names_a_revision_that_exists,
            a_base_of_what_was_written_remotely_survives_a_later_edit,
            a_move_changes_both_bases_at_once,
            a_stale_outcome_stops_no_other,
            what_travelled_is_audited_with_what_it_changed,
            a_new_conflict_is_opened_and_audited_once,
            conflicts_that_were_not_found_converge_unless_they_could_not_be_judged,
            an_outcome_that_moves_the_base_closes_the_conflict_at_its_path,
            a_decision_closes_its_conflict_with_what_it_changes,
            a_decision_on_a_closed_conflict_changes_nothing,
            a_base_set_aside_is_forgotten_and_the_new_identity_recorded,
            a_guard_is_lifted_once_and_under_the_lease_only,
            an_identity_is_recorded_without_touching_the_base,
            what_was_found_gone_is_remembered_until_the_next_run,
            the_change_number_grows_with_every_change_of_a_record_and_with_nothing_else,
            the_number_of_the_newest_run_only_grows,
            a_plan_is_found_until_it_expires,
            a_run_that_a_person_begins_starts_the_connection,
            a_paused_connection_begins_no_run_but_a_decision,
            a_run_left_behind_is_closed_by_the_next,
            a_run_that_ended_leaves_the_connection_to_the_next,
            a_run_says_how_it_ended_even_without_its_lease,
            a_spent_wrapping_token_gives_way_to_its_secret_id_and_nothing_else_does,
        );
    };
    (@tests $world:expr, $($name:ident),+ $(,)?) => {
        $(#[tokio::test]
        async fn $name() {
            let (journal, desk) = $world;
            $crate::journal_contract::$name(&journal, &desk).await;
        })+
    };
}

const TTL: Duration = Duration::from_secs(60);

/// Returns the stamp of version `n`.
fn stamp(n: u64) -> RemoteStamp {
    let created = UnixNanos(1_767_225_600_123_456_789 + i64::try_from(n).expect("small"));
    RemoteStamp { key_created: UnixNanos(1_767_225_600_123_456_789), version: Version(n), version_created: created }
}

/// Returns a base that links a revision of a record to version 1.
fn base(record_id: RecordId, revision: u64) -> BaseEntry {
    let (revision, record_type) = (Revision(revision), RecordType::KeyValue);
    BaseEntry {
        record_id,
        revision,
        record_type,
        stamp: stamp(1),
        expires: None,
        link: Link::Linked,
        held_since: Version(1),
        accepted: None,
    }
}

fn value(text: &str) -> Data {
    data(json!({ "value": text }))
}

fn fields(text: &str) -> SecretFields {
    SecretFields::from_trusted(value(text))
}

/// Returns an outcome that changes nothing.
fn outcome(path: &str) -> Outcome {
    Outcome {
        path: at(path),
        local: LocalChange::None,
        base: BaseChange::Keep,
        base_removed: None,
        audit: None,
        resolves: None,
        wrote_remote: false,
    }
}

/// Returns the audit entry of a secret that was synchronized.
fn synced(record_id: RecordId) -> SyncedAudit {
    let remote = RemoteRef { cluster: None, path: "secret/team/app/x".to_owned(), version: Some(1), request_id: None };
    SyncedAudit { what: "updated_local", record_id: Some(record_id), revision: None, remote }
}

/// Takes the lease and begins a run under it.
async fn begin<J: Journal, D: Desk>(journal: &J, desk: &D) -> (Lease, RunId) {
    let run_id = RunId(vaultterm_sync::new_id());
    let lease = journal.acquire_lease(desk.connection_id(), run_id.0, TTL).await.expect("the journal answers");
    let lease = lease.expect("the lease is free");
    journal.begin_run(lease, &run(desk, run_id, Trigger::Interval)).await.expect("the run is recorded");
    (lease, run_id)
}

fn run<D: Desk>(desk: &D, id: RunId, trigger: Trigger) -> Run {
    Run {
        id,
        connection_id: desk.connection_id(),
        plan_id: None,
        state: RunState::Running,
        trigger,
        actor: actor(),
        counts: vaultterm_reconcile::Counts::default(),
        halts: Vec::new(),
        problems: Vec::new(),
        started: UnixNanos(1_767_225_600_000_000_000),
        finished: None,
        requests: 0,
        part: RunPart::default(),
    }
}

/// Records an outcome.
async fn commit<J: Journal>(journal: &J, run: (Lease, RunId), outcome: Outcome) -> Committed {
    let (lease, run_id) = run;
    let committed = journal.commit(lease, run_id, vec![outcome]).await.expect("the journal answers");
    assert_eq!(committed.len(), 1);
    committed[0]
}

/// Returns the content of a revision.
async fn revision<J: Journal>(journal: &J, record_id: RecordId, revision: u64) -> Option<Data> {
    let stored = journal.fields(record_id, Revision(revision)).await.expect("the journal answers");
    stored.map(|stored| stored.fields.expose().clone())
}

/// Returns the id and the current revision of the live record at a path.
async fn live<J: Journal, D: Desk>(journal: &J, desk: &D, path: &str) -> Option<(RecordId, u64)> {
    let snapshot = journal.local_snapshot(desk.collection_id()).await.expect("the journal answers");
    snapshot.live.get(&at(path)).map(|entry| (entry.record_id, entry.revision.0))
}

/// Returns the base of a path.
async fn base_of<J: Journal, D: Desk>(journal: &J, desk: &D, path: &str) -> Option<BaseEntry> {
    journal.base(desk.connection_id()).await.expect("the journal answers").remove(&at(path))
}

fn is_lost<T: std::fmt::Debug>(answer: &Result<T, JournalError>) {
    assert!(matches!(answer, Err(JournalError::LeaseLost)), "{answer:?}");
}
