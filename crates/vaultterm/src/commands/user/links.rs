//! `vaultterm user invite`, `invite-again`, `reset-link`, `links`, `withdraw`: links for one person.

use serde_json::{Value, json};
use uuid::Uuid;
use vaultterm_contract::{LinkView, MadeLinkView};

use crate::{
    app::App,
    client::{Client, Patience, Query, Reply},
    failure::{Exit, Failure},
    table::{Table, moment},
};

/// Creates an account and prints its invitation.
pub(super) async fn invite(
    client: &Client,
    app: &App,
    email: &str,
    name: Option<&str>,
    role: &str,
) -> Result<Exit, Failure> {
    let mut body = json!({ "email": email, "role": role });
    if let Some(name) = name {
        body["name"] = name.into();
    }
    let made: Reply<MadeLinkView> = client.post("/invitations", &body, Patience::Usual).await?;
    show(client, app, &made)
}

/// Makes a link for a person who exists. `kind` is the end of the path.
pub(super) async fn make(client: &Client, app: &App, user: &str, kind: &str) -> Result<Exit, Failure> {
    let found = client.user(user).await?.data;
    let path = format!("/users/{}/{kind}", found.id);
    let made: Reply<MadeLinkView> = client.post(&path, &json!({}), Patience::Usual).await?;
    show(client, app, &made)
}

fn show(client: &Client, app: &App, made: &Reply<MadeLinkView>) -> Result<Exit, Failure> {
    let MadeLinkView { user, link, path, .. } = &made.data;
    let address = client.address().to_string();
    let whole = format!("{}{}", address.trim_end_matches('/'), path.as_str());
    app.console.answer(&made.json, || {
        Table::of_facts()
            .fact("email", &user.email)
            .fact("link", whole.as_str())
            .fact("holds until", moment(&link.expires_at))
    })?;
    app.console
        .note("give the link to the person in a way that nobody else can read; it works once, and is not shown again");
    Ok(Exit::Done)
}

/// Lists the links of a person.
pub(super) async fn list(client: &Client, app: &App, user: &str) -> Result<Exit, Failure> {
    let found = client.user(user).await?.data;
    let path = format!("/users/{}/links", found.id);
    let list: Reply<vaultterm_contract::ListView<LinkView>> = client.query(&path, &Query::default()).await?;
    let json: &Value = &list.json;
    app.console.answer(json, || {
        let table = Table::new(&["PURPOSE", "STATE", "MADE BY", "MADE", "EXPIRES", "ID"], "no links");
        list.data.items.iter().fold(table, |table, link| {
            table.row([
                link.purpose.to_string(),
                link.state.to_string(),
                link.made_by.clone(),
                moment(&link.made_at),
                moment(&link.expires_at),
                link.id.to_string(),
            ])
        })
    })?;
    Ok(Exit::Done)
}

/// Withdraws a link of a person.
pub(super) async fn withdraw(client: &Client, app: &App, user: &str, link: Uuid) -> Result<Exit, Failure> {
    let found = client.user(user).await?.data;
    client.delete(&format!("/users/{}/links/{link}", found.id), None).await?;
    app.console.note("the link no longer counts");
    Ok(Exit::Done)
}
