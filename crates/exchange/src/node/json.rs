//! JSON.

use std::{collections::HashSet, fmt};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::value::{Node, add, damaged, deeper};
use crate::refused::FileError;

pub(super) fn read(text: &str) -> Result<Node, FileError> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| wrong(&error))?;
    node(raw, 0)
}

/// The message of the library may quote the text, so it is left out.
fn wrong(error: &serde_json::Error) -> FileError {
    let detail = if error.is_eof() { "the JSON ends too early" } else { "this is not JSON" };
    damaged(error.line(), detail)
}

/// Reads a value, of which only the first byte is looked at before: the text around it was read as JSON already.
fn node(raw: &RawValue, depth: u64) -> Result<Node, FileError> {
    let text = raw.get();
    let of = |error: serde_json::Error| wrong(&error);
    Ok(match text.as_bytes().first() {
        Some(b'{') => {
            let depth = deeper(depth)?;
            let members: Members<'_> = serde_json::from_str(text).map_err(of)?;
            let (mut map, mut names) = (Vec::with_capacity(members.0.len()), HashSet::new());
            for (name, value) in members.0 {
                add(&mut map, &mut names, name, node(value, depth)?)?;
            }
            Node::Map(map)
        }
        Some(b'[') => {
            let depth = deeper(depth)?;
            let values: Vec<&RawValue> = serde_json::from_str(text).map_err(of)?;
            Node::List(values.into_iter().map(|value| node(value, depth)).collect::<Result<_, _>>()?)
        }
        Some(b'"') => Node::Text(Zeroizing::new(serde_json::from_str(text).map_err(of)?)),
        Some(b't') => Node::Bool(true),
        Some(b'f') => Node::Bool(false),
        Some(b'n') => Node::Null,
        _ => Node::Number(text.to_owned()),
    })
}

/// The members of an object in their order, with those whose name stands twice.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        from.deserialize_map(Reader)
    }
}
