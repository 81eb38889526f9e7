//! The answer of `vault kv get -format=json` or `bao kv get -format=json`: one secret.
//!
//! Such an answer does not hold the path of the secret. If a `path` stands in it (scripts that collect answers add it), it
//! gives the folders and the name. Otherwise the record is called like the file: `db` for `db.json`.

use super::secret::{Secret, next, split};
use crate::{
    collect::Collector,
    format::Format,
    item::Found,
    loss::{Loss, Lost},
    node::{Map, Node},
    options::Options,
    refused::{FileError, Refused},
    text,
};

/// The endings of files that are no part of the name of a secret.
const ENDINGS: [&str; 3] = [".age", ".json", ".txt"];

/// What stands around the data of every answer, and says nothing about the secret.
const ENVELOPE: [&str; 8] =
    ["request_id", "lease_id", "lease_duration", "renewable", "warnings", "mount_type", "wrap_info", "auth"];

/// What Vault notes about a version, and VaultTerm makes anew.
const OF_VERSION: [&str; 4] = ["version", "deletion_time", "destroyed", "created_time"];

/// Reads an answer: `.data.data` of version 2 of the engine, `.data` of version 1.
///
/// # Errors
/// [`FileError::NotThisFormat`] when there is no `data`; [`FileError::Nameless`] when nothing tells the name of the secret.
pub(crate) fn read(bytes: &[u8], options: &Options) -> Result<Found, FileError> {
    let answer = Node::json(&text::decode(bytes)?)?;
    if !fits(&answer) {
        let detail = "it has no `data`: write it with `bao kv get -format=json`".to_owned();
        return Err(FileError::NotThisFormat { expected: Format::VaultKv, detail });
    }
    let mut found = Collector::new(Format::VaultKv);
    let path = match answer.at("path").and_then(Node::text).map(split) {
        Some(path) if !path.is_empty() => path,
        _ => vec![options.file_name.as_deref().and_then(named_by).ok_or(FileError::Nameless)?],
    };
    let (mut losses, mut data) = (Vec::new(), None);
    for (name, node) in answer.map().unwrap_or_default() {
        match (name.as_str(), node) {
            ("data", node) => data = Some(node),
            ("path", Node::Text(_)) => {}
            (name, _) if ENVELOPE.contains(&name) => {}
            (name, _) => losses.push(Loss::named(Lost::UnknownPart, name)),
        }
    }
    let data = match data {
        Some(data) if is_second_version(&data) => versioned(data, &mut losses),
        Some(Node::Map(data)) => Ok(data),
        _ => Err("it holds no data"),
    };
    match data {
        Ok(data) => {
            let mut secret = Secret::of(path, &data);
            secret.losses.extend(losses);
            secret.collect(&mut found)?;
        }
        Err(why) => {
            let place = next(&found);
            found.refuse(Refused::new(place, Some(&path.join("/")), why))?;
        }
    }
    Ok(found.finish())
}

/// Returns the name of a secret whose answer was saved as a file of this name. `None` if nothing is left of it.
fn named_by(file_name: &str) -> Option<String> {
    let mut name = file_name.rsplit(['/', '\\']).next().unwrap_or(file_name).trim();
    for ending in ENDINGS {
        let start = name.len().checked_sub(ending.len()).filter(|at| name.is_char_boundary(*at));
        if let Some((rest, end)) = start.map(|at| name.split_at(at))
            && end.eq_ignore_ascii_case(ending)
        {
            name = rest;
        }
    }
    Some(name.to_owned()).filter(|name| !name.is_empty())
}

/// Says whether a document is such an answer.
pub(crate) fn fits(answer: &Node) -> bool {
    answer.at("data").is_some_and(|data| data.is_map() || *data == Node::Null)
        && answer.map_names().all(|name| matches!(name, "data" | "path") || ENVELOPE.contains(&name))
        && (answer.at("request_id").is_some() || answer.at("data").is_some_and(is_second_version))
}

fn is_second_version(data: &Node) -> bool {
    data.at("metadata").is_some_and(|metadata| metadata.at("version").is_some())
        && data.at("data").is_some()
        && data.map_names().count() == 2
}

/// Returns the data of a version.
fn versioned(version: Node, losses: &mut Vec<Loss>) -> Result<Map, &'static str> {
    let (mut data, mut destroyed) = (Node::Null, false);
    for (name, node) in version.map().unwrap_or_default() {
        if name == "data" {
            data = node;
            continue;
        }
        destroyed = node.at("destroyed") == Some(&Node::Bool(true));
        for (name, node) in node.map().unwrap_or_default() {
            match (name.as_str(), node) {
                ("custom_metadata", Node::Map(custom)) => {
                    losses.extend(
                        custom
                            .iter()
                            .map(|(name, _)| Loss::named(Lost::UnknownPart, format!("custom_metadata.{name}"))),
                    );
                }
                ("custom_metadata", Node::Null) => {}
                (name, _) if OF_VERSION.contains(&name) => {}
                (name, _) => losses.push(Loss::named(Lost::UnknownPart, format!("metadata.{name}"))),
            }
        }
    }
    match data {
        Node::Map(data) => Ok(data),
        _ if destroyed => Err("this version was destroyed, so it holds no data"),
        _ => Err("this version was deleted, so it holds no data: undelete it, or read an older one with -version"),
    }
}
