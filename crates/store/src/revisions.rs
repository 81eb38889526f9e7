//! Revisions: sealed, numbered without gaps, never changed.

use uuid::Uuid;
use vaultterm_reconcile::{RecordId, RecordType, Revision, SecretPath};
use vaultterm_sealing::{Place, Purpose, Sealed, SecretFields};
use vaultterm_sync::{CollectionId, Origin, StoredFields};

use crate::{
    Record, Store, StoreError,
    sql::{Row, Tx, args, json, taken},
};

/// What a new revision is, besides its values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Made<'a> {
    pub(crate) path: &'a SecretPath,
    pub(crate) record_type: RecordType,
    pub(crate) origin: Origin,
    pub(crate) actor: &'a str,
    pub(crate) now_us: i64,
}

impl Store {
    /// Inserts a record with its first revision.
    pub(crate) async fn insert_record(
        &self,
        tx: &mut Tx,
        collection_id: CollectionId,
        id: RecordId,
        made: &Made<'_>,
        fields: &SecretFields,
    ) -> Result<(), StoreError> {
        let names: Vec<&str> = fields.names().collect();
        tx.run(
            "INSERT INTO records (id, collection_id, path, record_type, field_names, tags, revision, created_us, updated_us)
             VALUES ($1, $2, $3, $4, $5, '', 1, $6, $6)",
            args![id.0, collection_id.0, made.path.as_str(), made.record_type.as_str(), json(&names), made.now_us],
        )
        .await
        .map_err(|error| taken(error, "record", made.path.as_str()))?;
        self.insert_revision(tx, collection_id, id, Revision::FIRST, made, fields).await
    }

    /// Appends a revision and makes it the current one, out of the trash if need be.
    pub(crate) async fn push_revision(
        &self,
        tx: &mut Tx,
        record: &Record,
        made: &Made<'_>,
        fields: &SecretFields,
    ) -> Result<Revision, StoreError> {
        let next = record.revision.next();
        self.insert_revision(tx, record.collection_id, record.id, next, made, fields).await?;
        let names: Vec<&str> = fields.names().collect();
        tx.run(
            "UPDATE records SET path = $2, record_type = $3, field_names = $4, revision = $5, updated_us = $6, deleted_us = NULL
             WHERE id = $1",
            args![record.id.0, made.path.as_str(), made.record_type.as_str(), json(&names), next.0, made.now_us],
        )
        .await
        .map_err(|error| taken(error, "record", made.path.as_str()))?;
        Ok(next)
    }

    async fn insert_revision(
        &self,
        tx: &mut Tx,
        collection_id: CollectionId,
        id: RecordId,
        revision: Revision,
        made: &Made<'_>,
        fields: &SecretFields,
    ) -> Result<(), StoreError> {
        let sealed = self.keyring.seal(&place(collection_id, id, revision), fields.to_json().expose())?;
        let names: Vec<&str> = fields.names().collect();
        let (origin, connection_id) = origin(made.origin);
        tx.run(
            "INSERT INTO revisions (record_id, revision, path, record_type, field_names, origin, connection_id, actor, created_us, key_id, wrapped_key, ciphertext)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
            args![
                id.0,
                revision.0,
                made.path.as_str(),
                made.record_type.as_str(),
                json(&names),
                origin,
                connection_id,
                made.actor,
                made.now_us,
                sealed.key_id,
                sealed.wrapped_key,
                sealed.ciphertext,
            ],
        )
        .await?;
        Ok(())
    }

    /// Opens one revision inside a change.
    pub(crate) async fn open_revision(
        &self,
        tx: &mut Tx,
        record: &Record,
        revision: Revision,
    ) -> Result<StoredFields, StoreError> {
        let row = tx.one(ONE, args![record.id.0, revision.0]).await?.ok_or(StoreError::NotFound("revision"))?;
        self.opened(&row, record.id, revision)
    }

    /// Opens one revision.
    pub(crate) async fn read_revision(
        &self,
        id: RecordId,
        revision: Revision,
    ) -> Result<Option<StoredFields>, StoreError> {
        let row = self.db.one(ONE, args![id.0, revision.0]).await?;
        row.map(|row| self.opened(&row, id, revision)).transpose()
    }

    fn opened(&self, row: &Row, id: RecordId, revision: Revision) -> Result<StoredFields, StoreError> {
        let collection_id = CollectionId(row.id("collection_id")?);
        let plain = self.keyring.unseal(&place(collection_id, id, revision), &sealed(row, "")?)?;
        let fields = serde_json::from_slice(plain.expose()).map_err(|_| StoreError::Malformed("revision"))?;
        Ok(StoredFields { fields: SecretFields::from_trusted(fields), record_type: row.parsed("record_type")? })
    }
}

const ONE: &str = "SELECT v.record_type, v.key_id, v.wrapped_key, v.ciphertext, r.collection_id
                   FROM revisions v JOIN records r ON r.id = v.record_id WHERE v.record_id = $1 AND v.revision = $2";

/// Reads the three columns of a sealed value.
pub(crate) fn sealed(row: &Row, prefix: &str) -> Result<Sealed, StoreError> {
    Ok(Sealed {
        key_id: row.id(&format!("{prefix}key_id"))?,
        wrapped_key: row.bytes(&format!("{prefix}wrapped_key"))?,
        ciphertext: row.bytes(&format!("{prefix}ciphertext"))?,
    })
}

fn place(collection_id: CollectionId, id: RecordId, revision: Revision) -> Place {
    Place { purpose: Purpose::RecordFields, collection: collection_id.0, object: id.0, revision: revision.0 }
}

fn origin(origin: Origin) -> (&'static str, Option<Uuid>) {
    match origin {
        Origin::Person => ("person", None),
        Origin::Remote(id) => ("remote", Some(id.0)),
        Origin::Merge(id) => ("merge", Some(id.0)),
        Origin::Archive(id) => ("archive", Some(id.0)),
    }
}
