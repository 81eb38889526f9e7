//! Runs, plans, identities, credentials.

use std::time::Duration;

use vaultterm_reconcile::{Plan, RecordType, Revision, UnixNanos};
use vaultterm_sealing::{SecretFields, SecretText};
use vaultterm_sync::{
    BaseChange, Connection, Credential, Journal, JournalError, LocalChange, Origin, Outcome, PlanId, RemoteIdentity,
    Run, RunId, RunState, StoredPlan, Trigger,
};

use super::{Desk, TTL, base, base_of, begin, commit, is_lost, outcome, run, stamp, value};
use crate::world::at;

fn identity() -> RemoteIdentity {
    RemoteIdentity {
        product: "OpenBao".to_owned(),
        version: "2.7.2".to_owned(),
        cluster_id: None,
        mount_accessor: "kv_1".to_owned(),
        mount_uuid: Some("uuid".to_owned()),
        kv_version: 2,
    }
}

async fn connection<J: Journal, D: Desk>(journal: &J, desk: &D) -> Connection {
    journal.connection(desk.connection_id()).await.expect("the journal answers").expect("the connection exists").0
}

/// All three changes happen in one transaction.
pub async fn a_base_set_aside_is_forgotten_and_the_new_identity_recorded<J: Journal, D: Desk>(journal: &J, desk: &D) {
    let record_id = desk.save(&at("x"), RecordType::KeyValue, value("1")).await;
    let first = begin(journal, desk).await;
    commit(journal, first, Outcome { base: BaseChange::Set(base(record_id, 1)), ..outcome("x") }).await;
    journal.release_lease(first.0).await.expect("given back");
    desk.change_scope().await;
    assert!(connection(journal, desk).await.scope_changed);
    let (lease, _) = begin(journal, desk).await;
    journal.set_base_aside(lease, &identity()).await.expect("recorded");
    assert_eq!(base_of(journal, desk, "x").await, None);
    let found = connection(journal, desk).await;
    assert_eq!((found.identity, found.scope_changed), (Some(identity()), false));
}

/// Every run records the identity, and the base stays.
pub async fn an_identity_is_recorded_without_touching_the_base<J: Journal, D: Desk>(journal: &J, desk: &D) {
    let record_id = desk.save(&at("x"), RecordType::KeyValue, value("1")).await;
    let run = begin(journal, desk).await;
    commit(journal, run, Outcome { base: BaseChange::Set(base(record_id, 1)), ..outcome("x") }).await;
    let before = connection(journal, desk).await.revision;
    journal.record_identity(run.0, &identity(), Some(UnixNanos(1_893_456_000_000_000_000))).await.expect("recorded");
    let found = connection(journal, desk).await;
    assert_eq!((found.identity, found.revision), (Some(identity()), before), "plans stay applicable");
    assert!(base_of(journal, desk, "x").await.is_some());
}

/// A run lifts the guard after a person acknowledged it.
pub async fn a_guard_is_lifted_once_and_under_the_lease_only<J: Journal, D: Desk>(journal: &J, desk: &D) {
    desk.raise_guard("the database was restored").await;
    let before = connection(journal, desk).await;
    assert_eq!(before.guarded.as_deref(), Some("the database was restored"));
    let (lease, _) = begin(journal, desk).await;
    journal.release_lease(lease).await.expect("given back");
    assert!(matches!(journal.lift_guard(lease).await, Err(JournalError::LeaseLost)));
    assert!(connection(journal, desk).await.guarded.is_some());
    let (lease, _) = begin(journal, desk).await;
    journal.record_identity(lease, &identity(), None).await.expect("recorded");
    assert!(connection(journal, desk).await.guarded.is_some(), "nothing else lifts it");
    journal.lift_guard(lease).await.expect("lifted");
    let after = connection(journal, desk).await;
    assert_eq!((after.guarded, after.revision), (None, before.revision), "plans stay applicable");
}

/// A run replaces the paths that the run before it found gone.
pub async fn what_was_found_gone_is_remembered_until_the_next_run<J: Journal, D: Desk>(journal: &J, desk: &D) {
    let (lease, _) = begin(journal, desk).await;
    let found = async || journal.suspicions(desk.connection_id()).await.expect("the journal answers");
    assert!(found().await.is_empty());
    for paths in [vec![(at("a"), stamp(1)), (at("b c/é"), stamp(2))], vec![(at("d"), stamp(7))], vec![]] {
        let paths = paths.into_iter().collect();
        journal.record_suspicions(lease, &paths).await.expect("recorded");
        assert_eq!(found().await, paths);
    }
}

/// The number does not depend on clocks. It therefore counts an edit that waited for its turn, and an edit by
/// a node whose clock is slow.
pub async fn the_change_number_grows_with_every_change_of_a_record_and_with_nothing_else<J: Journal, D: Desk>(
    journal: &J,
    desk: &D,
) {
    let number = async || journal.change_number(desk.collection_id()).await.expect("the journal answers");
    let mut last = number().await;
    let mut grew = async |what: &str| {
        let now = number().await;
        assert!(now > last, "{what}");
        last = now;
    };
    let record_id = desk.save(&at("x"), RecordType::KeyValue, value("1")).await;
    grew("a record is created").await;
    desk.save(&at("x"), RecordType::KeyValue, value("2")).await;
    grew("a record is changed").await;
    desk.rename(&at("x"), &at("y")).await;
    grew("a record is renamed").await;
    let run = begin(journal, desk).await;
    let update = LocalChange::Update {
        record_id,
        expect: Revision(3),
        record_type: RecordType::KeyValue,
        fields: SecretFields::from_trusted(value("3")),
        origin: Origin::Remote(desk.connection_id()),
    };
    commit(journal, run, Outcome { local: update, ..outcome("y") }).await;
    grew("a run changes a record").await;
    desk.trash(&at("y")).await;
    grew("a record goes to the trash").await;
    let before = number().await;
    commit(journal, run, Outcome { base: BaseChange::Remove, ..outcome("y") }).await;
    assert_eq!(number().await, before, "a base that moves changes no record");
}

/// The number changes only under a lease, and not under a lost one.
pub async fn the_number_of_the_newest_run_only_grows<J: Journal, D: Desk>(journal: &J, desk: &D) {
    let newest = async || journal.newest_run(desk.connection_id()).await.expect("the journal answers");
    assert_eq!(newest().await, 0);
    let (lease, _) = begin(journal, desk).await;
    for (number, expected) in [(1, 1), (7, 7), (3, 7)] {
        journal.record_newest_run(lease, number).await.expect("recorded");
        assert_eq!(newest().await, expected);
    }
    desk.let_pass(TTL + Duration::from_secs(1)).await;
    begin(journal, desk).await;
    is_lost(&journal.record_newest_run(lease, 9).await);
    assert_eq!(newest().await, 7);
}

/// A stored plan comes back with its whole content.
pub async fn a_plan_is_found_until_it_expires<J: Journal, D: Desk>(journal: &J, desk: &D) {
    let found = connection(journal, desk).await;
    let now = now();
    let plan = StoredPlan {
        id: PlanId(vaultterm_sync::new_id()),
        connection_id: found.id,
        connection_revision: found.revision,
        identity: identity(),
        plan: Plan { unchanged: 7, base_set_aside: true, ..Plan::default() },
        decisions: Vec::new(),
        change_number: 3,
        created: now,
        expires: UnixNanos(now.0 + 900_000_000_000),
    };
    journal.store_plan(&plan).await.expect("stored");
    let loaded = journal.plan(plan.id).await.expect("the journal answers").expect("the plan is found");
    assert_eq!(
        (loaded.plan, loaded.identity, loaded.expires),
        (plan.plan.clone(), plan.identity.clone(), plan.expires)
    );
    assert_eq!(loaded.connection_revision, plan.connection_revision);
    assert!(journal.plan(PlanId(vaultterm_sync::new_id())).await.expect("the journal answers").is_none());

    let expired = StoredPlan { id: PlanId(vaultterm_sync::new_id()), expires: UnixNanos(1), ..plan };
    journal.store_plan(&expired).await.expect("stored");
    assert!(journal.plan(expired.id).await.expect("the journal answers").is_none());
}

/// Returns the time of this machine. It is late enough for the fake and for a real database.
fn now() -> UnixNanos {
    vaultterm_sync::system_time()
}

/// After the pause is confirmed to the person, a run cannot begin, even if it was requested before the pause.
pub async fn a_paused_connection_begins_no_run_but_a_decision<J: Journal, D: Desk>(journal: &J, desk: &D) {
    let id = RunId(vaultterm_sync::new_id());
    let lease = journal.acquire_lease(desk.connection_id(), id.0, TTL).await.expect("answers").expect("free");
    desk.pause(true).await;
    for trigger in [Trigger::Manual, Trigger::Interval, Trigger::Change] {
        let refused = journal.begin_run(lease, &run(desk, id, trigger)).await;
        assert!(matches!(refused, Err(JournalError::Paused)), "{trigger:?}: {refused:?}");
    }
    assert_eq!(desk.run_state(id).await, None);
    journal.begin_run(lease, &run(desk, id, Trigger::Resolution)).await.expect("a decision is one path's business");
    desk.pause(false).await;
    let next = RunId(vaultterm_sync::new_id());
    journal.begin_run(lease, &run(desk, next, Trigger::Manual)).await.expect("recorded");
}

/// The schedule of the connection applies only after such a run.
pub async fn a_run_that_a_person_begins_starts_the_connection<J: Journal, D: Desk>(journal: &J, desk: &D) {
    let id = RunId(vaultterm_sync::new_id());
    let lease = journal.acquire_lease(desk.connection_id(), id.0, TTL).await.expect("answers").expect("free");
    journal.begin_run(lease, &run(desk, id, Trigger::Manual)).await.expect("recorded");
    assert!(connection(journal, desk).await.started);
    assert_eq!(desk.run_state(id).await, Some(RunState::Running));
}

/// The process of the first run died, so the run never recorded its end.
pub async fn a_run_left_behind_is_closed_by_the_next<J: Journal, D: Desk>(journal: &J, desk: &D) {
    let (_, left) = begin(journal, desk).await;
    desk.let_pass(TTL + Duration::from_secs(1)).await;
    let (_, next) = begin(journal, desk).await;
    assert_eq!(desk.run_state(left).await, Some(RunState::Failed));
    assert_eq!(desk.run_state(next).await, Some(RunState::Running));

    let late = Run { state: RunState::Succeeded, finished: Some(now()), ..run(desk, left, Trigger::Interval) };
    journal.finish_run(&late).await.expect("nothing happens");
    assert_eq!(desk.run_state(left).await, Some(RunState::Failed), "what was closed stays closed");
}

/// This happens in one transaction, so that no reader sees an ended run that still holds the lease.
pub async fn a_run_that_ended_leaves_the_connection_to_the_next<J: Journal, D: Desk>(journal: &J, desk: &D) {
    let (first, id) = begin(journal, desk).await;
    let ended = Run { state: RunState::Succeeded, finished: Some(now()), ..run(desk, id, Trigger::Interval) };
    journal.finish_run(&ended).await.expect("recorded");
    let (second, _) = begin(journal, desk).await;
    is_lost(&journal.update_run(first, &ended).await);
    // A late release by the first run does not free the lease of the second one.
    journal.release_lease(first).await.expect("nothing happens");
    journal.renew_lease(second, TTL).await.expect("still held");
}

/// The end of a run changes only the row of the run.
pub async fn a_run_says_how_it_ended_even_without_its_lease<J: Journal, D: Desk>(journal: &J, desk: &D) {
    let (lease, id) = begin(journal, desk).await;
    journal.release_lease(lease).await.expect("given back");
    let ended = Run { state: RunState::Partial, finished: Some(now()), ..run(desk, id, Trigger::Interval) };
    is_lost(&journal.update_run(lease, &ended).await);
    journal.finish_run(&ended).await.expect("recorded");
    assert_eq!(desk.run_state(id).await, Some(RunState::Partial));
}

/// A credential that a person replaced meanwhile stays.
pub async fn a_spent_wrapping_token_gives_way_to_its_secret_id_and_nothing_else_does<J: Journal, D: Desk>(
    journal: &J,
    desk: &D,
) {
    let text = |text: &str| SecretText::new(text.to_owned());
    desk.wrap_credential("token").await;
    journal.store_unwrapped(desk.connection_id(), &text("another token"), &text("wrong")).await.expect("answers");
    let (_, secrets) = journal.connection(desk.connection_id()).await.expect("answers").expect("exists");
    assert!(matches!(secrets.credential, Credential::WrappingToken(token) if token.expose() == "token"));

    journal.store_unwrapped(desk.connection_id(), &text("token"), &text("the secret id")).await.expect("answers");
    let (_, secrets) = journal.connection(desk.connection_id()).await.expect("answers").expect("exists");
    assert!(matches!(secrets.credential, Credential::SecretId(secret) if secret.expose() == "the secret id"));
}
