//! Writes locally: imports, updates, moves to the trash, and changes of the base alone.
//!
//! Each step is one transaction, guarded by the revision on which the plan is based. If the run is cut off
//! before it, nothing has happened. After it, everything has. Marks are set before the transaction. If the
//! run is cut off in between, the next run sets them again.

use vaultterm_reconcile::{Accepted, BaseEntry, Link, LocalExpect, RecordId, RecordType, Revision, SecretPath, Step};

use super::{Apply, linked, planned_record, planned_version};
use crate::{BaseChange, Clock, Journal, LocalChange, Origin, Outcome, Progress, Remote, problem::StepError};

impl<J: Journal, R: Remote, K: Clock, P: Progress> Apply<'_, J, R, K, P> {
    pub(super) async fn create_local(
        &self,
        step: &Step,
        restores: Option<RecordId>,
        record_type: Option<RecordType>,
    ) -> Result<(), StepError> {
        let (stamp, expires) = planned_version(step)?;
        let fields = self.session.remote_fields(&step.path, &stamp).await?.fields;
        let record_type = record_type.unwrap_or_else(|| RecordType::infer(fields.names()));
        let record_id = restores.unwrap_or_else(|| self.draw_record_id());
        self.mark(step, record_id, record_type).await;
        let local = match restores {
            Some(record_id) => LocalChange::Restore { record_id, record_type, fields },
            None => LocalChange::Create { record_id, record_type, fields },
        };
        self.record(Outcome {
            local,
            base: BaseChange::Set(linked(record_id, Revision::FIRST, record_type, stamp, expires)),
            audit: Some(self.audit("created_local", &step.path, record_id, None, Some(stamp.version))),
            ..self.outcome(&step.path)
        })
        .await
    }

    /// Makes a record of the remote copy that lost a conflict. The record has no base, so the next run treats
    /// it like any new record.
    pub(super) async fn copy_local(&self, step: &Step, from: &SecretPath) -> Result<(), StepError> {
        let (stamp, _) = planned_version(step)?;
        let read = self.session.remote_fields(from, &stamp).await?;
        let inferred = || RecordType::infer(read.fields.names());
        let record_type = read.mark.record_type.unwrap_or_else(inferred);
        let record_id = self.draw_record_id();
        self.record(Outcome {
            local: LocalChange::Create { record_id, record_type, fields: read.fields },
            audit: Some(self.audit("created_local", from, record_id, None, Some(stamp.version))),
            ..self.outcome(&step.path)
        })
        .await
    }

    pub(super) async fn update_local(&self, step: &Step, record_type: Option<RecordType>) -> Result<(), StepError> {
        let (record_id, expect) = planned_record(step)?;
        let (stamp, expires) = planned_version(step)?;
        let record_type = record_type.map_or_else(|| self.record_type(step), Ok)?;
        let fields = self.session.remote_fields(&step.path, &stamp).await?.fields;
        self.mark(step, record_id, record_type).await;
        let (revision, origin) = (expect.next(), Origin::Remote(self.session.connection.id));
        let audit = self.audit("updated_local", &step.path, record_id, Some(revision), Some(stamp.version));
        self.record(Outcome {
            local: LocalChange::Update { record_id, expect, record_type, fields, origin },
            base: BaseChange::Set(linked(record_id, revision, record_type, stamp, expires)),
            audit: Some(audit),
            ..self.outcome(&step.path)
        })
        .await
    }

    /// Moves the record to the trash with all its revisions. The plan has proven that the secret is gone.
    pub(super) async fn delete_local(&self, step: &Step) -> Result<(), StepError> {
        let (record_id, expect) = planned_record(step)?;
        let version = self.base.get(&step.path).map(|base| base.stamp.version);
        self.record(Outcome {
            local: LocalChange::Trash { record_id, expect },
            base: BaseChange::Remove,
            audit: Some(self.audit("deleted_local", &step.path, record_id, None, version)),
            ..self.outcome(&step.path)
        })
        .await
    }

    /// Records that two equal sides agree.
    pub(super) async fn adopt(&self, step: &Step, incoming: Option<RecordType>) -> Result<(), StepError> {
        let (record_id, expect) = planned_record(step)?;
        let (stamp, expires) = planned_version(step)?;
        let present = self.record_type(step)?;
        let record_type = incoming.unwrap_or(present);
        self.mark(step, record_id, record_type).await;
        let (local, revision) = if record_type == present {
            (LocalChange::None, expect)
        } else {
            let fields = self.session.local_fields(record_id, expect).await?.fields;
            let origin = Origin::Remote(self.session.connection.id);
            (LocalChange::Update { record_id, expect, record_type, fields, origin }, expect.next())
        };
        // An outcome that changes only the base needs no audit entry.
        let before = self.base.get(&step.path);
        let news = step.annotate || revision != expect || before.is_none_or(|base| base.accepted.is_some());
        let audit = || self.audit("adopted", &step.path, record_id, Some(revision), Some(stamp.version));
        self.record(Outcome {
            local,
            base: BaseChange::Set(linked(record_id, revision, record_type, stamp, expires)),
            audit: news.then(audit),
            ..self.outcome(&step.path)
        })
        .await
    }

    /// Remembers two different sides as a person accepted them. The remote value is kept in local history,
    /// like every value that loses. The content on which both sides agreed before stays known.
    pub(super) async fn accept(&self, step: &Step) -> Result<(), StepError> {
        let (record_id, expect) = planned_record(step)?;
        let (stamp, expires) = planned_version(step)?;
        let undecided = || StepError::Stale("only a person's decision accepts a difference".to_owned());
        let by = self.decided_at(&step.path).map(|decided| decided.by.clone()).ok_or_else(undecided)?;
        let stored = self.session.local_fields(record_id, expect).await?;
        let remote = self.session.remote_fields(&step.path, &stamp).await?.fields;
        let (archived, revision, record_type) = (expect.next(), expect.next().next(), stored.record_type);
        let before = self.base.get(&step.path).filter(|base| base.link == Link::Linked && base.record_id == record_id);
        let agreed = before.filter(|base| base.is_agreed()).map(|base| base.revision);
        let accepted = Accepted {
            local: revision,
            remote: archived,
            agreed: agreed.is_some(),
            mode: self.session.connection.options.mode,
            reopened: false,
            by,
            at: self.session.clock.now(),
        };
        let base = linked(record_id, agreed.unwrap_or(archived), record_type, stamp, expires);
        self.mark(step, record_id, record_type).await;
        let origin = Origin::Merge(self.session.connection.id);
        self.record(Outcome {
            local: LocalChange::Rebase { record_id, expect, remote, record_type, fields: stored.fields, origin },
            base: BaseChange::Set(BaseEntry { accepted: Some(accepted), ..base }),
            audit: Some(self.audit("accepted", &step.path, record_id, Some(revision), Some(stamp.version))),
            ..self.outcome(&step.path)
        })
        .await
    }

    /// Lets an accepted difference follow values that were written again.
    pub(super) async fn keep_accepted(&self, step: &Step) -> Result<(), StepError> {
        let (record_id, expect) = planned_record(step)?;
        let (stamp, expires) = planned_version(step)?;
        let record_type = self.record_type(step)?;
        let base = self.base.get(&step.path).filter(|base| base.record_id == record_id);
        let accepted = base.and_then(|base| Some((base, base.accepted.clone()?)));
        let (base, accepted) =
            accepted.ok_or_else(|| StepError::Stale("the difference is not accepted any more".to_owned()))?;
        self.mark(step, record_id, record_type).await;
        let accepted = Some(Accepted { local: expect, ..accepted });
        let base = BaseEntry { record_type, stamp, expires, accepted, ..base.clone() };
        self.record(Outcome { base: BaseChange::Set(base), ..self.outcome(&step.path) }).await
    }

    /// Drops the link of a path with one deleted side. The other side stays.
    pub(super) async fn unlink(&self, step: &Step) -> Result<(), StepError> {
        let base = self.base.get(&step.path);
        let base = base.ok_or_else(|| StepError::Stale("the path is not linked any more".to_owned()))?;
        let link = match step.expect.local {
            LocalExpect::Absent => Link::LocalGone,
            LocalExpect::Live { .. } => Link::RemoteGone,
        };
        let base = BaseChange::Set(BaseEntry { link, accepted: None, ..base.clone() });
        self.record(Outcome { base, ..self.outcome(&step.path) }).await
    }

    /// Forgets the base of a path that is deleted on both sides.
    pub(super) async fn forget(&self, step: &Step) -> Result<(), StepError> {
        self.record(Outcome { base: BaseChange::Remove, ..self.outcome(&step.path) }).await
    }

    /// Returns the type of the record at the path of a step.
    fn record_type(&self, step: &Step) -> Result<RecordType, StepError> {
        let entry = self.local.live.get(&step.path);
        entry.map(|entry| entry.record_type).ok_or_else(|| StepError::Stale("the record is gone".to_owned()))
    }

    /// Draws the id of a new record with the time of the engine's clock.
    fn draw_record_id(&self) -> RecordId {
        RecordId(self.session.ids.draw(self.session.clock.now()))
    }
}
