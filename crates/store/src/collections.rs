//! Collections and who may use them.

use uuid::Uuid;
use vaultterm_sync::CollectionId;

use crate::{Context, Page, Paged, Store, StoreError};

/// What a person may do in one collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CollectionRole {
    /// Read.
    Viewer,
    /// Write.
    Editor,
    /// Delete records, manage members and connections.
    Admin,
    /// Delete the collection.
    Owner,
}

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

/// A person in a collection.
#[derive(Clone, Debug)]
pub struct Member {
    /// The person.
    pub user_id: Uuid,
    /// Their address.
    pub email: String,
    /// Their role here.
    pub role: CollectionRole,
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
        let _ = (context, name, owner);
        todo!()
    }

    /// Lists the collections a person is a member of (everyone's with `None`), by name.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn collections(&self, member: Option<Uuid>, page: &Page) -> Result<Paged<Collection>, StoreError> {
        let _ = (member, page);
        todo!()
    }

    /// Finds a collection.
    pub async fn collection(&self, id: CollectionId) -> Result<Option<Collection>, StoreError> {
        let _ = id;
        todo!()
    }

    /// Finds a collection by name.
    pub async fn collection_by_name(&self, name: &str) -> Result<Option<Collection>, StoreError> {
        let _ = name;
        todo!()
    }

    /// Renames a collection (`COLLECTION_UPDATED`).
    pub async fn rename_collection(
        &self,
        context: &Context,
        id: CollectionId,
        expect: u64,
        name: &str,
    ) -> Result<Collection, StoreError> {
        let _ = (context, id, expect, name);
        todo!()
    }

    /// Deletes an empty collection (`COLLECTION_DELETED`).
    ///
    /// # Errors
    /// [`StoreError::Refused`] while it holds live records or a connection uses it.
    pub async fn delete_collection(&self, context: &Context, id: CollectionId) -> Result<(), StoreError> {
        let _ = (context, id);
        todo!()
    }

    /// Finds a person's role in a collection.
    pub async fn collection_role(&self, id: CollectionId, user_id: Uuid) -> Result<Option<CollectionRole>, StoreError> {
        let _ = (id, user_id);
        todo!()
    }

    /// Lists the members.
    pub async fn members(&self, id: CollectionId, page: &Page) -> Result<Paged<Member>, StoreError> {
        let _ = (id, page);
        todo!()
    }

    /// Sets a person's role (`MEMBER_GRANTED`). The last owner keeps the role.
    pub async fn grant(
        &self,
        context: &Context,
        id: CollectionId,
        user_id: Uuid,
        role: CollectionRole,
    ) -> Result<Member, StoreError> {
        let _ = (context, id, user_id, role);
        todo!()
    }

    /// Removes a person (`MEMBER_REVOKED`). Never the last owner.
    pub async fn revoke(&self, context: &Context, id: CollectionId, user_id: Uuid) -> Result<(), StoreError> {
        let _ = (context, id, user_id);
        todo!()
    }
}
