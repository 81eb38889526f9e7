//! The fields of a record: a map from names to JSON values. They are the data of the secret in Vault.

mod limits;

use std::{collections::BTreeMap, fmt};

use serde_json::{Number, Value, value::RawValue};
use vaultterm_reconcile::{Content, FieldDigest};
use zeroize::{Zeroize as _, Zeroizing};

use crate::{
    DigestKey, SecretBytes,
    strict_json::{DEPTH_MAX, JsonFault, examine},
};

/// A map from field names to JSON values. Wiped on drop. `Debug` prints only the type name.
pub struct SecretFields(BTreeMap<String, Value>);

/// Why VaultTerm refuses fields. The error never holds a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldsError {
    /// The text is not a JSON object.
    #[error("fields must be a JSON object of names and values")]
    NotAnObject,
    /// A name occurs twice, in the fields or in an object within a value.
    #[error("a name stands twice in one JSON object, in field `{field}`: leave one of the two")]
    Twice {
        /// The field.
        field: String,
    },
    /// Objects and arrays are nested too deep.
    #[error("the objects and arrays of a value are nested at most {max} deep")]
    TooDeep {
        /// The maximum number of levels.
        max: usize,
    },
    /// Vault decodes numbers as 64-bit floats, and this number would come back changed.
    #[error(
        "the number in field `{field}` would change on its way through Vault (64-bit float): quote it to keep it exactly"
    )]
    NumberWouldChange {
        /// The name of the field.
        field: String,
    },
    /// The name of a new field is empty, too long or not printable.
    #[error("the name of a new field has 1 to {max} printable characters, but `{field}` does not")]
    FieldName {
        /// The name, cut to the allowed length, with invisible characters as escapes.
        field: String,
        /// The maximum number of characters.
        max: usize,
    },
    /// The record has too many fields.
    #[error("a record has at most {max} fields, but this record has {found}")]
    TooManyFields {
        /// The number of fields.
        found: usize,
        /// The maximum number of fields.
        max: usize,
    },
    /// The record has more JSON strings (names and texts together) than Vault accepts in a request.
    #[error("a record has at most {max} JSON strings (names and texts, also nested), but this record has {found}")]
    TooManyStrings {
        /// The number of JSON strings.
        found: usize,
        /// The maximum number of JSON strings.
        max: usize,
    },
    /// The JSON of the fields is too large.
    #[error("the fields of a record have at most {max} bytes of JSON, but these fields have {found}")]
    TooLarge {
        /// The number of bytes.
        found: usize,
        /// The maximum number of bytes.
        max: usize,
    },
}

impl SecretFields {
    /// Makes an empty set of fields.
    #[must_use]
    pub fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Parses the fields of a new record, and checks its limits.
    ///
    /// # Errors
    /// [`FieldsError`] names the field and the rule that it breaks.
    pub fn parse(json: &[u8]) -> Result<Self, FieldsError> {
        let fields = Self::parse_patch(json)?;
        fields.check_limits()?;
        Ok(fields)
    }

    /// Parses fields that a person or program wants to save into an existing record. It checks the text
    /// of each number, before a parser can round it, and keeps the number in the form in which Vault
    /// returns it (`1.0` as 1). [`Self::check_change`] checks names and sizes, once all fields are known.
    ///
    /// # Errors
    /// [`FieldsError`] names the field and the rule that it breaks.
    pub fn parse_patch(json: &[u8]) -> Result<Self, FieldsError> {
        examine(json).map_err(|fault| match fault {
            JsonFault::Twice { path } => FieldsError::Twice { field: path.into_iter().next().unwrap_or_default() },
            JsonFault::TooDeep => FieldsError::TooDeep { max: DEPTH_MAX },
        })?;
        let raw: BTreeMap<String, Box<RawValue>> =
            serde_json::from_slice(json).map_err(|_| FieldsError::NotAnObject)?;
        let mut fields = Self::new();
        for (name, text) in raw {
            if !survives(text.get()) {
                return Err(FieldsError::NumberWouldChange { field: name });
            }
            let mut value: Value = serde_json::from_str(text.get()).map_err(|_| FieldsError::NotAnObject)?;
            normalize(&mut value);
            fields.insert(name, value);
        }
        Ok(fields)
    }

    /// Wraps fields that Vault returned or that VaultTerm sealed before. They have passed all checks, so
    /// this function checks nothing.
    #[must_use]
    pub fn from_trusted(fields: BTreeMap<String, Value>) -> Self {
        Self(fields)
    }

    /// Returns the fields.
    #[must_use]
    pub fn expose(&self) -> &BTreeMap<String, Value> {
        &self.0
    }

    /// Iterates over the field names in sorted order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Sets a field and wipes the value that it replaces. The value must come from [`Self::parse`] or from Vault.
    pub fn insert(&mut self, name: String, value: Value) {
        if let Some(mut before) = self.0.insert(name, value) {
            wipe(&mut before);
        }
    }

    /// Removes a field, wipes its value, and returns whether the field existed.
    pub fn remove(&mut self, name: &str) -> bool {
        let removed = self.0.remove(name);
        let was_there = removed.is_some();
        removed.into_iter().for_each(|mut value| wipe(&mut value));
        was_there
    }

    /// Copies the fields. The name makes copies visible in code, since there is no `Clone`.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }

    /// Encodes the fields as a JSON object.
    #[must_use]
    pub fn to_json(&self) -> SecretBytes {
        SecretBytes::new(serde_json::to_vec(&self.0).expect("a map of JSON values always encodes"))
    }

    /// Returns the digest of each field. Equal values have equal digests, independent of the field name
    /// and of the spelling of their JSON (`1.0` or `1`, the order of keys in objects).
    #[must_use]
    pub fn content(&self, key: &DigestKey) -> Content {
        self.0
            .iter()
            .map(|(name, value)| {
                let mut canonical = Zeroizing::new(Vec::new());
                canonicalize(value, &mut canonical);
                let length = match value {
                    Value::String(text) => text.chars().count() as u64,
                    other => serde_json::to_vec(other).map_or(0, |json| Zeroizing::new(json).len() as u64),
                };
                (name.clone(), FieldDigest { digest: key.digest(&canonical), length })
            })
            .collect()
    }
}

impl Default for SecretFields {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SecretFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretFields")
    }
}

impl Drop for SecretFields {
    fn drop(&mut self) {
        self.0.values_mut().for_each(wipe);
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(map) => map.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Brings numbers into the form in which Vault returns them: whole numbers have no fraction.
fn normalize(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(whole) = whole(number) {
                *number = whole.into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(normalize),
        Value::Object(map) => map.values_mut().for_each(normalize),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// Returns the number as an integer when it is whole and a 64-bit float holds it exactly.
fn whole(number: &Number) -> Option<i64> {
    const EXACT_MAX: i64 = 1 << 53;
    let whole = number.as_i64().or_else(|| {
        let float = number.as_f64()?;
        #[allow(clippy::cast_possible_truncation, reason = "checked to be whole and small before it is used")]
        let whole = float as i64;
        #[allow(clippy::cast_precision_loss, reason = "exact below 2^53, and larger numbers are refused next")]
        (whole as f64).eq(&float).then_some(whole)
    })?;
    (-EXACT_MAX..=EXACT_MAX).contains(&whole).then_some(whole)
}

/// Encodes a value as a tag and its content with the length. Values have equal bytes exactly when they
/// are equal.
fn canonicalize(value: &Value, out: &mut Vec<u8>) {
    let text = |tag: u8, bytes: &[u8], out: &mut Vec<u8>| {
        out.push(tag);
        out.extend((bytes.len() as u64).to_be_bytes());
        out.extend(bytes);
    };
    match value {
        Value::Null => out.push(b'n'),
        Value::Bool(flag) => out.extend([b'b', u8::from(*flag)]),
        Value::Number(number) => match whole(number) {
            Some(whole) => text(b'i', &whole.to_be_bytes(), out),
            None => text(b'f', &number.as_f64().unwrap_or(f64::NAN).to_be_bytes(), out),
        },
        Value::String(string) => text(b's', string.as_bytes(), out),
        Value::Array(items) => {
            text(b'a', &(items.len() as u64).to_be_bytes(), out);
            items.iter().for_each(|item| canonicalize(item, out));
        }
        Value::Object(map) => {
            text(b'o', &(map.len() as u64).to_be_bytes(), out);
            let sorted: BTreeMap<&String, &Value> = map.iter().collect();
            for (name, item) in sorted {
                text(b'k', name.as_bytes(), out);
                canonicalize(item, out);
            }
        }
    }
}

/// Returns whether all numbers in a JSON text keep their value when decoded as 64-bit floats.
fn survives(json: &str) -> bool {
    let mut rest = json;
    while let Some(at) = rest.find(['"', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']) {
        rest = &rest[at..];
        if let Some(string) = rest.strip_prefix('"') {
            rest = after_string(string);
            continue;
        }
        let end = rest.find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E')).unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        let float: f64 = number.parse().unwrap_or(f64::NAN);
        if !float.is_finite() || decimal(number) != decimal(&format!("{float:e}")) {
            return false;
        }
        rest = after;
    }
    true
}

fn after_string(text: &str) -> &str {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return &text[at + 1..],
            _ => {}
        }
    }
    ""
}

/// Splits the text of a number into sign, significant digits and exponent. The results are equal
/// exactly when the numbers are equal.
fn decimal(text: &str) -> (bool, String, i64) {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i64 = exponent.parse().unwrap_or(i64::MAX / 2);
    let negative = mantissa.starts_with('-');
    let (integer, fraction) =
        mantissa.trim_start_matches('-').split_once('.').unwrap_or((mantissa.trim_start_matches('-'), ""));
    let digits = format!("{integer}{fraction}");
    let trimmed = digits.trim_end_matches('0');
    let significant = trimmed.trim_start_matches('0');
    if significant.is_empty() {
        return (false, String::new(), 0);
    }
    let dropped = (digits.len() - trimmed.len()) as i64;
    (negative, significant.to_owned(), exponent - fraction.len() as i64 + dropped)
}

#[cfg(test)]
mod tests {
    use super::{DEPTH_MAX, FieldsError, SecretFields};

    #[test]
    fn a_name_that_stands_twice_is_refused_at_every_depth() {
        for json in [r#"{"a":1,"a":2}"#, r#"{"a":{"b":1,"b":1}}"#, r#"{"a":[{"b":{"c":1,"c":2}}]}"#] {
            let refused = SecretFields::parse(json.as_bytes()).unwrap_err();
            assert_eq!(refused, FieldsError::Twice { field: "a".to_owned() }, "{json}");
        }
    }

    #[test]
    fn a_value_that_is_nested_too_deep_is_refused_for_that_reason() {
        let json = format!(r#"{{"a":{}1{}}}"#, "[".repeat(200), "]".repeat(200));
        assert_eq!(SecretFields::parse(json.as_bytes()).unwrap_err(), FieldsError::TooDeep { max: DEPTH_MAX });
    }
    use crate::DigestKey;

    fn parse(json: &str) -> Result<SecretFields, FieldsError> {
        SecretFields::parse(json.as_bytes())
    }

    #[test]
    fn a_number_that_would_change_on_its_way_is_refused() {
        for number in [
            "9007199254740993",
            "18446744073709551617",
            "0.12345678901234567890123",
            "[{\"x\": 9007199254740993}]",
            "1e400",
        ] {
            let error = parse(&format!(r#"{{"ok": "1", "pin": {number}}}"#)).unwrap_err();
            assert_eq!(error, FieldsError::NumberWouldChange { field: "pin".to_owned() }, "{number}");
        }
    }

    #[test]
    fn a_number_that_stays_the_same_is_kept_in_the_form_that_vault_returns() {
        for (text, kept) in [
            ("9007199254740992", "9007199254740992"),
            ("1.10", "1.1"),
            ("1e2", "100"),
            ("1.0", "1"),
            ("-0.5", "-0.5"),
            ("0", "0"),
            ("-0", "0"),
            ("\"9007199254740993\"", "\"9007199254740993\""),
            ("\"a \\\" 9007199254740993\"", "\"a \\\" 9007199254740993\""),
        ] {
            let fields = parse(&format!(r#"{{"x": {text}}}"#)).unwrap();
            assert_eq!(serde_json::to_string(&fields.expose()["x"]).unwrap(), kept);
        }
    }

    #[test]
    fn digests_are_equal_exactly_when_values_are() {
        let key = DigestKey::new(&[1; 32]);
        let digest = |json: &str| {
            SecretFields::from_trusted([("x".to_owned(), serde_json::from_str(json).unwrap())].into()).content(&key)["x"].digest
        };
        assert_eq!(digest("1.0"), digest("1"));
        assert_eq!(digest(r#"{"a": 1, "b": 2}"#), digest(r#"{"b": 2, "a": 1.0}"#));
        let distinct = [
            "null",
            "false",
            "0",
            "\"\"",
            "\"0\"",
            "[]",
            "{}",
            "[0]",
            "[[]]",
            "[\"0\"]",
            "{\"0\": 0}",
            "0.5",
            "\"null\"",
        ];
        for (at, one) in distinct.iter().enumerate() {
            for other in &distinct[at + 1..] {
                assert_ne!(digest(one), digest(other), "{one} and {other}");
            }
        }
        let other = DigestKey::new(&[2; 32]);
        assert_ne!(parse(r#"{"x": 1}"#).unwrap().content(&key), parse(r#"{"x": 1}"#).unwrap().content(&other));
    }

    #[test]
    fn debug_shows_nothing() {
        let fields = parse(r#"{"password": "canary"}"#).unwrap();
        assert_eq!(format!("{fields:?} {:?}", fields.to_json()), "SecretFields SecretBytes");
    }
}
