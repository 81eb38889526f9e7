//! `vaultterm read vt://collection/path/field`.

use std::str::FromStr;

use serde_json::{Value, json};

use crate::{
    api::Revealed,
    app::App,
    client::{Patience, Reply},
    console::Format,
    failure::{Exit, Failure},
    lookup::RecordRef,
};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The field: vt://collection/path/field
    #[arg(value_name = "REF")]
    reference: FieldRef,
    /// Why, for the audit log
    #[arg(long)]
    reason: Option<String>,
    /// Print no line end after the value
    #[arg(short = 'n', long)]
    no_newline: bool,
}

/// One field of one record. The text is taken as it stands: nothing in it is decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FieldRef {
    collection: String,
    path: String,
    field: String,
}

impl FromStr for FieldRef {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "a reference looks like vt://collection/path/field";
        let rest = text.strip_prefix("vt://").ok_or(FORM)?;
        let (collection, rest) = rest.split_once('/').ok_or(FORM)?;
        let (path, field) = rest.rsplit_once('/').ok_or(FORM)?;
        if collection.is_empty() || path.is_empty() || field.is_empty() {
            return Err(FORM);
        }
        Ok(Self { collection: collection.to_owned(), path: path.to_owned(), field: field.to_owned() })
    }
}

/// Prints the field's value, which the audit log records.
pub(crate) async fn run(args: Args, app: &App) -> Result<Exit, Failure> {
    let FieldRef { collection, path, field } = args.reference;
    let client = app.client()?;
    let record = client.record(&RecordRef::Place { collection, path }).await?.data;
    let mut body = json!({ "fields": [field] });
    if let Some(reason) = args.reason {
        body["reason"] = reason.into();
    }
    let path = format!("/records/{}/reveal", record.id);
    let revealed: Reply<Revealed> = client.post(&path, &body, Patience::Usual).await?;
    if app.console.format() == Format::Json {
        app.console.json(&revealed.json)?;
        return Ok(Exit::Done);
    }
    let value = revealed.data.fields.get(&field).ok_or_else(|| no_field(&field, &record.field_names))?;
    app.console.value(&plain(value), !args.no_newline)?;
    Ok(Exit::Done)
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
        for bad in ["app/db/password", "vt://app/db", "vt://app//x", "vt:///db/x", "vt://app/db/"] {
            assert!(bad.parse::<FieldRef>().is_err(), "{bad}");
        }
    }
}
