//! Lists in pages: `?limit=&cursor=` → `{"items": […], "next_cursor": …}`.

use axum::Json;
use serde::Deserialize;
use utoipa::IntoParams;
use vaultterm_contract::ListView;
use vaultterm_operations::Part;
use vaultterm_store::Paged;

/// Which part of a list. Flattened queries cannot be strict, so each list repeats these two.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// How many items at most; 100 unless told, 500 at most.
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

impl PageQuery {
    pub(crate) fn part(self) -> Part {
        Part { limit: self.limit, cursor: self.cursor }
    }
}

/// A page as it is answered.
pub(crate) fn listed<T, V>(paged: Paged<T>, view: impl Fn(&T) -> V) -> Json<ListView<V>> {
    Json(ListView { items: paged.items.iter().map(view).collect(), next_cursor: paged.next_cursor })
}
