//! Collections.

use uuid::Uuid;
use vaultterm_ledger::{Action, ObjectKind};
use vaultterm_sync::CollectionId;

use crate::{
    Context, Page, Paged, Store, StoreError,
    sql::{Row, args, taken},
};

/// A collection.
#[derive(Clone, Debug)]
pub struct Collection {
    /// Id.
    pub id: CollectionId,
    /// Name, unique.
    pub name: String,
    /// For `If-Match`.
    pub revision: u64,
    /// Live records.
    pub records: u64,
    /// Microseconds.
    pub created_us: i64,
    /// Microseconds.
    pub updated_us: i64,
}

impl Store {
    /// Creates a collection owned by a person (`COLLECTION_CREATED`).
    ///
    /// # Errors
    /// [`StoreError::Exists`].
    pub async fn create_collection(
        &self,
        context: &Context,
        name: &str,
        owner: Uuid,
    ) -> Result<Collection, StoreError> {
        let id = CollectionId(Uuid::now_v7());
        let mut tx = self.db.write().await?;
        tx.run(
            "INSERT INTO collections (id, name, created_us, updated_us) VALUES ($1, $2, $3, $3)",
            args![id.0, name, context.now_us],
        )
        .await
        .map_err(|error| taken(error, "collection", name))?;
        tx.run("INSERT INTO members (collection_id, user_id, role) VALUES ($1, $2, 'owner')", args![id.0, owner])
            .await?;
        let draft = context.draft(Action::CollectionCreated, ObjectKind::Collection, id.0, Some(name));
        self.log.append(&mut tx, [draft]).await?;
        tx.commit().await?;
        self.collection(id).await?.ok_or(StoreError::NotFound("collection"))
    }

    /// Lists the collections a person is a member of (everyone's with `None`), by name.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn collections(&self, member: Option<Uuid>, page: &Page) -> Result<Paged<Collection>, StoreError> {
        let sql = format!(
            "{SELECT} WHERE c.name > $1
               AND ($2 IS NULL OR EXISTS (SELECT 1 FROM members m WHERE m.collection_id = c.id AND m.user_id = $2))
             ORDER BY c.name LIMIT $3"
        );
        let rows = self.db.all(&sql, args![page.after(), member, page.fetch()]).await?;
        page.cut(rows, read, |collection| collection.name.clone())
    }

    /// Finds a collection.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn collection(&self, id: CollectionId) -> Result<Option<Collection>, StoreError> {
        let row = self.db.one(&format!("{SELECT} WHERE c.id = $1"), args![id.0]).await?;
        row.map(|row| read(&row)).transpose()
    }

    /// Finds a collection by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn collection_by_name(&self, name: &str) -> Result<Option<Collection>, StoreError> {
        let row = self.db.one(&format!("{SELECT} WHERE c.name = $1"), args![name]).await?;
        row.map(|row| read(&row)).transpose()
    }
}

const SELECT: &str = "SELECT c.id, c.name, c.revision, c.created_us, c.updated_us,
    (SELECT COUNT(*) FROM records r WHERE r.collection_id = c.id AND r.deleted_us IS NULL) AS records
    FROM collections c";

fn read(row: &Row) -> Result<Collection, StoreError> {
    Ok(Collection {
        id: CollectionId(row.id("id")?),
        name: row.text("name")?,
        revision: row.count("revision")?,
        records: row.count("records")?,
        created_us: row.int("created_us")?,
        updated_us: row.int("updated_us")?,
    })
}
