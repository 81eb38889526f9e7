//! YAML.

use std::collections::HashSet;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};
use zeroize::Zeroizing;

use super::value::{Map, Node, add, damaged, deeper};
use crate::refused::FileError;

/// A list or a map that is still open.
enum Open {
    List(Vec<Node>),
    /// With the name whose value comes next.
    Map(Map, HashSet<String>, Option<String>),
}

pub(super) fn read(text: &str) -> Result<Node, FileError> {
    let (mut open, mut done): (Vec<Open>, Option<Node>) = (Vec::new(), None);
    for event in Parser::new_from_str(text) {
        // The message of the library may quote the text.
        let (event, span) = event.map_err(|error| damaged(error.marker().line(), "this is not YAML"))?;
        let line = span.start.line();
        let node = match event {
            Event::DocumentStart(_) if done.is_some() => {
                return Err(damaged(line, "a second document begins: split the file"));
            }
            Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {
                continue;
            }
            Event::Alias(_) => return Err(anchor(line)),
            Event::SequenceStart(anchor, tag) => {
                plain(anchor, tag.as_deref(), "seq", &span)?;
                deeper(open.len() as u64)?;
                open.push(Open::List(Vec::new()));
                continue;
            }
            Event::MappingStart(anchor, tag) => {
                plain(anchor, tag.as_deref(), "map", &span)?;
                deeper(open.len() as u64)?;
                open.push(Open::Map(Vec::new(), HashSet::new(), None));
                continue;
            }
            Event::Scalar(text, style, anchor, tag) => {
                plain(anchor, tag.as_deref(), "str", &span)?;
                let is_name = matches!(open.last(), Some(Open::Map(_, _, None)));
                if style == ScalarStyle::Plain && tag.is_none() && !is_name {
                    scalar(&text)
                } else {
                    Node::Text(Zeroizing::new(text.into_owned()))
                }
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::List(nodes)) => Node::List(nodes),
                Some(Open::Map(map, ..)) => Node::Map(map),
                None => return Err(damaged(line, "this is not YAML")),
            },
        };
        match open.last_mut() {
            None => done = Some(node),
            Some(Open::List(nodes)) => nodes.push(node),
            Some(Open::Map(map, names, name)) => match name.take() {
                Some(name) => add(map, names, name, node)?,
                None => match node {
                    Node::Text(text) => *name = Some(text.as_str().to_owned()),
                    _ => return Err(damaged(line, "the name of a member is a list or a map")),
                },
            },
        }
    }
    done.ok_or_else(|| damaged(1, "the document is empty"))
}

/// Refuses anchors, and tags that say anything but what the value is without them.
fn plain(number: usize, tag: Option<&Tag>, kind: &str, span: &Span) -> Result<(), FileError> {
    let line = span.start.line();
    if number != 0 {
        return Err(anchor(line));
    }
    match tag {
        Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == kind) => {
            Err(damaged(line, "a tag stands here, and VaultTerm only knows `!!str`, `!!seq` and `!!map`"))
        }
        _ => Ok(()),
    }
}

fn anchor(line: usize) -> FileError {
    damaged(line, "an anchor or an alias stands here, and VaultTerm unfolds none: write the value out")
}

/// Reads a text without quotes.
fn scalar(text: &str) -> Node {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Node::Null,
        "true" | "True" | "TRUE" => Node::Bool(true),
        "false" | "False" | "FALSE" => Node::Bool(false),
        // Numbers that JSON does not know (0x1f, .5, +1) stay as they are written.
        _ if text.starts_with(|c: char| c.is_ascii_digit() || c == '-')
            && serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok() =>
        {
            Node::Number(text.to_owned())
        }
        _ => Node::Text(Zeroizing::new(text.to_owned())),
    }
}
