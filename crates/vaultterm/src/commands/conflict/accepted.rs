//! `vaultterm conflict accepted | reopen`: differences between a record and its secret that people accepted.

use vaultterm_contract::{AcceptedDifferenceList, AcceptedDifferenceView};

use crate::{
    app::App,
    client::{Client, Query, Reply},
    failure::{Exit, Failure},
    printable::printable,
    shell,
    table::{Table, moment},
};

/// Lists the accepted differences of a connection.
pub(super) async fn list(client: &Client, app: &App, connection: &str) -> Result<Exit, Failure> {
    let found = client.connection(connection).await?.data;
    let list: Reply<AcceptedDifferenceList> = client.get(&format!("/connections/{}/accepted", found.id)).await?;
    app.console.answer(&list.json, || {
        let table = Table::new(&["PATH", "ACCEPTED BY", "AT"], "no accepted differences");
        list.data.items.iter().fold(table, |table, difference| {
            let AcceptedDifferenceView { path, accepted_by, accepted_at } = difference;
            table.row([path.clone(), accepted_by.clone(), moment(accepted_at)])
        })
    })?;
    if let Some(first) = list.data.items.first() {
        let (name, path) = (shell::word(&found.name), shell::word(&first.path));
        app.console.next(&format!("vaultterm conflict reopen {name} {path}"));
    }
    Ok(Exit::Done)
}

/// Reopens an accepted difference.
pub(super) async fn reopen(client: &Client, app: &App, connection: &str, path: &str) -> Result<Exit, Failure> {
    let found = client.connection(connection).await?.data;
    let url = format!("/connections/{}/accepted", found.id);
    client.delete_one(&url, &Query::default().with("path", path)).await?;
    app.console.note(&format!("the next run of `{}` makes a conflict of `{}`", found.name, printable(path)));
    app.console.next(&format!("vaultterm sync run {}", shell::word(&found.name)));
    Ok(Exit::Done)
}
