//! A conflict is reported, freezes only its path, and can be resolved in four ways. The values of the losing
//! side stay reachable.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use vaultterm_ledger::AuditAction;
use vaultterm_reconcile::{ConflictKind, Mode, RecordId, Side};
use vaultterm_sync::{ConflictStatus, EngineError, FieldChoice, Resolution, StoredConflict};
use vaultterm_testkit::world::data;

use crate::house::House;

/// A house in which both sides edited the same field of `x`, and a person edited another record.
struct Torn {
    house: House,
    record: RecordId,
    conflict: StoredConflict,
}

fn here() -> Value {
    json!({"a": "here", "b": "0"})
}

fn there() -> Value {
    json!({"a": "there", "b": "0"})
}

impl Torn {
    async fn new() -> Self {
        let house = House::new(Mode::Bidirectional).await;
        let record = house.save("x", json!({"a": "0", "b": "0"})).await.id;
        house.save("other", json!({"value": "0"})).await;
        house.succeed().await;
        house.save("x", here()).await;
        house.put("x", there()).await;
        house.save("other", json!({"value": "1"})).await;
        let run = house.succeed().await;
        assert_eq!((run.counts.conflicts, run.counts.updated_remote), (1, 1), "a conflict freezes its path only");
        assert_eq!(house.secret("other").await, Some(data(json!({"value": "1"}))));
        let mut open = house.conflicts().await;
        assert_eq!(open.len(), 1);
        Self { house, record, conflict: open.remove(0) }
    }

    async fn resolve(&self, how: Resolution) {
        let row = self.house.resolve(&self.conflict, how).await.unwrap();
        assert_eq!(row.status, ConflictStatus::Resolved);
        assert_eq!(self.house.audited(AuditAction::HcvConflictResolved).await, 1);
        assert!(self.house.conflicts().await.is_empty());
    }

    /// Checks that both values are in the history of the record, and that the next run has nothing to do.
    async fn settled(&self) {
        let history = self.house.history(self.record).await;
        for value in [here(), there()] {
            assert!(history.contains(&data(value.clone())), "{value} is in the history");
        }
        self.house.rests().await;
    }
}

#[tokio::test]
async fn a_conflict_is_flagged_once_and_changes_neither_side() {
    let Torn { house, conflict, .. } = Torn::new().await;
    assert_eq!(
        (conflict.conflict.kind, conflict.conflict.diverged.as_slice()),
        (ConflictKind::BothChanged, &["a".to_owned()][..])
    );
    assert_eq!((house.record("x").await, house.secret("x").await), (Some(data(here())), Some(data(there()))));
    assert_eq!(house.audited(AuditAction::HcvConflictDetected).await, 1);
    let before = house.print().await;
    house.succeed().await;
    let again = house.conflicts().await;
    assert_eq!((again.len(), again[0].id), (1, conflict.id), "a further run finds the same conflict");
    assert_eq!(house.audited(AuditAction::HcvConflictDetected).await, 1);
    assert_eq!(house.print().await, before);
}

#[tokio::test]
async fn keep_local_writes_the_secret_and_keeps_the_remote_value_as_a_revision() {
    let torn = Torn::new().await;
    torn.resolve(Resolution::KeepLocal).await;
    torn.house.in_step("x", here()).await;
    assert_eq!(torn.house.head("x").await.version, 3);
    torn.settled().await;
}

#[tokio::test]
async fn keep_remote_writes_the_record_and_not_the_secret() {
    let torn = Torn::new().await;
    torn.resolve(Resolution::KeepRemote).await;
    torn.house.in_step("x", there()).await;
    assert_eq!(torn.house.head("x").await.version, 2);
    torn.settled().await;
}

#[tokio::test]
async fn keep_both_makes_a_second_record_of_the_remote_value() {
    let torn = Torn::new().await;
    torn.resolve(Resolution::KeepBoth).await;
    torn.house.in_step("x", here()).await;
    assert_eq!(torn.house.record("x-remote").await, Some(data(there())));
    assert_eq!(torn.house.succeed().await.counts.created_remote, 1, "the new record travels like any other");
    torn.house.in_step("x-remote", there()).await;
    torn.house.rests().await;
}

#[tokio::test]
async fn merge_takes_each_field_from_where_the_person_says() {
    let torn = Torn::new().await;
    let fields = BTreeMap::from([
        ("a".to_owned(), FieldChoice::Take(Side::Remote)),
        ("b".to_owned(), FieldChoice::Value(json!("given"))),
    ]);
    torn.resolve(Resolution::Merge(fields)).await;
    torn.house.in_step("x", json!({"a": "there", "b": "given"})).await;
    assert_eq!(torn.house.head("x").await.version, 3);
    torn.house.rests().await;
}

#[tokio::test]
async fn a_decision_on_states_that_moved_is_refused_and_changes_nothing() {
    let Torn { house, conflict, .. } = Torn::new().await;
    house.put("x", json!({"a": "moved", "b": "0"})).await;
    let before = house.print().await;
    let refused = house.resolve(&conflict, Resolution::KeepLocal).await;
    assert!(matches!(refused, Err(EngineError::Stale(_))), "{refused:?}");
    assert_eq!(house.print().await, before);
    assert_eq!(house.conflicts().await.len(), 1);
}

#[tokio::test]
async fn a_conflict_closes_by_itself_when_the_sides_become_equal() {
    let Torn { house, conflict, .. } = Torn::new().await;
    house.save("x", there()).await;
    house.succeed().await;
    assert!(house.conflicts().await.is_empty());
    let row = house.store.stored_conflict(conflict.id).await.unwrap().unwrap();
    assert_eq!(row.status, ConflictStatus::Converged);
    assert_eq!(house.head("x").await.version, 2, "nothing was written");
    house.rests().await;
}

#[tokio::test]
async fn an_edit_is_never_lost_to_a_deletion_and_either_can_be_chosen() {
    let house = House::new(Mode::Bidirectional).await;
    for path in ["edited-here", "edited-there"] {
        house.save(path, json!({"value": "0"})).await;
    }
    house.succeed().await;
    house.save("edited-here", json!({"value": "1"})).await;
    house.delete("edited-here").await;
    house.put("edited-there", json!({"value": "1"})).await;
    house.trash("edited-there").await;
    house.succeed().await;
    let open = house.conflicts().await;
    let kinds: Vec<_> = open.iter().map(|row| row.conflict.kind).collect();
    assert_eq!(kinds, [ConflictKind::RemoteDeleted, ConflictKind::LocalDeleted]);
    house.resolve(&open[0], Resolution::KeepLocal).await.unwrap();
    house.resolve(&open[1], Resolution::KeepRemote).await.unwrap();
    house.in_step("edited-here", json!({"value": "1"})).await;
    house.in_step("edited-there", json!({"value": "1"})).await;
    house.rests().await;
}
