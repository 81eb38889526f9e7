//! `vaultterm record set`: creates a record or changes its fields.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;
use vaultterm_contract::RecordView;
use vaultterm_reconcile::{RecordType, visible};

use super::shared::{facts, name_of};
use crate::{
    app::App,
    assignment::Assignment,
    client::{Client, Patience, Reply},
    failure::{Exit, Failure},
    input_file::InputFile,
    lookup::{LiveOrTrashed, RecordRef},
};

/// Fields in the form of the request: a map from names to JSON texts.
pub(crate) type Fields = BTreeMap<String, Box<RawValue>>;

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Where a value comes from:
  field=-          stdin
  field=@FILE      a file
  field, field=?   asked for on the terminal
  field=value      the command line, which others may see: warns
  field:=json      any JSON value; also field:=@FILE and field:=-
Text of one line loses its line end; text of several lines is kept to the byte.")]
pub(crate) struct Args {
    /// COLLECTION/PATH or id
    #[arg(value_parser = RecordRef::parse)]
    record: RecordRef,
    /// Fields to set
    #[arg(value_name = "FIELD=…")]
    assignments: Vec<Assignment>,
    /// File with a JSON object of fields to set; `-` for stdin
    #[arg(long, value_name = "FILE")]
    fields: Option<PathBuf>,
    /// Field to remove; repeat for several
    #[arg(long, value_name = "FIELD")]
    remove: Vec<String>,
    /// Type of the record [default when creating: found from the field names]
    #[arg(long = "type", value_name = "TYPE")]
    record_type: Option<RecordType>,
    /// Label; repeat for several. Replaces all labels
    #[arg(long)]
    tag: Vec<String>,
    /// Give the values only to programs (`run`, `inject`), and never show them
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    inject_only: Option<bool>,
    /// Ask people for a fresh proof of identity before each look at the values; API tokens and `inject` get them as before
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    ask_again: Option<bool>,
    /// Only change the record when it is at this revision; 0: only create it
    #[arg(long, value_name = "N")]
    if_revision: Option<u64>,
}

/// The body of `POST /collections/{id}/records`.
#[derive(Serialize)]
struct NewRecord<'a> {
    path: &'a str,
    r#type: &'static str,
    fields: &'a Fields,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    tags: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    inject_only: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ask_again: Option<bool>,
}

/// The body of `PATCH /records/{id}`.
#[derive(Default, Serialize)]
pub(super) struct RecordPatch<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) r#type: Option<&'static str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) fields: Fields,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(super) remove_fields: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tags: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) inject_only: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ask_again: Option<bool>,
}

/// Creates or changes the record.
pub(crate) async fn run(args: Args, app: &App) -> Result<Exit, Failure> {
    let client = app.client()?;
    let fields = read_fields(&args, app)?;
    let saved = save(&client, &args.record, args.if_revision, |existing| Change {
        record_type: args.record_type.or_else(|| existing.is_none().then(|| infer(&fields))),
        fields,
        remove: args.remove.clone(),
        tags: args.tag.clone(),
        inject_only: args.inject_only,
        ask_again: args.ask_again,
    })
    .await?;
    app.console.answer(&saved.json, || facts(&saved.data))?;
    app.console.next(&format!("vaultterm record get {}", name_of(&args.record, &saved.data)));
    Ok(Exit::Done)
}

/// A change of a record.
pub(super) struct Change {
    pub(super) record_type: Option<RecordType>,
    pub(super) fields: Fields,
    pub(super) remove: Vec<String>,
    pub(super) tags: Vec<String>,
    pub(super) inject_only: Option<bool>,
    pub(super) ask_again: Option<bool>,
}

/// Creates the record, or changes it at the revision that was read.
pub(super) async fn save(
    client: &Client,
    reference: &RecordRef,
    if_revision: Option<u64>,
    change: impl FnOnce(Option<&RecordView>) -> Change,
) -> Result<Reply<RecordView>, Failure> {
    let (collection, path, existing) = match reference {
        RecordRef::Id(_) => (None, String::new(), Some(client.record(reference).await?.data)),
        RecordRef::Place { collection, path } => {
            let (id, path) = client.place(collection, path).await?;
            let existing = client.record_at(id, &path, LiveOrTrashed::Live).await?.map(|reply| reply.data);
            (Some(id), path, existing)
        }
    };
    let change = change(existing.as_ref());
    let record_type = change.record_type.map(RecordType::as_str);
    match (existing, collection, if_revision) {
        (Some(record), _, expected) if expected != Some(0) => {
            let body = RecordPatch {
                r#type: record_type,
                fields: change.fields,
                remove_fields: &change.remove,
                tags: (!change.tags.is_empty()).then_some(change.tags.as_slice()),
                inject_only: change.inject_only,
                ask_again: change.ask_again,
            };
            client.patch(&format!("/records/{}", record.id), expected.unwrap_or(record.revision), &body).await
        }
        (Some(record), ..) => Err(Failure::server(format!("the record `{}` exists already", record.path))
            .hint("leave out --if-revision 0 to change it")),
        (None, Some(id), None | Some(0)) => {
            let record_type = record_type.unwrap_or(RecordType::KeyValue.as_str());
            let Change { fields, tags, inject_only, ask_again, .. } = &change;
            let (inject_only, ask_again) = (*inject_only, *ask_again);
            let body = NewRecord { path: &path, r#type: record_type, fields, tags, inject_only, ask_again };
            client.post(&format!("/collections/{id}/records"), &body, Patience::Usual).await
        }
        (None, ..) => Err(Failure::server(format!("there is no record `{path}` to change"))
            .hint("leave out --if-revision to create it")),
    }
}

/// Returns the type of a new record from the names of its fields.
pub(super) fn infer(fields: &Fields) -> RecordType {
    RecordType::infer(fields.keys().map(String::as_str))
}

fn read_fields(args: &Args, app: &App) -> Result<Fields, Failure> {
    let stdin_reads = args.assignments.iter().filter(|assignment| assignment.is_stdin()).count()
        + usize::from(args.fields.as_deref().is_some_and(|path| path == "-"));
    if stdin_reads > 1 {
        return Err(Failure::local("stdin can be read only once").hint("put the other values into files: field=@FILE"));
    }
    let mut fields = match &args.fields {
        Some(path) => parse_object(&InputFile { path, what: "the fields", by: "--fields" }.text()?)?,
        None => Fields::new(),
    };
    for assignment in &args.assignments {
        if assignment.is_given() {
            app.console.warn(&format!(
                "the value of `{0}` stood on the command line, where others may see it: use {0}=- or {0}=@FILE",
                assignment.name
            ));
        }
        if fields.insert(assignment.name.clone(), assignment.value()?).is_some() {
            return Err(Failure::local(format!("the field `{}` is set twice", assignment.name)));
        }
    }
    let touches_fields = args.fields.is_some() || !fields.is_empty() || !args.remove.is_empty();
    let touches_settings = args.inject_only.is_some() || args.ask_again.is_some();
    if !touches_fields && !touches_settings && args.record_type.is_none() && args.tag.is_empty() {
        return Err(Failure::local("nothing to set was named").hint("for example: password=- (see --help)"));
    }
    Ok(fields)
}

/// Reads a JSON object of fields. Errors contain the position and never the text.
pub(super) fn parse_object(text: &str) -> Result<Fields, Failure> {
    let Pairs(pairs) = serde_json::from_str(text).map_err(|error| {
        Failure::local("the fields are not a JSON object of names and values").because_of(format!(
            "unexpected text at line {}, column {}",
            error.line(),
            error.column()
        ))
    })?;
    let mut fields = Fields::new();
    for (name, value) in pairs {
        if fields.insert(name.clone(), value).is_some() {
            return Err(Failure::local(format!("the field `{}` stands twice in the JSON object", visible(&name)))
                .hint("leave one of them out: only one value can be kept"));
        }
    }
    Ok(fields)
}

/// The names and values of a JSON object in their order. A map would silently keep the last of two equal
/// names.
struct Pairs(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of names and values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_stands_twice_in_an_object_is_refused_and_no_value_is_shown() {
        let fields = parse_object(r#"{"b": 1.10, "": {"a": 1}}"#).expect("read");
        assert_eq!(
            fields.iter().map(|(name, value)| (name.as_str(), value.get())).collect::<Vec<_>>(),
            [("", r#"{"a": 1}"#), ("b", "1.10"),]
        );
        for text in [r#"{"a\n": "hunter2", "a\u000a": "hunter3"}"#, r#"["hunter2"]"#, r#"{"a": hunter2}"#, "hunter2"] {
            let failure = parse_object(text).expect_err(text);
            assert!(!format!("{failure:?}").contains("hunter"), "{failure:?}");
        }
        let failure = parse_object(r#"{"a\n": 1, "a\n": 1}"#).expect_err("twice");
        assert_eq!(failure.message, r"the field `a\n` stands twice in the JSON object");
    }
}
