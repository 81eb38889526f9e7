//! A document of JSON or YAML as it stands in the file: names in their order, numbers as they are written.
//!
//! `serde_json` alone would keep the last of two equal names, and round long numbers. YAML is read event by event: anchors
//! and aliases are refused, so that nothing unfolds, and a plain text is only a number, a truth value or nothing where JSON
//! writes it in the same way.

mod json;
mod value;
mod yaml;

use crate::refused::FileError;

pub(crate) use value::{Map, Node};

impl Node {
    /// Reads a document of JSON.
    ///
    /// # Errors
    /// [`FileError`] when it is none, when a name stands twice in an object, or when it is nested too deep.
    pub(crate) fn json(text: &str) -> Result<Self, FileError> {
        json::read(text)
    }

    /// Reads a document of JSON when it begins as an object of JSON does, and of YAML otherwise.
    ///
    /// # Errors
    /// [`FileError`].
    pub(crate) fn json_or_yaml(text: &str) -> Result<Self, FileError> {
        if text.trim_start().starts_with('{') { json::read(text) } else { yaml::read(text) }
    }
}

#[cfg(test)]
mod tests;
