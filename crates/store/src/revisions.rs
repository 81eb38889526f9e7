//! Revisions. A revision contains what a record held at one time, and is sealed for its record, collection
//! and number.

use vaultterm_reconcile::{Content, RecordId, RecordType, Revision, SecretPath};
use vaultterm_sealing::{Keyring, Place, Purpose, SecretFields};
use vaultterm_sync::{CollectionId, ConnectionId, Origin, RevisionOrigin};

use crate::{
    Page, Paged, Store, StoreError,
    sealed::seal,
    sql::{Arg, Row, Select, Tx, args, json},
    values::values,
};

/// A revision without its values.
#[derive(Clone, Debug)]
pub struct RevisionInfo {
    /// The number.
    pub revision: Revision,
    /// The path at that time.
    pub path: SecretPath,
    /// The type at that time.
    pub record_type: RecordType,
    /// The names of the fields at that time.
    pub field_names: Vec<String>,
    /// Its source.
    pub origin: RevisionOrigin,
    /// The connection, if the revision came from or through one.
    pub connection_id: Option<ConnectionId>,
    /// The name of the actor that saved it, or started the run that made it.
    pub actor: String,
    /// Who wrote the values in Vault, for a revision that came from there. Known as long as both sides agree on it.
    pub vault_writer: Option<String>,
    /// The time, in microseconds.
    pub created_us: i64,
}

/// The result of opening all revisions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RevisionsVerdict {
    /// The number of revisions that open.
    pub open: u64,
    /// The number of revisions that do not open, because their rows were changed or moved.
    pub damaged: u64,
    /// The first of the damaged revisions, in the form `collection/path, revision N`.
    pub examples: Vec<String>,
}

/// The number of rows that are read at once, and the maximum number of damaged revisions that are named.
const BATCH: i64 = if cfg!(test) { 2 } else { 500 };
const EXAMPLES_MAX: usize = 10;

impl Store {
    /// Opens all revisions of all records, including those in the trash. No value leaves this function.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails. A revision that does not open is part of the result.
    pub async fn verify_revisions(&self) -> Result<RevisionsVerdict, StoreError> {
        let sql =
            "SELECT r.collection_id, v.record_id, v.revision, v.path, c.name, v.key_id, v.wrapped_key, v.ciphertext
                   FROM revisions v JOIN records r ON r.id = v.record_id JOIN collections c ON c.id = r.collection_id
                   WHERE (v.record_id, v.revision) > ($1, $2) ORDER BY v.record_id, v.revision LIMIT $3";
        let mut verdict = RevisionsVerdict::default();
        let mut after = (RecordId(uuid::Uuid::nil()), Revision(0));
        loop {
            let rows = self.db.all(sql, args![after.0, after.1, BATCH]).await?;
            let Some(last) = rows.last() else { return Ok(verdict) };
            after = (RecordId(last.id("record_id")?), last.revision("revision")?);
            for row in &rows {
                match open(&self.keyring, row) {
                    Ok(_) => verdict.open += 1,
                    Err(StoreError::Sealing(_) | StoreError::Malformed(_)) => {
                        verdict.damaged += 1;
                        if verdict.examples.len() < EXAMPLES_MAX {
                            let (collection, path) = (row.text("name")?, row.text("path")?);
                            verdict
                                .examples
                                .push(format!("{collection}/{path}, revision {}", row.revision("revision")?.0));
                        }
                    }
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// Lists the revisions of a record, the newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn revisions(&self, id: RecordId, page: &Page) -> Result<Paged<RevisionInfo>, StoreError> {
        let sql = "SELECT revision, path, record_type, field_names, origin, connection_id, actor, created_us,
                          (SELECT MAX(b.writer) FROM base b
                           WHERE revisions.origin = 'remote' AND b.connection_id = revisions.connection_id
                             AND b.record_id = revisions.record_id AND b.revision = revisions.revision) AS vault_writer
                   FROM revisions WHERE record_id = $1";
        let mut select = Select::new(sql, args![id]);
        let pager = self.pager(format_args!("revisions of {}", id.0), page);
        select.and_maybe("revision < ?", pager.number()?);
        let rows = self.db.select(select.order("revision DESC", pager.fetch())).await?;
        pager.cut(rows, revision_info, |info| info.revision.0.to_string())
    }

    /// Reads a revision's digests and lengths, which tell which values are equal and show none of them. `None` when
    /// there is no such revision.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn contents(&self, id: RecordId, revision: Revision) -> Result<Option<Content>, StoreError> {
        let Some(row) = self.db.one(REVISION, args![id, revision]).await? else { return Ok(None) };
        Ok(Some(self.contents_of(&open(&self.keyring, &row)?)))
    }

    /// Returns the digests and lengths of values, as [`Store::contents`] returns those of a revision.
    #[must_use]
    pub fn contents_of(&self, fields: &SecretFields) -> Content {
        fields.content(self.keyring.digest_key())
    }
}

/// A revision to store.
pub(crate) struct NewRevision<'a> {
    pub(crate) collection_id: CollectionId,
    pub(crate) record_id: RecordId,
    pub(crate) revision: Revision,
    pub(crate) path: &'a SecretPath,
    pub(crate) record_type: RecordType,
    pub(crate) fields: &'a SecretFields,
    pub(crate) origin: Origin,
    pub(crate) actor: &'a str,
    pub(crate) now_us: i64,
}

/// The columns of a revision, in the order of [`NewRevision::row`].
const NEW: &str =
    "record_id, revision, path, record_type, field_names, origin, connection_id, actor, created_us, key_id,
    wrapped_key, ciphertext";

impl NewRevision<'_> {
    pub(crate) async fn insert(&self, tx: &mut Tx, keyring: &Keyring) -> Result<(), StoreError> {
        insert(tx, keyring, std::slice::from_ref(self)).await
    }

    async fn row(&self, tx: &mut Tx, keyring: &Keyring) -> Result<Vec<Arg>, StoreError> {
        let place = place(self.collection_id, self.record_id, self.revision);
        let sealed = seal(tx, keyring, &place, self.fields.to_json().expose()).await?;
        let (origin, connection_id) = self.origin.parts();
        let mut row = args![
            self.record_id,
            self.revision,
            self.path,
            self.record_type,
            field_names(self.fields),
            origin.as_str(),
            connection_id,
            self.actor,
            self.now_us,
        ];
        row.extend(sealed);
        Ok(row)
    }
}

/// Stores revisions.
pub(crate) async fn insert(tx: &mut Tx, keyring: &Keyring, new: &[NewRevision<'_>]) -> Result<(), StoreError> {
    let mut rows = Vec::with_capacity(new.len());
    for revision in new {
        rows.push(revision.row(tx, keyring).await?);
    }
    for part in values(args![], rows) {
        let sql = format!(
            "WITH n ({NEW}) AS (VALUES {}) INSERT INTO revisions ({NEW}) SELECT {NEW} FROM n WHERE record_id IS NOT NULL",
            part.rows
        );
        tx.run(&sql, part.args).await?;
    }
    Ok(())
}

/// Selects what is needed to open a revision, by its record (`$1`) and number (`$2`).
pub(crate) const REVISION: &str = "SELECT r.collection_id, v.record_id, v.revision, v.record_type, v.key_id,
                                          v.wrapped_key, v.ciphertext
                                   FROM revisions v JOIN records r ON r.id = v.record_id
                                   WHERE v.record_id = $1 AND v.revision = $2";

/// Selects the same of several revisions, whose records and numbers are rows of placeholders.
pub(crate) fn several(rows: &str) -> String {
    // The order of a CROSS JOIN is fixed in SQLite, which would read all revisions otherwise.
    format!(
        "WITH n (record_id, revision) AS (VALUES {rows})
         SELECT r.collection_id, v.record_id, v.revision, v.record_type, v.key_id, v.wrapped_key, v.ciphertext
         FROM n CROSS JOIN revisions v JOIN records r ON r.id = v.record_id
         WHERE v.record_id = n.record_id AND v.revision = n.revision"
    )
}

/// Selects the same of every revision of a record (`$1`).
pub(crate) const ALL_OF_RECORD: &str = "SELECT r.collection_id, v.record_id, v.revision, v.record_type, v.key_id,
                                               v.wrapped_key, v.ciphertext
                                        FROM revisions v JOIN records r ON r.id = v.record_id
                                        WHERE v.record_id = $1";

/// Opens a row of [`REVISION`].
pub(crate) fn open(keyring: &Keyring, row: &Row) -> Result<SecretFields, StoreError> {
    let place =
        place(CollectionId(row.id("collection_id")?), RecordId(row.id("record_id")?), row.revision("revision")?);
    let opened = keyring.unseal(&place, &row.sealed()?)?;
    let fields = serde_json::from_slice(opened.expose()).map_err(|_| StoreError::Malformed("revision"))?;
    Ok(SecretFields::from_trusted(fields))
}

/// Encodes the names of fields for lists.
pub(crate) fn field_names(fields: &SecretFields) -> String {
    json(&fields.names().collect::<Vec<_>>())
}

/// Returns the place that a revision is sealed for.
pub(crate) fn place(collection_id: CollectionId, record_id: RecordId, revision: Revision) -> Place {
    Place { purpose: Purpose::RecordFields, collection: collection_id.0, object: record_id.0, revision: revision.0 }
}

fn revision_info(row: &Row) -> Result<RevisionInfo, StoreError> {
    Ok(RevisionInfo {
        revision: row.revision("revision")?,
        path: row.path("path")?,
        record_type: row.record_type()?,
        field_names: row.json("field_names")?,
        origin: row.named("origin")?,
        connection_id: row.maybe_id("connection_id")?.map(ConnectionId),
        actor: row.text("actor")?,
        vault_writer: row.maybe_text("vault_writer")?,
        created_us: row.int("created_us")?,
    })
}
