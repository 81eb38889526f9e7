//! `vaultterm audit show`: one event with everything that the log says of it.

use vaultterm_contract::EventView;

use crate::{
    app::App,
    client::{Client, Reply},
    failure::{Exit, Failure},
    table::{Table, moment},
};

/// Runs the command.
pub(super) async fn run(client: &Client, app: &App, seq: u64) -> Result<Exit, Failure> {
    let found: Reply<EventView> = client.get(&format!("/audit/events/{seq}")).await?;
    app.console.answer(&found.json, || table(&found.data))?;
    Ok(Exit::Done)
}

fn table(event: &EventView) -> Table {
    let table = Table::of_facts()
        .fact("seq", event.seq.to_string())
        .fact("time", moment(&event.time))
        .fact("actor", format!("{} ({})", event.actor, event.actor_kind))
        .fact("action", event.action.as_str())
        .fact("outcome", event.outcome.as_str())
        .fact_if("from address", event.source_ip.as_deref())
        .fact_if("request", event.request_id.as_deref());
    let table = event.objects.iter().fold(table, |table, object| {
        table.fact(&object.kind, object.name.clone().unwrap_or_else(|| object.id.to_string()))
    });
    let table = event.detail.iter().fold(table, |table, (name, value)| table.fact(name, value.as_str()));
    let table = match &event.remote {
        Some(remote) => table
            .fact("in Vault", remote.path.as_str())
            .fact_if("version in Vault", remote.version.map(|version| version.to_string()))
            .fact_if("request in Vault", remote.request_id.as_deref()),
        None => table,
    };
    table.fact("hash", event.hash.as_str())
}
