//! A value of a document.

use serde_json::Value;
use vaultterm_sealing::{FieldsError, SecretFields};
use zeroize::Zeroizing;

use crate::{
    limits::{DEPTH_MAX, Limit, LimitMet},
    loss::shown,
    place::Place,
    refused::FileError,
};

/// A value of a document.
#[derive(PartialEq)]
pub(crate) enum Node {
    Null,
    Bool(bool),
    /// As it is written.
    Number(String),
    Text(Zeroizing<String>),
    List(Vec<Node>),
    Map(Map),
}

/// Names and values in the order of the file. No name stands twice.
pub(crate) type Map = Vec<(String, Node)>;

impl Node {
    /// Returns a map.
    pub(crate) fn map(self) -> Option<Map> {
        if let Self::Map(map) = self { Some(map) } else { None }
    }

    /// Returns the members of a map, and none of any other value.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, &Self)> {
        let members = if let Self::Map(map) = self { map.as_slice() } else { &[] };
        members.iter().map(|(name, node)| (name.as_str(), node))
    }

    /// Returns the names of the members of a map, and none of any other value.
    pub(crate) fn map_names(&self) -> impl Iterator<Item = &str> {
        self.members().map(|(name, _)| name)
    }

    /// Returns the member of a map.
    pub(crate) fn at(&self, name: &str) -> Option<&Self> {
        let Self::Map(map) = self else { return None };
        map.iter().find(|(other, _)| other == name).map(|(_, node)| node)
    }

    /// Returns a text.
    pub(crate) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// Returns a whole number.
    pub(crate) fn whole(&self) -> Option<i64> {
        if let Self::Number(number) = self { number.parse().ok() } else { None }
    }

    /// Returns a text, or the text of a number or truth value. Nothing, lists and maps have none.
    pub(crate) fn as_typed(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(number) => Some(number),
            Self::Bool(true) => Some("true"),
            Self::Bool(false) => Some("false"),
            Self::Null | Self::List(_) | Self::Map(_) => None,
        }
    }

    /// Says whether it is a map.
    pub(crate) const fn is_map(&self) -> bool {
        matches!(self, Self::Map(_))
    }

    /// Returns the value as JSON, for a record. Vault decodes numbers as 64-bit floats: a number that would change becomes a
    /// text, and the second result is true.
    pub(crate) fn value(&self) -> (Value, bool) {
        let mut json = Zeroizing::new(Vec::from(br#"{"v":"#));
        self.write(&mut json);
        json.push(b'}');
        match SecretFields::parse_patch(&json) {
            Ok(fields) => (fields.expose()["v"].clone(), false),
            Err(FieldsError::NumberWouldChange { .. }) => {
                let text = String::from_utf8_lossy(&json[5..json.len() - 1]).into_owned();
                (Value::String(text), true)
            }
            // Neither broken JSON nor a name that stands twice can come out of a document that was read.
            Err(_) => (Value::Null, true),
        }
    }

    /// Writes it as JSON.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let quoted = |text: &str, out: &mut Vec<u8>| {
            out.extend_from_slice(&Zeroizing::new(serde_json::to_vec(text).expect("a text always encodes")));
        };
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(flag) => out.extend_from_slice(if *flag { b"true" } else { b"false" }),
            Self::Number(number) => out.extend_from_slice(number.as_bytes()),
            Self::Text(text) => quoted(text, out),
            Self::List(nodes) => {
                out.push(b'[');
                for (at, node) in nodes.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    node.write(out);
                }
                out.push(b']');
            }
            Self::Map(map) => {
                out.push(b'{');
                for (at, (name, node)) in map.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    quoted(name, out);
                    out.push(b':');
                    node.write(out);
                }
                out.push(b'}');
            }
        }
    }
}

/// Adds a member to a map, unless its name stands there.
pub(super) fn add(
    map: &mut Map,
    names: &mut std::collections::HashSet<String>,
    name: String,
    node: Node,
) -> Result<(), FileError> {
    if !names.insert(name.clone()) {
        return Err(FileError::damaged(None, format!("the name `{}` stands twice in one object", shown(&name))));
    }
    map.push((name, node));
    Ok(())
}

pub(super) fn deeper(depth: u64) -> Result<u64, LimitMet> {
    if depth >= DEPTH_MAX { Err(LimitMet { limit: Limit::Depth, found: None, max: DEPTH_MAX }) } else { Ok(depth + 1) }
}

pub(super) fn damaged(line: usize, detail: &str) -> FileError {
    FileError::damaged(Place::line(line as u64), detail)
}
