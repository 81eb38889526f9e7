//! The engine's [`Journal`], with an await before and after every transaction.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use uuid::Uuid;
use vaultterm_ledger::AuditAction;
use vaultterm_reconcile::{
    BaseEntry, Conflict, Deleted, LocalSnapshot, RecordId, RemoteStamp, Revision, SecretPath, UnixNanos,
};
use vaultterm_sealing::{DigestKey, SecretFields, SecretText};
use vaultterm_sync::{
    CollectionId, Committed, ConflictId, ConflictStatus, Connection, ConnectionId, ConnectionSecrets, Credential,
    HintedWriter, Journal, JournalError, Lease, OtherConflicts, Outcome, PlanId, RemoteIdentity, Run, RunId, RunState,
    SeenInVault, StoredConflict, StoredFields, StoredPlan, Surroundings, Trigger,
};

use super::{LeaseRow, MemoryJournal, State, StoredCredential, commit::Scope};

impl MemoryJournal {
    /// Runs a transaction. A crash before it prevents it, and after it the answer may be lost.
    async fn transaction<T>(
        &self,
        act: impl FnOnce(&mut State, UnixNanos) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        self.fuse.burn().await;
        let answer = {
            let now = self.clock.tick();
            let mut state = self.state();
            if state.broken {
                Err(JournalError::Database("scripted failure of the database".into()))
            } else {
                let answer = act(&mut state, now);
                state.answer_lost = state.answer_lost.map(|left| left.saturating_sub(1));
                match state.answer_lost.take_if(|left| *left == 0) {
                    Some(_) if answer.is_ok() => Err(JournalError::Database("the answer was lost".into())),
                    _ => answer,
                }
            }
        };
        self.fuse.burn().await;
        answer
    }

    async fn fenced<T>(&self, lease: Lease, act: impl FnOnce(&mut State, Scope) -> T) -> Result<T, JournalError> {
        self.transaction(|state, now| {
            state.check(lease)?;
            let connection_id = lease.connection_id;
            let collection_id = state.connections.get(&connection_id).map(|(connection, _)| connection.collection_id);
            let collection_id = collection_id.ok_or(JournalError::LeaseLost)?;
            Ok(act(state, Scope { connection_id, collection_id, now }))
        })
        .await
    }
}

impl State {
    fn check(&self, lease: Lease) -> Result<(), JournalError> {
        let row = self.leases.get(&lease.connection_id);
        let ours = row.is_some_and(|row| row.fence == lease.fence && row.holder == lease.holder);
        if ours { Ok(()) } else { Err(JournalError::LeaseLost) }
    }

    fn connection_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.connections.get_mut(&id).map(|(connection, _)| connection)
    }
}

impl Journal for MemoryJournal {
    async fn connection(&self, id: ConnectionId) -> Result<Option<(Connection, ConnectionSecrets)>, JournalError> {
        self.transaction(|state, _| {
            Ok(state.connections.get(&id).map(|(connection, credential)| {
                let credential = match credential {
                    StoredCredential::SecretId(text) => Credential::SecretId(SecretText::new(text.clone())),
                    StoredCredential::WrappingToken(text) => Credential::WrappingToken(SecretText::new(text.clone())),
                };
                (connection.clone(), ConnectionSecrets { credential, client_key_pem: None })
            }))
        })
        .await
    }

    async fn store_unwrapped(
        &self,
        id: ConnectionId,
        spent: &SecretText,
        secret_id: &SecretText,
    ) -> Result<(), JournalError> {
        self.transaction(|state, _| {
            if let Some((_, credential)) = state.connections.get_mut(&id)
                && matches!(credential, StoredCredential::WrappingToken(token) if token == spent.expose())
            {
                *credential = StoredCredential::SecretId(secret_id.expose().to_owned());
            }
            Ok(())
        })
        .await
    }

    async fn acquire_lease(
        &self,
        id: ConnectionId,
        holder: Uuid,
        ttl: Duration,
    ) -> Result<Option<Lease>, JournalError> {
        self.transaction(|state, now| {
            if state.leases.get(&id).is_some_and(|row| row.holder != holder && row.expires > now) {
                return Ok(None);
            }
            state.fences += 1;
            let fence = state.fences;
            state.leases.insert(id, LeaseRow { holder, fence, expires: vaultterm_sync::later(now, ttl) });
            Ok(Some(Lease { connection_id: id, holder, fence }))
        })
        .await
    }

    async fn renew_lease(&self, lease: Lease, ttl: Duration) -> Result<(), JournalError> {
        self.transaction(|state, now| {
            state.check(lease)?;
            if let Some(row) = state.leases.get_mut(&lease.connection_id) {
                row.expires = vaultterm_sync::later(now, ttl);
            }
            Ok(())
        })
        .await
    }

    async fn release_lease(&self, lease: Lease) -> Result<(), JournalError> {
        self.transaction(|state, _| {
            if state.check(lease).is_ok() {
                state.leases.remove(&lease.connection_id);
            }
            Ok(())
        })
        .await
    }

    async fn base(&self, id: ConnectionId) -> Result<BTreeMap<SecretPath, BaseEntry>, JournalError> {
        self.transaction(|state, _| Ok(state.base_of(id))).await
    }

    async fn local_snapshot(&self, id: CollectionId) -> Result<LocalSnapshot, JournalError> {
        self.transaction(|state, _| Ok(state.local_side(id))).await
    }

    async fn surroundings(
        &self,
        connection: &Connection,
        paths: &BTreeSet<SecretPath>,
        records: &BTreeSet<RecordId>,
    ) -> Result<Surroundings, JournalError> {
        self.transaction(|state, _| {
            let (mut base, mut local) = (state.base_of(connection.id), state.local_side(connection.collection_id));
            let based = base.len() as u64;
            let concerns = |path: &SecretPath, id: RecordId| paths.contains(path) || records.contains(&id);
            base.retain(|path, entry| concerns(path, entry.record_id));
            local.live.retain(|path, entry| concerns(path, entry.record_id));
            local.trashed.retain(|path, _| paths.contains(path));
            Ok(Surroundings { base, local, based })
        })
        .await
    }

    async fn fields(&self, record_id: RecordId, revision: Revision) -> Result<Option<StoredFields>, JournalError> {
        self.transaction(|state, _| {
            if state.damaged.contains(&(record_id, revision)) {
                return Err(JournalError::Unreadable("a stored value does not open".to_owned()));
            }
            let row = state.records.get(&record_id).and_then(|record| record.at(revision));
            Ok(row.map(|row| StoredFields {
                fields: SecretFields::from_trusted(row.data.clone()),
                record_type: row.record_type,
            }))
        })
        .await
    }

    async fn fields_of(
        &self,
        wanted: &[(RecordId, Revision)],
    ) -> Result<BTreeMap<(RecordId, Revision), StoredFields>, JournalError> {
        self.transaction(|state, _| {
            let stored = |&(record_id, revision): &(RecordId, Revision)| {
                let row = state.records.get(&record_id)?.at(revision)?;
                let opens = !state.damaged.contains(&(record_id, revision));
                let fields = SecretFields::from_trusted(row.data.clone());
                opens.then_some(((record_id, revision), StoredFields { fields, record_type: row.record_type }))
            };
            Ok(wanted.iter().filter_map(stored).collect())
        })
        .await
    }

    fn digest_key(&self) -> &DigestKey {
        &self.digest_key
    }

    async fn commit(&self, lease: Lease, _: RunId, outcomes: Vec<Outcome>) -> Result<Vec<Committed>, JournalError> {
        let record = |state: &mut State, scope| -> Vec<_> {
            state.commits += 1;
            outcomes.into_iter().map(|outcome| state.record(scope, outcome)).collect()
        };
        self.fenced(lease, record).await
    }

    async fn set_base_aside(&self, lease: Lease, identity: &RemoteIdentity) -> Result<(), JournalError> {
        self.fenced(lease, |state, scope| {
            state.base.retain(|(connection_id, _), _| *connection_id != scope.connection_id);
            if let Some(connection) = state.connection_mut(scope.connection_id) {
                connection.identity = Some(identity.clone());
                connection.scope_changed = false;
            }
        })
        .await
    }

    async fn record_identity(
        &self,
        lease: Lease,
        identity: &RemoteIdentity,
        _: Option<UnixNanos>,
    ) -> Result<(), JournalError> {
        self.fenced(lease, |state, scope| {
            if let Some(connection) = state.connection_mut(scope.connection_id) {
                connection.identity = Some(identity.clone());
            }
        })
        .await
    }

    async fn lift_guard(&self, lease: Lease) -> Result<(), JournalError> {
        self.fenced(lease, |state, scope| {
            if let Some(connection) = state.connection_mut(scope.connection_id) {
                connection.guarded = None;
            }
        })
        .await
    }

    async fn suspicions(&self, id: ConnectionId) -> Result<BTreeMap<SecretPath, RemoteStamp>, JournalError> {
        self.transaction(|state, _| Ok(state.suspicions.get(&id).cloned().unwrap_or_default())).await
    }

    async fn record_suspicions(
        &self,
        lease: Lease,
        paths: &BTreeMap<SecretPath, RemoteStamp>,
    ) -> Result<(), JournalError> {
        let connection_id = lease.connection_id;
        self.fenced(lease, |state, _| drop(state.suspicions.insert(connection_id, paths.clone()))).await
    }

    async fn record_seen(
        &self,
        lease: Lease,
        at: Option<&BTreeSet<SecretPath>>,
        seen: &[SeenInVault],
    ) -> Result<(), JournalError> {
        self.fenced(lease, |state, _| {
            let known = state.seen.entry(lease.connection_id).or_default();
            known.retain(|one| at.is_some_and(|paths| !paths.contains(&one.path)));
            known.extend_from_slice(seen);
        })
        .await
    }

    async fn deleted_in_part(&self, id: ConnectionId) -> Result<Deleted, JournalError> {
        self.transaction(|state, _| {
            let mut runs: Vec<&Run> = state.runs.values().filter(|run| run.connection_id == id).collect();
            runs.sort_by_key(|run| run.id);
            let is_whole = |run: &&Run| {
                let ended = matches!(run.state, RunState::Succeeded | RunState::Partial);
                ended && run.part.only.is_empty() && run.trigger != Trigger::Resolution
            };
            let since = runs.iter().rposition(is_whole).map_or(0, |at| at + 1);
            let in_part = runs[since..].iter().filter(|run| !run.part.only.is_empty() && run.plan_id.is_none());
            Ok(in_part.fold(Deleted::default(), |sum, run| Deleted {
                local: sum.local + run.counts.deleted_local,
                remote: sum.remote + run.counts.deleted_remote,
            }))
        })
        .await
    }

    async fn hinted_writers(
        &self,
        id: ConnectionId,
        paths: &[SecretPath],
    ) -> Result<BTreeMap<SecretPath, HintedWriter>, JournalError> {
        self.transaction(|state, _| {
            let hints = paths
                .iter()
                .filter_map(|path| state.hints.get(&(id, path.clone())).map(|hint| (path.clone(), hint.clone())));
            Ok(hints.collect())
        })
        .await
    }

    async fn ignored(&self, id: ConnectionId) -> Result<BTreeMap<String, String>, JournalError> {
        self.transaction(|state, _| Ok(state.ignored.get(&id).cloned().unwrap_or_default())).await
    }

    async fn change_number(&self, _: CollectionId) -> Result<u64, JournalError> {
        self.transaction(|state, _| Ok(state.change_number)).await
    }

    async fn last_begun(&self, id: ConnectionId) -> Result<Option<RunId>, JournalError> {
        self.transaction(|state, _| {
            Ok(state.runs.values().filter(|run| run.connection_id == id).map(|run| run.id).max())
        })
        .await
    }

    async fn newest_run(&self, id: ConnectionId) -> Result<u64, JournalError> {
        self.transaction(|state, _| Ok(state.newest_runs.get(&id).copied().unwrap_or(0))).await
    }

    async fn record_newest_run(&self, lease: Lease, number: u64) -> Result<(), JournalError> {
        self.fenced(lease, |state, _| {
            let newest = state.newest_runs.entry(lease.connection_id).or_default();
            *newest = number.max(*newest);
        })
        .await
    }

    async fn record_conflicts(
        &self,
        lease: Lease,
        _: RunId,
        found: &[Conflict],
        others: &OtherConflicts,
    ) -> Result<u64, JournalError> {
        self.fenced(lease, |state, scope| state.record_conflicts(scope, found, others)).await
    }

    async fn open_conflicts(&self, id: ConnectionId) -> Result<Vec<StoredConflict>, JournalError> {
        self.transaction(|state, _| {
            let open = |row: &&StoredConflict| row.connection_id == id && row.status == ConflictStatus::Open;
            let mut rows: Vec<_> = state.conflicts.iter().filter(open).cloned().collect();
            rows.sort_by(|one, other| one.conflict.path.cmp(&other.conflict.path));
            Ok(rows)
        })
        .await
    }

    async fn conflict(&self, id: ConflictId) -> Result<Option<StoredConflict>, JournalError> {
        self.transaction(|state, _| Ok(state.conflicts.iter().find(|row| row.id == id).cloned())).await
    }

    async fn store_plan(&self, plan: &StoredPlan) -> Result<(), JournalError> {
        self.transaction(|state, _| {
            state.plans.insert(plan.id, plan.clone());
            Ok(())
        })
        .await
    }

    async fn plan(&self, id: PlanId) -> Result<Option<StoredPlan>, JournalError> {
        self.transaction(|state, now| Ok(state.plans.get(&id).filter(|plan| plan.expires > now).cloned())).await
    }

    async fn begin_run(&self, lease: Lease, run: &Run) -> Result<(), JournalError> {
        self.fenced(lease, |state, scope| {
            let paused = state.connection_mut(scope.connection_id).is_some_and(|connection| connection.paused);
            if paused && run.trigger != Trigger::Resolution {
                return Err(JournalError::Paused);
            }
            for older in state.runs.values_mut() {
                if older.connection_id == scope.connection_id && older.state == RunState::Running {
                    older.state = RunState::Failed;
                    older.finished = Some(scope.now);
                }
            }
            state.runs.insert(run.id, run.clone());
            state.log(AuditAction::HcvSyncStarted, format!("run {}", run.id));
            if run.trigger == Trigger::Manual
                && let Some(connection) = state.connection_mut(scope.connection_id)
            {
                connection.started = true;
            }
            Ok(())
        })
        .await?
    }

    async fn update_run(&self, lease: Lease, run: &Run) -> Result<(), JournalError> {
        self.fenced(lease, |state, _| drop(state.runs.insert(run.id, run.clone()))).await
    }

    async fn finish_run(&self, run: &Run) -> Result<(), JournalError> {
        self.transaction(|state, _| {
            let running = state.runs.get(&run.id).is_some_and(|row| row.state == RunState::Running);
            if running {
                state.runs.insert(run.id, run.clone());
                if state.leases.get(&run.connection_id).is_some_and(|row| row.holder == run.id.0) {
                    state.leases.remove(&run.connection_id);
                }
                let halted = run.state == RunState::Halted;
                let action = if halted { AuditAction::HcvSyncHalted } else { AuditAction::HcvSyncFinished };
                state.log(action, format!("run {} {:?}", run.id, run.state));
            }
            Ok(())
        })
        .await
    }
}
