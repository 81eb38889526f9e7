//! How many live records each collection holds, kept in memory.
//!
//! A database counts by reading an index from end to end, and every page names the collections with their sizes. A
//! collection's change number grows in every transaction that changes how many records it holds, so a count stays right
//! until the number has grown.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use vaultterm_sync::CollectionId;

/// The counts that were made, each with the change number at which it was made.
#[derive(Default)]
pub(crate) struct LiveCounts(Mutex<HashMap<CollectionId, (u64, u64)>>);

impl LiveCounts {
    /// Returns the count of a collection, if it was made at this change number or later.
    pub(crate) fn at(&self, id: CollectionId, change_number: u64) -> Option<u64> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&id).filter(|(made_at, _)| *made_at >= change_number).map(|(_, count)| *count)
    }

    /// Keeps a count that was made after the change number was read.
    pub(crate) fn keep(&self, id: CollectionId, change_number: u64, count: u64) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = counts.entry(id).or_default();
        if newest.0 <= change_number {
            *newest = (change_number, count);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use serde_json::json;
    use vaultterm_reconcile::Mode;
    use vaultterm_sync::Trigger;

    use crate::{ReadRecord, testing::House};

    #[tokio::test]
    async fn a_collection_tells_its_size_after_every_change_of_it() {
        let house = House::new().await;
        let other = house.store.create_collection(&house.ann(), "other", house.owner.id).await.unwrap().id;
        let size = async |id| house.store.collection(id).await.unwrap().unwrap().records;
        assert_eq!(size(house.collection).await, 0);
        let one = house.save("one", json!({"x": 1})).await.unwrap();
        let two = house.save("two", json!({"x": 1})).await.unwrap();
        assert_eq!(size(house.collection).await, 2);
        house.store.trash_record(&house.ann(), one.id, None).await.unwrap();
        assert_eq!(size(house.collection).await, 1);
        house.store.restore_record(&house.ann(), one.id, None).await.unwrap();
        assert_eq!(size(house.collection).await, 2);
        let read = ReadRecord { id: two.id, revision: two.revision };
        house.store.move_record(&house.ann(), read, other, None).await.unwrap();
        assert_eq!((size(house.collection).await, size(other).await), (1, 1));
        let connection = house.connect("kv", Mode::Pull, "").await.unwrap();
        let run = house.begin(connection.id, Trigger::Manual).await;
        house.import(&run, "three", json!({"x": 1})).await;
        assert_eq!(size(house.collection).await, 2);
        let listed = house.store.collections(None, &crate::Page::default()).await.unwrap().items;
        assert_eq!(listed.iter().map(|collection| collection.records).collect::<Vec<_>>(), [2, 1]);
    }
}
