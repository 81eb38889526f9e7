//! What `medusa export` writes: nested maps. A map whose members are no maps is a secret, and a map of maps is a folder.
//!
//! A map that holds both can be meant in two ways: Vault may hold a secret and a folder of one name, and a value of a secret
//! may be a JSON object. The file is then read as a secret and a folder, with [`Question::KeepNested`]; after a yes the maps
//! within are values. A map of maps is a folder in either case, because nothing in it tells that it may be a secret.

use super::secret::{Secret, refuse};
use crate::{
    collect::Collector,
    format::Format,
    item::{Found, Question},
    limits::LimitMet,
    node::{Map, Node},
    options::Options,
    refused::FileError,
    text,
};

/// Reads an export in YAML or JSON.
///
/// # Errors
/// [`FileError::NotThisFormat`] when it is not a map of maps.
pub(crate) fn read(bytes: &[u8], options: &Options) -> Result<Found, FileError> {
    let document = Node::json_or_yaml(&text::decode(bytes)?)?;
    if !fits(&document) {
        let detail = "its outermost members are paths, each with a map".to_owned();
        return Err(FileError::NotThisFormat { expected: Format::Medusa, detail });
    }
    let mut found = Collector::new(Format::Medusa);
    for (name, node) in document.map().unwrap_or_default() {
        if let Node::Map(map) = node {
            folder(vec![name], map, options.keep_nested, &mut found)?;
        }
    }
    Ok(found.finish())
}

/// Says whether a document may be such an export. Other formats may look like one, so they are asked first.
pub(crate) fn fits(document: &Node) -> bool {
    document.map_names().count() > 0
        && document.map_names().all(|name| !name.is_empty() && !name.ends_with('/'))
        && document.members().all(|(_, node)| node.is_map())
}

fn folder(path: Vec<String>, map: Map, keep_nested: bool, found: &mut Collector) -> Result<(), LimitMet> {
    if map.is_empty() {
        return refuse(found, &path, "it holds no data");
    }
    let (maps, mut values): (Map, Map) = map.into_iter().partition(|(_, node)| node.is_map());
    let mut folders = maps;
    if !values.is_empty() && !folders.is_empty() {
        found.ask(Question::KeepNested);
        if keep_nested {
            values.append(&mut folders);
        }
    }
    if !values.is_empty() {
        Secret::of(path.clone(), &values).collect(found)?;
    }
    for (name, node) in folders {
        if let Node::Map(map) = node {
            let path = path.iter().cloned().chain([name]).collect();
            folder(path, map, keep_nested, found)?;
        }
    }
    Ok(())
}
