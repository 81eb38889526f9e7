//! The rows of imports and exports.

use vaultterm_exchange::Duplicates;

use super::*;
use crate::{
    exports::{self, Protection},
    imports::{self, Upload},
};

const NEVER_READ: Uuid = Uuid::from_u128(78);

/// Brings an empty file.
fn nothing(ids: Ids) -> Upload {
    Upload {
        collection: ids.collection,
        prefix: None,
        format: None,
        file_name: None,
        bytes: Vec::new().into(),
        password: None,
        key_file: None,
        decode_entities: false,
        keep_nested: false,
    }
}

/// A part without a record.
fn none(ids: Ids) -> exports::Part {
    exports::Part { collection: ids.collection, prefix: Some(text("none")) }
}

/// Returns the rows. An import belongs to the person who brought the file: that others do not see it, whatever their role, is shown
/// beside the operations.
pub(super) fn rows() -> Vec<Row> {
    vec![
        row!("imports::read", EDITOR, [RecordsWrite], |s, c, i| imports::read(s, c, nothing(i)).await),
        row!("imports::list", Token, [RecordsRead], |s, c, i| imports::list(s, c).await),
        row!("imports::review", Token, [RecordsRead], |s, c, i| {
            imports::review(s, c, NEVER_READ, Duplicates::Skip).await
        }),
        row!("imports::commit", Token, [RecordsWrite], |s, c, i| {
            imports::commit(s, c, NEVER_READ, Duplicates::Skip, "none").await
        }),
        row!("imports::going", Token, [RecordsRead], |s, c, i| imports::going(s, c, NEVER_READ).await),
        row!("imports::commit_within", Token, [RecordsWrite], |s, c, i| {
            imports::commit_within(s, c, NEVER_READ, Duplicates::Skip, "none", Duration::from_secs(60)).await
        }),
        row!("imports::undo", Token, [RecordsWrite], |s, c, i| imports::undo(s, c, NEVER_READ).await),
        row!("imports::discard", Token, [RecordsWrite], |s, c, i| imports::discard(s, c, NEVER_READ).await),
        row!("exports::review", ADMIN, [RecordsReveal], |s, c, i| exports::review(s, c, &none(i)).await),
        row!("exports::export", ADMIN, [RecordsReveal], |s, c, i| {
            exports::export(s, c, &none(i), "env", Protection::Plain).await
        }),
    ]
}
