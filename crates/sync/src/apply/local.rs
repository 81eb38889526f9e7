//! Writing locally: import, update, trash, and what moves only the base.
//!
//! Each is one transaction, guarded by the revision that was planned on: cut off before it,
//! nothing has happened; after it, all has.

use uuid::Uuid;
use vaultterm_reconcile::{BaseEntry, Link, LocalExpect, RecordId, RecordType, Revision, Step};

use super::{Apply, linked, planned_record, planned_version, write::Subject};
use crate::{BaseChange, Clock, Journal, LocalChange, Origin, Outcome, Progress, Remote, problem::StepError};

impl<J: Journal, R: Remote, K: Clock, P: Progress> Apply<'_, J, R, K, P> {
    pub(super) async fn create_local(
        &self,
        step: &Step,
        restores: Option<RecordId>,
        record_type: Option<RecordType>,
    ) -> Result<(), StepError> {
        let (stamp, expires) = planned_version(step)?;
        let read = self.session.remote_fields(&step.path, &stamp).await?;
        let record_id = restores.unwrap_or_else(|| self.draw_record_id());
        let record_type = record_type.unwrap_or_else(|| RecordType::infer(read.fields.names()));
        let subject = Subject { record_id, record_type, fields: read.fields };
        // Before the record: cut off in between, the next run marks again.
        self.mark(&step.path, &subject, Some(&read.annotation)).await;
        let Subject { fields, .. } = subject;
        let local = match restores {
            Some(record_id) => LocalChange::Restore { record_id, record_type, fields },
            None => LocalChange::Create { record_id, record_type, fields },
        };
        self.record(Outcome {
            local,
            base: BaseChange::Set(linked(record_id, Revision::FIRST, record_type, stamp, expires)),
            audit: Some(self.audit("created_local", &step.path, record_id, None, (Some(stamp.version), None))),
            ..self.outcome(&step.path)
        })
        .await
        .map(drop)
    }

    pub(super) async fn update_local(&self, step: &Step, record_type: Option<RecordType>) -> Result<(), StepError> {
        let (record_id, expect) = planned_record(step)?;
        let (stamp, expires) = planned_version(step)?;
        let record_type = match record_type {
            Some(record_type) => record_type,
            None => self.session.local_fields(record_id, expect).await?.record_type,
        };
        let read = self.session.remote_fields(&step.path, &stamp).await?;
        let (revision, origin) = (expect.next(), Origin::Remote(self.session.connection.id));
        self.record(Outcome {
            local: LocalChange::Update { record_id, expect, record_type, fields: read.fields, origin },
            base: BaseChange::Set(linked(record_id, revision, record_type, stamp, expires)),
            audit: Some(self.audit(
                "updated_local",
                &step.path,
                record_id,
                Some(revision),
                (Some(stamp.version), None),
            )),
            ..self.outcome(&step.path)
        })
        .await
        .map(drop)
    }

    /// Moves the record to the trash with all its revisions. That the secret is gone was
    /// proven when the step was planned.
    pub(super) async fn delete_local(&self, step: &Step) -> Result<(), StepError> {
        let (record_id, expect) = planned_record(step)?;
        let version = self.base.get(&step.path).map(|base| base.stamp.version);
        self.record(Outcome {
            local: LocalChange::Trash { record_id, expect },
            base: BaseChange::Remove,
            audit: Some(self.audit("deleted_local", &step.path, record_id, None, (version, None))),
            ..self.outcome(&step.path)
        })
        .await
        .map(drop)
    }

    /// Takes two equal sides as agreed.
    pub(super) async fn adopt(
        &self,
        step: &Step,
        annotate: bool,
        record_type: Option<RecordType>,
    ) -> Result<(), StepError> {
        let (record_id, expect) = planned_record(step)?;
        let (stamp, expires) = planned_version(step)?;
        let stored = self.session.local_fields(record_id, expect).await?;
        let subject =
            Subject { record_id, record_type: record_type.unwrap_or(stored.record_type), fields: stored.fields };
        if annotate {
            self.mark(&step.path, &subject, None).await;
        }
        let Subject { record_type, fields, .. } = subject;
        let origin = Origin::Remote(self.session.connection.id);
        let (local, revision) = if record_type == stored.record_type {
            (LocalChange::None, expect)
        } else {
            (LocalChange::Update { record_id, expect, record_type, fields, origin }, expect.next())
        };
        let news = annotate || revision != expect || !self.base.contains_key(&step.path);
        let audit =
            news.then(|| self.audit("adopted", &step.path, record_id, Some(revision), (Some(stamp.version), None)));
        self.record(Outcome {
            local,
            base: BaseChange::Set(linked(record_id, revision, record_type, stamp, expires)),
            audit,
            ..self.outcome(&step.path)
        })
        .await
        .map(drop)
    }

    /// Drops the link of a path whose one side is gone and whose other side stays.
    pub(super) async fn unlink(&self, step: &Step) -> Result<(), StepError> {
        let base = self.base.get(&step.path);
        let base = base.ok_or_else(|| StepError::Stale("the path is not linked any more".to_owned()))?;
        let link = match step.expect.local {
            LocalExpect::Absent => Link::LocalGone,
            LocalExpect::Live { .. } => Link::RemoteGone,
        };
        let base = BaseChange::Set(BaseEntry { link, ..base.clone() });
        self.record(Outcome { base, ..self.outcome(&step.path) }).await.map(drop)
    }

    /// Draws the id of a new record, by the engine's clock.
    fn draw_record_id(&self) -> RecordId {
        let now = u64::try_from(self.session.clock.now().0).unwrap_or(0);
        let (seconds, nanos) = (now / 1_000_000_000, now % 1_000_000_000);
        let nanos = u32::try_from(nanos).expect("a remainder below 1,000,000,000");
        RecordId(Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos)))
    }
}
