//! Reads 1Password's archive (1PUX): the document with accounts, vaults and items. Files beside it stay packed; the items that
//! own them name them as lost.

use serde_json::Value;

use crate::{
    archive::Archive,
    collect::Collector,
    document::{Part, wipe},
    format::Format,
    item::Found,
    loss::{Loss, Lost},
    options::Options,
    place::Place,
    refused::{FileError, Refused},
    text,
};

use super::items;

/// The document.
const DATA: &str = "export.data";
/// What tells the version of the archive.
const ATTRIBUTES: &str = "export.attributes";

/// Says whether an archive is one of 1Password's.
pub(crate) fn is_archive(archive: &Archive<'_>) -> bool {
    archive.has(DATA)
}

/// Reads a file.
///
/// # Errors
/// [`FileError`].
pub(crate) fn read(bytes: &[u8], _: &Options) -> Result<Found, FileError> {
    if !bytes.starts_with(crate::archive::MAGIC) {
        return Err(other("it is no archive (zip)"));
    }
    let mut archive = Archive::open(bytes)?;
    let Some(data) = archive.read(DATA)? else {
        return Err(other(&format!("the archive holds no file `{DATA}`")));
    };
    let mut document = Part::parse(text::decode(&data)?.as_bytes())?;
    let Some(Value::Array(accounts)) = document.take("accounts") else {
        return Err(other("its document has no list `accounts`"));
    };
    let mut collector = Collector::new(Format::OnePasswordArchive);
    let mut reader = Reader { collector: &mut collector, entry: 0, accounts: accounts.len() };
    for value in accounts {
        reader.account(value)?;
    }
    if !archive.has(ATTRIBUTES) {
        collector.lose(Loss::named(Lost::UnknownPart, ATTRIBUTES));
    }
    Ok(collector.finish())
}

struct Reader<'a> {
    collector: &'a mut Collector,
    /// The items so far.
    entry: u64,
    accounts: usize,
}

impl Reader<'_> {
    fn account(&mut self, value: Value) -> Result<(), FileError> {
        let Some(mut account) = self.part(value, "account") else { return Ok(()) };
        let mut attributes = account.part("attrs").unwrap_or_default();
        // One account needs no folder of its own.
        let name = attributes.text("accountName").or_else(|| attributes.text("name")).filter(|_| self.accounts > 1);
        for vault in account.list("vaults") {
            self.vault(name.as_deref(), vault)?;
        }
        self.rest(&mut account);
        Ok(())
    }

    fn vault(&mut self, account: Option<&str>, value: Value) -> Result<(), FileError> {
        let Some(mut vault) = self.part(value, "vault") else { return Ok(()) };
        let name = vault.part("attrs").unwrap_or_default().text("name").filter(|name| !name.is_empty());
        let folder: Vec<String> = account.map(str::to_owned).into_iter().chain(name).collect();
        for item in vault.list("items") {
            self.entry += 1;
            let place = Place::entry(self.entry);
            match Part::of(item) {
                Ok(part) => items::add(part, place, &folder, self.collector)?,
                Err(mut other) => {
                    wipe(&mut other);
                    self.collector.refuse(Refused::new(place, None, "the item is no object"))?;
                }
            }
        }
        self.rest(&mut vault);
        Ok(())
    }

    /// Takes an object, or counts what stands in its place.
    fn part(&mut self, value: Value, what: &str) -> Option<Part> {
        Part::of(value)
            .map_err(|mut other| {
                wipe(&mut other);
                self.collector.lose(Loss::named(Lost::UnknownPart, what));
            })
            .ok()
    }

    fn rest(&mut self, part: &mut Part) {
        for name in part.names() {
            if part.take(&name).is_some_and(|value| !crate::document::is_empty(&value)) {
                self.collector.lose(Loss::named(Lost::UnknownPart, &name));
            }
        }
    }
}

fn other(detail: &str) -> FileError {
    FileError::NotThisFormat { expected: Format::OnePasswordArchive, detail: detail.to_owned() }
}

#[cfg(test)]
mod tests;
