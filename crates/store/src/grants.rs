//! Who gave a role, and when, as the audit log tells it.

use std::collections::BTreeMap;

use uuid::Uuid;
use vaultterm_ledger::{ActorKind, AuditAction, Draft, ObjectKind};
use vaultterm_sync::{CollectionId, GrantKind};

use crate::{Store, StoreError, audit::event, sql::args};

/// The giving of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// How the person came to it.
    pub kind: GrantKind,
    /// Who gave it.
    pub by: String,
    /// When, in microseconds.
    pub at_us: i64,
}

/// The entries that give roles on collections.
const GIVEN: [AuditAction; 2] = [AuditAction::CollectionCreated, AuditAction::MemberGranted];

fn grant(draft: &Draft) -> Grant {
    let made = draft.action == AuditAction::CollectionCreated;
    let kind = if made { GrantKind::Made } else { GrantKind::Given };
    Grant { kind, by: draft.actor.name.clone(), at_us: draft.time_us }
}

/// The entries of two actions about an object, the oldest first.
const ABOUT: &str = "SELECT a.seq, a.hash, a.bytes FROM audit_objects o JOIN audit a ON a.seq = o.seq
                     WHERE o.object_id = $1 AND a.action IN ($2, $3) ORDER BY a.seq";

impl Store {
    /// Finds for each person who gave them their role on a collection last. An entry that was pruned tells nothing
    /// any more.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn grants(&self, id: CollectionId) -> Result<BTreeMap<Uuid, Grant>, StoreError> {
        let rows = self.db.all(ABOUT, args![id, GIVEN[0].as_str(), GIVEN[1].as_str()]).await?;
        let mut grants = BTreeMap::new();
        for row in &rows {
            let draft = event(row)?.entry.draft;
            let people = draft.objects.iter().filter(|object| object.kind == ObjectKind::User);
            grants.extend(people.map(|person| (person.id, grant(&draft))));
        }
        Ok(grants)
    }

    /// Finds for each collection who gave a person the role there last. An entry that was pruned tells nothing any more.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn grants_of(&self, user_id: Uuid) -> Result<BTreeMap<CollectionId, Grant>, StoreError> {
        let rows = self.db.all(ABOUT, args![user_id, GIVEN[0].as_str(), GIVEN[1].as_str()]).await?;
        let mut grants = BTreeMap::new();
        for row in &rows {
            let draft = event(row)?.entry.draft;
            let collections = draft.objects.iter().filter(|object| object.kind == ObjectKind::Collection);
            grants.extend(collections.map(|collection| (CollectionId(collection.id), grant(&draft))));
        }
        Ok(grants)
    }

    /// Finds who gave a person the role on the installation last. An entry that was pruned tells nothing any more.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn account_grant(&self, user_id: Uuid) -> Result<Option<Grant>, StoreError> {
        let actions = [AuditAction::UserCreated, AuditAction::UserUpdated];
        let rows = self.db.all(ABOUT, args![user_id, actions[0].as_str(), actions[1].as_str()]).await?;
        let mut found = None;
        for row in &rows {
            let draft = event(row)?.entry.draft;
            let is_subject = draft.objects.first().is_some_and(|object| object.id == user_id);
            if !is_subject || !draft.detail.contains_key("role") {
                continue;
            }
            // Nobody with an account made the first owner.
            let is_person = matches!(draft.actor.kind, ActorKind::User | ActorKind::Token);
            let is_first = draft.action == AuditAction::UserCreated && !is_person;
            let kind = if is_first { GrantKind::First } else { GrantKind::Given };
            found = Some(Grant { kind, by: draft.actor.name, at_us: draft.time_us });
        }
        Ok(found)
    }

    /// Lists the e-mail addresses of people who can give a role on a collection: its owners and admins, the first few.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn who_can_grant(&self, id: CollectionId) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT u.email FROM members m JOIN users u ON u.id = m.user_id
                   WHERE m.collection_id = $1 AND m.role IN ('owner', 'admin') AND u.disabled = 0
                   ORDER BY u.email LIMIT 3";
        self.db.all(sql, args![id]).await?.iter().map(|row| row.text("email")).collect()
    }

    /// Lists the e-mail addresses of owners of the installation, the first few.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn owners(&self) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT email FROM users WHERE role = 'owner' AND disabled = 0 ORDER BY email LIMIT 3";
        self.db.all(sql, args![]).await?.iter().map(|row| row.text("email")).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        CollectionRole, GrantKind, InstanceRole, JudgedRoles, UserUpdate,
        testing::{House, new_user},
    };

    #[tokio::test]
    async fn who_gave_a_role_is_told_for_each_person_and_the_last_giving_counts() {
        let house = House::new().await;
        let ben =
            house.store.create_user(&house.ann(), new_user("ben@example.com", InstanceRole::Member)).await.unwrap();
        for role in [CollectionRole::Viewer, CollectionRole::Editor] {
            let member_role = house.store.collection_role(house.collection, ben.id).await.unwrap();
            let judged = JudgedRoles { by: house.owner.id, by_role: Some(CollectionRole::Owner), member_role };
            house.pass(10);
            house.store.grant(&house.ann(), house.collection, ben.id, role, &judged).await.unwrap();
        }
        let grants = house.store.grants(house.collection).await.unwrap();
        assert_eq!((grants[&ben.id].kind, &*grants[&ben.id].by), (GrantKind::Given, "ann@example.com"));
        assert_eq!(grants[&house.owner.id].kind, GrantKind::Made);
        let of_ben = house.store.grants_of(ben.id).await.unwrap();
        assert_eq!(of_ben, [(house.collection, grants[&ben.id].clone())].into());
        assert_eq!(house.store.grants_of(house.owner.id).await.unwrap()[&house.collection].kind, GrantKind::Made);
        assert!(
            grants[&ben.id].at_us > grants[&house.owner.id].at_us,
            "the owner has it since the collection was made"
        );
        assert_eq!(house.store.who_can_grant(house.collection).await.unwrap(), ["ann@example.com"]);
        assert_eq!(house.store.owners().await.unwrap(), ["ann@example.com"]);
    }

    #[tokio::test]
    async fn the_role_on_the_installation_says_who_gave_it_and_who_was_the_first_owner() {
        let house = House::new().await;
        let first = house.store.account_grant(house.owner.id).await.unwrap().unwrap();
        assert_eq!(first.kind, GrantKind::First);
        let ben =
            house.store.create_user(&house.ann(), new_user("ben@example.com", InstanceRole::Member)).await.unwrap();
        let made = house.store.account_grant(ben.id).await.unwrap().unwrap();
        assert_eq!((made.kind, &*made.by), (GrantKind::Given, "ann@example.com"));
        house.pass(10);
        let name = UserUpdate { name: Some("Ben".to_owned()), ..UserUpdate::default() };
        house.store.update_user(&house.ann(), ben.id, 1, name).await.unwrap();
        assert_eq!(house.store.account_grant(ben.id).await.unwrap(), Some(made.clone()), "another name is no role");
        let role = UserUpdate { role: Some(InstanceRole::Admin), ..UserUpdate::default() };
        house.store.update_user(&house.ann(), ben.id, 2, role).await.unwrap();
        assert!(house.store.account_grant(ben.id).await.unwrap().unwrap().at_us > made.at_us);
    }
}
