//! The part of the journal that runs write: outcomes with their guards, and conflicts.

use vaultterm_ledger::AuditAction;
use vaultterm_reconcile::{Conflict, RecordId, Revision, SecretPath, UnixNanos};
use vaultterm_sync::{
    BaseChange, CollectionId, Committed, ConflictId, ConflictStatus, ConnectionId, LocalChange, Origin, OtherConflicts,
    Outcome, Resolved, StoredConflict,
};

use super::{MemoryRecord, MemoryRevision, State};

/// The connection and collection of an outcome.
#[derive(Clone, Copy)]
pub(super) struct Scope {
    pub(super) connection_id: ConnectionId,
    pub(super) collection_id: CollectionId,
    pub(super) now: UnixNanos,
}

impl State {
    /// Records an outcome completely, or not at all.
    pub(super) fn record(&mut self, scope: Scope, outcome: Outcome) -> Committed {
        let Outcome { path, local, base, base_removed, audit, resolves, wrote_remote: _ } = outcome;
        if !self.is_open(resolves.as_ref()) || !self.base_would_hold(&local, &base) {
            return Committed::Stale;
        }
        let Some((action, revision)) = self.change(scope, &path, local) else { return Committed::Stale };
        if resolves.is_none() && base != BaseChange::Keep {
            for settled in std::iter::once(&path).chain(&base_removed) {
                self.converge(scope, settled);
            }
        }
        if let Some((action, id)) = action {
            self.change_number += 1;
            self.log(action, format!("{path} {}", id.0));
        }
        match base {
            BaseChange::Keep => {}
            BaseChange::Set(mut entry) => {
                if matches!(action, Some((AuditAction::RecordCreated | AuditAction::RecordRestored, _))) {
                    entry.revision = revision.expect("a created record has a revision");
                }
                self.base.insert((scope.connection_id, path.clone()), entry);
            }
            BaseChange::Remove => drop(self.base.remove(&(scope.connection_id, path.clone()))),
        }
        if let Some(removed) = base_removed {
            self.base.remove(&(scope.connection_id, removed));
        }
        if let Some(audit) = audit {
            self.log(AuditAction::HcvSecretSynced, format!("{} {}", audit.what, audit.remote.path));
        }
        if let Some(resolved) = resolves {
            self.resolve(&resolved);
        }
        Committed::Done(revision)
    }

    fn is_open(&self, resolves: Option<&Resolved>) -> bool {
        resolves.is_none_or(|resolved| {
            let open = |row: &StoredConflict| row.id == resolved.id && row.status == ConflictStatus::Open;
            self.conflicts.iter().any(open)
        })
    }

    /// Returns whether the base names a revision that exists after the local change.
    fn base_would_hold(&self, local: &LocalChange, base: &BaseChange) -> bool {
        match (local, base) {
            (LocalChange::None, BaseChange::Set(entry)) => {
                let accepted = entry.accepted.iter().flat_map(|accepted| [accepted.local, accepted.remote]);
                let mut named = std::iter::once(entry.revision).chain(accepted);
                let record = self.records.get(&entry.record_id);
                record.is_some_and(|record| named.all(|revision| record.at(revision).is_some()))
            }
            _ => true,
        }
    }

    /// Makes the local change if its guard holds. Returns what happened to which record, and the current
    /// revision of the record.
    #[allow(clippy::type_complexity, reason = "read once, right above")]
    fn change(
        &mut self,
        scope: Scope,
        path: &SecretPath,
        local: LocalChange,
    ) -> Option<(Option<(AuditAction, RecordId)>, Option<Revision>)> {
        match local {
            LocalChange::None => Some((None, None)),
            LocalChange::Create { record_id, record_type, fields } => {
                if self.live_at(scope.collection_id, path).is_some() || self.records.contains_key(&record_id) {
                    return None;
                }
                let origin = Origin::Remote(scope.connection_id);
                let revisions = vec![MemoryRevision { data: fields.expose().clone(), record_type, origin }];
                let collection_id = scope.collection_id;
                let record = MemoryRecord { collection_id, path: path.clone(), trashed: None, revisions };
                self.records.insert(record_id, record);
                Some((Some((AuditAction::RecordCreated, record_id)), Some(Revision::FIRST)))
            }
            LocalChange::Restore { record_id, record_type, fields } => {
                if self.live_at(scope.collection_id, path).is_some() {
                    return None;
                }
                let record = self.records.get_mut(&record_id).filter(|record| record.path == *path)?;
                record.trashed.take()?;
                let origin = Origin::Remote(scope.connection_id);
                record.revisions.push(MemoryRevision { data: fields.expose().clone(), record_type, origin });
                Some((Some((AuditAction::RecordRestored, record_id)), Some(record.revision())))
            }
            LocalChange::Update { record_id, expect, record_type, fields, origin } => {
                let record = self.guarded(record_id, expect, path)?;
                record.revisions.push(MemoryRevision { data: fields.expose().clone(), record_type, origin });
                Some((Some((AuditAction::RecordUpdated, record_id)), Some(record.revision())))
            }
            LocalChange::Rebase { record_id, expect, remote, record_type, fields, origin } => {
                let record = self.guarded(record_id, expect, path)?;
                let archive = Origin::Archive(scope.connection_id);
                let archived = MemoryRevision { data: remote.expose().clone(), record_type, origin: archive };
                let on_top = MemoryRevision { data: fields.expose().clone(), record_type, origin };
                record.revisions.extend([archived, on_top]);
                Some((Some((AuditAction::RecordUpdated, record_id)), Some(record.revision())))
            }
            LocalChange::Archive { record_id, expect, older, record_type, fields } => {
                let (archive, merge) = (Origin::Archive(scope.connection_id), Origin::Merge(scope.connection_id));
                let kept = older.iter().map(|fields| (fields, archive)).chain([(&fields, merge)]);
                let kept: Vec<_> = kept
                    .map(|(fields, origin)| MemoryRevision { data: fields.expose().clone(), record_type, origin })
                    .collect();
                let record = self.guarded(record_id, expect, path)?;
                record.revisions.extend(kept);
                Some((Some((AuditAction::RecordUpdated, record_id)), Some(record.revision())))
            }
            LocalChange::Trash { record_id, expect } => {
                let record = self.guarded(record_id, expect, path)?;
                record.trashed = Some(scope.now);
                Some((Some((AuditAction::RecordDeleted, record_id)), None))
            }
        }
    }

    fn guarded(&mut self, id: RecordId, expect: Revision, path: &SecretPath) -> Option<&mut MemoryRecord> {
        let record = self.records.get_mut(&id)?;
        (record.trashed.is_none() && record.path == *path && record.revision() == expect).then_some(record)
    }

    fn resolve(&mut self, resolved: &Resolved) {
        if let Some(row) = self.conflicts.iter_mut().find(|row| row.id == resolved.id) {
            row.status = ConflictStatus::Resolved;
        }
        let decision = &resolved.decision;
        let reason = decision.reason.as_deref().unwrap_or("no reason given");
        let choices: String = decision.fields.iter().map(|(name, side)| format!(" {name}={side}")).collect();
        let detail = format!("{}{choices} by {}: {reason}", decision.resolution, decision.actor.name);
        self.log(AuditAction::HcvConflictResolved, detail);
    }

    /// Closes the conflict at a path because both sides agree now.
    fn converge(&mut self, scope: Scope, path: &SecretPath) {
        if let Some(row) = self.conflicts.iter_mut().find(|row| row.is_open_at(scope.connection_id, path)) {
            row.status = ConflictStatus::Converged;
            self.log(AuditAction::HcvConflictResolved, format!("converged {path}"));
        }
    }

    /// Records the conflicts of a plan.
    pub(super) fn record_conflicts(&mut self, scope: Scope, found: &[Conflict], others: &OtherConflicts) -> u64 {
        for conflict in found {
            let open = self.conflicts.iter_mut().find(|row| row.is_open_at(scope.connection_id, &conflict.path));
            if let Some(row) = open {
                row.conflict = conflict.clone();
                row.last_seen = scope.now;
                continue;
            }
            let id = ConflictId(self.draw_id());
            self.conflicts.push(StoredConflict {
                id,
                connection_id: scope.connection_id,
                conflict: conflict.clone(),
                status: ConflictStatus::Open,
                first_seen: scope.now,
                last_seen: scope.now,
            });
            self.log(AuditAction::HcvConflictDetected, format!("{:?} {}", conflict.kind, conflict.path));
        }
        let is_found = |path: &SecretPath| found.iter().any(|conflict| conflict.path == *path);
        for row in &mut self.conflicts {
            let path = &row.conflict.path;
            if row.is_open(scope.connection_id) && others.converges(path) && !is_found(path) {
                row.status = ConflictStatus::Converged;
            }
        }
        self.conflicts.iter().filter(|row| row.is_open(scope.connection_id)).count() as u64
    }
}

trait OpenConflict {
    fn is_open(&self, id: ConnectionId) -> bool;
    fn is_open_at(&self, id: ConnectionId, path: &SecretPath) -> bool;
}

impl OpenConflict for StoredConflict {
    fn is_open(&self, id: ConnectionId) -> bool {
        self.connection_id == id && self.status == ConflictStatus::Open
    }

    fn is_open_at(&self, id: ConnectionId, path: &SecretPath) -> bool {
        self.is_open(id) && self.conflict.path == *path
    }
}
