//! The groups of a database, as folders, and its settings.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    entry::{self, Binaries},
    open::Opened,
    xml::{Element, Next, Xml},
};
use crate::{
    collect::Collector,
    format::Format,
    item::Found,
    limits::UNFOLDED_BYTES_MAX,
    loss::{Loss, Lost},
    refused::FileError,
};

/// An open group.
#[derive(Default)]
struct Group {
    name: String,
    is_bin: bool,
}

/// Settings that matter here.
#[derive(Default)]
struct Settings {
    /// The id of the recycle bin, where it is enabled.
    bin: Option<String>,
    binaries: Binaries,
}

/// Reads the groups and entries.
pub(super) fn read(opened: &Opened) -> Result<Found, FileError> {
    let mut xml = Xml::new(opened.xml()?, Some(opened.stream()?));
    let mut settings = Settings { bin: None, binaries: opened.binaries.iter().copied().enumerate().collect() };
    let mut found = Collector::new(Format::Kdbx);
    // The first group is the database itself, and no folder.
    let mut groups: Vec<Group> = Vec::new();
    // Every element that is open, so that the end of a group is told from others.
    let mut open: Vec<bool> = Vec::new();
    loop {
        match xml.next()? {
            Next::Eof => return Ok(found.finish()),
            Next::End => {
                if open.pop() == Some(true) {
                    groups.pop();
                }
            }
            Next::Start(start) => match (start.name.as_str(), groups.is_empty()) {
                ("KeePassFile" | "Root", true) => open.push(false),
                ("Meta", true) => {
                    let meta = xml.rest(start)?;
                    check_header(&meta, opened)?;
                    settings.read(&meta);
                }
                ("Group", _) => {
                    open.push(true);
                    groups.push(Group::default());
                }
                ("Entry", false) => {
                    let element = xml.rest(start)?;
                    let is_trashed = groups.iter().any(|group| group.is_bin);
                    let folder = groups.iter().skip(1).filter(|group| !group.is_bin);
                    let folder = folder.map(|group| group.name.clone()).collect();
                    entry::collect(&element, folder, is_trashed, &settings.binaries, &mut found)?;
                }
                (_, false) => {
                    let part = xml.rest(start)?;
                    let group = groups.last_mut().expect("a group is open");
                    group.read(&part, settings.bin.as_deref(), &mut found);
                }
                // What was deleted, and parts of the outermost element that are unknown.
                ("DeletedObjects", true) => xml.skip(start)?,
                (_, true) => {
                    found.lose(Loss::named(Lost::UnknownPart, &start.name));
                    xml.skip(start)?;
                }
            },
        }
    }
}

/// Version 3.1 holds the hash of its header in the XML, which nothing else protects.
fn check_header(meta: &Element, opened: &Opened) -> Result<(), FileError> {
    let (held, hash) = (meta.text_at("HeaderHash"), opened.header_hash.as_ref());
    match hash {
        Some(hash) if !held.is_empty() && STANDARD.encode(hash.as_slice()) != held.trim() => {
            Err(FileError::damaged(None, "its header does not fit its check"))
        }
        _ => Ok(()),
    }
}

impl Settings {
    fn read(&mut self, meta: &Element) {
        let bin = meta.text_at("RecycleBinUUID").trim();
        self.bin = (meta.is_true("RecycleBinEnabled") && !bin.is_empty() && !bin.trim_matches(['A', '=']).is_empty())
            .then(|| bin.to_owned());
        for binary in meta.at("Binaries").map(|binaries| binaries.children.as_slice()).unwrap_or_default() {
            if let Some(id) = binary.attribute("ID").and_then(|id| id.parse().ok()) {
                self.binaries.insert(id, entry::size(binary, UNFOLDED_BYTES_MAX));
            }
        }
    }
}

impl Group {
    fn read(&mut self, part: &Element, bin: Option<&str>, found: &mut Collector) {
        match part.name.as_str() {
            "Name" => self.name = part.text().to_owned(),
            "UUID" => self.is_bin = bin == Some(part.text().trim()),
            "Notes" | "Tags" | "DefaultAutoTypeSequence" if part.text().is_empty() => {}
            "IconID"
            | "CustomIconUUID"
            | "Times"
            | "IsExpanded"
            | "EnableAutoType"
            | "EnableSearching"
            | "LastTopVisibleEntry"
            | "PreviousParentGroup" => {}
            "CustomData" if part.children.is_empty() => {}
            name => found.lose(Loss::named(Lost::UnknownPart, format!("Group/{name}"))),
        }
    }
}
