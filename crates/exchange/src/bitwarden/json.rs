//! Reads Bitwarden's JSON: the file around the items.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    archive::{self, Archive},
    collect::Collector,
    document::{Part, is_empty, wipe},
    format::Format,
    item::Found,
    loss::{Loss, Lost},
    options::Options,
    place::Place,
    refused::{FileError, Refused},
    text,
};

use super::{
    items::{self, Folders},
    protected,
};

/// The document within an archive, and the folder of the attachments beside it.
const DOCUMENT: &str = "data.json";
/// See [`DOCUMENT`]. Below it stand the ids of the items.
const ATTACHMENTS: &str = "attachments/";

/// Says whether a document is one of Bitwarden's: plain, protected or restricted.
pub(crate) fn is_document(document: &Part) -> bool {
    let has = |name| document.has(name);
    has("encrypted") && (has("items") || (has("passwordProtected") && has("data")))
}

/// Says whether an archive is one of Bitwarden's.
pub(crate) fn is_archive(archive: &Archive<'_>) -> bool {
    archive.has(DOCUMENT)
}

/// Reads a file.
///
/// # Errors
/// [`FileError`].
pub(crate) fn read(bytes: &[u8], options: &Options) -> Result<Found, FileError> {
    if !bytes.starts_with(archive::MAGIC) {
        return document(bytes, options, &BTreeMap::new());
    }
    let mut archive = Archive::open(bytes)?;
    let Some(inner) = archive.read(DOCUMENT)? else {
        return Err(other(&format!("the archive holds no file `{DOCUMENT}`")));
    };
    document(&inner, options, &attachments(&mut archive)?)
}

/// Attachments by the id of their item: names and sizes.
type Attachments = BTreeMap<String, Vec<(String, u64)>>;

fn attachments(archive: &mut Archive<'_>) -> Result<Attachments, FileError> {
    let mut of = Attachments::new();
    for (path, size) in archive.files()? {
        let inside = path.strip_prefix(ATTACHMENTS).and_then(|inside| inside.split_once('/'));
        if let Some((id, name)) = inside.filter(|(_, name)| !name.is_empty()) {
            of.entry(id.to_owned()).or_default().push((name.to_owned(), size));
        }
    }
    Ok(of)
}

fn document(bytes: &[u8], options: &Options, attachments: &Attachments) -> Result<Found, FileError> {
    let mut document = Part::parse(text::decode(bytes)?.as_bytes())?;
    if document.flag("encrypted") {
        if !document.flag("passwordProtected") {
            return Err(FileError::AccountRestricted);
        }
        let opened = protected::open(&mut document, options.password.as_ref())?;
        document = Part::parse(&opened)?;
        if document.flag("encrypted") {
            return Err(FileError::damaged(None, "what it protects is encrypted once more"));
        }
    }
    if document.has("encKeyValidation_DO_NOT_EDIT") {
        return Err(FileError::AccountRestricted);
    }
    let Some(Value::Array(list)) = document.take("items") else {
        return Err(other("it has no list `items`"));
    };
    let mut collector = Collector::new(Format::BitwardenJson);
    let folders =
        Folders { folders: names(&mut document, "folders"), collections: names(&mut document, "collections") };
    for (value, number) in list.into_iter().zip(1..) {
        let place = Place::entry(number);
        match Part::of(value) {
            Ok(part) => items::add(part, place, &folders, attachments, &mut collector)?,
            Err(mut other) => {
                wipe(&mut other);
                collector.refuse(Refused::new(place, None, "the item is no object"))?;
            }
        }
    }
    for name in document.names() {
        if document.take(&name).is_some_and(|value| !is_empty(&value)) {
            collector.lose(Loss::named(Lost::UnknownPart, &name));
        }
    }
    Ok(collector.finish())
}

/// Reads the folders or the collections: names by id.
fn names(document: &mut Part, list: &str) -> BTreeMap<String, String> {
    let parts = document.list(list).into_iter().filter_map(|value| Part::of(value).ok());
    parts.filter_map(|mut part| Some((part.text("id")?, part.text("name")?))).collect()
}

fn other(detail: &str) -> FileError {
    FileError::NotThisFormat { expected: Format::BitwardenJson, detail: detail.to_owned() }
}

#[cfg(test)]
mod tests;
