//! `vaultterm user profile`: everything about one person.

use vaultterm_contract::{ProfileView, RoleSourceView};
use vaultterm_sync::GrantKind;

use crate::{
    app::App,
    client::{Client, Reply},
    failure::{Exit, Failure},
    printable::printable,
    table::{Table, moment},
};

/// Shows the profile of a person.
pub(super) async fn show(client: &Client, app: &App, user: &str) -> Result<Exit, Failure> {
    let id = client.user(user).await?.data.id;
    let found: Reply<ProfileView> = client.get(&format!("/users/{id}/profile")).await?;
    app.console.answer(&found.json, || facts(&found.data))?;
    Ok(Exit::Done)
}

fn facts(profile: &ProfileView) -> Table {
    let user = &profile.user;
    let mut table = Table::of_facts()
        .fact("email", &user.email)
        .fact("name", &user.name)
        .fact("state", user.state.as_str())
        .fact("role", format!("{}{}", user.role, source(profile.source.as_ref())))
        .fact("second factor", if profile.has_factor { "one-time codes" } else { "none" })
        .fact("last seen", profile.seen_at.as_deref().map_or_else(|| "never".to_owned(), moment))
        .fact("sessions", profile.sessions.to_string())
        .fact("API tokens", profile.tokens.to_string());
    for role in &profile.roles {
        let only = if role.only_owner { ", the only owner" } else { "" };
        let words = format!("{} of {}{only}{}", role.role, role.collection, source(role.source.as_ref()));
        table = table.fact("collection", words);
    }
    if profile.hidden_roles > 0 {
        table = table.fact("more roles", format!("{} on collections that you may not see", profile.hidden_roles));
    }
    for link in &profile.links {
        let words = format!(
            "{}, {}, made by {}, {}",
            link.purpose,
            link.state,
            printable(&link.made_by),
            moment(&link.made_at)
        );
        table = table.fact("link", words);
    }
    table
}

/// Words where a role comes from.
fn source(source: Option<&RoleSourceView>) -> String {
    source.map_or_else(String::new, |source| {
        let at = moment(&source.at);
        match source.kind {
            GrantKind::Given => format!(", given by {}, {at}", printable(&source.by)),
            GrantKind::Made => format!(", made the collection, {at}"),
            GrantKind::First => format!(", first owner, {at}"),
        }
    })
}
