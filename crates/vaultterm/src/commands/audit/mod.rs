//! `vaultterm audit …`.

mod show;
mod verify;

use clap::Subcommand;
use vaultterm_contract::{AuditKeysView, CheckpointView, EventView, PrunedView};

use crate::{
    app::App,
    client::{Client, Patience, Query, Reply},
    failure::{Exit, Failure},
    moments::{When, now},
    output_place::OutputPlace,
    shell,
    table::{Table, moment},
};

/// Which part of the log.
#[derive(clap::Args, Debug)]
pub(crate) struct Span {
    /// From this time on: a day in UTC (2026-11-28), a moment (2026-11-28T12:00:00Z), or how long ago (90s, 15m, 12h, 30d)
    #[arg(long, value_name = "TIME")]
    from: Option<When>,
    /// Up to this time: before a moment, up to a time ago, or to the end of a day
    #[arg(long, value_name = "TIME")]
    to: Option<When>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// List events, the newest first
    Ls {
        /// Only by this person, by e-mail address or id
        #[arg(long, value_name = "PERSON")]
        actor: Option<String>,
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
        /// The oldest first
        #[arg(long)]
        oldest_first: bool,
        /// How many at most
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Show one event with everything that the log says of it
    Show {
        /// Its sequence number
        #[arg(value_name = "SEQ")]
        seq: u64,
    },
    /// Write the log as JSON lines
    Export {
        #[command(flatten)]
        span: Span,
        /// Where to; `-` for stdout
        #[arg(short, long, value_name = "FILE", default_value = "-")]
        output: OutputPlace,
    },
    /// Check an export offline: every entry, every link, every checkpoint
    #[command(after_help = verify::EXIT_CODES)]
    Verify(verify::Args),
    /// List the signed checkpoints of the log
    Checkpoints {
        /// How many at most
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Show the public keys that the checkpoints are signed with; the last one is in use
    Key,
    /// Remove the beginning of the log, up to a checkpoint; what is left still verifies
    Prune {
        /// Only entries from before this day or moment, or that are older than this (365d)
        #[arg(long, value_name = "TIME")]
        before: When,
    },
}

impl Span {
    fn query(&self) -> Query {
        let now = now();
        Query::default()
            .with_some("from", self.from.map(|when| when.begin(now)))
            .with_some("to", self.to.map(|when| when.end(now)))
    }
}

/// Runs the command.
pub(crate) async fn run(command: Command, app: &App) -> Result<Exit, Failure> {
    match command {
        Command::Verify(args) => verify::run(&args, app),
        Command::Ls { actor, action, object, span, after, oldest_first, limit } => {
            let client = app.client()?;
            let actor = match actor {
                // A person who was deleted can still be named by id.
                Some(name) => match uuid::Uuid::parse_str(&name) {
                    Ok(id) => Some(id),
                    Err(_) => Some(client.person(&name).await?.id),
                },
                None => None,
            };
            let query = span.query().with_some("actor", actor).with_some("action", action);
            let query = query.with_some("object", object).with_some("after", after);
            let query = query.with("order", if oldest_first { "oldest" } else { "newest" });
            list(&client, app, &query, limit).await
        }
        Command::Show { seq } => show::run(&app.client()?, app, seq).await,
        Command::Export { span, output } => export(&app.client()?, app, &span, &output).await,
        Command::Checkpoints { limit } => checkpoints(&app.client()?, app, limit).await,
        Command::Key => keys(&app.client()?, app).await,
        Command::Prune { before } => prune(&app.client()?, app, before.begin(now())).await,
    }
}

async fn list(client: &Client, app: &App, query: &Query, limit: usize) -> Result<Exit, Failure> {
    let list: Reply<Vec<EventView>> = client.list("/audit/events", query, Some(limit)).await?;
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

async fn export(client: &Client, app: &App, span: &Span, place: &OutputPlace) -> Result<Exit, Failure> {
    let mut response = client.download("/audit/export", &span.query()).await?;
    let mut output = place.begin()?;
    while let Some(chunk) = response.chunk().await.map_err(|error| client.unreachable(error))? {
        output.write(&chunk)?;
    }
    output.finish()?;
    if let Some(file) = place.file() {
        app.console.note(&format!("wrote {}", file.display()));
        let file = file.to_string_lossy();
        app.console
            .next(&format!("vaultterm audit verify {} --vkey KEY, with a key that you kept", shell::word(&file)));
    }
    Ok(Exit::Done)
}

async fn checkpoints(client: &Client, app: &App, limit: usize) -> Result<Exit, Failure> {
    let list: Reply<Vec<CheckpointView>> = client.list("/audit/checkpoints", &Query::default(), Some(limit)).await?;
    app.console.answer(&list.json, || {
        let table = Table::new(&["SIZE", "TIME", "ROOT", "KEY"], "no checkpoints");
        list.data.iter().fold(table, |table, checkpoint| {
            table.row([
                checkpoint.size.to_string(),
                moment(&checkpoint.created_at),
                checkpoint.root.clone(),
                checkpoint.key_id.to_string(),
            ])
        })
    })?;
    Ok(Exit::Done)
}

async fn keys(client: &Client, app: &App) -> Result<Exit, Failure> {
    let keys: Reply<AuditKeysView> = client.get("/audit/keys").await?;
    let lines = || keys.data.keys.iter().map(|key| format!("{}\n", key.vkey)).collect();
    app.console.answer_text(&keys.json, lines)?;
    app.console.note("keep one of them away from the server: a verifier follows from it to every later one");
    Ok(Exit::Done)
}

async fn prune(client: &Client, app: &App, before: jiff::Timestamp) -> Result<Exit, Failure> {
    let body = serde_json::json!({ "before": before.to_string() });
    let pruned: Reply<PrunedView> = client.post("/audit/prune", &body, Patience::Vault).await?;
    let PrunedView { pruned: entries, size, root } = &pruned.data;
    app.console.answer(&pruned.json, || {
        let table = Table::of_facts().fact("removed entries", entries.to_string());
        match (size, root) {
            (Some(size), Some(root)) => table.fact("the log begins after", size.to_string()).fact("root there", root),
            _ => table,
        }
    })?;
    if size.is_none() {
        app.console.note("no checkpoint covers only entries that old");
    }
    Ok(Exit::Done)
}
