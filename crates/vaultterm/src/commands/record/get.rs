//! `vaultterm record get`.

use serde_json::{Value, json};
use vaultterm_contract::{RecordView, RevealedView, RevisionView};

use super::shared::{facts, standing_or_trashed};
use crate::{
    app::App,
    client::{Client, Patience, Query, Reply},
    console::Format,
    failure::{Exit, Failure},
    field_ref::{no_field, plain},
    lookup::RecordRef,
    table::{MASK, Table},
};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// COLLECTION/PATH or id
    #[arg(value_parser = RecordRef::parse)]
    record: RecordRef,
    /// Only this field; with --reveal its bare value
    #[arg(long, value_name = "NAME")]
    field: Option<String>,
    /// Show values, which the audit log records
    #[arg(long)]
    reveal: bool,
    /// An older revision
    #[arg(long, value_name = "N")]
    revision: Option<u64>,
    /// Why, for the audit log
    #[arg(long, requires = "reveal")]
    reason: Option<String>,
}

/// Shows a record.
pub(crate) async fn run(args: Args, app: &App) -> Result<Exit, Failure> {
    let client = app.client()?;
    let record = standing_or_trashed(&client, &args.record).await?;
    if args.reveal { reveal(&client, app, &args, &record.data).await } else { mask(&client, app, &args, &record).await }
}

async fn mask(client: &Client, app: &App, args: &Args, record: &Reply<RecordView>) -> Result<Exit, Failure> {
    let (json, names) = match args.revision {
        None => (record.json.clone(), record.data.field_names.clone()),
        Some(number) => {
            let revision = revision(client, &record.data, number).await?;
            (revision.json, revision.data.field_names)
        }
    };
    let shown: Vec<_> = match &args.field {
        Some(field) if names.contains(field) => vec![field],
        Some(field) => return Err(no_field(field, &names)),
        None => names.iter().collect(),
    };
    app.console.answer(&json, || {
        let table = if args.field.is_some() { Table::of_facts() } else { facts(&record.data) };
        shown.iter().fold(table, |table, name| table.fact(name, MASK))
    })?;
    Ok(Exit::Done)
}

async fn reveal(client: &Client, app: &App, args: &Args, record: &RecordView) -> Result<Exit, Failure> {
    let mut body = json!({});
    if let Some(field) = &args.field {
        body["fields"] = json!([field]);
    }
    if let Some(number) = args.revision {
        body["revision"] = number.into();
    }
    if let Some(reason) = &args.reason {
        body["reason"] = reason.as_str().into();
    }
    let path = format!("/records/{}/reveal", record.id);
    let revealed: Reply<RevealedView> = client.post(&path, &body, Patience::Usual).await?;
    match (&args.field, app.console.format()) {
        (Some(field), Format::Table) => {
            let value = revealed.data.fields.expose().get(field).ok_or_else(|| no_field(field, &record.field_names))?;
            app.console.value(&plain(value), true)?;
        }
        _ => app.console.answer(&revealed.json, || {
            let cell = |value: &Value| plain(value);
            revealed
                .data
                .fields
                .expose()
                .iter()
                .fold(facts(record), |table, (name, value)| table.fact(name, cell(value)))
        })?,
    }
    Ok(Exit::Done)
}

async fn revision(client: &Client, record: &RecordView, number: u64) -> Result<Reply<RevisionView>, Failure> {
    let path = format!("/records/{}/revisions", record.id);
    let list: Reply<Vec<RevisionView>> = client.list(&path, &Query::default(), None).await?;
    list.into_items().find(|reply| reply.data.revision == number).ok_or_else(|| {
        Failure::server(format!("`{}` has no revision {number}", record.path))
            .hint("list them with `vaultterm record history`")
    })
}
