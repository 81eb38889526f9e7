//! JSON documents of other programs. What a reader does not ask for stays behind, and is counted as lost.

use serde_json::{Map, Value};
use vaultterm_sealing::{JsonFault, examine};
use zeroize::Zeroize as _;

use crate::{
    item::Item,
    limits::{Limit, LimitMet},
    loss::{Loss, Lost},
    place::Place,
    refused::FileError,
};

/// An object of a document. What is left in it is wiped when it is dropped.
#[derive(Default)]
pub(crate) struct Part(Map<String, Value>);

impl Part {
    /// Parses a document whose outermost value is an object.
    ///
    /// # Errors
    /// [`FileError::Damaged`] with the line, or [`FileError::Limit`].
    pub(crate) fn parse(json: &[u8]) -> Result<Self, FileError> {
        match examine(json) {
            Ok(_) => {}
            Err(JsonFault::TooDeep) => {
                return Err(
                    LimitMet { limit: Limit::Depth, found: None, max: vaultterm_sealing::DEPTH_MAX as u64 }.into()
                );
            }
            Err(fault @ JsonFault::Twice { .. }) => return Err(FileError::damaged(None, fault.to_string())),
        }
        match serde_json::from_slice(json) {
            Ok(Value::Object(map)) => Ok(Self(map)),
            Ok(mut other) => {
                wipe(&mut other);
                Err(FileError::damaged(None, "its JSON is no object"))
            }
            Err(error) => {
                Err(FileError::damaged(Place::line(error.line() as u64), "its JSON breaks off or is not well formed"))
            }
        }
    }

    /// Takes an object out of a value, or gives the value back.
    pub(crate) fn of(value: Value) -> Result<Self, Value> {
        match value {
            Value::Object(map) => Ok(Self(map)),
            other => Err(other),
        }
    }

    /// Says whether the document has a part of this name that is not `null`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| !value.is_null())
    }

    /// Takes a value, of whatever kind.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }

    /// Takes a text. A number that is whole and a yes or no become texts as they stand in the file. Anything else stays.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        match self.0.remove(name)? {
            Value::String(text) => Some(text),
            Value::Bool(flag) => Some(flag.to_string()),
            Value::Number(number) if !number.is_f64() => Some(number.to_string()),
            Value::Null => None,
            other => {
                self.0.insert(name.to_owned(), other);
                None
            }
        }
    }

    /// Takes a whole number. Anything else stays.
    pub(crate) fn number(&mut self, name: &str) -> Option<i64> {
        let number = self.0.get(name)?.as_i64()?;
        self.0.remove(name);
        Some(number)
    }

    /// Takes a yes or no. Nothing is no, and anything else stays.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let flag = self.0.get(name).and_then(Value::as_bool);
        if flag.is_some() {
            self.0.remove(name);
        }
        flag.unwrap_or_default()
    }

    /// Takes an object. Anything else stays.
    pub(crate) fn part(&mut self, name: &str) -> Option<Self> {
        match Self::of(self.0.remove(name)?) {
            Ok(part) => Some(part),
            Err(other) => {
                self.0.insert(name.to_owned(), other);
                None
            }
        }
    }

    /// Takes a list. Anything else stays.
    pub(crate) fn list(&mut self, name: &str) -> Vec<Value> {
        match self.0.remove(name) {
            Some(Value::Array(list)) => list,
            Some(other) => {
                self.0.insert(name.to_owned(), other);
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// Takes the objects of a list. What is no object is counted.
    pub(crate) fn parts(&mut self, name: &str, item: &mut Item) -> Vec<Self> {
        let mut parts = Vec::new();
        for value in self.list(name) {
            match Self::of(value) {
                Ok(part) => parts.push(part),
                Err(mut other) => {
                    count(name, &other, item);
                    wipe(&mut other);
                }
            }
        }
        parts
    }

    /// Drops parts that say nothing to VaultTerm: ids of the other program, checksums, defaults.
    pub(crate) fn ignore(&mut self, names: &[&str]) {
        for name in names {
            if let Some(mut value) = self.0.remove(*name) {
                wipe(&mut value);
            }
        }
    }

    /// Returns the names of what is left.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// Takes the objects that are left, with their names.
    pub(crate) fn objects(&mut self) -> Vec<(String, Self)> {
        self.names().into_iter().filter_map(|name| self.part(&name).map(|part| (name, part))).collect()
    }

    /// Makes a field of each text, number and yes or no that is left, with its name in the file. What lies deeper has the names
    /// around it before its own, as in `address.city`, and what lies in a list its number, as in `phones.2`.
    pub(crate) fn fields(mut self, item: &mut Item) {
        for (name, value) in std::mem::take(&mut self.0) {
            field(&name, value, item);
        }
    }

    /// Counts what is left as lost, unless it is empty.
    pub(crate) fn rest(self, item: &mut Item) {
        for (name, value) in &self.0 {
            count(name, value, item);
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.0.values_mut().for_each(wipe);
    }
}

/// Makes fields of a value.
fn field(name: &str, value: Value, item: &mut Item) {
    let own = |text: String, item: &mut Item| item.own(Some(name.to_owned()), text);
    match value {
        Value::Null => {}
        Value::String(text) if text.is_empty() => {}
        Value::String(text) => own(text, item),
        Value::Bool(flag) => own(flag.to_string(), item),
        // A fraction as text might not read as it stands in the file.
        Value::Number(number) if number.is_f64() && !name.is_empty() => item.value(name, Value::Number(number)),
        Value::Number(number) => own(number.to_string(), item),
        Value::Object(map) => map.into_iter().for_each(|(inner, value)| field(&format!("{name}.{inner}"), value, item)),
        Value::Array(list) => {
            (1..).zip(list).for_each(|(number, value): (u32, _)| field(&format!("{name}.{number}"), value, item));
        }
    }
}

/// Counts a part that nobody asked for.
fn count(name: &str, value: &Value, item: &mut Item) {
    if !is_empty(value) {
        item.lose(Loss::named(Lost::UnknownPart, name));
    }
}

/// Says whether a value holds nothing.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Wipes the texts of a value.
pub(crate) fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(list) => list.iter_mut().for_each(wipe),
        Value::Object(map) => map.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use vaultterm_reconcile::RecordType;

    use super::*;

    #[test]
    fn what_nobody_asked_for_is_counted_and_what_has_another_kind_stays() {
        let json = br#"{"a":"x","b":{"c":1},"d":["x",{}],"e":null,"f":"","g":[],"h":7,"i":1.5,"j":true}"#;
        let mut part = Part::parse(json).unwrap();
        let mut item = Item::new(Place::entry(1), "x", RecordType::KeyValue);
        assert_eq!(part.text("a").as_deref(), Some("x"));
        assert!(part.text("b").is_none() && part.part("h").is_none() && part.list("b").is_empty());
        assert_eq!((part.text("h").as_deref(), part.text("i"), part.number("j")), (Some("7"), None, None));
        assert!(part.flag("j") && !part.flag("nothing"));
        assert_eq!(part.parts("d", &mut item).len(), 1);
        part.rest(&mut item);
        let lost: Vec<_> = item.losses.iter().filter_map(|loss| loss.name.as_deref()).collect();
        assert_eq!(lost, ["d", "b", "i"]);
    }

    #[test]
    fn everything_below_an_object_becomes_a_field() {
        let json =
            br#"{"a":{"x":"1","b":{"y":2,"z":1.5,"e":"","n":null},"l":["p",{"q":true},[]],"b.y":"3"},"s":"stays"}"#;
        let mut part = Part::parse(json).unwrap();
        let mut item = Item::new(Place::entry(1), "x", RecordType::KeyValue);
        for (name, object) in part.objects() {
            assert_eq!(name, "a");
            object.fields(&mut item);
        }
        let fields: Vec<_> = item.fields.expose().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let expected = ["b.y=\"2\"", "b.y 2=\"3\"", "b.z=1.5", "l.1=\"p\"", "l.2.q=\"true\"", "x=\"1\""];
        assert_eq!(fields, expected);
        assert_eq!(item.losses, [Loss::named(Lost::SameName, "b.y 2")]);
        assert_eq!(part.text("s").as_deref(), Some("stays"));
    }

    #[test]
    fn broken_documents_are_refused_with_their_place_and_without_their_values() {
        let deep = format!(r#"{{"a":{}1{}}}"#, "[".repeat(120), "]".repeat(120));
        for (json, words) in [
            ("{\n\"a\": \"geheim", "at line 2"),
            ("[]", "no object"),
            (r#"{"a":"geheim","a":1}"#, "a name stands twice in one JSON object, at `a`"),
            (&deep, "levels of nesting"),
            ("", "line 1"),
        ] {
            let Err(error) = Part::parse(json.as_bytes()) else { panic!("{json}") };
            let error = error.to_string();
            assert!(error.contains(words) && !error.contains("geheim"), "{error}");
        }
    }
}
