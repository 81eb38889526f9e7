//! The audit log.

use std::collections::BTreeMap;

use uuid::Uuid;
use vaultterm_ledger::{Action, Draft, Entry, ObjectKind, ObjectRef, Outcome};

use crate::{
    Context, Page, Paged, Store, StoreError,
    sql::{Row, Tx, args},
};

/// One entry, for people and programs.
#[derive(Clone, Debug)]
pub struct AuditEvent {
    /// Place in the log, from 1, without gaps.
    pub seq: u64,
    /// The decoded entry.
    pub entry: Entry,
    /// Its leaf hash.
    pub hash: [u8; 32],
    /// Its bytes, verbatim.
    pub bytes: Vec<u8>,
}

/// Which entries to list.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Only after this place.
    pub after: Option<u64>,
    /// One action (its name).
    pub action: Option<Action>,
    /// One actor.
    pub actor: Option<Uuid>,
    /// One object.
    pub object: Option<Uuid>,
    /// From this moment on, microseconds.
    pub from_us: Option<i64>,
    /// Before this moment, microseconds.
    pub to_us: Option<i64>,
}

/// The log of an installation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Log {
    pub(crate) id: Uuid,
}

impl Log {
    /// Appends entries in the transaction of what they report. One look-up of the last entry per
    /// call, so that batches are cheap.
    pub(crate) async fn append(self, tx: &mut Tx, drafts: impl IntoIterator<Item = Draft>) -> Result<(), StoreError> {
        let mut drafts = drafts.into_iter().peekable();
        if drafts.peek().is_none() {
            return Ok(());
        }
        let last = tx.one("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1", args![]).await?;
        let (mut seq, mut previous) = match last {
            Some(row) => (row.count("seq")?, hash(&row)?),
            None => (0, [0; 32]),
        };
        for draft in drafts {
            seq += 1;
            let entry = Entry { log_id: self.id, seq, previous, draft };
            let sealed = entry.encode();
            previous = sealed.hash;
            let draft = &entry.draft;
            tx.run(
                "INSERT INTO audit (seq, time_us, actor_id, action, hash, bytes) VALUES ($1, $2, $3, $4, $5, $6)",
                args![seq, draft.time_us, draft.actor.id, draft.action.as_str(), sealed.hash, sealed.bytes],
            )
            .await?;
            let mut seen = Vec::new();
            for object in draft.objects.iter().filter(|object| !object.id.is_nil()) {
                if !seen.contains(&object.id) {
                    seen.push(object.id);
                    tx.run("INSERT INTO audit_objects (object_id, seq) VALUES ($1, $2)", args![object.id, seq]).await?;
                }
            }
        }
        Ok(())
    }
}

impl Context {
    /// Drafts an entry about one object.
    pub(crate) fn draft(&self, action: Action, kind: ObjectKind, id: Uuid, name: Option<&str>) -> Draft {
        Draft {
            time_us: self.now_us,
            actor: self.actor.clone(),
            source_ip: self.source_ip.clone(),
            request_id: self.request_id.clone(),
            action,
            objects: vec![ObjectRef { kind, id, name: name.map(str::to_owned) }],
            outcome: Outcome::Success,
            remote: None,
            detail: BTreeMap::new(),
        }
    }
}

/// Adds a fact to a draft.
pub(crate) fn with(mut draft: Draft, name: &str, value: impl ToString) -> Draft {
    draft.detail.insert(name.to_owned(), value.to_string());
    draft
}

/// Adds an object to a draft.
pub(crate) fn about(mut draft: Draft, kind: ObjectKind, id: Uuid) -> Draft {
    draft.objects.push(ObjectRef { kind, id, name: None });
    draft
}

impl Store {
    /// Lists entries, oldest first; the cursor is the last `seq`.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn audit_events(&self, filter: &AuditFilter, page: &Page) -> Result<Paged<AuditEvent>, StoreError> {
        let after = match &page.cursor {
            Some(cursor) => {
                cursor.parse().map_err(|_| StoreError::Refused("the cursor is not one of this list".to_owned()))?
            }
            None => filter.after.unwrap_or(0),
        };
        let rows = self
            .db
            .all(
                "SELECT a.seq, a.hash, a.bytes FROM audit a
                 WHERE a.seq > $1
                   AND ($2 IS NULL OR a.action = $2)
                   AND ($3 IS NULL OR a.actor_id = $3)
                   AND ($4 IS NULL OR EXISTS (SELECT 1 FROM audit_objects o WHERE o.object_id = $4 AND o.seq = a.seq))
                   AND ($5 IS NULL OR a.time_us >= $5)
                   AND ($6 IS NULL OR a.time_us < $6)
                 ORDER BY a.seq LIMIT $7",
                args![
                    after,
                    filter.action.map(Action::as_str),
                    filter.actor,
                    filter.object,
                    filter.from_us,
                    filter.to_us,
                    page.fetch(),
                ],
            )
            .await?;
        page.cut(rows, event, |event| event.seq.to_string())
    }

    /// Writes an entry that reports no change of the database: a denial, an export.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn audit(
        &self,
        context: &Context,
        action: Action,
        objects: Vec<ObjectRef>,
        outcome: Outcome,
        detail: BTreeMap<String, String>,
    ) -> Result<(), StoreError> {
        let mut draft = context.draft(action, ObjectKind::User, Uuid::nil(), None);
        draft.objects = objects;
        draft.outcome = outcome;
        draft.detail = detail;
        let mut tx = self.db.write().await?;
        self.log.append(&mut tx, [draft]).await?;
        tx.commit().await
    }
}

fn hash(row: &Row) -> Result<[u8; 32], StoreError> {
    row.bytes("hash")?.try_into().map_err(|_| StoreError::Malformed("audit hash"))
}

fn event(row: &Row) -> Result<AuditEvent, StoreError> {
    let bytes = row.bytes("bytes")?;
    let entry = Entry::decode(&bytes).map_err(|_| StoreError::Malformed("audit entry"))?;
    Ok(AuditEvent { seq: row.count("seq")?, entry, hash: hash(row)?, bytes })
}
