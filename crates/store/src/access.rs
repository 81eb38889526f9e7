//! Whose an object is, and which role a person has there: in one statement.

use uuid::Uuid;
use vaultterm_reconcile::RecordId;
use vaultterm_sync::{CollectionId, ConflictId, ConnectionId, PlanId, RunId};

use crate::{CollectionRole, Store, StoreError, sql::args};

/// An object that belongs to a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owned {
    /// The collection itself.
    Collection(CollectionId),
    /// A record, live or in the trash.
    Record(RecordId),
    /// A connection.
    Connection(ConnectionId),
    /// A run of a connection.
    Run(RunId),
    /// A stored plan of a connection, expired or not.
    Plan(PlanId),
    /// A conflict of a connection, open or not.
    Conflict(ConflictId),
}

impl Owned {
    /// Returns what the object is called.
    #[must_use]
    pub const fn what(self) -> &'static str {
        match self {
            Self::Collection(_) => "collection",
            Self::Record(_) => "record",
            Self::Connection(_) => "connection",
            Self::Run(_) => "run",
            Self::Plan(_) => "plan",
            Self::Conflict(_) => "conflict",
        }
    }

    /// Returns where the object is found, with the column of its collection, and its id.
    const fn place(self) -> (&'static str, Uuid) {
        match self {
            Self::Collection(id) => ("(SELECT id, id AS collection_id FROM collections)", id.0),
            Self::Record(id) => ("records", id.0),
            Self::Connection(id) => ("connections", id.0),
            Self::Run(id) => {
                ("(SELECT r.id, c.collection_id FROM runs r JOIN connections c ON c.id = r.connection_id)", id.0)
            }
            Self::Plan(id) => {
                ("(SELECT p.id, c.collection_id FROM plans p JOIN connections c ON c.id = p.connection_id)", id.0)
            }
            Self::Conflict(id) => {
                ("(SELECT f.id, c.collection_id FROM conflicts f JOIN connections c ON c.id = f.connection_id)", id.0)
            }
        }
    }
}

/// The collection of an object, and a person's role on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleOn {
    /// The collection.
    pub collection_id: CollectionId,
    /// The role, if the person has any.
    pub role: Option<CollectionRole>,
}

impl Store {
    /// Finds the collection of an object and a person's role on it, both of one moment. `None` when there is no such
    /// object.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn role_on(&self, object: Owned, user_id: Uuid) -> Result<Option<RoleOn>, StoreError> {
        let (place, id) = object.place();
        let sql = format!(
            "SELECT o.collection_id, m.role FROM {place} o
             LEFT JOIN members m ON m.collection_id = o.collection_id AND m.user_id = $2
             WHERE o.id = $1"
        );
        let Some(row) = self.db.one(&sql, args![id, user_id]).await? else { return Ok(None) };
        let role = if row.maybe_text("role")?.is_some() { Some(row.named("role")?) } else { None };
        Ok(Some(RoleOn { collection_id: CollectionId(row.id("collection_id")?), role }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vaultterm_reconcile::Mode;
    use vaultterm_sync::Trigger;

    use super::*;
    use crate::{
        InstanceRole,
        testing::{House, new_user},
    };

    #[tokio::test]
    async fn a_role_is_found_on_everything_that_a_collection_holds() {
        let house = House::new().await;
        let record = house.save("a", json!({"x": 1})).await.unwrap().id;
        let connection = house.connect("kv", Mode::Push, "").await.unwrap().id;
        let plan = house.plan(connection, 0).await;
        let (_, run) = house.begin(connection, Trigger::Manual).await;
        let stranger =
            house.store.create_user(&house.ann(), new_user("ben@example.com", InstanceRole::Admin)).await.unwrap();
        let objects = [
            Owned::Collection(house.collection),
            Owned::Record(record),
            Owned::Connection(connection),
            Owned::Plan(plan),
            Owned::Run(run.id),
        ];
        for object in objects {
            let found = async |user| house.store.role_on(object, user).await.unwrap();
            let of = |role| Some(RoleOn { collection_id: house.collection, role });
            assert_eq!(found(house.owner.id).await, of(Some(CollectionRole::Owner)), "{object:?}");
            assert_eq!(found(stranger.id).await, of(None), "{object:?}");
        }
        let nothing = Uuid::nil();
        for object in [Owned::Record(RecordId(nothing)), Owned::Conflict(ConflictId(nothing))] {
            assert_eq!(house.store.role_on(object, house.owner.id).await.unwrap(), None, "{object:?}");
        }
    }
}
