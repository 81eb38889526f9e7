//! Records the outcomes of a batch. Those that do not concern one another are recorded together, with one statement of each
//! kind for all of them, because each statement is a message to the database and back.
//!
//! The rules of each outcome are those of `commit.rs`: an outcome whose guard does not hold leaves no trace and does not affect
//! the others.

use std::collections::BTreeSet;

use vaultterm_ledger::AuditAction;
use vaultterm_reconcile::{BaseEntry, Link, RecordId, Revision};
use vaultterm_sync::{BaseChange, Committed, LocalChange, Outcome};

use crate::{
    Store, StoreError,
    base::{self, NewBase},
    batch::Batch,
    commit::{Changed, Creation, audit_change, audit_synced},
    conflicts,
    sql::Tx,
};

impl Store {
    /// Records each outcome completely, or not at all.
    pub(crate) async fn record_outcomes(
        &self,
        tx: &mut Tx,
        batch: &Batch,
        outcomes: &[Outcome],
    ) -> Result<Vec<Committed>, StoreError> {
        let mut committed = Vec::with_capacity(outcomes.len());
        let mut left = outcomes;
        while let [first, others @ ..] = left {
            let count = apart(left);
            if count == 0 {
                committed.push(self.record_outcome(tx, batch, first).await?);
                left = others;
            } else {
                let (together, others) = left.split_at(count);
                committed.extend(self.record_together(tx, batch, together).await?);
                left = others;
            }
        }
        Ok(committed)
    }

    /// Records outcomes that do not concern one another. The deciding steps come first: the records to create, then the bases
    /// of the others. The steps after that can fail only together with the whole batch.
    async fn record_together(
        &self,
        tx: &mut Tx,
        batch: &Batch,
        outcomes: &[Outcome],
    ) -> Result<Vec<Committed>, StoreError> {
        let created = self.create(tx, batch, &outcomes.iter().filter_map(creation).collect::<Vec<_>>()).await?;
        let is_refused = |outcome: &Outcome| record_to_create(outcome).is_some_and(|id| !created.contains(&id));
        let bases: Vec<_> = outcomes.iter().filter(|outcome| !is_refused(outcome)).filter_map(new_base).collect();
        let set = base::set(tx, batch.connection_id, &bases).await?;
        // The plan may be older than a conflict. An outcome that brings both sides together resolves it.
        let mut open = conflicts::open_at(tx, batch, &set.iter().collect::<Vec<_>>()).await?;
        let mut committed = Vec::with_capacity(outcomes.len());
        for outcome in outcomes {
            let path = &outcome.path;
            let is_unset = outcome.base != BaseChange::Keep && !set.contains(path);
            let record_id = record_to_create(outcome);
            if is_refused(outcome) || (record_id.is_none() && is_unset) {
                committed.push(Committed::Stale);
                continue;
            }
            if is_unset {
                // The record is created already, so its first revision exists, and the base names another one as well.
                return Err(StoreError::Malformed("base of a changed record"));
            }
            if let Some(id) = open.remove(path) {
                conflicts::converged(tx, batch, id, path).await?;
            }
            let revision = record_id.map(|_| Revision::FIRST);
            if let Some(record_id) = record_id {
                audit_change(tx, batch, path, &Changed { action: AuditAction::RecordCreated, record_id, revision });
            }
            if let Some(synced) = &outcome.audit {
                audit_synced(tx, batch, path, synced, revision);
            }
            committed.push(Committed::Done(revision));
        }
        Ok(committed)
    }
}

/// Returns how many of the first outcomes can be recorded together: each creates a record or none, sets its base or keeps it,
/// and no two of them name the same path or record. None of them can therefore see what another one does.
fn apart(outcomes: &[Outcome]) -> usize {
    let (mut paths, mut records) = (BTreeSet::new(), BTreeSet::new());
    let concerns_another = |outcome: &Outcome| {
        !is_plain(outcome)
            || !paths.insert(outcome.path.as_str().to_owned())
            || !record_of(outcome).is_none_or(|id| records.insert(id))
    };
    outcomes.iter().position(concerns_another).unwrap_or(outcomes.len())
}

fn is_plain(outcome: &Outcome) -> bool {
    let is_local = match &outcome.local {
        LocalChange::None => true,
        // A base beside a new record is that of the record.
        LocalChange::Create { record_id, .. } => match &outcome.base {
            BaseChange::Set(entry) => entry.record_id == *record_id,
            BaseChange::Keep | BaseChange::Remove => true,
        },
        _ => false,
    };
    is_local && outcome.base != BaseChange::Remove && outcome.base_removed.is_none() && outcome.resolves.is_none()
}

fn record_to_create(outcome: &Outcome) -> Option<RecordId> {
    match &outcome.local {
        LocalChange::Create { record_id, .. } => Some(*record_id),
        _ => None,
    }
}

/// Returns the record that an outcome names.
fn record_of(outcome: &Outcome) -> Option<RecordId> {
    record_to_create(outcome).or(match &outcome.base {
        BaseChange::Set(entry) => Some(entry.record_id),
        BaseChange::Keep | BaseChange::Remove => None,
    })
}

fn creation(outcome: &Outcome) -> Option<Creation<'_>> {
    let LocalChange::Create { record_id, record_type, fields } = &outcome.local else { return None };
    let is_linked = matches!(&outcome.base, BaseChange::Set(entry) if entry.link == Link::Linked);
    Some(Creation { path: &outcome.path, record_id: *record_id, record_type: *record_type, fields, is_linked })
}

/// Returns the base that an outcome sets. That of a new record names its first revision.
fn new_base(outcome: &Outcome) -> Option<NewBase<'_>> {
    let BaseChange::Set(entry) = &outcome.base else { return None };
    let revision = record_to_create(outcome).map_or(entry.revision, |_| Revision::FIRST);
    let entry = BaseEntry { revision, ..entry.clone() };
    Some(NewBase { path: &outcome.path, entry, wrote_remote: outcome.wrote_remote })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use serde_json::json;
    use vaultterm_ledger::{Draft, RemoteRef};
    use vaultterm_reconcile::{Mode, RecordId, RecordType, Revision};
    use vaultterm_sync::{
        BaseChange, Committed, ConflictStatus, Journal as _, Lease, LocalChange, OtherConflicts, Outcome, Run,
        SeenInVault, SyncedAudit, Trigger,
    };

    use crate::{
        AuditFilter, ConflictFilter, Page, Proving,
        sql::args,
        testing::{House, at, base, conflict, cut_before_statement, fields, outcome, reopened},
    };

    const DONE: Committed = Committed::Done(Some(Revision::FIRST));

    /// Returns the creation of a record from a secret, as a pull records it.
    fn pulled(path: &str) -> Outcome {
        let record_id = RecordId(vaultterm_sync::new_id());
        let fields = fields(json!({"x": path}));
        let remote = RemoteRef { cluster: None, path: path.to_owned(), version: Some(7), request_id: None };
        let what = "created_local";
        Outcome {
            local: LocalChange::Create { record_id, record_type: RecordType::KeyValue, fields },
            base: BaseChange::Set(base(record_id, 1)),
            audit: Some(SyncedAudit { what, record_id: Some(record_id), revision: None, remote }),
            ..outcome(path)
        }
    }

    /// Returns the outcome that only sets a base.
    fn based(path: &str, record_id: RecordId, revision: u64) -> Outcome {
        Outcome { base: BaseChange::Set(base(record_id, revision)), ..outcome(path) }
    }

    fn record_id(outcome: &Outcome) -> RecordId {
        super::record_of(outcome).unwrap()
    }

    async fn running(house: &House) -> (Lease, Run) {
        let connection = house.connect("kv", Mode::Bidirectional, "").await.unwrap();
        house.begin(connection.id, Trigger::Manual).await
    }

    async fn commit(house: &House, run: &(Lease, Run), outcomes: Vec<Outcome>) -> Vec<Committed> {
        house.store.commit(run.0, run.1.id, outcomes).await.unwrap()
    }

    /// Returns the newest entries of the audit log, the oldest first.
    async fn drafts(house: &House, after: u64) -> Vec<Draft> {
        let filter = AuditFilter { after: Some(after), ..AuditFilter::default() };
        let page = Page { limit: 500, cursor: None };
        let events = house.store.audit_events(&filter, &page).await.unwrap().items;
        events.into_iter().map(|event| event.entry.draft).collect()
    }

    async fn holds(house: &House, path: &str, id: RecordId) {
        let shown = house.store.reveal_record(&house.ann(), id, None, None, None, Proving::Fresh).await.unwrap();
        assert_eq!(shown.to_json().expose(), json!({"x": path}).to_string().as_bytes());
    }

    #[tokio::test]
    async fn a_creation_that_meets_a_live_record_leaves_no_trace_among_others_that_do_not() {
        let house = House::new().await;
        let run = running(&house).await;
        house.save("b", json!({"x": "mine"})).await.unwrap();
        let seen = SeenInVault { path: at("b"), stamp: None, is_deleted: true, writer: None };
        house.store.record_seen(run.0, None, &[seen]).await.unwrap();
        let before = house.store.audit_size().await.unwrap();
        let outcomes: Vec<_> = ["a", "b", "c"].map(pulled).into();
        let ids: Vec<_> = outcomes.iter().map(record_id).collect();
        assert_eq!(commit(&house, &run, outcomes).await, [DONE, Committed::Stale, DONE]);

        let based = house.store.base(run.1.connection_id).await.unwrap();
        assert_eq!(based.into_keys().collect::<Vec<_>>(), [at("a"), at("c")]);
        assert!(house.store.record(ids[1]).await.unwrap().is_none());
        let told = drafts(&house, before).await;
        assert_eq!(told.len(), 4, "a record and its secret, twice: {told:?}");
        assert!(told.iter().flat_map(|draft| &draft.objects).all(|object| object.name.as_deref() != Some("b")));
        let seen = house.store.seen_at(&[run.1.connection_id], &[at("b")]).await.unwrap();
        assert_eq!(seen.len(), 1, "what was seen at the path stays as well");
        for (path, id) in [("a", ids[0]), ("c", ids[2])] {
            holds(&house, path, id).await;
        }
        assert_eq!(house.store.verify_audit().await.unwrap().broken, None);
    }

    #[tokio::test]
    async fn of_two_creations_at_one_path_the_first_counts() {
        let house = House::new().await;
        let run = running(&house).await;
        let outcomes: Vec<_> = ["a", "b", "a", "c"].map(pulled).into();
        let ids: Vec<_> = outcomes.iter().map(record_id).collect();
        assert_eq!(commit(&house, &run, outcomes).await, [DONE, DONE, Committed::Stale, DONE]);
        assert_eq!(house.store.base(run.1.connection_id).await.unwrap()[&at("a")].record_id, ids[0]);
        assert!(house.store.record(ids[2]).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_creation_of_a_record_that_exists_leaves_no_trace() {
        let house = House::new().await;
        let run = running(&house).await;
        let there = house.save("there", json!({"x": 1})).await.unwrap().id;
        let again = |mut outcome: Outcome| {
            if let LocalChange::Create { record_id, .. } = &mut outcome.local {
                *record_id = there;
            }
            Outcome { base: BaseChange::Set(base(there, 1)), ..outcome }
        };
        let outcomes = vec![pulled("a"), again(pulled("elsewhere")), pulled("b")];
        assert_eq!(commit(&house, &run, outcomes).await, [DONE, Committed::Stale, DONE]);
        let based = house.store.base(run.1.connection_id).await.unwrap();
        assert_eq!(based.into_keys().collect::<Vec<_>>(), ["a", "b"].map(at));
    }

    #[tokio::test]
    async fn of_two_bases_at_one_path_the_last_counts() {
        let house = House::new().await;
        let run = running(&house).await;
        let (one, other) = (house.save("one", json!({"x": 1})).await.unwrap().id, pulled("other"));
        let later = record_id(&other);
        let outcomes = vec![other, based("x", one, 1), based("x", later, 1)];
        assert_eq!(commit(&house, &run, outcomes).await, [DONE, Committed::Done(None), Committed::Done(None)]);
        assert_eq!(house.store.base(run.1.connection_id).await.unwrap()[&at("x")].record_id, later);
    }

    #[tokio::test]
    async fn a_base_is_set_only_if_its_revision_exists_when_its_turn_comes() {
        let house = House::new().await;
        let run = running(&house).await;
        let (one, other) = (pulled("one"), pulled("other"));
        let (id, later) = (record_id(&one), record_id(&other));
        let nobody = RecordId(vaultterm_sync::new_id());
        let outcomes = vec![
            one,
            based("moved", id, 1),
            based("too-new", id, 2),
            based("nobody", nobody, 1),
            based("too-early", later, 1),
            other,
            outcome("nothing"),
        ];
        let done = Committed::Done(None);
        let stale = Committed::Stale;
        assert_eq!(commit(&house, &run, outcomes).await, [DONE, done, stale, stale, stale, DONE, done]);
        let based = house.store.base(run.1.connection_id).await.unwrap();
        assert_eq!(based.into_keys().collect::<Vec<_>>(), ["moved", "one", "other"].map(at));
    }

    #[tokio::test]
    async fn a_base_that_names_another_record_than_the_new_one_is_judged_by_that_record() {
        let house = House::new().await;
        let run = running(&house).await;
        let there = house.save("there", json!({"x": 1})).await.unwrap().id;
        let crossed = Outcome { base: BaseChange::Set(base(there, 1)), ..pulled("new") };
        assert_eq!(commit(&house, &run, vec![pulled("a"), crossed]).await, [DONE, DONE]);
        assert_eq!(house.store.base(run.1.connection_id).await.unwrap()[&at("new")].record_id, there);
    }

    #[tokio::test]
    async fn a_batch_of_more_rows_than_a_statement_takes_is_recorded_whole() {
        let house = House::new().await;
        let run = running(&house).await;
        let paths: Vec<_> = (0..300).map(|n| format!("team-{n:03}/db")).collect();
        house.save(&paths[150], json!({"x": "mine"})).await.unwrap();
        let outcomes: Vec<_> = paths.iter().map(|path| pulled(path)).collect();
        let ids: Vec<_> = outcomes.iter().map(record_id).collect();
        let committed = commit(&house, &run, outcomes).await;
        for (n, (path, id)) in paths.iter().zip(ids).enumerate() {
            if n == 150 {
                assert_eq!(committed[n], Committed::Stale);
                continue;
            }
            assert_eq!(committed[n], DONE, "{path}");
            holds(&house, path, id).await;
        }
        let sql = "SELECT COUNT(*) AS n FROM records WHERE agreed_revision = revision";
        let in_step = house.store.db.one(sql, args![]).await.unwrap().unwrap();
        assert_eq!(in_step.count("n").unwrap(), 299);
        assert_eq!(house.store.base(run.1.connection_id).await.unwrap().len(), 299);
        assert_eq!(house.store.verify_audit().await.unwrap().broken, None);
    }

    #[tokio::test]
    async fn what_is_recorded_together_reads_as_if_it_was_recorded_one_by_one() {
        let mut told = Vec::new();
        for together in [true, false] {
            let house = House::new().await;
            let run = running(&house).await;
            let known = house.import(&run, "known", json!({"x": 1})).await;
            let others = OtherConflicts::Converged { but: [].into() };
            let found = [conflict("b", known, 1), conflict("known", known, 1)];
            house.store.record_conflicts(run.0, run.1.id, &found, &others).await.unwrap();
            let before = house.store.audit_size().await.unwrap();
            let remote = RemoteRef { cluster: None, path: "known".to_owned(), version: Some(8), request_id: None };
            let synced = SyncedAudit { what: "updated_remote", record_id: None, revision: None, remote };
            let pushed = Outcome { audit: Some(synced), wrote_remote: true, ..based("known", known, 1) };
            let outcomes = vec![pulled("a"), pulled("b"), pushed, pulled("a"), pulled("c")];
            if together {
                commit(&house, &run, outcomes).await;
            } else {
                for outcome in outcomes {
                    commit(&house, &run, vec![outcome]).await;
                }
            }
            let open = ConflictFilter { status: Some(ConflictStatus::Open), ..ConflictFilter::default() };
            assert!(house.store.conflicts(&open, &Page::default()).await.unwrap().items.is_empty());
            let names = |draft: Draft| {
                let names: Vec<_> = draft.objects.into_iter().map(|object| object.name).collect();
                (draft.action, names, draft.remote.map(|remote| remote.path), draft.detail.get("revision").cloned())
            };
            told.push(drafts(&house, before).await.into_iter().map(names).collect::<Vec<_>>());
        }
        assert_eq!(told[0].len(), 9, "three records, four secrets, two conflicts: {told:?}");
        assert_eq!(told[0], told[1]);
    }

    #[tokio::test]
    async fn a_process_that_ends_before_any_statement_of_a_batch_leaves_all_of_it_or_nothing() {
        let house = House::new().await;
        let run = running(&house).await;
        let before = house.store.audit_size().await.unwrap();
        for statements in 0.. {
            let outcomes: Vec<_> = ["a", "b", "c"].map(pulled).into();
            let ended = cut_before_statement(statements, async {
                commit(&house, &run, outcomes).await;
            });
            let ended = ended.await;
            let store = reopened(&house, &house.root).await.unwrap();
            let based = store.base(run.1.connection_id).await.unwrap().len();
            let written = store.audit_size().await.unwrap() - before;
            assert_eq!(store.verify_audit().await.unwrap().broken, None);
            store.close().await;
            match (based, written) {
                (0, 0) => assert!(!ended, "the batch ended and is not there"),
                (3, 6) => {
                    assert!(statements > 8, "{statements} statements are too few");
                    break;
                }
                other => panic!("a part of the batch after {statements} statements: {other:?}"),
            }
        }
    }
}
