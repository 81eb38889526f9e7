//! What the pages of people show beside an account: where a person has a role, when they were seen, whether they have a
//! second factor.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;
use vaultterm_sync::{CollectionId, CollectionRole};

use crate::{
    Store, StoreError,
    sql::{Row, args},
};

/// A role of a person on a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The collection.
    pub collection_id: CollectionId,
    /// The name of the collection.
    pub name: String,
    /// The role.
    pub role: CollectionRole,
    /// Whether the person is the only owner of the collection.
    pub is_only_owner: bool,
}

/// When people were seen, and who has a second factor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastSights {
    /// The newest request of each person with a session, a login or a token, in microseconds.
    pub seen_us: BTreeMap<Uuid, i64>,
    /// The people with a second factor.
    pub with_factor: BTreeSet<Uuid>,
}

impl Store {
    /// Lists the roles of a person on collections, by the collections' names.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn memberships(&self, user_id: Uuid) -> Result<Vec<Membership>, StoreError> {
        let sql = "SELECT c.id, c.name, m.role, (SELECT COUNT(*) FROM members o
                          WHERE o.collection_id = c.id AND o.role = 'owner' AND o.user_id <> $1) AS others
                   FROM members m JOIN collections c ON c.id = m.collection_id WHERE m.user_id = $1 ORDER BY c.name, c.id";
        self.db.all(sql, args![user_id]).await?.iter().map(membership).collect()
    }

    /// Tells when people were seen last, and who has a second factor.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn last_sights(&self) -> Result<LastSights, StoreError> {
        let sql = "SELECT user_id, MAX(seen) AS seen_us FROM (
                       SELECT user_id, seen_us AS seen FROM sessions WHERE is_half = 0
                       UNION ALL SELECT user_id, last_used_us AS seen FROM tokens WHERE last_used_us IS NOT NULL
                   ) AS sights GROUP BY user_id";
        let mut sights = LastSights::default();
        for row in self.db.all(sql, args![]).await? {
            sights.seen_us.insert(row.id("user_id")?, row.int("seen_us")?);
        }
        for row in self.db.all("SELECT user_id FROM otp_seeds WHERE is_active = 1", args![]).await? {
            sights.with_factor.insert(row.id("user_id")?);
        }
        Ok(sights)
    }
}

fn membership(row: &Row) -> Result<Membership, StoreError> {
    let role = row.named("role")?;
    Ok(Membership {
        collection_id: CollectionId(row.id("id")?),
        name: row.text("name")?,
        is_only_owner: role == CollectionRole::Owner && row.count("others")? == 0,
        role,
    })
}

#[cfg(test)]
mod tests {
    use vaultterm_sealing::SecretBytes;

    use crate::{CollectionRole, NewSession, testing::House};

    #[tokio::test]
    async fn roles_last_sights_and_second_factors_are_told_for_each_person() {
        let house = House::new().await;
        let (store, ann) = (&house.store, house.owner.id);
        let other = store.create_collection(&house.ann(), "a", ann).await.unwrap();
        let found = store.memberships(ann).await.unwrap();
        assert_eq!((found.len(), found[0].collection_id, found[0].role), (2, other.id, CollectionRole::Owner));
        assert!(found[0].is_only_owner);
        assert_eq!(store.last_sights().await.unwrap(), super::LastSights::default());
        store.begin_session(&house.ann(), NewSession::new(ann, "Firefox")).await.unwrap();
        store.begin_otp(&house.ann(), ann, &SecretBytes::new(vec![1; 20])).await.unwrap();
        assert!(store.last_sights().await.unwrap().with_factor.is_empty(), "it waits for its first code");
        store.confirm_otp(&house.ann(), ann, 1, &[]).await.unwrap();
        let sights = store.last_sights().await.unwrap();
        assert_eq!(sights.seen_us.get(&ann), Some(&house.ann().now_us));
        assert!(sights.with_factor.contains(&ann));
    }
}
