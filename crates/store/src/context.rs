//! Who does something, when, and pages of lists.

use std::collections::BTreeMap;

use uuid::Uuid;
use vaultterm_ledger::{Action, Actor, Draft, ObjectKind, ObjectRef, Outcome};

use crate::{StoreError, sql::Row};

/// Who changes something, and when: goes into the audit entry of the change.
#[derive(Clone, Debug)]
pub struct Context {
    /// Who.
    pub actor: Actor,
    /// Where the request came from.
    pub source_ip: Option<String>,
    /// VaultTerm's request id.
    pub request_id: Option<String>,
    /// When, in microseconds since the Unix epoch.
    pub now_us: i64,
}

impl Context {
    /// Drafts an entry about one object.
    pub(crate) fn draft(&self, action: Action, kind: ObjectKind, id: Uuid, name: Option<&str>) -> Draft {
        Draft {
            time_us: self.now_us,
            actor: self.actor.clone(),
            source_ip: self.source_ip.clone(),
            request_id: self.request_id.clone(),
            action,
            objects: vec![ObjectRef { kind, id, name: name.map(str::to_owned) }],
            outcome: Outcome::Success,
            remote: None,
            detail: BTreeMap::new(),
        }
    }
}

/// Adds to a draft.
pub(crate) trait Facts: Sized {
    /// Adds a fact; never a value.
    fn with(self, name: &str, value: impl ToString) -> Self;

    /// Adds a fact when there is one.
    fn with_maybe(self, name: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds a further object.
    fn about(self, kind: ObjectKind, id: Uuid) -> Self;
}

impl Facts for Draft {
    fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.detail.insert(name.to_owned(), value.to_string());
        self
    }

    fn about(mut self, kind: ObjectKind, id: Uuid) -> Self {
        self.objects.push(ObjectRef { kind, id, name: None });
        self
    }
}

/// Which part of a list.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// How many items at most; 0 for 100. The store caps it at 500.
    pub limit: u32,
    /// The `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl Page {
    const LIMIT_MAX: u32 = 500;
    const LIMIT_DEFAULT: u32 = 100;

    fn limit(&self) -> usize {
        let limit = if self.limit == 0 { Self::LIMIT_DEFAULT } else { self.limit.min(Self::LIMIT_MAX) };
        limit as usize
    }

    /// How many rows to ask for: one more than is shown tells whether there is a next page.
    pub(crate) fn fetch(&self) -> u64 {
        self.limit() as u64 + 1
    }

    /// The number after (or before) which the page begins.
    pub(crate) fn number(&self) -> Result<Option<i64>, StoreError> {
        self.cursor.as_deref().map(|cursor| cursor.parse().map_err(|_| foreign())).transpose()
    }

    /// The id after (or before) which the page begins.
    pub(crate) fn id(&self) -> Result<Option<Uuid>, StoreError> {
        self.cursor.as_deref().map(|cursor| cursor.parse().map_err(|_| foreign())).transpose()
    }

    /// The id and text after which the page begins, in a list that is sorted by the text.
    pub(crate) fn id_and_text(&self) -> Result<Option<(Uuid, &str)>, StoreError> {
        let Some(cursor) = self.cursor.as_deref() else { return Ok(None) };
        let (id, text) = cursor.split_once(':').ok_or_else(foreign)?;
        Ok(Some((id.parse().map_err(|_| foreign())?, text)))
    }

    /// Cuts the rows to the page and reads them; `key` makes the cursor of the last one.
    pub(crate) fn cut<T>(
        &self,
        mut rows: Vec<Row>,
        read: impl FnMut(&Row) -> Result<T, StoreError>,
        key: impl FnOnce(&T) -> String,
    ) -> Result<Paged<T>, StoreError> {
        let more = rows.len() > self.limit();
        rows.truncate(self.limit());
        let items = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let next_cursor = items.last().filter(|_| more).map(key);
        Ok(Paged { items, next_cursor })
    }
}

fn foreign() -> StoreError {
    StoreError::Refused("the cursor is not one of this list: take `next_cursor` of the page before".to_owned())
}

/// One part of a list.
#[derive(Clone, Debug)]
pub struct Paged<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next part begins, if there is one.
    pub next_cursor: Option<String>,
}
