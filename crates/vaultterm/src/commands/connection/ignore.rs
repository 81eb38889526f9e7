//! `vaultterm connection ignore | unignore | ignored`: secrets that cannot become records under their names.

use serde_json::json;
use vaultterm_contract::{IgnoredList, IgnoredView};

use crate::{
    app::App,
    client::{Query, Reply},
    failure::{Exit, Failure},
    printable::printable,
    shell,
    table::{Table, moment},
};

/// Accepts that a secret is left out.
pub(super) async fn accept(app: &App, name: &str, path: &str, reason: Option<&str>) -> Result<Exit, Failure> {
    let client = app.client()?;
    let found = client.connection(name).await?.data;
    let url = format!("/connections/{}/ignored", found.id);
    let accepted: Reply<IgnoredView> = client.put_for(&url, &json!({ "path": path, "reason": reason })).await?;
    app.console.answer(&accepted.json, || row(table(), &accepted.data))?;
    app.console.note(&format!("`{}` is left out of `{}`: runs do not report it any more", printable(path), found.name));
    app.console.next(&format!("vaultterm sync plan {}", shell::word(&found.name)));
    Ok(Exit::Done)
}

/// Takes this acceptance back.
pub(super) async fn take_back(app: &App, name: &str, path: &str) -> Result<Exit, Failure> {
    let client = app.client()?;
    let found = client.connection(name).await?.data;
    let url = format!("/connections/{}/ignored", found.id);
    client.delete_one(&url, &Query::default().with("path", path)).await?;
    app.console.note(&format!("`{}` is reported again by the runs of `{}`", printable(path), found.name));
    Ok(Exit::Done)
}

/// Lists the secrets that are accepted as left out.
pub(super) async fn list(app: &App, name: &str) -> Result<Exit, Failure> {
    let client = app.client()?;
    let found = client.connection(name).await?.data;
    let url = format!("/connections/{}/ignored", found.id);
    let list: Reply<IgnoredList> = client.get(&url).await?;
    app.console.answer(&list.json, || list.data.items.iter().fold(table(), row))?;
    Ok(Exit::Done)
}

fn table() -> Table {
    Table::new(&["PATH", "ACCEPTED BY", "AT", "REASON"], "nothing is left out")
}

fn row(table: Table, ignored: &IgnoredView) -> Table {
    table.row([
        ignored.path.clone(),
        ignored.accepted_by.clone(),
        moment(&ignored.accepted_at),
        ignored.reason.clone().unwrap_or_default(),
    ])
}
