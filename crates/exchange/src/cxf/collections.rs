//! Collections, which are folders: they name the items within.

use std::collections::HashMap;

use crate::{document::Part, item::Item};

/// The folders in which an item stands, by its id.
pub(super) type Folders = HashMap<String, Vec<Vec<String>>>;

/// Notes the items of a collection and of those within. The depth of the document is bounded.
pub(super) fn read(mut part: Part, around: &[String], folders: &mut Folders, rest: &mut Item) {
    let mut path = around.to_vec();
    path.push(part.text("title").unwrap_or_default());
    for value in part.list("items") {
        // Drafts write the id alone.
        let id = match Part::of(value) {
            Ok(mut link) => {
                let id = link.text("item");
                link.ignore(&["account"]);
                link.rest(rest);
                id
            }
            Err(value) => value.as_str().map(str::to_owned),
        };
        if let Some(id) = id {
            folders.entry(id).or_default().push(path.clone());
        }
    }
    for inner in part.parts("subCollections", rest) {
        read(inner, &path, folders, rest);
    }
    part.ignore(&["id", "creationAt", "modifiedAt"]);
    part.rest(rest);
}
