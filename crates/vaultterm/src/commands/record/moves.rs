//! `vaultterm record move | tag | rm | reveal | who`: other collections, many records at once, and who sees a record.

use serde_json::json;
use vaultterm_contract::{ListView, RecordMoveView, RecordView, RevealMany, RevealedManyView, SeersView};

use super::shared::name_of;
use crate::{
    app::App,
    client::{Client, Patience, Query, Reply},
    failure::{Exit, Failure},
    field_ref::plain,
    lookup::RecordRef,
    table::{Table, moment},
};

#[derive(clap::Args, Debug)]
pub(crate) struct MoveArgs {
    /// COLLECTION/PATH or id; several are moved together, or none of them
    #[arg(required = true, value_parser = RecordRef::parse, value_name = "RECORD")]
    records: Vec<RecordRef>,
    /// The collection that they enter
    #[arg(long, value_name = "COLLECTION")]
    to: String,
    /// Show who gains and who loses access and what the connections do, and move nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(clap::Args, Debug)]
pub(crate) struct TagArgs {
    /// COLLECTION/PATH or id; several are changed together, or none of them
    #[arg(required = true, value_parser = RecordRef::parse, value_name = "RECORD")]
    records: Vec<RecordRef>,
    /// Tag to add; repeat for several
    #[arg(long = "add", value_name = "TAG", required_unless_present = "remove")]
    add: Vec<String>,
    /// Tag to remove; repeat for several
    #[arg(long = "remove", value_name = "TAG")]
    remove: Vec<String>,
}

#[derive(clap::Args, Debug)]
pub(crate) struct RevealArgs {
    /// COLLECTION/PATH or id; 1 to 100 of them
    #[arg(required = true, value_parser = RecordRef::parse, value_name = "RECORD")]
    records: Vec<RecordRef>,
    /// Why, for the audit log
    #[arg(long)]
    reason: Option<String>,
}

/// Shows the values of several records. A login needs a fresh proof of identity for that.
pub(super) async fn reveal(args: RevealArgs, app: &App) -> Result<Exit, Failure> {
    let client = app.client()?;
    let records = found(&client, &args.records).await?;
    let ids: Vec<_> = records.iter().map(|record| record.id).collect();
    let body = RevealMany { records: ids, reason: args.reason };
    let shown: Reply<RevealedManyView> = client.post("/records/reveal", &body, Patience::Usual).await?;
    app.console.answer(&shown.json, || {
        let mut table = Table::new(&["PATH", "FIELD", "VALUE"], "no values");
        for one in &shown.data.items {
            match &one.revealed {
                None => table = table.row([one.path.clone(), String::new(), "for programs only".to_owned()]),
                Some(revealed) => {
                    for (name, value) in revealed.fields.expose() {
                        table = table.row([one.path.clone(), name.clone(), plain(value)]);
                    }
                }
            }
        }
        table
    })?;
    Ok(Exit::Done)
}

/// Moves records to another collection.
pub(super) async fn relocate(args: MoveArgs, app: &App) -> Result<Exit, Failure> {
    let client = app.client()?;
    let to = client.collection(&args.to).await?.data;
    let records = found(&client, &args.records).await?;
    if args.dry_run {
        for record in &records {
            let query = Query::default().with("collection_id", to.id);
            let path = format!("/records/{}/move", record.id);
            let meant: Reply<RecordMoveView> = client.query(&path, &query).await?;
            app.console.answer(&meant.json, || meaning(&record.path, &meant.data))?;
        }
        return Ok(Exit::Done);
    }
    let body = json!({ "records": read(&records), "move_to": to.id });
    let moved = change(&client, app, &body).await?;
    app.console.note(&format!("moved {} to `{}`", counted(moved.len()), to.name));
    app.console.next("vaultterm sync plan CONNECTION, to see what its connections do");
    Ok(Exit::Done)
}

fn meaning(path: &str, meant: &RecordMoveView) -> Table {
    let people = |people: &[vaultterm_contract::AccessView]| {
        people.iter().map(|one| format!("{} ({})", one.email, one.role)).collect::<Vec<_>>().join(", ")
    };
    let changes = meant.changes.iter().map(|one| format!("{} ({} → {})", one.email, one.before, one.after));
    let or_none = |text: String| if text.is_empty() { "nobody".to_owned() } else { text };
    Table::of_facts()
        .fact("record", path)
        .fact("from", meant.from.as_str())
        .fact("to", meant.to.as_str())
        .fact("gains access", or_none(people(&meant.gains)))
        .fact("loses access", or_none(people(&meant.loses)))
        .fact("other role", or_none(changes.collect::<Vec<_>>().join(", ")))
        .fact_if("deleted for", (!meant.leaves.is_empty()).then(|| meant.leaves.join(", ")))
        .fact_if("written by", (!meant.enters.is_empty()).then(|| meant.enters.join(", ")))
}

/// Adds and removes tags of records.
pub(super) async fn tag(args: TagArgs, app: &App) -> Result<Exit, Failure> {
    let client = app.client()?;
    let records = found(&client, &args.records).await?;
    let body = json!({ "records": read(&records), "add_tags": args.add, "remove_tags": args.remove });
    change(&client, app, &body).await?;
    Ok(Exit::Done)
}

/// Moves records to the trash.
pub(super) async fn remove(references: &[RecordRef], app: &App) -> Result<Exit, Failure> {
    let client = app.client()?;
    let records = found(&client, references).await?;
    if let ([reference], [record]) = (references, records.as_slice()) {
        client.delete(&format!("/records/{}", record.id), Some(record.revision)).await?;
        app.console.note(&format!("moved `{}` to the trash", record.path));
        app.console.next(&format!("vaultterm record restore {}, to take it back", name_of(reference, record)));
        return Ok(Exit::Done);
    }
    let body = json!({ "records": read(&records), "trash": true });
    let gone = change(&client, app, &body).await?;
    app.console.note(&format!("moved {} to the trash", counted(gone.len())));
    Ok(Exit::Done)
}

/// Shows who can see a record, and why.
pub(super) async fn who(reference: &RecordRef, app: &App) -> Result<Exit, Failure> {
    let client = app.client()?;
    let record = client.record(reference).await?.data;
    let found: Reply<SeersView> = client.get(&format!("/records/{}/who", record.id)).await?;
    let collection = &found.data.collection;
    app.console.answer(&found.json, || {
        let table = Table::new(&["PERSON", "ROLE", "WHY"], "nobody");
        found.data.items.iter().fold(table, |table, seer| {
            let why = match (&seer.given_by, &seer.given_at) {
                (Some(by), Some(at)) => format!("member of {collection}; {by} gave the role, {}", moment(at)),
                _ => format!("member of {collection}"),
            };
            table.row([seer.email.clone(), seer.role.to_string(), why])
        })
    })?;
    if found.data.programs_only {
        app.console.note("the record is for programs only: nobody is shown its values");
    }
    if found.data.next_cursor.is_some() {
        app.console.next(&format!("vaultterm collection show {collection}, for the other members"));
    }
    Ok(Exit::Done)
}

async fn found(client: &Client, references: &[RecordRef]) -> Result<Vec<RecordView>, Failure> {
    let mut records = Vec::with_capacity(references.len());
    for reference in references {
        records.push(client.record(reference).await?.data);
    }
    Ok(records)
}

fn read(records: &[RecordView]) -> Vec<serde_json::Value> {
    records.iter().map(|record| json!({ "id": record.id, "revision": record.revision })).collect()
}

async fn change(client: &Client, app: &App, body: &serde_json::Value) -> Result<Vec<RecordView>, Failure> {
    let changed: Reply<ListView<RecordView>> = client.post("/records", body, Patience::Usual).await?;
    app.console.answer(&changed.json, || {
        let table = Table::new(&["PATH", "REVISION", "TAGS"], "no records");
        changed.data.items.iter().fold(table, |table, record| {
            table.row([record.path.clone(), record.revision.to_string(), record.tags.join(" ")])
        })
    })?;
    Ok(changed.data.items)
}

fn counted(records: usize) -> String {
    if records == 1 { "1 record".to_owned() } else { format!("{records} records") }
}
