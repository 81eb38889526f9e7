//! The folders of a file, as collections within collections.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// A folder with the items in it.
#[derive(Default)]
pub(super) struct Folders {
    items: Vec<Value>,
    folders: Vec<(String, Self)>,
}

impl Folders {
    /// Adds an item to a folder. An item without a folder stands in none.
    pub(super) fn add(&mut self, path: Option<&str>, item: &str) {
        let Some(path) = path else { return };
        let mut folder = self;
        for segment in path.split('/') {
            let at = folder.folders.iter().position(|(name, _)| name == segment).unwrap_or_else(|| {
                folder.folders.push((segment.to_owned(), Self::default()));
                folder.folders.len() - 1
            });
            folder = &mut folder.folders[at].1;
        }
        folder.items.push(json!({"item": item}));
    }

    /// Returns the collections.
    pub(super) fn finish(self) -> Vec<Value> {
        self.collections("")
    }

    fn collections(self, around: &str) -> Vec<Value> {
        let collection = |(at, (name, folder)): (usize, (String, Self))| {
            let number = format!("{around}{}.", at + 1);
            let items = folder.items.clone();
            json!({
                "id": id(&number),
                "title": name,
                "items": items,
                "subCollections": folder.collections(&number),
            })
        };
        self.folders.into_iter().enumerate().map(collection).collect()
    }
}

/// Ids are bytes in the format, written as Base64.
pub(super) fn id(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}
