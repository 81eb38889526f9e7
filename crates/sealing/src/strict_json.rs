//! Finds parts of a JSON text that parsers silently accept, or refuse with another reason: a name that occurs
//! twice in one object (most parsers keep the last value, some the first), and deep nesting.

use std::{
    collections::{BTreeSet, HashSet},
    fmt,
};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// The maximum nesting of objects and arrays. Parsers stop at 127, and report broken JSON there.
pub const DEPTH_MAX: usize = 100;

/// The fault of a JSON text. It contains names and never values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// A name occurs twice in one object.
    #[error("a name stands twice in one JSON object, at `{}`", .path.join("."))]
    Twice {
        /// The names on the path from the outside. The last is the name that occurs twice.
        path: Vec<String>,
    },
    /// Objects and arrays are nested too deeply.
    #[error("objects and arrays are nested more than {DEPTH_MAX} deep")]
    TooDeep,
}

/// Parts of a JSON text that its reader may refuse.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JsonTexts {
    /// The names in the outermost object whose name or value contains a text with a NUL character.
    pub with_nul: BTreeSet<String>,
}

/// Examines a JSON text. Broken JSON passes, because the parser refuses it and says where it breaks.
///
/// # Errors
/// The first [`JsonFault`].
pub fn examine(json: &[u8]) -> Result<JsonTexts, JsonFault> {
    let mut state = State::default();
    let mut reader = serde_json::Deserializer::from_slice(json);
    // Any other error is left to the parser.
    let _ = Value { state: &mut state, depth: 0 }.deserialize(&mut reader);
    match state.fault {
        Some(fault) => Err(fault),
        None => Ok(state.texts),
    }
}

#[derive(Default)]
struct State {
    path: Vec<String>,
    texts: JsonTexts,
    fault: Option<JsonFault>,
}

impl State {
    fn look(&mut self, text: &str) {
        if text.contains('\0') {
            self.texts.with_nul.insert(self.path.first().cloned().unwrap_or_default());
        }
    }

    fn fail<E: serde::de::Error>(&mut self, fault: JsonFault) -> E {
        let error = E::custom(&fault);
        self.fault.get_or_insert(fault);
        error
    }
}

/// A value at a depth.
struct Value<'a> {
    state: &'a mut State,
    depth: usize,
}

impl Value<'_> {
    /// Goes one object or array deeper.
    fn deeper<E: serde::de::Error>(&mut self) -> Result<usize, E> {
        if self.depth >= DEPTH_MAX { Err(self.state.fail(JsonFault::TooDeep)) } else { Ok(self.depth + 1) }
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.state.look(text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        let depth = self.deeper()?;
        while items.next_element_seed(Value { state: self.state, depth })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let depth = self.deeper()?;
        let mut names = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            self.state.path.push(name.clone());
            self.state.look(&name);
            if !names.insert(name) {
                let path = self.state.path.clone();
                return Err(self.state.fail(JsonFault::Twice { path }));
            }
            map.next_value_seed(Value { state: self.state, depth })?;
            self.state.path.pop();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_stands_twice_is_found_at_every_depth() {
        for (json, path) in [
            (r#"{"a":1,"a":1}"#, "a"),
            (r#"{"fields":{"x":1,"\u0078":2}}"#, "fields.x"),
            (r#"{"a":[{"b":{}},{"b":{"c":1,"d":2,"c":3}}]}"#, "a.b.c"),
        ] {
            let Err(JsonFault::Twice { path: found }) = examine(json.as_bytes()) else { panic!("{json}") };
            assert_eq!(found.join("."), path, "{json}");
        }
        for json in [r#"{"a":{"b":1},"b":1}"#, r#"[{"a":1},{"a":1}]"#, r#""a""#, r#"{"a":"#, ""] {
            assert_eq!(examine(json.as_bytes()), Ok(JsonTexts::default()), "{json}");
        }
    }

    #[test]
    fn nesting_has_a_bound_and_is_told_by_its_name() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(examine(nested(DEPTH_MAX).as_bytes()), Ok(JsonTexts::default()));
        for depth in [DEPTH_MAX + 1, 200, 100_000] {
            assert_eq!(examine(nested(depth).as_bytes()), Err(JsonFault::TooDeep), "{depth}");
        }
    }

    #[test]
    fn a_nul_is_found_by_the_outermost_name() {
        let found = examine(br#"{"q":"a\u0000b","fields":{"x":["\u0000"]},"tags":["a"]}"#).expect("it is sound");
        assert_eq!(found.with_nul.into_iter().collect::<Vec<_>>(), ["fields", "q"]);
    }
}
