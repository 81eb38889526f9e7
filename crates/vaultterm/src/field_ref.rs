//! References to values, `vt://collection/path/field`, and handing the values to programs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::{
    api::Revealed,
    client::{Client, Patience, Reply},
    failure::Failure,
    lookup::RecordRef,
};

/// How every reference begins.
pub(crate) const SCHEME: &str = "vt://";

/// One field of one record. The text is taken as it stands: nothing in it is decoded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FieldRef {
    pub(crate) collection: String,
    pub(crate) path: String,
    pub(crate) field: String,
}

impl FromStr for FieldRef {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "a reference looks like vt://collection/path/field";
        let rest = text.strip_prefix(SCHEME).ok_or(FORM)?;
        let (collection, rest) = rest.split_once('/').ok_or(FORM)?;
        let (path, field) = rest.rsplit_once('/').ok_or(FORM)?;
        if collection.is_empty() || path.is_empty() || field.is_empty() {
            return Err(FORM);
        }
        Ok(Self { collection: collection.to_owned(), path: path.to_owned(), field: field.to_owned() })
    }
}

impl fmt::Display for FieldRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}/{}", self.collection, self.path, self.field)
    }
}

impl FieldRef {
    /// The record that holds the field.
    pub(crate) fn record(&self) -> RecordRef {
        RecordRef::Place { collection: self.collection.clone(), path: self.path.clone() }
    }
}

/// What the audit log is told of an injection.
pub(crate) struct Told<'a> {
    /// Which program or file gets the values.
    pub(crate) into: &'a str,
    /// Why.
    pub(crate) reason: Option<&'a str>,
}

/// Looks values up to hand them to a program: one audited request for each record.
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
        let taken: Reply<Revealed> = client.post(&path, &body, Patience::Usual).await?;
        for wanted in references {
            let value =
                taken.data.fields.get(&wanted.field).ok_or_else(|| no_field(&wanted.field, &record.field_names))?;
            let value = Zeroizing::new(plain(value));
            found.insert(wanted, value);
        }
    }
    Ok(found)
}

/// Writes a value for people and scripts: a text as it is, anything else as JSON.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The error for a field that a record lacks.
pub(crate) fn no_field(field: &str, names: &[String]) -> Failure {
    Failure::server(format!("the record has no field `{field}`")).hint(format!("it has: {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_collection_path_and_field() {
        let field = |collection: &str, path: &str, field: &str| FieldRef {
            collection: collection.into(),
            path: path.into(),
            field: field.into(),
        };
        assert_eq!("vt://app/db/password".parse(), Ok(field("app", "db", "password")));
        assert_eq!("vt://app/a b/c%2F#?/x".parse(), Ok(field("app", "a b/c%2F#?", "x")));
        assert_eq!(field("app", "a/b", "x").to_string(), "vt://app/a/b/x");
        for bad in ["app/db/password", "vt://app/db", "vt://app//x", "vt:///db/x", "vt://app/db/"] {
            assert!(bad.parse::<FieldRef>().is_err(), "{bad}");
        }
    }
}
