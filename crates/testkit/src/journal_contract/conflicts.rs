//! Conflicts and their resolution.

use std::collections::{BTreeMap, BTreeSet};

use vaultterm_ledger::AuditAction;
use vaultterm_reconcile::{
    Conflict, ConflictKind, Content, Expect, FieldDigest, LocalExpect, RecordType, RemoteExpect, Revision, Side,
};
use vaultterm_sync::{
    BaseChange, Committed, ConflictId, ConflictStatus, Decision, Journal, OtherConflicts, Outcome, ResolutionName,
    Resolved, RunId, StoredConflict,
};

use super::{Desk, base, base_of, begin, commit, outcome, stamp, value};
use crate::world::{actor, at};

fn conflict(path: &str, kind: ConflictKind, record_id: vaultterm_reconcile::RecordId) -> Conflict {
    let content = |byte| Content::from([("value".to_owned(), FieldDigest { digest: [byte; 32], length: 3 })]);
    Conflict {
        path: at(path),
        kind,
        expect: Expect {
            local: LocalExpect::Live { record_id, revision: Revision(1) },
            remote: RemoteExpect::Live { stamp: stamp(2), expires: None },
        },
        record_id: Some(record_id),
        base: Some(content(0)),
        local: Some(content(1)),
        remote: None,
        diverged: vec!["value".to_owned()],
        remote_writer: None,
    }
}

fn decided(id: ConflictId, run_id: RunId, conflict: &Conflict) -> Resolved {
    let decision = Decision {
        resolution: ResolutionName::Merge,
        fields: BTreeMap::from([("value".to_owned(), Side::Remote)]),
        reason: Some("because".to_owned()),
        actor: actor(),
        expect: conflict.expect,
        run_id,
        request_id: Some("request-1".to_owned()),
        source_ip: None,
    };
    Resolved { id, decision }
}

/// Returns the conflict that was recorded at a path.
async fn opened<J: Journal, D: Desk>(journal: &J, desk: &D, path: &str) -> StoredConflict {
    let ids = desk.conflict_ids().await;
    for id in ids {
        let row = journal.conflict(id).await.expect("the journal answers").expect("a listed conflict exists");
        if row.conflict.path == at(path) {
            return row;
        }
    }
    panic!("no conflict at {path}")
}

/// When the conflict is found again, it keeps its id and its first moment, and takes over the states found
/// now.
pub async fn a_new_conflict_is_opened_and_audited_once<J: Journal, D: Desk>(journal: &J, desk: &D) {
    let (lease, run_id) = begin(journal, desk).await;
    let record_id = desk.save(&at("x"), RecordType::KeyValue, value("1")).await;
    let before = desk.audited().await.len();
    let first = conflict("x", ConflictKind::BothChanged, record_id);
    let open = journal.record_conflicts(lease, run_id, std::slice::from_ref(&first), &OtherConflicts::Stay).await;
    assert_eq!(open.expect("the journal answers"), 1);
    let row = opened(journal, desk, "x").await;
    assert_eq!((&row.conflict, row.status, row.connection_id), (&first, ConflictStatus::Open, desk.connection_id()));

    desk.let_pass(std::time::Duration::from_secs(1)).await;
    let again = conflict("x", ConflictKind::RemoteDeleted, record_id);
    let open = journal.record_conflicts(lease, run_id, std::slice::from_ref(&again), &OtherConflicts::Stay).await;
    assert_eq!(open.expect("the journal answers"), 1);
    let seen = opened(journal, desk, "x").await;
    assert_eq!((seen.id, seen.first_seen, &seen.conflict), (row.id, row.first_seen, &again));
    assert!(seen.last_seen > row.last_seen);
    let news = desk.audited().await.split_off(before);
    assert_eq!(news.iter().filter(|action| **action == AuditAction::HcvConflictDetected).count(), 1, "{news:?}");
}

/// `Stay` leaves all of them as they are.
pub async fn conflicts_that_were_not_found_converge_unless_they_could_not_be_judged<J: Journal, D: Desk>(
    journal: &J,
    desk: &D,
) {
    let (lease, run_id) = begin(journal, desk).await;
    let record_id = desk.save(&at("x"), RecordType::KeyValue, value("1")).await;
    let all = ["a", "b", "c"].map(|path| conflict(path, ConflictKind::BothChanged, record_id));
    let record = |found: Vec<Conflict>, others| async move {
        journal.record_conflicts(lease, run_id, &found, &others).await.expect("the journal answers")
    };
    assert_eq!(record(all.to_vec(), OtherConflicts::Stay).await, 3);
    assert_eq!(record(vec![], OtherConflicts::Stay).await, 3);
    let but = BTreeSet::from([at("c")]);
    assert_eq!(record(vec![all[0].clone()], OtherConflicts::Converged { but }).await, 2);
    let mut statuses = Vec::new();
    for path in ["a", "b", "c"] {
        statuses.push(opened(journal, desk, path).await.status);
    }
    assert_eq!(statuses, [ConflictStatus::Open, ConflictStatus::Converged, ConflictStatus::Open]);
}

/// The plan may be older than the conflict. An outcome that does not change the base closes no conflict.
pub async fn an_outcome_that_moves_the_base_closes_the_conflict_at_its_path<J: Journal, D: Desk>(
    journal: &J,
    desk: &D,
) {
    let (lease, run_id) = begin(journal, desk).await;
    let record_id = desk.save(&at("a"), RecordType::KeyValue, value("1")).await;
    let all = ["a", "b", "c", "d"].map(|path| conflict(path, ConflictKind::BothChanged, record_id));
    journal.record_conflicts(lease, run_id, &all, &OtherConflicts::Stay).await.expect("recorded");
    let before = desk.audited().await.len();
    let moved = Outcome { base: BaseChange::Set(base(record_id, 1)), base_removed: Some(at("b")), ..outcome("a") };
    assert!(matches!(commit(journal, (lease, run_id), moved).await, Committed::Done(_)));
    assert!(matches!(commit(journal, (lease, run_id), outcome("c")).await, Committed::Done(_)));
    let mut statuses = Vec::new();
    for path in ["a", "b", "c", "d"] {
        statuses.push(opened(journal, desk, path).await.status);
    }
    let (open, converged) = (ConflictStatus::Open, ConflictStatus::Converged);
    assert_eq!(statuses, [converged, converged, open, open]);
    let news = desk.audited().await.split_off(before);
    assert_eq!(news.iter().filter(|action| **action == AuditAction::HcvConflictResolved).count(), 2, "{news:?}");
}

/// This happens in one transaction, and the audit names the actor and the reason.
pub async fn a_decision_closes_its_conflict_with_what_it_changes<J: Journal, D: Desk>(journal: &J, desk: &D) {
    let (lease, run_id) = begin(journal, desk).await;
    let record_id = desk.save(&at("x"), RecordType::KeyValue, value("1")).await;
    let found = conflict("x", ConflictKind::BothChanged, record_id);
    journal
        .record_conflicts(lease, run_id, std::slice::from_ref(&found), &OtherConflicts::Stay)
        .await
        .expect("recorded");
    let row = opened(journal, desk, "x").await;
    let before = desk.audited().await.len();
    let settled = Outcome {
        base: BaseChange::Set(base(record_id, 1)),
        resolves: Some(decided(row.id, run_id, &found)),
        ..outcome("x")
    };
    assert!(matches!(commit(journal, (lease, run_id), settled).await, Committed::Done(_)));
    assert_eq!(opened(journal, desk, "x").await.status, ConflictStatus::Resolved);
    assert!(base_of(journal, desk, "x").await.is_some());
    let news = desk.audited().await.split_off(before);
    assert_eq!(news.iter().filter(|action| **action == AuditAction::HcvConflictResolved).count(), 1, "{news:?}");
}

/// Two people decided, and one of them was faster.
pub async fn a_decision_on_a_closed_conflict_changes_nothing<J: Journal, D: Desk>(journal: &J, desk: &D) {
    let (lease, run_id) = begin(journal, desk).await;
    let record_id = desk.save(&at("x"), RecordType::KeyValue, value("1")).await;
    let found = conflict("x", ConflictKind::BothChanged, record_id);
    journal
        .record_conflicts(lease, run_id, std::slice::from_ref(&found), &OtherConflicts::Stay)
        .await
        .expect("recorded");
    let row = opened(journal, desk, "x").await;
    let nobody = OtherConflicts::Converged { but: BTreeSet::new() };
    journal.record_conflicts(lease, run_id, &[], &nobody).await.expect("recorded");
    let late = Outcome {
        base: BaseChange::Set(base(record_id, 1)),
        resolves: Some(decided(row.id, run_id, &found)),
        ..outcome("x")
    };
    assert_eq!(commit(journal, (lease, run_id), late).await, Committed::Stale);
    assert_eq!(base_of(journal, desk, "x").await, None);
    assert_eq!(opened(journal, desk, "x").await.status, ConflictStatus::Converged);
}
