//! Writes to the remote side: creates, updates, overwrites and merges.
//!
//! **If the run is cut off between the write and its record**, the next run sees both sides changed and
//! equal, and adopts them, without a conflict and without a second version. The mark is set
//! before the record, so that every secret with a base has it.
//!
//! **A write over a value that local history does not contain**, after a decision or a merge, begins with one
//! local transaction. The remote value becomes a revision, the content of the record becomes the next
//! revision above it, and the base names the former ([`LocalChange::Rebase`]). From then on the path only
//! counts as changed locally. If the run is cut off anywhere, or another writer is faster, the next run has a
//! true base for its write or merge, and every value can still be reached. If the run wrote to the remote
//! side first and the record was edited in between, the same edit would be on both sides, with a base that
//! knows neither.

use std::collections::BTreeMap;

use serde_json::Value;
use vaultterm_reconcile::{
    RecordId, RecordType, RemoteHead, RemoteSight, RemoteStamp, Revision, SecretPath, Side, Step, UnixNanos, Version,
};
use vaultterm_sealing::SecretFields;

use super::{Apply, linked, planned_record, planned_version};
use crate::{
    BaseChange, Clock, FaultClass, Journal, LocalChange, Mark, Origin, Outcome, Progress, Remote, RunProblem,
    StoredFields, problem::StepError, retry::CallError,
};

/// A version that this step wrote.
pub(super) struct Written {
    pub(super) stamp: RemoteStamp,
    pub(super) expires: Option<UnixNanos>,
    pub(super) request_id: Option<String>,
}

impl<J: Journal, R: Remote, K: Clock, P: Progress> Apply<'_, J, R, K, P> {
    pub(super) async fn create_remote(
        &self,
        step: &Step,
        cas: Version,
        key_created: Option<UnixNanos>,
    ) -> Result<(), StepError> {
        let (record_id, revision) = planned_record(step)?;
        let stored = self.session.local_fields(record_id, revision).await?;
        let written = self.put(&step.path, &stored.fields, cas, key_created).await?;
        self.mark(step, record_id, stored.record_type).await;
        self.record_written(step, "created_remote", revision, stored.record_type, written).await
    }

    /// Writes the record over a remote value that local history contains.
    pub(super) async fn update_remote(&self, step: &Step, cas: Version) -> Result<(), StepError> {
        let (record_id, revision) = planned_record(step)?;
        let (stamp, _) = planned_version(step)?;
        let stored = self.session.local_fields(record_id, revision).await?;
        let written = self.put(&step.path, &stored.fields, cas, Some(stamp.key_created)).await?;
        self.mark(step, record_id, stored.record_type).await;
        self.record_written(step, "updated_remote", revision, stored.record_type, written).await
    }

    /// Keeps a remote value as a revision, and then writes the record over it.
    pub(super) async fn overwrite_remote(&self, step: &Step, cas: Version) -> Result<(), StepError> {
        let (record_id, revision) = planned_record(step)?;
        let (stamp, _) = planned_version(step)?;
        let stored = self.session.local_fields(record_id, revision).await?;
        let remote = self.session.remote_fields(&step.path, &stamp).await?.fields;
        self.rebase_and_write(step, cas, remote, stored).await
    }

    /// Writes a field-by-field merge to both sides. A side that has the result already (a person may choose
    /// so) is not written.
    pub(super) async fn merge(
        &self,
        step: &Step,
        sides: &BTreeMap<String, Side>,
        record_type: RecordType,
        cas: Version,
    ) -> Result<(), StepError> {
        let (record_id, expect) = planned_record(step)?;
        let (stamp, expires) = planned_version(step)?;
        let stored = self.session.local_fields(record_id, expect).await?;
        let remote = self.session.remote_fields(&step.path, &stamp).await?.fields;
        let given = self.decided_at(&step.path).map(|decided| &decided.given);
        let fields = assemble(sides, &stored.fields, &remote, given);
        fields.check_change(&[&stored.fields, &remote]).map_err(StepError::Limits)?;

        let key = self.session.journal.digest_key();
        let content = fields.content(key);
        if content != remote.content(key) {
            return self.rebase_and_write(step, cas, remote, StoredFields { fields, record_type }).await;
        }
        self.mark(step, record_id, record_type).await;
        let (local, revision) = if record_type == stored.record_type && content == stored.fields.content(key) {
            (LocalChange::None, expect)
        } else {
            let origin = Origin::Merge(self.session.connection.id);
            (LocalChange::Update { record_id, expect, record_type, fields, origin }, expect.next())
        };
        let audit = self.audit("updated_local", &step.path, record_id, Some(revision), Some(stamp.version));
        self.record(Outcome {
            local,
            base: BaseChange::Set(linked(record_id, revision, record_type, stamp, expires)),
            audit: Some(audit),
            ..self.outcome(&step.path)
        })
        .await
    }

    /// Keeps the remote value in local history with `on_top` above it, and then writes `on_top`.
    async fn rebase_and_write(
        &self,
        step: &Step,
        cas: Version,
        remote: SecretFields,
        on_top: StoredFields,
    ) -> Result<(), StepError> {
        let (record_id, expect) = planned_record(step)?;
        let (stamp, expires) = planned_version(step)?;
        let StoredFields { fields, record_type } = on_top;
        let (archived, revision) = (expect.next(), expect.next().next());
        let local = LocalChange::Rebase {
            record_id,
            expect,
            remote,
            record_type,
            fields: fields.duplicate(),
            origin: Origin::Merge(self.session.connection.id),
        };
        self.record(Outcome {
            local,
            base: BaseChange::Set(linked(record_id, archived, record_type, stamp, expires)),
            audit: Some(self.audit("updated_local", &step.path, record_id, Some(revision), Some(stamp.version))),
            ..self.outcome(&step.path)
        })
        .await?;
        let written = self.put(&step.path, &fields, cas, Some(stamp.key_created)).await?;
        self.mark(step, record_id, record_type).await;
        self.record_written(step, "updated_remote", revision, record_type, written).await
    }

    async fn record_written(
        &self,
        step: &Step,
        what: &'static str,
        revision: Revision,
        record_type: RecordType,
        written: Written,
    ) -> Result<(), StepError> {
        let (record_id, _) = planned_record(step)?;
        let Written { stamp, expires, request_id } = written;
        let audit = self.audit(what, &step.path, record_id, Some(revision), Some(stamp.version)).by_request(request_id);
        self.record(Outcome {
            wrote_remote: true,
            base: BaseChange::Set(linked(record_id, revision, record_type, stamp, expires)),
            audit: Some(audit),
            ..self.outcome(&step.path)
        })
        .await
    }

    /// Writes fields as the version after `cas`. If the result of the write is unknown, looks at the secret.
    /// A version by this run counts as the answer, and only a secret that is still at `cas` is written a
    /// second time.
    ///
    /// This function does not check the limits of a record. The content of a revision was accepted when it
    /// was saved, and a secret that came from Vault with a larger size must be able to go back after an edit.
    /// Vault itself refuses what is too large for it.
    pub(super) async fn put(
        &self,
        path: &SecretPath,
        fields: &SecretFields,
        cas: Version,
        key_created: Option<UnixNanos>,
    ) -> Result<Written, StepError> {
        let mut in_doubt = None;
        loop {
            let fault = match self.session.calls.write(path, fields, cas).await {
                Ok(receipt) => {
                    let stamp = receipt.stamp(key_created);
                    return Ok(Written { stamp, expires: receipt.expires, request_id: receipt.request_id });
                }
                Err(CallError::Fault(fault)) => fault,
                Err(CallError::Stopped) => return Err(StepError::Stopped),
            };
            // A write in doubt may arrive late. The second write then finds the version taken.
            let doubtful =
                fault.class == FaultClass::Unknown || (fault.class == FaultClass::Stale && in_doubt.is_some());
            if !doubtful {
                return Err(fault.into());
            }
            match self.arrived(path, fields, cas).await? {
                Some(written) => return Ok(written),
                None if in_doubt.is_none() => in_doubt = Some(fault),
                None => return Err(StepError::Fault(fault)),
            }
        }
    }

    /// Finds out whether a write arrived. Returns `None` if the secret is still as it was.
    async fn arrived(
        &self,
        path: &SecretPath,
        fields: &SecretFields,
        cas: Version,
    ) -> Result<Option<Written>, StepError> {
        let other = || StepError::Stale("the secret was written by somebody else at the same moment".to_owned());
        let head = match self.session.calls.look(path).await? {
            RemoteSight::ProvenAbsent => return if cas == Version::NONE { Ok(None) } else { Err(other()) },
            RemoteSight::Unreadable(_) => return Err(other()),
            RemoteSight::Seen(entry) => entry.head,
        };
        if head.cas() == cas {
            return Ok(None);
        }
        let RemoteHead::Live { stamp, expires } = head else { return Err(other()) };
        if stamp.version != cas.next() {
            return Err(other());
        }
        let key = self.session.journal.digest_key();
        let read = self.session.remote_fields(path, &stamp).await?;
        if read.fields.content(key) == fields.content(key) {
            return Ok(Some(Written { stamp, expires, request_id: None }));
        }
        Err(other())
    }

    /// Marks a secret as managed by this instance, if the step asks for it. Also shows the run there if no
    /// secret shows it yet and the step changed something in Vault. A failed mark is a separate problem: the
    /// value was carried over and is recorded, and the next run marks again.
    pub(super) async fn mark(&self, step: &Step, record_id: RecordId, record_type: RecordType) {
        if step.annotate {
            self.leave(&step.path, self.number.of(record_id, record_type)).await;
        } else if step.changes_remote() {
            self.show_run(&step.path).await;
        }
    }

    /// Shows the run at a secret that it changed, unless another secret shows it.
    pub(super) async fn show_run(&self, path: &SecretPath) {
        self.leave(path, self.number.alone()).await;
    }

    async fn leave(&self, path: &SecretPath, mark: Option<Mark>) {
        let Some(mark) = mark else { return };
        if let Err(CallError::Fault(fault)) = self.session.calls.mark(path, &mark).await {
            // After a denial no further secret is tried, because the role would be denied there too, and one
            // problem is enough.
            if fault.class != FaultClass::Denied {
                self.number.failed();
            }
            self.tally.problem(RunProblem::fault(path.as_str(), &fault));
        }
    }
}

/// Builds a merge from the fields that it names. A field that its side does not have is left out.
fn assemble(
    sides: &BTreeMap<String, Side>,
    local: &SecretFields,
    remote: &SecretFields,
    given: Option<&BTreeMap<String, Value>>,
) -> SecretFields {
    let mut merged = SecretFields::new();
    for (name, side) in sides {
        let value = match side {
            Side::Local => local.expose().get(name),
            Side::Remote => remote.expose().get(name),
            Side::Given => given.and_then(|given| given.get(name)),
        };
        if let Some(value) = value {
            merged.insert(name.clone(), value.clone());
        }
    }
    merged
}
