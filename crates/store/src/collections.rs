//! Collections and their members.

use std::collections::BTreeMap;

use uuid::Uuid;
use vaultterm_ledger::{AuditAction, ObjectKind};
use vaultterm_sync::{CollectionId, CollectionRole};

use crate::{
    Context, Page, Paged, Store, StoreError,
    context::{Facts as _, still_at},
    sql::{Row, Select, Tx, args, taken},
};

/// A collection.
#[derive(Clone, Debug)]
pub struct Collection {
    /// The id.
    pub id: CollectionId,
    /// The name, which is unique.
    pub name: String,
    /// The revision, for `If-Match`.
    pub revision: u64,
    /// The number of live records.
    pub records: u64,
    /// The time of creation, in microseconds.
    pub created_us: i64,
    /// The time of the last change, in microseconds.
    pub updated_us: i64,
}

/// A member of a collection.
#[derive(Clone, Debug)]
pub struct Member {
    /// The person.
    pub user_id: Uuid,
    /// The e-mail address.
    pub email: String,
    /// The role in the collection.
    pub role: CollectionRole,
}

/// The roles in a collection by which the server decided that a change of a membership is allowed. The change
/// happens only if they are still the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JudgedRoles {
    /// The person who changes the membership.
    pub by: Uuid,
    /// The role of that person.
    pub by_role: Option<CollectionRole>,
    /// The role of the member.
    pub member_role: Option<CollectionRole>,
}

impl JudgedRoles {
    /// Compares the roles with those in the transaction of the change.
    async fn hold(&self, tx: &mut Tx, id: CollectionId, member: Uuid) -> Result<(), StoreError> {
        let by_role = role_in(tx, id, self.by).await?;
        let member_role = role_in(tx, id, member).await?;
        if (by_role, member_role) == (self.by_role, self.member_role) { Ok(()) } else { Err(StoreError::RolesMoved) }
    }
}

impl Store {
    /// Creates a collection with a person as its owner (`COLLECTION_CREATED`).
    ///
    /// # Errors
    /// [`StoreError::Exists`].
    pub async fn create_collection(
        &self,
        context: &Context,
        name: &str,
        owner: Uuid,
    ) -> Result<Collection, StoreError> {
        let now_us = context.now_us;
        let id = CollectionId(vaultterm_sync::new_id());
        let mut tx = self.db.write().await?;
        let sql = "INSERT INTO collections (id, name, revision, created_us, updated_us) VALUES ($1, $2, 1, $3, $3)";
        let inserted = tx.run(sql, args![id, name, now_us]).await;
        inserted.map_err(|error| taken(error, "collection", name))?;
        set_role(&mut tx, id, owner, CollectionRole::Owner).await?;
        let draft = context.draft(AuditAction::CollectionCreated, ObjectKind::Collection, id.0, Some(name));
        tx.audit(draft.about(ObjectKind::User, owner));
        tx.commit().await?;
        Ok(Collection { id, name: name.to_owned(), revision: 1, records: 0, created_us: now_us, updated_us: now_us })
    }

    /// Lists by name the collections of which a person is a member, or all with `None`.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn collections(&self, member: Option<Uuid>, page: &Page) -> Result<Paged<Collection>, StoreError> {
        let mut select = Select::new("SELECT c.* FROM collections c WHERE 1 = 1", args![]);
        let membership = "EXISTS (SELECT 1 FROM members m WHERE m.collection_id = c.id AND m.user_id = ?)";
        select.and_maybe(membership, member);
        let pager = self.pager("collections", page);
        select.and_maybe("c.name > ?", pager.text()?);
        let rows = self.db.select(select.order("c.name", pager.fetch())).await?;
        let mut paged = pager.cut(rows, collection, |(collection, _)| collection.name.clone())?;
        let mut items = Vec::with_capacity(paged.items.len());
        for (collection, change_number) in paged.items.drain(..) {
            items.push(self.counted(collection, change_number).await?);
        }
        Ok(Paged { items, next_cursor: paged.next_cursor })
    }

    /// Adds the number of live records.
    async fn counted(&self, collection: Collection, change_number: u64) -> Result<Collection, StoreError> {
        Ok(Collection { records: self.live_count(collection.id, change_number).await?, ..collection })
    }

    /// Finds a collection.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn collection(&self, id: CollectionId) -> Result<Option<Collection>, StoreError> {
        let row = self.db.one("SELECT * FROM collections WHERE id = $1", args![id]).await?;
        let Some(row) = row else { return Ok(None) };
        let (collection, change_number) = collection(&row)?;
        self.counted(collection, change_number).await.map(Some)
    }

    /// Finds a collection by name.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn collection_by_name(&self, name: &str) -> Result<Option<Collection>, StoreError> {
        let row = self.db.one("SELECT * FROM collections WHERE name = $1", args![name]).await?;
        let Some(row) = row else { return Ok(None) };
        let (collection, change_number) = collection(&row)?;
        self.counted(collection, change_number).await.map(Some)
    }

    /// Renames a collection (`COLLECTION_UPDATED`).
    ///
    /// # Errors
    /// [`StoreError::Stale`], [`StoreError::Exists`].
    pub async fn rename_collection(
        &self,
        context: &Context,
        id: CollectionId,
        expect: u64,
        name: &str,
    ) -> Result<Collection, StoreError> {
        let mut tx = self.db.write().await?;
        let before = locked(&mut tx, id).await?;
        if before.revision != expect {
            return Err(StoreError::Stale { what: "collection", current: before.revision, expected: expect });
        }
        let sql = "UPDATE collections SET name = $2, revision = revision + 1, updated_us = $3 WHERE id = $1";
        let renamed = tx.run(sql, args![id, name, context.now_us]).await;
        renamed.map_err(|error| taken(error, "collection", name))?;
        let draft = context.draft(AuditAction::CollectionUpdated, ObjectKind::Collection, id.0, Some(name));
        tx.audit(draft.with("renamed_from", &before.name));
        tx.commit().await?;
        Ok(Collection { name: name.to_owned(), revision: expect + 1, updated_us: context.now_us, ..before })
    }

    /// Deletes an empty collection with the records in its trash (`COLLECTION_DELETED`). If a revision is
    /// given, the collection must be at that revision.
    ///
    /// # Errors
    /// [`StoreError::Stale`]; [`StoreError::Refused`] while the collection has live records or a connection
    /// uses it.
    pub async fn delete_collection(
        &self,
        context: &Context,
        id: CollectionId,
        expect: Option<u64>,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        let collection = locked(&mut tx, id).await?;
        still_at("collection", collection.revision, expect)?;
        if collection.records > 0 {
            let why = format!("the collection holds {} records: delete them first", collection.records);
            return Err(StoreError::Refused(why));
        }
        let sql = "SELECT name FROM connections WHERE collection_id = $1 LIMIT 1";
        if let Some(row) = tx.one(sql, args![id]).await? {
            let why = format!("the connection `{}` uses the collection: delete it first", row.text("name")?);
            return Err(StoreError::Refused(why));
        }
        let trashed = tx.run("DELETE FROM records WHERE collection_id = $1", args![id]).await?;
        tx.run("DELETE FROM collections WHERE id = $1", args![id]).await?;
        let draft = context.draft(AuditAction::CollectionDeleted, ObjectKind::Collection, id.0, Some(&collection.name));
        tx.audit(draft.with("trashed_records", trashed));
        tx.commit().await
    }

    /// Returns the role of a person in a collection.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn collection_role(&self, id: CollectionId, user_id: Uuid) -> Result<Option<CollectionRole>, StoreError> {
        let sql = "SELECT role FROM members WHERE collection_id = $1 AND user_id = $2";
        let row = self.db.one(sql, args![id, user_id]).await?;
        row.map(|row| role(&row)).transpose()
    }

    /// Returns the roles of a person in all collections.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn roles_of(&self, user_id: Uuid) -> Result<BTreeMap<CollectionId, CollectionRole>, StoreError> {
        let rows = self.db.all("SELECT collection_id, role FROM members WHERE user_id = $1", args![user_id]).await?;
        rows.iter().map(|row| Ok((CollectionId(row.id("collection_id")?), role(row)?))).collect()
    }

    /// Lists the members by e-mail address.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn members(&self, id: CollectionId, page: &Page) -> Result<Paged<Member>, StoreError> {
        let sql = "SELECT m.user_id, m.role, u.email FROM members m JOIN users u ON u.id = m.user_id
                   WHERE m.collection_id = $1";
        let mut select = Select::new(sql, args![id]);
        let pager = self.pager(format_args!("members of {id}"), page);
        select.and_maybe("u.email > ?", pager.text()?);
        let rows = self.db.select(select.order("u.email", pager.fetch())).await?;
        let member =
            |row: &Row| Ok(Member { user_id: row.id("user_id")?, email: row.text("email")?, role: role(row)? });
        pager.cut(rows, member, |member| member.email.clone())
    }

    /// Sets the role of a person (`MEMBER_GRANTED`), if the roles by which this was decided still hold. The
    /// last owner keeps the role.
    ///
    /// # Errors
    /// [`StoreError::RolesMoved`], [`StoreError::NotFound`], [`StoreError::Refused`] for the last owner.
    pub async fn grant(
        &self,
        context: &Context,
        id: CollectionId,
        user_id: Uuid,
        role: CollectionRole,
        judged: &JudgedRoles,
    ) -> Result<Member, StoreError> {
        let mut tx = self.db.write().await?;
        let collection = locked(&mut tx, id).await?;
        judged.hold(&mut tx, id, user_id).await?;
        let user = tx.one("SELECT email FROM users WHERE id = $1", args![user_id]).await?;
        let email = user.ok_or(StoreError::NotFound("user"))?.text("email")?;
        if role != CollectionRole::Owner {
            refuse_last_owner(&mut tx, id, user_id).await?;
        }
        set_role(&mut tx, id, user_id, role).await?;
        let draft = context.draft(AuditAction::MemberGranted, ObjectKind::Collection, id.0, Some(&collection.name));
        tx.audit(draft.about(ObjectKind::User, user_id).with("member", &email).with("role", role.as_str()));
        tx.commit().await?;
        Ok(Member { user_id, email, role })
    }

    /// Removes a member (`MEMBER_REVOKED`), if the roles by which this was decided still hold. The last owner
    /// cannot be removed.
    ///
    /// # Errors
    /// [`StoreError::RolesMoved`], [`StoreError::NotFound`], [`StoreError::Refused`] for the last owner.
    pub async fn revoke(
        &self,
        context: &Context,
        id: CollectionId,
        user_id: Uuid,
        judged: &JudgedRoles,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        let collection = locked(&mut tx, id).await?;
        judged.hold(&mut tx, id, user_id).await?;
        refuse_last_owner(&mut tx, id, user_id).await?;
        let sql = "DELETE FROM members WHERE collection_id = $1 AND user_id = $2";
        if tx.run(sql, args![id, user_id]).await? == 0 {
            return Err(StoreError::NotFound("member"));
        }
        let draft = context.draft(AuditAction::MemberRevoked, ObjectKind::Collection, id.0, Some(&collection.name));
        tx.audit(draft.about(ObjectKind::User, user_id));
        tx.commit().await
    }
}

/// Finds a collection in order to change it.
async fn locked(tx: &mut Tx, id: CollectionId) -> Result<Collection, StoreError> {
    let row = tx.one("SELECT * FROM collections WHERE id = $1", args![id]).await?;
    let (collection, _) = collection(&row.ok_or(StoreError::NotFound("collection"))?)?;
    let sql = "SELECT COUNT(*) AS live FROM records WHERE collection_id = $1 AND deleted_us IS NULL";
    let records = tx.one(sql, args![id]).await?.map_or(Ok(0), |row| row.count("live"))?;
    Ok(Collection { records, ..collection })
}

async fn role_in(tx: &mut Tx, id: CollectionId, user_id: Uuid) -> Result<Option<CollectionRole>, StoreError> {
    let sql = "SELECT role FROM members WHERE collection_id = $1 AND user_id = $2";
    tx.one(sql, args![id, user_id]).await?.map(|row| role(&row)).transpose()
}

async fn set_role(tx: &mut Tx, id: CollectionId, user_id: Uuid, role: CollectionRole) -> Result<(), StoreError> {
    let sql = "INSERT INTO members (collection_id, user_id, role) VALUES ($1, $2, $3)
               ON CONFLICT (collection_id, user_id) DO UPDATE SET role = excluded.role";
    tx.run(sql, args![id, user_id, role.as_str()]).await.map(drop)
}

/// Returns an error if the person is the only owner.
async fn refuse_last_owner(tx: &mut Tx, id: CollectionId, user_id: Uuid) -> Result<(), StoreError> {
    let rows = tx.all("SELECT user_id FROM members WHERE collection_id = $1 AND role = 'owner'", args![id]).await?;
    let owners = rows.iter().map(|row| row.id("user_id")).collect::<Result<Vec<_>, _>>()?;
    if owners == [user_id] {
        let why = "this is the collection's last owner: make somebody else an owner first";
        return Err(StoreError::Refused(why.to_owned()));
    }
    Ok(())
}

fn role(row: &Row) -> Result<CollectionRole, StoreError> {
    row.named("role")
}

/// Reads a collection without its records, and its change number.
fn collection(row: &Row) -> Result<(Collection, u64), StoreError> {
    let collection = Collection {
        id: CollectionId(row.id("id")?),
        name: row.text("name")?,
        revision: row.count("revision")?,
        records: 0,
        created_us: row.int("created_us")?,
        updated_us: row.int("updated_us")?,
    };
    Ok((collection, row.count("change_number")?))
}

/// Draws the next change number of a collection, for a record that this transaction changes. Writing
/// transactions follow one another, so a reader of a number has seen all changes up to it.
pub(crate) async fn next_change(tx: &mut Tx, id: CollectionId) -> Result<u64, StoreError> {
    let sql = "UPDATE collections SET change_number = change_number + 1 WHERE id = $1 RETURNING change_number";
    tx.one(sql, args![id]).await?.ok_or(StoreError::NotFound("collection"))?.count("change_number")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use uuid::Uuid;

    use super::{CollectionRole, JudgedRoles};
    use crate::{
        ErrorClass, InstanceRole, Page, StoreError,
        testing::{House, new_user},
    };

    impl House {
        /// Returns the roles of the owner and of a member, as a handler reads them before its decision.
        async fn judged(&self, member: Uuid) -> JudgedRoles {
            let role = async |user| self.store.collection_role(self.collection, user).await.unwrap();
            let by = self.owner.id;
            JudgedRoles { by, by_role: role(by).await, member_role: role(member).await }
        }
    }

    #[tokio::test]
    async fn a_membership_changes_only_while_the_roles_are_those_it_was_judged_by() {
        let house = House::new().await;
        let (store, id, ann) = (&house.store, house.collection, house.owner.id);
        let bob = store.create_user(&house.ann(), new_user("bob@example.com", InstanceRole::Member)).await.unwrap().id;
        let before = house.judged(bob).await;
        store.grant(&house.ann(), id, bob, CollectionRole::Owner, &before).await.unwrap();
        // Another person made bob an owner after this change was decided. At that time bob was not a member.
        for refused in [
            store.grant(&house.ann(), id, bob, CollectionRole::Viewer, &before).await.map(drop),
            store.revoke(&house.ann(), id, bob, &before).await,
        ] {
            assert!(matches!(refused, Err(StoreError::RolesMoved)), "{refused:?}");
        }
        // Another person took the role away from the person who changes the membership.
        let judged = house.judged(bob).await;
        store.grant(&house.ann(), id, ann, CollectionRole::Viewer, &house.judged(ann).await).await.unwrap();
        let refused = store.revoke(&house.ann(), id, bob, &judged).await;
        assert!(matches!(refused, Err(StoreError::RolesMoved)), "{refused:?}");
        assert_eq!(store.collection_role(id, bob).await.unwrap(), Some(CollectionRole::Owner));
    }

    #[tokio::test]
    async fn a_collection_with_records_is_not_deleted() {
        let house = House::new().await;
        let record = house.save("a", json!({"x": 1})).await.unwrap();
        let refused = house.store.delete_collection(&house.ann(), house.collection, None).await.unwrap_err();
        assert_eq!(refused.to_string(), "the collection holds 1 records: delete them first");
        house.store.trash_record(&house.ann(), record.id, None).await.unwrap();
        let stale = house.store.delete_collection(&house.ann(), house.collection, Some(2)).await.unwrap_err();
        assert_eq!(stale.class(), ErrorClass::Stale);
        house.store.delete_collection(&house.ann(), house.collection, Some(1)).await.unwrap();
        assert!(house.store.collection(house.collection).await.unwrap().is_none());
        assert!(house.store.record(record.id).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_collection_keeps_its_last_owner() {
        let house = House::new().await;
        let (store, id) = (&house.store, house.collection);
        let bob = store.create_user(&house.ann(), new_user("bob@example.com", InstanceRole::Member)).await.unwrap();
        let ann = house.owner.id;
        let judged = house.judged(ann).await;
        for refused in [
            store.grant(&house.ann(), id, ann, CollectionRole::Admin, &judged).await.map(drop),
            store.revoke(&house.ann(), id, ann, &judged).await,
        ] {
            assert_eq!(refused.unwrap_err().class(), ErrorClass::Refused);
        }
        let judged = house.judged(bob.id).await;
        store.grant(&house.ann(), id, bob.id, CollectionRole::Owner, &judged).await.unwrap();
        store.grant(&house.ann(), id, ann, CollectionRole::Viewer, &house.judged(ann).await).await.unwrap();
        assert_eq!(store.collection_role(id, house.owner.id).await.unwrap(), Some(CollectionRole::Viewer));
        let members = store.members(id, &Page::default()).await.unwrap().items;
        let roles: Vec<_> = members.iter().map(|member| (member.email.as_str(), member.role)).collect();
        assert_eq!(roles, [("ann@example.com", CollectionRole::Viewer), ("bob@example.com", CollectionRole::Owner)]);
    }

    #[tokio::test]
    async fn people_see_the_collections_they_belong_to() {
        let house = House::new().await;
        let store = &house.store;
        let bob = store.create_user(&house.ann(), new_user("bob@example.com", InstanceRole::Member)).await.unwrap();
        let web = store.create_collection(&house.ann(), "web", bob.id).await.unwrap();
        let names = |listed: crate::Paged<super::Collection>| -> Vec<String> {
            listed.items.into_iter().map(|collection| collection.name).collect()
        };
        assert_eq!(names(store.collections(None, &Page::default()).await.unwrap()), ["infra", "web"]);
        assert_eq!(names(store.collections(Some(bob.id), &Page::default()).await.unwrap()), ["web"]);
        let judged =
            JudgedRoles { by: bob.id, by_role: Some(CollectionRole::Owner), member_role: Some(CollectionRole::Owner) };
        let refused = store.revoke(&house.ann(), web.id, bob.id, &judged).await.unwrap_err();
        assert_eq!(refused.class(), ErrorClass::Refused, "{refused}");
        assert_eq!(store.collection_role(house.collection, bob.id).await.unwrap(), None);
    }

    #[tokio::test]
    async fn names_are_unique_and_renaming_is_guarded() {
        let house = House::new().await;
        let store = &house.store;
        let taken = store.create_collection(&house.ann(), "infra", house.owner.id).await.unwrap_err();
        assert_eq!(taken.to_string(), "collection `infra` exists already");
        let renamed = store.rename_collection(&house.ann(), house.collection, 1, "platform").await.unwrap();
        assert_eq!((renamed.name.as_str(), renamed.revision), ("platform", 2));
        let stale = store.rename_collection(&house.ann(), house.collection, 1, "again").await.unwrap_err();
        assert_eq!(stale.class(), ErrorClass::Stale);
        assert!(store.collection_by_name("platform").await.unwrap().is_some());
    }
}
