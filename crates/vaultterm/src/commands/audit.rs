//! `vaultterm audit …`.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::{
    api::AuditEvent,
    app::App,
    client::{Client, Query, Reply},
    console,
    failure::{Exit, Failure},
    private_file,
    table::{Table, moment},
};

/// Which part of the log.
#[derive(clap::Args, Debug)]
pub(crate) struct Span {
    /// From this time on (RFC 3339)
    #[arg(long, value_name = "TIME")]
    from: Option<jiff::Timestamp>,
    /// Before this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    to: Option<jiff::Timestamp>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// List events
    Ls {
        /// Only this action, for example RECORD_REVEALED
        #[arg(long)]
        action: Option<String>,
        /// Only about this object, by id
        #[arg(long)]
        object: Option<String>,
        #[command(flatten)]
        span: Span,
        /// Only after this sequence number
        #[arg(long, value_name = "SEQ")]
        after: Option<u64>,
        /// How many at most
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Write the log as JSON lines
    Export {
        #[command(flatten)]
        span: Span,
        /// Where to; `-` for stdout
        #[arg(short, long, value_name = "FILE", default_value = "-")]
        output: PathBuf,
    },
}

impl Span {
    fn query(&self) -> Query {
        Query::default().with_some("from", self.from).with_some("to", self.to)
    }
}

/// Runs the command.
pub(crate) async fn run(command: Command, app: &App) -> Result<Exit, Failure> {
    let client = app.client()?;
    match command {
        Command::Ls { action, object, span, after, limit } => {
            let query = span.query().with_some("action", action).with_some("object", object).with_some("after", after);
            list(&client, app, &query, limit).await
        }
        Command::Export { span, output } => export(&client, app, &span, &output).await,
    }
}

async fn list(client: &Client, app: &App, query: &Query, limit: usize) -> Result<Exit, Failure> {
    let list: Reply<Vec<AuditEvent>> = client.list("/audit/events", query, Some(limit)).await?;
    app.console.answer(&list.json, || {
        let table = Table::new(&["SEQ", "TIME", "ACTOR", "ACTION", "OBJECT", "OUTCOME"], "no events");
        list.data.iter().fold(table, |table, event| {
            table.row([
                event.seq.to_string(),
                moment(&event.time),
                event.actor.clone(),
                event.action.clone(),
                event.object.clone().unwrap_or_default(),
                event.outcome.clone(),
            ])
        })
    })?;
    Ok(Exit::Done)
}

async fn export(client: &Client, app: &App, span: &Span, output: &Path) -> Result<Exit, Failure> {
    let mut response = client.download("/audit/export", &span.query()).await?;
    if output == Path::new("-") {
        while let Some(chunk) = response.chunk().await.map_err(|error| client.unreachable(error))? {
            console::write_data(&chunk)?;
        }
        return Ok(Exit::Done);
    }
    let mut file = private_file::Replacement::create(output)?;
    while let Some(chunk) = response.chunk().await.map_err(|error| client.unreachable(error))? {
        file.write(&chunk)?;
    }
    file.finish()?;
    app.console.note(&format!("wrote {}", output.display()));
    Ok(Exit::Done)
}
