//! `vaultterm record ls`: the records of a collection by path, or of all collections with the best matches first.

use vaultterm_contract::{FoundRecordView, RecordView};

use crate::{
    app::App,
    client::{Client, Query, Reply},
    failure::{Exit, Failure},
    table::{Table, moment},
};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// COLLECTION, or COLLECTION/PREFIX [default: all your collections]
    #[arg(value_name = "COLLECTION[/PREFIX]")]
    place: Option<String>,
    /// Only paths that contain this; over all collections, every word of it
    #[arg(short, long, value_name = "TEXT")]
    query: Option<String>,
    /// Only this type, for example PASSWORD
    #[arg(long = "type", value_name = "TYPE")]
    record_type: Option<String>,
    /// Only with this label
    #[arg(long)]
    tag: Option<String>,
    /// Only what stands so with Vault: in_step, differs, needs_decision or here_only
    #[arg(long, value_name = "STANDING", conflicts_with = "place")]
    standing: Option<String>,
    /// List the trash
    #[arg(long)]
    trash: bool,
    /// How many at most [default: all of a collection, 100 over all collections]
    #[arg(long)]
    limit: Option<usize>,
}

/// How many records are listed over all collections.
const EVERYWHERE: usize = 100;

impl Args {
    fn query(&self) -> Query {
        Query::default()
            .with_some("q", self.query.as_deref())
            .with_some("type", self.record_type.as_deref())
            .with_some("tag", self.tag.as_deref())
            .with_some("standing", self.standing.as_deref())
            .with("state", if self.trash { "trash" } else { "live" })
    }
}

/// Runs the command.
pub(super) async fn run(args: Args, app: &App) -> Result<Exit, Failure> {
    let client = app.client()?;
    match args.place.clone() {
        Some(place) => of_collection(&client, app, &args, &place).await,
        None => everywhere(&client, app, &args).await,
    }
}

async fn of_collection(client: &Client, app: &App, args: &Args, place: &str) -> Result<Exit, Failure> {
    let (name, prefix) = match place.split_once('/') {
        Some((name, prefix)) => (name, Some(prefix).filter(|prefix| !prefix.is_empty())),
        None => (place, None),
    };
    let collection = client.collection(name).await?.data;
    let query = args.query().with_some("prefix", prefix);
    let path = format!("/collections/{}/records", collection.id);
    let list: Reply<Vec<RecordView>> = client.list(&path, &query, args.limit).await?;
    app.console.answer(&list.json, || {
        let table = Table::new(&["PATH", "TYPE", "REVISION", time(args), "SYNC"], "no records");
        list.data.iter().fold(table, |table, record| table.row(cells(record, record.path.clone())))
    })?;
    Ok(Exit::Done)
}

async fn everywhere(client: &Client, app: &App, args: &Args) -> Result<Exit, Failure> {
    let limit = args.limit.unwrap_or(EVERYWHERE);
    let list: Reply<Vec<FoundRecordView>> = client.list("/records", &args.query(), Some(limit)).await?;
    app.console.answer(&list.json, || {
        let table = Table::new(&["RECORD", "TYPE", "REVISION", time(args), "SYNC"], "no records");
        list.data.iter().fold(table, |table, found| {
            table.row(cells(&found.record, format!("{}/{}", found.collection, found.record.path)))
        })
    })?;
    if list.data.len() >= limit {
        app.console.note(&format!("the first {limit}; --limit lists more"));
    }
    Ok(Exit::Done)
}

const fn time(args: &Args) -> &'static str {
    if args.trash { "DELETED" } else { "UPDATED" }
}

fn cells(record: &RecordView, name: String) -> [String; 5] {
    [
        name,
        record.record_type.to_string(),
        record.revision.to_string(),
        moment(record.deleted_at.as_deref().unwrap_or(&record.updated_at)),
        record.sync.iter().map(|sync| sync.state.as_str()).collect::<Vec<_>>().join(" "),
    ]
}
