//! What `vkv export` writes as JSON or YAML: nested maps. A name that ends in `/` is a folder, and any other a secret, so that
//! an object within a secret is a value.

use super::secret::{Secret, refuse, split};
use crate::{
    collect::Collector,
    format::Format,
    item::Found,
    node::{Map, Node},
    options::Options,
    refused::FileError,
    text,
};

/// Reads an export in YAML or JSON.
///
/// # Errors
/// [`FileError::NotThisFormat`] when its outermost members are no folders, or when its values are masked.
pub(crate) fn read(bytes: &[u8], _: &Options) -> Result<Found, FileError> {
    let document = Node::json_or_yaml(&text::decode(bytes)?)?;
    let other = |detail: &str| FileError::NotThisFormat { expected: Format::Vkv, detail: detail.to_owned() };
    if !fits(&document) {
        return Err(other("its outermost members are folders, whose names end in `/`"));
    }
    let mut found = Collector::new(Format::Vkv);
    let mut values = Values::default();
    folder(&[], document.map().unwrap_or_default(), &mut found, &mut values)?;
    if values.masked > 0 && values.masked == values.all {
        return Err(other("all of its values are masked with `*`: export with --show-values"));
    }
    Ok(found.finish())
}

/// Says whether a document is such an export.
pub(crate) fn fits(document: &Node) -> bool {
    document.map_names().count() > 0
        && document.members().all(|(name, node)| name.len() > 1 && name.ends_with('/') && node.is_map())
}

/// Counts values.
#[derive(Default)]
struct Values {
    all: usize,
    masked: usize,
}

fn folder(path: &[String], map: Map, found: &mut Collector, values: &mut Values) -> Result<(), FileError> {
    for (name, node) in map {
        let path: Vec<String> = path.iter().cloned().chain(split(&name)).collect();
        match node {
            Node::Map(map) if name.ends_with('/') => folder(&path, map, found, values)?,
            Node::Map(data) => {
                values.all += data.len();
                values.masked += data.iter().filter(|(_, node)| node.text().is_some_and(is_masked)).count();
                Secret::of(path, &data).collect(found)?;
            }
            _ => refuse(found, &path, "it is neither a folder nor a secret")?,
        }
    }
    Ok(())
}

fn is_masked(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte == b'*')
}
