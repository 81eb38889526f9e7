//! `vaultterm record generated`: the values that the person had the server generate within a day.

use serde_json::json;
use uuid::Uuid;
use vaultterm_contract::{GeneratedValueView, GeneratedView, ListView};

use crate::{
    app::App,
    client::{Patience, Reply},
    failure::{Exit, Failure},
    table::{Table, moment},
};

/// Lists the values, or shows one of them.
pub(super) async fn run(reveal: Option<Uuid>, app: &App) -> Result<Exit, Failure> {
    let client = app.client()?;
    if let Some(id) = reveal {
        let path = format!("/generated/{id}/reveal");
        let shown: Reply<GeneratedValueView> = client.post(&path, &json!({}), Patience::Usual).await?;
        app.console.answer_text(&shown.json, || format!("{}\n", shown.data.value.as_str()))?;
        return Ok(Exit::Done);
    }
    let list: Reply<ListView<GeneratedView>> = client.get("/generated").await?;
    app.console.answer(&list.json, || {
        let table = Table::new(&["ID", "GENERATED"], "nothing was generated within a day");
        list.data.items.iter().fold(table, |table, one| table.row([one.id.to_string(), moment(&one.created_at)]))
    })?;
    Ok(Exit::Done)
}
