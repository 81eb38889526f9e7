//! Who gave a role on a collection, as the audit log tells it.

use std::collections::BTreeMap;

use uuid::Uuid;
use vaultterm_ledger::{AuditAction, ObjectKind};
use vaultterm_sync::CollectionId;

use crate::{Store, StoreError, audit::event, sql::args};

/// The giving of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Who gave it.
    pub by: String,
    /// When, in microseconds.
    pub at_us: i64,
}

impl Store {
    /// Finds for each person who gave them their role on a collection last. An entry that was pruned tells nothing
    /// any more.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn grants(&self, id: CollectionId) -> Result<BTreeMap<Uuid, Grant>, StoreError> {
        let sql = "SELECT a.seq, a.hash, a.bytes FROM audit_objects o JOIN audit a ON a.seq = o.seq
                   WHERE o.object_id = $1 AND a.action IN ($2, $3) ORDER BY a.seq";
        let given = [AuditAction::CollectionCreated, AuditAction::MemberGranted];
        let rows = self.db.all(sql, args![id, given[0].as_str(), given[1].as_str()]).await?;
        let mut grants = BTreeMap::new();
        for row in &rows {
            let draft = event(row)?.entry.draft;
            let grant = Grant { by: draft.actor.name, at_us: draft.time_us };
            let people = draft.objects.iter().filter(|object| object.kind == ObjectKind::User);
            grants.extend(people.map(|person| (person.id, grant.clone())));
        }
        Ok(grants)
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
        CollectionRole, InstanceRole, JudgedRoles,
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
        assert_eq!(grants[&ben.id].by, "ann@example.com");
        assert!(
            grants[&ben.id].at_us > grants[&house.owner.id].at_us,
            "the owner has it since the collection was made"
        );
        assert_eq!(house.store.who_can_grant(house.collection).await.unwrap(), ["ann@example.com"]);
        assert_eq!(house.store.owners().await.unwrap(), ["ann@example.com"]);
    }
}
