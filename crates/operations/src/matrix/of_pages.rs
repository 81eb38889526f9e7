//! The rows of what only pages ask for.

use vaultterm_reconcile::Revision;
use vaultterm_store::Search;

use super::*;
use crate::{outline, surroundings};

const NEVER: Revision = Revision(999);

/// Returns the rows.
pub(super) fn rows() -> Vec<Row> {
    vec![
        row!("surroundings::of", Token, [], |s, c, i| surroundings::of(s, c).await),
        row!("outline::search", Token, [RecordsRead], |s, c, i| {
            outline::search(s, c, &Search::default(), &Page::default()).await
        }),
        row!("records::everywhere::everywhere", Token, [RecordsRead], |s, c, i| {
            crate::records::everywhere(s, c, crate::records::Everywhere::default()).await
        }),
        row!("outline::folders", VIEWER, [RecordsRead], |s, c, i| outline::folders(s, c, i.collection, "").await),
        row!("outline::connections", Token, [RecordsRead], |s, c, i| outline::connections(s, c).await),
        row!("outline::outline", VIEWER, [RecordsRead], |s, c, i| outline::outline(s, c, i.record).await),
        row!("outline::for_edit", EDITOR, [RecordsWrite], |s, c, i| outline::for_edit(s, c, i.record).await),
        row!("outline::preview", EDITOR, [RecordsWrite], |s, c, i| {
            outline::preview(s, c, i.record, NEVER.0, "a", "{}").await
        }),
        row!("outline::preview_new", EDITOR, [RecordsWrite], |s, c, i| {
            outline::preview_new(s, c, i.collection, "..", "{}").await
        }),
        row!("outline::changes", VIEWER, [RecordsRead], |s, c, i| {
            outline::changes(s, c, i.record, NEVER, NEVER).await
        }),
    ]
}
