//! `vaultterm sync runs`: the runs of a connection, or of all.

use vaultterm_contract::RunView;
use vaultterm_sync::{RunState, Trigger};

use super::picture;
use crate::{
    app::App,
    client::{Client, Query, Reply},
    failure::{Exit, Failure},
    moments::{When, now},
    table::{Table, moment},
};

/// Which runs to list.
#[derive(clap::Args, Debug)]
pub(crate) struct Which {
    /// Only runs in this state
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(RunState::NAMES))]
    state: Option<String>,
    /// Only runs that this started: a person, the interval, a change here, a hint about a change in Vault, a decision on a
    /// conflict, or a run that was cut off
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(Trigger::NAMES))]
    trigger: Option<String>,
    /// Only runs of this person and of the person's programs, by e-mail address or id
    #[arg(long, value_name = "PERSON")]
    by: Option<String>,
    /// Only runs since this time: a day in UTC (2026-11-28), a moment (2026-11-28T12:00:00Z), or how long ago (15m, 12h, 30d)
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
}

/// Lists runs, the newest first.
pub(super) async fn list(
    client: &Client,
    app: &App,
    name: Option<&str>,
    which: Which,
    limit: usize,
) -> Result<Exit, Failure> {
    let connection = match name {
        Some(name) => Some(client.connection(name).await?.data.id),
        None => None,
    };
    let actor = match &which.by {
        Some(by) => Some(client.person(by).await?.id),
        None => None,
    };
    let query = Query::default()
        .with_some("connection_id", connection)
        .with_some("state", which.state)
        .with_some("trigger", which.trigger)
        .with_some("actor_id", actor)
        .with_some("since", which.since.map(|when| when.begin(now())));
    let list: Reply<Vec<RunView>> = client.list("/runs", &query, Some(limit)).await?;
    app.console.answer(&list.json, || {
        let table = Table::new(&["STARTED", "STATE", "TRIGGER", "DONE", "REQUESTS", "ID"], "no runs");
        list.data.iter().fold(table, |table, run| {
            table.row([
                moment(&run.started_at),
                run.state.to_string(),
                run.trigger.to_string(),
                picture::done(run),
                run.requests.to_string(),
                run.id.to_string(),
            ])
        })
    })?;
    Ok(Exit::Done)
}
