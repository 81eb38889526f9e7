//! References to values, `vt://collection/path/field`, and the lookup of values for programs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write as _},
    str::FromStr,
};

use serde_json::{Value, json};
use vaultterm_contract::RevealedView;
use vaultterm_reconcile::{is_invisible, visible};
use zeroize::Zeroizing;

use crate::{
    client::{Client, Patience, Reply},
    failure::Failure,
    lookup::RecordRef,
};

/// The beginning of every reference.
pub(crate) const SCHEME: &str = "vt://";

/// A field of a record.
///
/// In every part of the text, `%` with two hexadecimal digits stands for a byte: `%2F` is a `/` in the name
/// of a field. Any other `%` stands for itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FieldRef {
    pub(crate) collection: String,
    pub(crate) path: String,
    pub(crate) field: String,
}

impl FromStr for FieldRef {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "a reference looks like vt://collection/path/field (a `/` in a field's name is %2F)";
        let rest = text.strip_prefix(SCHEME).ok_or(FORM)?;
        let (collection, rest) = rest.split_once('/').ok_or(FORM)?;
        let (path, field) = rest.rsplit_once('/').ok_or(FORM)?;
        if collection.is_empty() || path.is_empty() || field.is_empty() {
            return Err(FORM);
        }
        Ok(Self { collection: decoded(collection)?, path: decoded(path)?, field: decoded(field)? })
    }
}

impl fmt::Display for FieldRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [collection, path, field] = [(&self.collection, false), (&self.path, true), (&self.field, false)]
            .map(|(part, slashes)| encoded(part, slashes));
        write!(f, "{SCHEME}{collection}/{path}/{field}")
    }
}

/// Replaces each `%` with two hexadecimal digits by its byte.
fn decoded(part: &str) -> Result<String, &'static str> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let byte = (*first == b'%').then(|| after.get(..2)).flatten().and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            // `from_str_radix` also accepts a sign, so the digits are checked first.
            digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u8::from_str_radix(digits, 16).ok())?
        });
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).map_err(|_| "a %XX in the reference writes no UTF-8 text: a `%` itself is %25")
}

/// Encodes a part of a reference so that it reads back unchanged, also within the braces of a template.
fn encoded(part: &str, slashes: bool) -> String {
    let mut out = String::with_capacity(part.len());
    for c in part.chars() {
        let kept = match c {
            '/' => slashes,
            '%' | '{' | '}' => false,
            c => !c.is_whitespace() && !is_invisible(c),
        };
        if kept {
            out.push(c);
        } else {
            let mut buffer = [0; 4];
            for byte in c.encode_utf8(&mut buffer).bytes() {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

impl FieldRef {
    /// Returns the record that contains the field.
    pub(crate) fn record(&self) -> RecordRef {
        RecordRef::Place { collection: self.collection.clone(), path: self.path.clone() }
    }
}

/// The details of an injection for the audit log.
pub(crate) struct Told<'a> {
    /// The program or file that gets the values.
    pub(crate) into: &'a str,
    /// The reason.
    pub(crate) reason: Option<&'a str>,
}

/// Looks up values for a program, with one audited request per record.
pub(crate) async fn injected(
    client: &Client,
    wanted: BTreeSet<FieldRef>,
    told: &Told<'_>,
) -> Result<BTreeMap<FieldRef, Zeroizing<String>>, Failure> {
    let mut of_records: BTreeMap<(String, String), Vec<FieldRef>> = BTreeMap::new();
    for reference in wanted {
        of_records.entry((reference.collection.clone(), reference.path.clone())).or_default().push(reference);
    }
    let mut found = BTreeMap::new();
    for references in of_records.into_values() {
        let record = client.record(&references[0].record()).await?.data;
        if let Some(missing) = references.iter().find(|wanted| !record.field_names.contains(&wanted.field)) {
            return Err(no_field(&missing.field, &record.field_names).because_of(format!("{missing} was asked for")));
        }
        let names: Vec<_> = references.iter().map(|wanted| &wanted.field).collect();
        let mut body = json!({ "fields": names, "into": told.into });
        if let Some(reason) = told.reason {
            body["reason"] = reason.into();
        }
        let path = format!("/records/{}/inject", record.id);
        let taken: Reply<RevealedView> = client.post(&path, &body, Patience::Usual).await?;
        for wanted in references {
            let value = taken
                .data
                .fields
                .expose()
                .get(&wanted.field)
                .ok_or_else(|| no_field(&wanted.field, &record.field_names))?;
            let value = Zeroizing::new(plain(value));
            found.insert(wanted, value);
        }
    }
    Ok(found)
}

/// Returns a value for people and scripts: a text unchanged, and anything else as JSON.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Returns the error for a field that a record does not have.
pub(crate) fn no_field(field: &str, names: &[String]) -> Failure {
    let names: Vec<_> = names.iter().map(|name| format!("`{}`", visible(name))).collect();
    Failure::server(format!("the record has no field `{}`", visible(field)))
        .hint(format!("it has: {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_reference_names_collection_path_and_field() {
        let field = |collection: &str, path: &str, field: &str| FieldRef {
            collection: collection.into(),
            path: path.into(),
            field: field.into(),
        };
        assert_eq!("vt://app/db/password".parse(), Ok(field("app", "db", "password")));
        assert_eq!("vt://app/a b/c#?/x".parse(), Ok(field("app", "a b/c#?", "x")));
        assert_eq!("vt://app/tls/ca%2Fcrt".parse(), Ok(field("app", "tls", "ca/crt")));
        assert_eq!("vt://app/a%20b/%C3%A9%25".parse(), Ok(field("app", "a b", "é%")));
        assert_eq!("vt://app/50%/100%z%+1%".parse(), Ok(field("app", "50%", "100%z%+1%")));
        assert_eq!(field("app", "a/b", "x").to_string(), "vt://app/a/b/x");
        assert_eq!(field("app", "a/b", "x/y z%2F").to_string(), "vt://app/a/b/x%2Fy%20z%252F");
        for bad in ["app/db/password", "vt://app/db", "vt://app//x", "vt:///db/x", "vt://app/db/", "vt://app/db/%FF"] {
            assert!(bad.parse::<FieldRef>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_field_has_a_reference_that_names_it(
            collection in "[^/]{1,4}", path in "[^/]{1,4}(/[^/]{1,4}){0,2}", field in "(?s).{1,6}",
        ) {
            let reference = FieldRef { collection, path, field };
            let text = reference.to_string();
            prop_assert_eq!(text.trim(), text.as_str());
            prop_assert!(!text.contains("}}"));
            prop_assert_eq!(text.parse(), Ok(reference));
        }
    }
}
