//! Cursors, which name the beginning of the next part of a list.
//!
//! A cursor is a place in a list after a short keyed digest, so that a list accepts only its own cursors. Any
//! other text is refused. Without the digest it would silently show another part of the list.

use std::fmt::Display;

use uuid::Uuid;
use vaultterm_sealing::DigestKey;

use crate::{Page, Paged, Store, StoreError, sql::Row};

/// The number of hexadecimal digits of the digest in a cursor.
const DIGITS: usize = 16;

impl Store {
    /// Returns the pager for a page of a list. It reads and writes the cursors of that list.
    pub(crate) fn pager<'a>(&'a self, list: impl Display, page: &'a Page) -> Pager<'a> {
        Pager { key: self.keyring.digest_key(), list: list.to_string(), page }
    }
}

/// A page of a list.
pub(crate) struct Pager<'a> {
    key: &'a DigestKey,
    /// The name of the list. Its cursors are not valid in other lists.
    list: String,
    page: &'a Page,
}

impl Pager<'_> {
    /// Returns the number of rows to read, which is one more than the page shows. The additional row tells
    /// whether there is a next page.
    pub(crate) fn fetch(&self) -> u64 {
        self.page.limit() as u64 + 1
    }

    /// Returns the text after which the page begins, in a list that is sorted by a unique text.
    pub(crate) fn text(&self) -> Result<Option<&str>, StoreError> {
        let Some(cursor) = self.page.cursor.as_deref() else { return Ok(None) };
        let (digest, place) = cursor.split_once('.').ok_or_else(foreign)?;
        if digest == self.digest(place) { Ok(Some(place)) } else { Err(foreign()) }
    }

    /// Returns the number after (or before) which the page begins.
    pub(crate) fn number(&self) -> Result<Option<i64>, StoreError> {
        self.text()?.map(|place| place.parse().map_err(|_| foreign())).transpose()
    }

    /// Returns the id after (or before) which the page begins.
    pub(crate) fn id(&self) -> Result<Option<Uuid>, StoreError> {
        self.text()?.map(|place| place.parse().map_err(|_| foreign())).transpose()
    }

    /// Returns the id and text after which the page begins, in a list that is sorted by the text.
    pub(crate) fn id_and_text(&self) -> Result<Option<(Uuid, &str)>, StoreError> {
        let Some(place) = self.text()? else { return Ok(None) };
        let (id, text) = place.split_once(':').ok_or_else(foreign)?;
        Ok(Some((id.parse().map_err(|_| foreign())?, text)))
    }

    /// Cuts the rows to the page and reads them. `key` returns the place of the last one.
    pub(crate) fn cut<T>(
        &self,
        mut rows: Vec<Row>,
        read: impl FnMut(&Row) -> Result<T, StoreError>,
        key: impl FnOnce(&T) -> String,
    ) -> Result<Paged<T>, StoreError> {
        let more = rows.len() > self.page.limit();
        rows.truncate(self.page.limit());
        let items = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let place = items.last().filter(|_| more).map(key);
        let next_cursor = place.map(|place| format!("{}.{place}", self.digest(&place)));
        Ok(Paged { items, next_cursor })
    }

    fn digest(&self, place: &str) -> String {
        // The name of a list never contains a zero byte, so the boundary between name and place is unique.
        let bytes = [b"cursor", self.list.as_bytes(), place.as_bytes()].join(&0);
        let mut digits = hex::encode(self.key.digest(&bytes));
        digits.truncate(DIGITS);
        digits
    }
}

fn foreign() -> StoreError {
    StoreError::invalid("cursor", "is not a cursor of this list: use `next_cursor` of the previous page")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{AuditFilter, ErrorClass, Page, RecordFilter, StoreError, testing::House};

    #[tokio::test]
    async fn a_cursor_that_the_list_did_not_give_is_refused() {
        let house = House::new().await;
        let record = house.save("a", json!({"x": 1})).await.unwrap();
        house.save("b", json!({"x": 1})).await.unwrap();
        let store = &house.store;
        let listed = store.records(house.collection, &RecordFilter::default(), &page(None)).await.unwrap();
        let given = listed.next_cursor.unwrap();
        store.records(house.collection, &RecordFilter::default(), &page(Some(given.clone()))).await.unwrap();

        let id = record.id.0;
        let made_up =
            ["", "a", "0", "1", ".", &format!("{id}:a"), &format!("{}.b", &given[..16]), &format!("{given}x")];
        for cursor in made_up.into_iter().map(|text| Some(text.to_owned())).chain([Some(given.clone())]) {
            let page = page(cursor.clone());
            let foreign = [
                store.users(&page).await.map(drop),
                store.collections(None, &page).await.map(drop),
                store.members(house.collection, &page).await.map(drop),
                store.revisions(record.id, &page).await.map(drop),
                store.tokens(None, &page).await.map(drop),
                store.connection_summaries(None, &page).await.map(drop),
                store.webhooks(&page).await.map(drop),
                store.conflicts(&crate::ConflictFilter::default(), &page).await.map(drop),
                store.audit_events(&AuditFilter::default(), &page).await.map(drop),
                store.checkpoints(0..=9, &page).await.map(drop),
            ];
            for refused in foreign {
                assert_refused(refused, cursor.as_deref());
            }
            if cursor.as_deref() != Some(given.as_str()) {
                let refused = store.records(house.collection, &RecordFilter::default(), &page).await.map(drop);
                assert_refused(refused, cursor.as_deref());
            }
        }
    }

    fn page(cursor: Option<String>) -> Page {
        Page { limit: 1, cursor }
    }

    fn assert_refused(answer: Result<(), StoreError>, cursor: Option<&str>) {
        let error = answer.expect_err(cursor.unwrap_or_default());
        assert_eq!(error.class(), ErrorClass::Invalid, "{cursor:?}: {error}");
    }
}
