//! Records and their revisions.

use vaultterm_reconcile::{RecordId, RecordType, Revision, SecretPath};
use vaultterm_sealing::SecretFields;
use vaultterm_sync::{CollectionId, ConnectionId};

use crate::{Context, Page, Paged, Store, StoreError};

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
        let _ = (context, collection_id, new);
        todo!()
    }

    /// Finds a record, live or trashed.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn record(&self, id: RecordId) -> Result<Option<Record>, StoreError> {
        let _ = id;
        todo!()
    }

    /// Finds a live record by path.
    pub async fn record_by_path(
        &self,
        collection_id: CollectionId,
        path: &SecretPath,
    ) -> Result<Option<Record>, StoreError> {
        let _ = (collection_id, path);
        todo!()
    }

    /// Lists records by path.
    pub async fn records(
        &self,
        collection_id: CollectionId,
        filter: &RecordFilter,
        page: &Page,
    ) -> Result<Paged<Record>, StoreError> {
        let _ = (collection_id, filter, page);
        todo!()
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
        let _ = (context, id, expect, patch);
        todo!()
    }

    /// Moves a record to the trash (`RECORD_DELETED`).
    pub async fn trash_record(
        &self,
        context: &Context,
        id: RecordId,
        expect: Option<Revision>,
    ) -> Result<Record, StoreError> {
        let _ = (context, id, expect);
        todo!()
    }

    /// Makes an old revision (the newest, without one) the next one, out of the trash if
    /// need be (`RECORD_RESTORED`).
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the path is taken by another record.
    pub async fn restore_record(
        &self,
        context: &Context,
        id: RecordId,
        revision: Option<Revision>,
    ) -> Result<Record, StoreError> {
        let _ = (context, id, revision);
        todo!()
    }

    /// Shows values (`RECORD_REVEALED`, committed before the answer). Names in `fields` that the
    /// revision lacks are an error, so that nothing is half shown.
    pub async fn reveal_record(
        &self,
        context: &Context,
        id: RecordId,
        revision: Option<Revision>,
        fields: Option<&[String]>,
        reason: Option<&str>,
    ) -> Result<SecretFields, StoreError> {
        let _ = (context, id, revision, fields, reason);
        todo!()
    }

    /// Lists the revisions, newest first.
    pub async fn revisions(&self, id: RecordId, page: &Page) -> Result<Paged<RevisionInfo>, StoreError> {
        let _ = (id, page);
        todo!()
    }
}
