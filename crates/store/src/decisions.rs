//! What a decision on a conflict did, as the audit log tells it.

use uuid::Uuid;
use vaultterm_ledger::{AuditAction, Draft, ObjectKind, RemoteRef};
use vaultterm_reconcile::RecordId;
use vaultterm_sync::{ConflictId, ResolutionName};

use crate::{AuditFilter, Page, Store, StoreError};

/// The maximum number of entries about one run that are read.
const ENTRIES_MAX: u32 = 500;

/// A decision of a person that closed a conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionMade {
    /// What was chosen.
    pub resolution: ResolutionName,
    /// The name of the person.
    pub by: String,
    /// The time, in microseconds since the Unix epoch.
    pub at_us: i64,
    /// The reason of the person.
    pub reason: Option<String>,
    /// What was written on both sides, in the order in which it was written.
    pub written: Vec<Written>,
}

/// One thing that a decision wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The kind of change, as in the counts of a run: `updated_remote`, `created_local` …
    pub what: String,
    /// The record and its path at that time. `None` for a secret that never was a record.
    pub record: Option<(RecordId, String)>,
    /// The revision of the record afterwards.
    pub revision: Option<u64>,
    /// The side of Vault.
    pub remote: RemoteRef,
}

impl Store {
    /// Finds what a person's decision on a conflict did. Returns `None` if no person decided it, or if the log does not
    /// reach back so far any more.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn decision_on(&self, id: ConflictId) -> Result<Option<DecisionMade>, StoreError> {
        let closed = self.drafts(AuditAction::HcvConflictResolved, id.0, 1).await?.pop();
        let Some(closed) = closed else { return Ok(None) };
        // A conflict whose sides came together without a decision has another word here.
        let Some(Ok(resolution)) = closed.detail.get("resolution").map(|name| name.parse()) else { return Ok(None) };
        let path = closed.objects.iter().find(|object| object.id == id.0).and_then(|object| object.name.as_deref());
        let run = closed.objects.iter().find(|object| object.kind == ObjectKind::Run).map(|object| object.id);
        let mut written = Vec::new();
        if let Some(run) = run {
            let synced = self.drafts(AuditAction::HcvSecretSynced, run, ENTRIES_MAX).await?;
            // One run may carry out the same decision on many conflicts. Only a copy stands at another path.
            let ours = |one: &Written| resolution == ResolutionName::KeepBoth || is_at(one, path);
            written.extend(synced.into_iter().rev().filter_map(what_was_written).filter(ours));
        }
        Ok(Some(DecisionMade {
            resolution,
            by: closed.actor.name,
            at_us: closed.time_us,
            reason: closed.detail.get("reason").cloned(),
            written,
        }))
    }

    /// Reads entries about an object, the newest first.
    async fn drafts(&self, action: AuditAction, object: Uuid, limit: u32) -> Result<Vec<Draft>, StoreError> {
        let filter =
            AuditFilter { action: Some(action), object: Some(object), newest_first: true, ..AuditFilter::default() };
        let found = self.audit_events(&filter, &Page { limit, cursor: None }).await?;
        Ok(found.items.into_iter().map(|event| event.entry.draft).collect())
    }
}

fn is_at(written: &Written, path: Option<&str>) -> bool {
    match (&written.record, path) {
        (Some((_, at)), Some(path)) => at == path,
        (None, Some(path)) => written.remote.path.ends_with(path),
        (_, None) => false,
    }
}

fn what_was_written(draft: Draft) -> Option<Written> {
    let record = draft.objects.iter().find(|object| object.kind == ObjectKind::Record);
    Some(Written {
        what: draft.detail.get("what")?.clone(),
        record: record.and_then(|object| Some((RecordId(object.id), object.name.clone()?))),
        revision: draft.detail.get("revision").and_then(|number| number.parse().ok()),
        remote: draft.remote?,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;
    use vaultterm_reconcile::{
        Conflict, ConflictKind, Expect, LocalExpect, Mode, RecordId, RecordType, RemoteExpect, Revision,
    };
    use vaultterm_sync::{
        Decision, Journal as _, LocalChange, OtherConflicts, Outcome, Resolved, SyncedAudit, Trigger,
    };

    use super::*;
    use crate::{
        ConflictFilter,
        testing::{House, at, fields, outcome},
    };

    #[tokio::test]
    async fn a_decision_tells_who_made_it_and_what_it_wrote_where() {
        let house = House::new().await;
        let made = house.connect("prod", Mode::Bidirectional, "team").await.unwrap();
        let (lease, run) = house.begin(made.id, Trigger::Resolution).await;
        let id = house.import(&(lease, run.clone()), "db", json!({"x": "here"})).await;
        let conflict = Conflict {
            path: at("db"),
            kind: ConflictKind::BothChanged,
            expect: Expect {
                local: LocalExpect::Live { record_id: id, revision: Revision(1) },
                remote: RemoteExpect::Absent,
            },
            record_id: Some(id),
            base: None,
            local: None,
            remote: None,
            diverged: Vec::new(),
            remote_writer: None,
        };
        let expect = conflict.expect;
        house.store.record_conflicts(lease, run.id, &[conflict], &OtherConflicts::Stay).await.unwrap();
        let listed = house.store.conflicts(&ConflictFilter::default(), &Page::default()).await.unwrap();
        let conflict_id = listed.items[0].id;
        assert_eq!(house.store.decision_on(conflict_id).await.unwrap(), None);

        let decision = Decision {
            resolution: ResolutionName::KeepBoth,
            fields: BTreeMap::new(),
            reason: Some("both count".to_owned()),
            actor: house.ann().actor,
            expect,
            run_id: run.id,
            request_id: None,
            source_ip: None,
        };
        let synced = |what, record_id, revision: Option<u64>, path: &str, version| SyncedAudit {
            what,
            record_id: Some(record_id),
            revision: revision.map(Revision),
            remote: RemoteRef { path: path.to_owned(), version: Some(version), ..RemoteRef::default() },
        };
        let copy = RecordId(vaultterm_sync::new_id());
        let create = LocalChange::Create {
            record_id: copy,
            record_type: RecordType::KeyValue,
            fields: fields(json!({"x": "there"})),
        };
        let outcomes = vec![
            Outcome {
                local: create,
                audit: Some(synced("created_local", copy, None, "kv/team/db-remote", 2)),
                ..outcome("db-remote")
            },
            Outcome {
                audit: Some(synced("updated_remote", id, Some(1), "kv/team/db", 3)),
                resolves: Some(Resolved { id: conflict_id, decision }),
                ..outcome("db")
            },
        ];
        house.store.commit(lease, run.id, outcomes).await.unwrap();
        let told = house.store.decision_on(conflict_id).await.unwrap().expect("it was decided");
        assert_eq!((told.resolution, told.by.as_str()), (ResolutionName::KeepBoth, "ann@example.com"));
        assert_eq!(told.reason.as_deref(), Some("both count"));
        let written: Vec<_> = told
            .written
            .iter()
            .map(|one| (one.what.as_str(), one.record.clone(), one.revision, one.remote.version))
            .collect();
        assert_eq!(
            written,
            [
                ("created_local", Some((copy, "db-remote".to_owned())), Some(1), Some(2)),
                ("updated_remote", Some((id, "db".to_owned())), Some(1), Some(3)),
            ]
        );
    }

    #[tokio::test]
    async fn a_conflict_whose_sides_came_together_was_decided_by_nobody() {
        let house = House::new().await;
        let made = house.connect("prod", Mode::Bidirectional, "team").await.unwrap();
        let (lease, run) = house.begin(made.id, Trigger::Manual).await;
        let conflict = Conflict {
            path: at("db"),
            kind: ConflictKind::NoBase,
            expect: Expect { local: LocalExpect::Absent, remote: RemoteExpect::Absent },
            record_id: None,
            base: None,
            local: None,
            remote: None,
            diverged: Vec::new(),
            remote_writer: None,
        };
        house.store.record_conflicts(lease, run.id, &[conflict], &OtherConflicts::Stay).await.unwrap();
        let none = OtherConflicts::Converged { but: std::collections::BTreeSet::new() };
        house.store.record_conflicts(lease, run.id, &[], &none).await.unwrap();
        let listed = house.store.conflicts(&ConflictFilter::default(), &Page::default()).await.unwrap();
        assert_eq!(house.store.decision_on(listed.items[0].id).await.unwrap(), None);
    }
}
