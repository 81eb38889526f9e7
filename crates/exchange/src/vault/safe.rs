//! What `safe export` writes: version 1 with the newest values, or version 2 with every version of each secret.

use super::secret::{Secret, fields, refuse, split};
use crate::{
    collect::Collector,
    format::Format,
    item::{Found, Past},
    limits::LimitMet,
    loss::{Loss, Lost},
    node::{Map, Node},
    options::Options,
    refused::FileError,
    text,
};

/// Reads an export of version 1 or 2.
///
/// # Errors
/// [`FileError::NotThisFormat`] when it is neither.
pub(crate) fn read(bytes: &[u8], _: &Options) -> Result<Found, FileError> {
    let document = Node::json(&text::decode(bytes)?)?;
    let mut found = Collector::new(Format::Safe);
    if fits_second(&document) {
        for (name, node) in document.map().unwrap_or_default() {
            match (name.as_str(), node) {
                ("data", Node::Map(secrets)) => second(secrets, &mut found)?,
                // The engine needs versions: VaultTerm keeps them anyway.
                ("export_version" | "requires_versioning", _) => {}
                (name, _) => found.lose(Loss::named(Lost::UnknownPart, name)),
            }
        }
        return Ok(found.finish());
    }
    if let Some(version) = document.at("export_version").and_then(Node::as_typed) {
        let detail = format!("its version is {version}, and VaultTerm knows 1 and 2");
        return Err(FileError::NotThisFormat { expected: Format::Safe, detail });
    }
    if !fits_first(&document) {
        let detail = "its members are paths, each with a map of texts".to_owned();
        return Err(FileError::NotThisFormat { expected: Format::Safe, detail });
    }
    for (path, node) in document.map().unwrap_or_default() {
        if let Node::Map(data) = node {
            Secret::of(split(&path), &data).collect(&mut found)?;
        }
    }
    Ok(found.finish())
}

/// Says whether a document is an export of version 2.
pub(crate) fn fits_second(document: &Node) -> bool {
    document.at("export_version").and_then(Node::whole) == Some(2) && document.at("data").is_some_and(Node::is_map)
}

/// Says whether a document may be an export of version 1: paths of more than one segment, each with a map of texts.
pub(crate) fn fits_first(document: &Node) -> bool {
    document.map_names().count() > 0
        && document.members().all(|(path, node)| {
            path.contains('/')
                && !path.ends_with('/')
                && node.is_map()
                && node.members().all(|(_, value)| value.text().is_some())
        })
}

fn second(secrets: Map, found: &mut Collector) -> Result<(), LimitMet> {
    for (path, node) in secrets {
        let path = split(&path);
        let (mut losses, mut versions, mut first) = (Vec::new(), None, 1);
        for (name, node) in node.map().unwrap_or_default() {
            match (name.as_str(), node) {
                ("versions", Node::List(list)) => versions = Some(list),
                // The number of the first version that is left: VaultTerm counts its own.
                ("first", node) => first = node.whole().unwrap_or(1).clamp(1, i64::from(u32::MAX)),
                (name, _) => losses.push(Loss::named(Lost::UnknownPart, name)),
            }
        }
        match secret(path.clone(), first, versions.unwrap_or_default(), losses) {
            Ok(secret) => secret.collect(found)?,
            Err(why) => refuse(found, &path, why)?,
        }
    }
    Ok(())
}

/// A version, the oldest first in the file.
struct Version {
    /// Its number in Vault.
    number: i64,
    deleted: bool,
    /// `None` when it was destroyed, or deleted without being exported.
    data: Option<Map>,
}

/// Makes a secret of its versions. The newest version that holds values gives the fields.
fn secret(path: Vec<String>, first: i64, nodes: Vec<Node>, mut losses: Vec<Loss>) -> Result<Secret, &'static str> {
    let numbered = (first..).zip(nodes);
    let mut versions: Vec<Version> = numbered.map(|(number, node)| version(number, node, &mut losses)).collect();
    let newest = versions.last().ok_or("it has no version")?;
    let is_trashed = newest.deleted || newest.data.is_none();
    let empty = versions.iter().filter(|version| version.data.is_none()).count();
    versions.retain(|version| version.data.is_some());
    let newest = versions.pop().ok_or("every version of it was deleted or destroyed, so it holds no data")?;
    if is_trashed {
        losses.push(Loss::new(Lost::Deleted));
    }
    if empty > 0 {
        losses.push(Loss::many(Lost::EmptyPast, empty as u64));
    }
    // The values come over as an earlier state; that the version was deleted does not.
    let deleted = versions.iter().filter(|version| version.deleted);
    losses.extend(deleted.map(|version| Loss::named(Lost::DeletedPast, version.number.to_string())));
    let (newest, changed) = fields(&newest.data.unwrap_or_default());
    losses.extend(changed);
    let history = versions.into_iter().map(|version| {
        let (fields, changed) = fields(&version.data.unwrap_or_default());
        losses.extend(changed);
        Past { at_us: None, fields }
    });
    let history = history.collect();
    Ok(Secret { path, fields: newest, losses, history, is_trashed })
}

fn version(number: i64, node: Node, losses: &mut Vec<Loss>) -> Version {
    let (mut deleted, mut destroyed, mut data) = (false, false, None);
    for (name, node) in node.map().unwrap_or_default() {
        match (name.as_str(), node) {
            ("deleted", node) => deleted = node == Node::Bool(true),
            ("destroyed", node) => destroyed = node == Node::Bool(true),
            ("value", Node::Map(map)) if !map.is_empty() => data = Some(map),
            ("value", Node::Null | Node::Map(_)) => {}
            (name, _) => losses.push(Loss::named(Lost::UnknownPart, name)),
        }
    }
    Version { number, deleted, data: data.filter(|_| !destroyed) }
}
