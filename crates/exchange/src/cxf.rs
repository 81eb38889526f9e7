//! The Credential Exchange Format (CXF 1.0) of the FIDO Alliance: a header with accounts or one account, as JSON or within a
//! zip archive.
//!
//! VaultTerm reads it by itself. The crate `credential-exchange-format` (0.4) refuses a whole file for one negative time, one
//! period of a minute and more, or one field that a draft wrote as a plain text, and it brings `chrono`; real files have all
//! three. Types of drafts (`BasicAuth`, `credit_card`, `name`) are read as what they became.

mod collections;
mod credentials;
mod item;
mod kinds;
pub(crate) mod link;

use std::collections::HashMap;

use vaultterm_reconcile::RecordType;

use crate::{
    archive::{Archive, MAGIC},
    collect::Collector,
    document::Part,
    format::Format,
    item::{Found, Item},
    options::Options,
    place::Place,
    refused::FileError,
    text,
};

pub(crate) use kinds::{Kind, type_of};

/// The newest version that the reader knows.
const MAJOR_MAX: i64 = 1;

/// Reads a document, or the one within an archive.
///
/// # Errors
/// [`FileError::NotThisFormat`] when it has neither accounts nor items, or is encrypted for another program.
pub(crate) fn read(bytes: &[u8], _: &Options) -> Result<Found, FileError> {
    if bytes.starts_with(MAGIC) {
        return within(bytes);
    }
    document(Part::parse(text::decode(bytes)?.as_bytes())?)
}

fn other(detail: impl Into<String>) -> FileError {
    FileError::NotThisFormat { expected: Format::Cxf, detail: detail.into() }
}

/// Reads the first document of an archive that is one.
fn within(bytes: &[u8]) -> Result<Found, FileError> {
    let mut archive = Archive::open(bytes)?;
    let files = archive.files()?;
    let is = |name: &str, end: &str| name.to_ascii_lowercase().ends_with(end);
    for (name, _) in files.iter().filter(|(name, _)| is(name, ".json")) {
        let Some(json) = archive.read(name)? else { continue };
        let part = Part::parse(text::decode(&json)?.as_bytes())?;
        if fits(&part) {
            return document(part);
        }
    }
    if files.iter().any(|(name, _)| is(name, ".jwe")) {
        return Err(other("it is encrypted for the program that asked for it: export it without encryption"));
    }
    Err(other("no file of the archive has accounts or items"))
}

/// Says whether a document is of this format, at the level of the header or of an account.
pub(crate) fn fits(part: &Part) -> bool {
    part.has("accounts") && (part.has("version") || part.has("exporterRpId") || part.has("exporter"))
        || part.has("items") && part.has("collections") && part.has("username") && part.has("email")
}

/// Says whether an archive holds such a document.
pub(crate) fn fits_archive(bytes: &[u8]) -> bool {
    let Ok(mut archive) = Archive::open(bytes) else { return false };
    let Ok(files) = archive.files() else { return false };
    files.iter().any(|(name, _)| name.to_ascii_lowercase().ends_with(".json") && is_document(&mut archive, name))
}

fn is_document(archive: &mut Archive<'_>, name: &str) -> bool {
    let json = archive.read(name).ok().flatten();
    json.and_then(|json| Part::parse(&json).ok()).is_some_and(|part| fits(&part))
}

fn document(mut part: Part) -> Result<Found, FileError> {
    let mut found = Collector::new(Format::Cxf);
    if !part.has("accounts") {
        if !part.has("items") {
            return Err(other("it has neither accounts nor items"));
        }
        account(part, &mut found)?;
        return Ok(found.finish());
    }
    let major = part.part("version").and_then(|mut version| version.number("major")).or_else(|| part.number("version"));
    if let Some(major) = major.filter(|major| *major > MAJOR_MAX) {
        return Err(other(format!("its version is {major}, and VaultTerm knows version 1")));
    }
    part.ignore(&["version", "exporter", "exporterRpId", "exporterDisplayName", "timestamp"]);
    let mut rest = Item::new(Place::entry(1), "", RecordType::KeyValue);
    for inner in part.parts("accounts", &mut rest) {
        account(inner, &mut found)?;
    }
    part.rest(&mut rest);
    rest.losses.into_iter().for_each(|loss| found.lose(loss));
    Ok(found.finish())
}

fn account(mut part: Part, found: &mut Collector) -> Result<(), FileError> {
    let mut rest = Item::new(Place::entry(1), "", RecordType::KeyValue);
    let mut folders = HashMap::new();
    for collection in part.parts("collections", &mut rest) {
        collections::read(collection, &[], &mut folders, &mut rest);
    }
    let items = part.parts("items", &mut rest);
    part.ignore(&["id", "username", "userName", "email", "fullName", "icon"]);
    part.rest(&mut rest);
    rest.losses.into_iter().for_each(|loss| found.lose(loss));
    for inner in items {
        item::read(inner, &folders, found)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
