//! Records and their revisions.

use uuid::Uuid;
use vaultterm_ledger::{Action, ObjectKind};
use vaultterm_reconcile::{RecordId, RecordType, Revision, SecretPath};
use vaultterm_sealing::SecretFields;
use vaultterm_sync::{CollectionId, ConnectionId, Origin};

use crate::{
    Context, Page, Paged, Store, StoreError,
    audit::{about, with},
    revisions::Made,
    sql::{Row, Tx, args},
};

/// A record without its values.
#[derive(Clone, Debug)]
pub struct Record {
    /// Id.
    pub id: RecordId,
    /// Where it lives.
    pub collection_id: CollectionId,
    /// Its path, unique among the live records of the collection.
    pub path: SecretPath,
    /// Its type.
    pub record_type: RecordType,
    /// The names of its fields, sorted.
    pub field_names: Vec<String>,
    /// Labels, sorted.
    pub tags: Vec<String>,
    /// Its current revision.
    pub revision: Revision,
    /// Values may be used by `run` and `inject`, never shown.
    pub inject_only: bool,
    /// Microseconds.
    pub created_us: i64,
    /// Microseconds.
    pub updated_us: i64,
    /// Microseconds; set while it is in the trash.
    pub deleted_us: Option<i64>,
    /// The connections that keep it in step: connection, state, remote version.
    pub sync: Vec<RecordSync>,
}

/// How a record stands with one connection.
#[derive(Clone, Debug)]
pub struct RecordSync {
    /// The connection.
    pub connection_id: ConnectionId,
    /// `in_step`, `changed` (since the base), `conflict`, `unlinked`, `new`.
    pub state: &'static str,
    /// The remote version of the base.
    pub remote_version: Option<u64>,
}

/// A record to create.
#[derive(Debug)]
pub struct NewRecord {
    /// Its path.
    pub path: SecretPath,
    /// Its type.
    pub record_type: RecordType,
    /// Its values.
    pub fields: SecretFields,
    /// Labels.
    pub tags: Vec<String>,
    /// Never shown.
    pub inject_only: bool,
}

/// What to change of a record; `None` and absent fields stay. Any change is a new revision; a
/// patch that changes nothing is none.
#[derive(Debug, Default)]
pub struct RecordPatch {
    /// New path.
    pub path: Option<SecretPath>,
    /// New type.
    pub record_type: Option<RecordType>,
    /// Fields to set.
    pub fields: Option<SecretFields>,
    /// Fields to remove.
    pub remove_fields: Vec<String>,
    /// New labels.
    pub tags: Option<Vec<String>>,
    /// New setting.
    pub inject_only: Option<bool>,
}

/// Live or in the trash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordState {
    /// Live.
    #[default]
    Live,
    /// In the trash.
    Trash,
}

/// Which records to list.
#[derive(Clone, Debug, Default)]
pub struct RecordFilter {
    /// Path prefix.
    pub prefix: Option<String>,
    /// Part of the path, case-insensitive.
    pub query: Option<String>,
    /// Type.
    pub record_type: Option<RecordType>,
    /// Label.
    pub tag: Option<String>,
    /// Live or trash.
    pub state: RecordState,
}

/// One revision without its values.
#[derive(Clone, Debug)]
pub struct RevisionInfo {
    /// Number.
    pub revision: Revision,
    /// The path then.
    pub path: SecretPath,
    /// The type then.
    pub record_type: RecordType,
    /// Names of the fields then.
    pub field_names: Vec<String>,
    /// `person`, `remote`, `merge`, `archive`.
    pub origin: &'static str,
    /// The connection, when it came from or through one.
    pub connection_id: Option<ConnectionId>,
    /// Who.
    pub actor: String,
    /// Microseconds.
    pub created_us: i64,
}

impl Store {
    /// Creates a record (`RECORD_CREATED`).
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the path is taken.
    pub async fn create_record(
        &self,
        context: &Context,
        collection_id: CollectionId,
        new: NewRecord,
    ) -> Result<Record, StoreError> {
        let id = RecordId(Uuid::now_v7());
        let mut tx = self.db.write().await?;
        let made = Made {
            path: &new.path,
            record_type: new.record_type,
            origin: Origin::Person,
            actor: &context.actor.name,
            now_us: context.now_us,
        };
        self.insert_record(&mut tx, collection_id, id, &made, &new.fields).await?;
        tx.run(
            "UPDATE records SET tags = $2, inject_only = $3 WHERE id = $1",
            args![id.0, tags_text(&new.tags), new.inject_only],
        )
        .await?;
        let draft = context.draft(Action::RecordCreated, ObjectKind::Record, id.0, Some(new.path.as_str()));
        self.log.append(&mut tx, [about(draft, ObjectKind::Collection, collection_id.0)]).await?;
        tx.commit().await?;
        self.record(id).await?.ok_or(StoreError::NotFound("record"))
    }

    /// Finds a record, live or trashed.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn record(&self, id: RecordId) -> Result<Option<Record>, StoreError> {
        let Some(row) = self.db.one(&format!("SELECT {COLUMNS} FROM records WHERE id = $1"), args![id.0]).await? else {
            return Ok(None);
        };
        self.with_sync(read(&row)?).await.map(Some)
    }

    /// Finds a live record by path.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn record_by_path(
        &self,
        collection_id: CollectionId,
        path: &SecretPath,
    ) -> Result<Option<Record>, StoreError> {
        let sql =
            format!("SELECT {COLUMNS} FROM records WHERE collection_id = $1 AND path = $2 AND deleted_us IS NULL");
        let Some(row) = self.db.one(&sql, args![collection_id.0, path.as_str()]).await? else { return Ok(None) };
        self.with_sync(read(&row)?).await.map(Some)
    }

    /// Lists records by path.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn records(
        &self,
        collection_id: CollectionId,
        filter: &RecordFilter,
        page: &Page,
    ) -> Result<Paged<Record>, StoreError> {
        // The cursor is path and id: several trashed records may have had one path.
        let (path, id) = page.after().rsplit_once('\n').unwrap_or_default();
        let sql = format!(
            "SELECT {COLUMNS} FROM records
             WHERE collection_id = $1 AND (deleted_us IS NULL) = ($2 = 1)
               AND (path > $3 OR (path = $3 AND id > $4))
               AND ($5 IS NULL OR substr(path, 1, length($5)) = $5)
               AND ($6 IS NULL OR replace(lower(path), lower($6), '') <> lower(path))
               AND ($7 IS NULL OR record_type = $7)
               AND ($8 IS NULL OR replace(tags, $8, '') <> tags)
             ORDER BY path, id LIMIT $9"
        );
        let rows = self
            .db
            .all(
                &sql,
                args![
                    collection_id.0,
                    filter.state == RecordState::Live,
                    path,
                    id,
                    filter.prefix.clone(),
                    filter.query.clone().filter(|query| !query.is_empty()),
                    filter.record_type.map(RecordType::as_str),
                    filter.tag.as_ref().map(|tag| format!("\n{tag}\n")),
                    page.fetch(),
                ],
            )
            .await?;
        let mut paged = page.cut(rows, read, |record| format!("{}\n{}", record.path, record.id.0))?;
        for record in &mut paged.items {
            record.sync = self.sync_states(record).await?;
        }
        Ok(paged)
    }

    /// Changes a record (`RECORD_UPDATED`): one new revision, or none when nothing changes.
    ///
    /// # Errors
    /// [`StoreError::Stale`], [`StoreError::Exists`]; [`StoreError::Refused`] for a trashed record.
    pub async fn update_record(
        &self,
        context: &Context,
        id: RecordId,
        expect: Revision,
        patch: RecordPatch,
    ) -> Result<Record, StoreError> {
        let mut tx = self.db.write().await?;
        let record = locked(&mut tx, id).await?;
        if record.deleted_us.is_some() {
            return Err(StoreError::Refused("the record is in the trash: restore it first".to_owned()));
        }
        guard(&record, expect)?;
        let stored = self.open_revision(&mut tx, &record, record.revision).await?;
        let mut fields = stored.fields.duplicate();
        for name in &patch.remove_fields {
            fields.remove(name);
        }
        for (name, value) in patch.fields.iter().flat_map(SecretFields::expose) {
            fields.insert(name.clone(), value.clone());
        }
        fields.check_limits().map_err(|error| StoreError::Refused(error.to_string()))?;
        let path = patch.path.unwrap_or_else(|| record.path.clone());
        let record_type = patch.record_type.unwrap_or(record.record_type);
        let tags = tags_text(patch.tags.as_ref().unwrap_or(&record.tags));
        let inject_only = patch.inject_only.unwrap_or(record.inject_only);
        let same = fields.expose() == stored.fields.expose()
            && path == record.path
            && record_type == record.record_type
            && tags == tags_text(&record.tags)
            && inject_only == record.inject_only;
        if !same {
            let made = Made {
                path: &path,
                record_type,
                origin: Origin::Person,
                actor: &context.actor.name,
                now_us: context.now_us,
            };
            let revision = self.push_revision(&mut tx, &record, &made, &fields).await?;
            tx.run("UPDATE records SET tags = $2, inject_only = $3 WHERE id = $1", args![id.0, tags, inject_only])
                .await?;
            let draft = context.draft(Action::RecordUpdated, ObjectKind::Record, id.0, Some(path.as_str()));
            self.log.append(&mut tx, [with(draft, "revision", revision.0)]).await?;
            tx.commit().await?;
        }
        self.record(id).await?.ok_or(StoreError::NotFound("record"))
    }

    /// Moves a record to the trash (`RECORD_DELETED`).
    ///
    /// # Errors
    /// [`StoreError::Stale`].
    pub async fn trash_record(
        &self,
        context: &Context,
        id: RecordId,
        expect: Option<Revision>,
    ) -> Result<Record, StoreError> {
        let mut tx = self.db.write().await?;
        let record = locked(&mut tx, id).await?;
        if let Some(expect) = expect {
            guard(&record, expect)?;
        }
        if record.deleted_us.is_none() {
            tx.run("UPDATE records SET deleted_us = $2, updated_us = $2 WHERE id = $1", args![id.0, context.now_us])
                .await?;
            let draft = context.draft(Action::RecordDeleted, ObjectKind::Record, id.0, Some(record.path.as_str()));
            self.log.append(&mut tx, [with(draft, "revision", record.revision.0)]).await?;
            tx.commit().await?;
        }
        self.record(id).await?.ok_or(StoreError::NotFound("record"))
    }

    /// Makes an old revision (the newest, without one) the next one, out of the trash if
    /// need be (`RECORD_RESTORED`). A live record keeps its path.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the path is taken by another record.
    pub async fn restore_record(
        &self,
        context: &Context,
        id: RecordId,
        revision: Option<Revision>,
    ) -> Result<Record, StoreError> {
        let mut tx = self.db.write().await?;
        let record = locked(&mut tx, id).await?;
        let stored = self.open_revision(&mut tx, &record, revision.unwrap_or(record.revision)).await?;
        let made = Made {
            path: &record.path,
            record_type: stored.record_type,
            origin: Origin::Person,
            actor: &context.actor.name,
            now_us: context.now_us,
        };
        let now = self.push_revision(&mut tx, &record, &made, &stored.fields).await?;
        let draft = context.draft(Action::RecordRestored, ObjectKind::Record, id.0, Some(record.path.as_str()));
        let draft = with(draft, "from_revision", revision.unwrap_or(record.revision).0);
        self.log.append(&mut tx, [with(draft, "revision", now.0)]).await?;
        tx.commit().await?;
        self.record(id).await?.ok_or(StoreError::NotFound("record"))
    }

    /// Shows values (`RECORD_REVEALED`, committed before the answer). Names in `fields` that the
    /// revision lacks are an error, so that nothing is half shown.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for a record that may only be injected.
    pub async fn reveal_record(
        &self,
        context: &Context,
        id: RecordId,
        revision: Option<Revision>,
        fields: Option<&[String]>,
        reason: Option<&str>,
    ) -> Result<SecretFields, StoreError> {
        let mut tx = self.db.write().await?;
        let record = locked(&mut tx, id).await?;
        if record.inject_only {
            return Err(StoreError::Refused("the values of this record may be injected, never shown".to_owned()));
        }
        let revision = revision.unwrap_or(record.revision);
        let mut stored = self.open_revision(&mut tx, &record, revision).await?.fields;
        if let Some(wanted) = fields {
            let names: Vec<String> = stored.names().map(str::to_owned).collect();
            if let Some(missing) = wanted.iter().find(|name| !names.contains(name)) {
                return Err(StoreError::Refused(format!("revision {} has no field `{missing}`", revision.0)));
            }
            for name in names.iter().filter(|name| !wanted.contains(name)) {
                stored.remove(name);
            }
        }
        let shown: Vec<&str> = stored.names().collect();
        let draft = context.draft(Action::RecordRevealed, ObjectKind::Record, id.0, Some(record.path.as_str()));
        let mut draft = with(with(draft, "revision", revision.0), "fields", shown.join(", "));
        if let Some(reason) = reason {
            draft = with(draft, "reason", reason);
        }
        self.log.append(&mut tx, [draft]).await?;
        tx.commit().await?;
        Ok(stored)
    }

    /// Lists the revisions, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn revisions(&self, id: RecordId, page: &Page) -> Result<Paged<RevisionInfo>, StoreError> {
        let before = page.cursor.as_deref().and_then(|cursor| cursor.parse().ok()).unwrap_or(i64::MAX);
        let rows = self
            .db
            .all(
                "SELECT revision, path, record_type, field_names, origin, connection_id, actor, created_us FROM revisions
                 WHERE record_id = $1 AND revision < $2 ORDER BY revision DESC LIMIT $3",
                args![id.0, before, page.fetch()],
            )
            .await?;
        page.cut(rows, revision_info, |info| info.revision.0.to_string())
    }

    async fn with_sync(&self, mut record: Record) -> Result<Record, StoreError> {
        record.sync = self.sync_states(&record).await?;
        Ok(record)
    }

    async fn sync_states(&self, record: &Record) -> Result<Vec<RecordSync>, StoreError> {
        let rows = self
            .db
            .all(
                "SELECT c.id, b.link, b.revision, b.version, b.path,
                        (SELECT COUNT(*) FROM conflicts k
                         WHERE k.connection_id = c.id AND k.path = $3 AND k.status = 'open') AS conflicts
                 FROM connections c LEFT JOIN base b ON b.connection_id = c.id AND b.record_id = $2
                 WHERE c.collection_id = $1 ORDER BY c.id",
                args![record.collection_id.0, record.id.0, record.path.as_str()],
            )
            .await?;
        rows.iter()
            .map(|row| {
                let revision = row.maybe_int("revision")?;
                let link = row.maybe_text("link")?;
                let here = row.maybe_text("path")?.as_deref() == Some(record.path.as_str());
                let state = match (row.int("conflicts")?, link.as_deref(), revision) {
                    (1.., ..) => "conflict",
                    (_, None, _) => "new",
                    (_, Some("linked"), Some(revision))
                        if here && Revision(revision.unsigned_abs()) == record.revision =>
                    {
                        "in_step"
                    }
                    (_, Some("linked"), _) => "changed",
                    _ => "unlinked",
                };
                let remote_version = row.maybe_int("version")?.map(i64::unsigned_abs);
                Ok(RecordSync { connection_id: ConnectionId(row.id("id")?), state, remote_version })
            })
            .collect()
    }
}

const COLUMNS: &str = "id, collection_id, path, record_type, field_names, tags, inject_only, revision, created_us, updated_us, deleted_us";

fn read(row: &Row) -> Result<Record, StoreError> {
    Ok(Record {
        id: RecordId(row.id("id")?),
        collection_id: CollectionId(row.id("collection_id")?),
        path: row.parsed("path")?,
        record_type: row.parsed("record_type")?,
        field_names: row.json("field_names")?,
        tags: row.text("tags")?.split('\n').filter(|tag| !tag.is_empty()).map(str::to_owned).collect(),
        revision: Revision(row.count("revision")?),
        inject_only: row.flag("inject_only")?,
        created_us: row.int("created_us")?,
        updated_us: row.int("updated_us")?,
        deleted_us: row.maybe_int("deleted_us")?,
        sync: Vec::new(),
    })
}

fn revision_info(row: &Row) -> Result<RevisionInfo, StoreError> {
    let origin = row.text("origin")?;
    let origins = ["person", "remote", "merge", "archive"];
    Ok(RevisionInfo {
        revision: Revision(row.count("revision")?),
        path: row.parsed("path")?,
        record_type: row.parsed("record_type")?,
        field_names: row.json("field_names")?,
        origin: origins.into_iter().find(|one| *one == origin).ok_or(StoreError::Malformed("origin"))?,
        connection_id: row
            .maybe_text("connection_id")?
            .map(|id| id.parse().map(ConnectionId).map_err(|_| StoreError::Malformed("connection id")))
            .transpose()?,
        actor: row.text("actor")?,
        created_us: row.int("created_us")?,
    })
}

/// Labels as they are stored: each between line breaks, sorted, so that one can be found whole.
fn tags_text(tags: &[String]) -> String {
    let sorted: std::collections::BTreeSet<&str> = tags.iter().map(String::as_str).collect();
    if sorted.is_empty() {
        String::new()
    } else {
        format!("\n{}\n", sorted.into_iter().collect::<Vec<_>>().join("\n\n"))
    }
}

/// Reads a record inside a change.
pub(crate) async fn locked(tx: &mut Tx, id: RecordId) -> Result<Record, StoreError> {
    let row = tx.one(&format!("SELECT {COLUMNS} FROM records WHERE id = $1"), args![id.0]).await?;
    read(&row.ok_or(StoreError::NotFound("record"))?)
}

fn guard(record: &Record, expect: Revision) -> Result<(), StoreError> {
    if record.revision == expect {
        return Ok(());
    }
    Err(StoreError::Stale { what: "record", current: record.revision.0, expected: expect.0 })
}
