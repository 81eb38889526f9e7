//! Writing to the remote: create, update, overwrite, merge.
//!
//! **Cut off between the write and its record**, the next run sees both sides changed and
//! equal, and adopts: no conflict, no second version. The mark (annotation) is set before the
//! record, so that it is there whenever a base is.
//!
//! **Overwriting a value that local history does not hold**, by decision or by merge, begins
//! with one local transaction: the remote value becomes a revision, what the record holds comes
//! on top of it, and the base names the former ([`LocalChange::Rebase`]). From then on the path
//! is merely "changed locally": cut off anywhere, or beaten by another writer, the next run has
//! a true base to write or merge from, and no value is out of reach. Writing the remote first
//! would leave, when the record is edited in between, the same edit on both sides and a base
//! that knows neither.

use std::collections::BTreeMap;

use serde_json::Value;
use vaultterm_reconcile::{
    RecordId, RecordType, RemoteHead, RemoteSight, RemoteStamp, Revision, SecretPath, Side, Step, UnixNanos, Version,
};
use vaultterm_sealing::SecretFields;

use super::{Apply, linked, planned_record, planned_version};
use crate::{
    BaseChange, Clock, FaultClass, Journal, LocalChange, Mark, Origin, Outcome, Problem, Progress, Remote,
    StoredFields, problem::StepError, retry::CallError,
};

/// A version that this step made.
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
        self.record_written(step, "created_remote", (revision, stored.record_type), written).await
    }

    /// Writes the record over a remote value that local history holds.
    pub(super) async fn update_remote(&self, step: &Step, cas: Version) -> Result<(), StepError> {
        let (record_id, revision) = planned_record(step)?;
        let (stamp, _) = planned_version(step)?;
        let stored = self.session.local_fields(record_id, revision).await?;
        let written = self.put(&step.path, &stored.fields, cas, Some(stamp.key_created)).await?;
        self.mark(step, record_id, stored.record_type).await;
        self.record_written(step, "updated_remote", (revision, stored.record_type), written).await
    }

    /// Writes the record over a remote value that is kept as a revision first.
    pub(super) async fn overwrite_remote(&self, step: &Step, cas: Version) -> Result<(), StepError> {
        let (record_id, revision) = planned_record(step)?;
        let (stamp, _) = planned_version(step)?;
        let stored = self.session.local_fields(record_id, revision).await?;
        let remote = self.session.remote_fields(&step.path, &stamp).await?.fields;
        self.rebase_and_write(step, cas, remote, stored).await
    }

    /// Writes a field-by-field merge to both sides. A side that holds the result already (a
    /// person may choose so) is not written.
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
        let given = self.decided.as_ref().map(|decided| &decided.given);
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
        let audit = self.audit("updated_local", &step.path, record_id, Some(revision), (Some(stamp.version), None));
        self.record(Outcome {
            local,
            base: BaseChange::Set(linked(record_id, revision, record_type, stamp, expires)),
            audit: Some(audit),
            ..self.outcome(&step.path)
        })
        .await
    }

    /// Keeps the remote value in local history with `on_top` above it, then writes that.
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
            audit: Some(self.audit(
                "updated_local",
                &step.path,
                record_id,
                Some(revision),
                (Some(stamp.version), None),
            )),
            ..self.outcome(&step.path)
        })
        .await?;
        let written = self.put(&step.path, &fields, cas, Some(stamp.key_created)).await?;
        self.mark(step, record_id, record_type).await;
        self.record_written(step, "updated_remote", (revision, record_type), written).await
    }

    async fn record_written(
        &self,
        step: &Step,
        what: &'static str,
        (revision, record_type): (Revision, RecordType),
        written: Written,
    ) -> Result<(), StepError> {
        let (record_id, _) = planned_record(step)?;
        let Written { stamp, expires, request_id } = written;
        let audit = self.audit(what, &step.path, record_id, Some(revision), (Some(stamp.version), request_id));
        self.record(Outcome {
            base: BaseChange::Set(linked(record_id, revision, record_type, stamp, expires)),
            audit: Some(audit),
            ..self.outcome(&step.path)
        })
        .await
    }

    /// Writes fields as the version after `cas`. When the outcome of a write is not known, the
    /// secret is looked at: a version that is ours is taken as the answer, and only a secret
    /// that is still at `cas` is written once more.
    ///
    /// The limits of a record are not judged here: what stands in a revision was accepted when it
    /// was saved, and a secret that came from Vault larger than they allow has to go back when it
    /// was edited. Vault itself says what it does not take.
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
            // A write in doubt may arrive late: then the second one finds the version taken.
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

    /// Finds out whether a write arrived: `None` when the secret is still as it was.
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

    /// Marks a secret as managed by this instance, where the step says so; shows the run where
    /// nothing shows it yet and the step changed something in Vault. A mark that fails is a problem
    /// of its own: the value has travelled, and is recorded; the next run marks again.
    pub(super) async fn mark(&self, step: &Step, record_id: RecordId, record_type: RecordType) {
        if step.annotate {
            self.leave(&step.path, self.number.of(record_id, record_type)).await;
        } else if step.changes_remote() {
            self.show_run(&step.path).await;
        }
    }

    /// Shows the run at a secret that it changed, unless another one shows it.
    pub(super) async fn show_run(&self, path: &SecretPath) {
        self.leave(path, self.number.alone()).await;
    }

    async fn leave(&self, path: &SecretPath, mark: Option<Mark>) {
        let Some(mark) = mark else { return };
        if let Err(CallError::Fault(fault)) = self.session.calls.annotate(path, &mark).await {
            // What the role may not do here, it may hardly do elsewhere: one problem is enough.
            if fault.class != FaultClass::Denied {
                self.number.failed();
            }
            self.tally.problem(Problem::fault(path.as_str(), &fault));
        }
    }
}

/// Puts a merge together from the fields it names. A field that its side does not hold is left
/// out.
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
