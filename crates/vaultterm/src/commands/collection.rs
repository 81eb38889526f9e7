//! `vaultterm collection …`.

use clap::Subcommand;
use serde_json::json;
use vaultterm_contract::{CollectionView, MemberView};
use vaultterm_sync::{CollectionRole, GrantKind};

use crate::{
    app::App,
    client::{Client, Patience, Query, Reply},
    failure::{Exit, Failure},
    input,
    printable::printable,
    shell,
    table::{Table, moment},
};

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// List the collections you may see
    Ls,
    /// Create a collection, owned by you
    Create {
        /// Its name
        name: String,
    },
    /// Show a collection and its members
    Show {
        /// Name or id
        collection: String,
    },
    /// Give a collection another name
    Rename {
        /// Name or id
        collection: String,
        /// The new name
        name: String,
    },
    /// Delete an empty collection
    Delete {
        /// Name or id
        collection: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Let a person use a collection, or change what they may do
    Grant {
        /// Name or id
        collection: String,
        /// E-mail address or id of the person
        user: String,
        /// What they may do
        #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(CollectionRole::NAMES))]
        role: String,
    },
    /// Take a collection away from a person
    Revoke {
        /// Name or id
        collection: String,
        /// E-mail address or id of the person
        user: String,
    },
}

/// Runs the command.
pub(crate) async fn run(command: Command, app: &App) -> Result<Exit, Failure> {
    let client = app.client()?;
    match command {
        Command::Ls => list(&client, app).await,
        Command::Create { name } => create(&client, app, &name).await,
        Command::Show { collection } => show(&client, app, &collection).await,
        Command::Rename { collection, name } => rename(&client, app, &collection, &name).await,
        Command::Delete { collection, yes } => delete(&client, app, &collection, yes).await,
        Command::Grant { collection, user, role } => grant(&client, app, &collection, &user, &role).await,
        Command::Revoke { collection, user } => revoke(&client, app, &collection, &user).await,
    }
}

async fn list(client: &Client, app: &App) -> Result<Exit, Failure> {
    let list: Reply<Vec<CollectionView>> = client.list("/collections", &Query::default(), None).await?;
    app.console.answer(&list.json, || {
        let table = Table::new(&["NAME", "RECORDS", "UPDATED", "ID"], "no collections");
        list.data.iter().fold(table, |table, collection| {
            table.row([
                collection.name.clone(),
                collection.records.to_string(),
                moment(&collection.updated_at),
                collection.id.to_string(),
            ])
        })
    })?;
    Ok(Exit::Done)
}

async fn create(client: &Client, app: &App, name: &str) -> Result<Exit, Failure> {
    let created: Reply<CollectionView> = client.post("/collections", &json!({ "name": name }), Patience::Usual).await?;
    app.console.answer(&created.json, || facts(&created.data))?;
    app.console.next(&format!("vaultterm record set {} password=-", shell::word(&format!("{name}/PATH"))));
    Ok(Exit::Done)
}

async fn show(client: &Client, app: &App, name: &str) -> Result<Exit, Failure> {
    let found = client.collection(name).await?;
    if app.console.format() == crate::console::Format::Json {
        app.console.json(&found.json)?;
        return Ok(Exit::Done);
    }
    let path = format!("/collections/{}/members", found.data.id);
    let members: Reply<Vec<MemberView>> = client.list(&path, &Query::default(), None).await?;
    app.console.answer(&found.json, || {
        members.data.iter().fold(facts(&found.data), |table, member| {
            let source = member.source.as_ref().map_or_else(String::new, |source| match source.kind {
                GrantKind::Made => format!(", made the collection, {}", moment(&source.at)),
                GrantKind::Given | GrantKind::First => {
                    format!(", given by {}, {}", printable(&source.by), moment(&source.at))
                }
            });
            table.fact("member", format!("{} ({}{source})", member.email, member.role))
        })
    })?;
    Ok(Exit::Done)
}

async fn rename(client: &Client, app: &App, old: &str, new: &str) -> Result<Exit, Failure> {
    let found = client.collection(old).await?.data;
    let path = format!("/collections/{}", found.id);
    let renamed: Reply<CollectionView> = client.patch(&path, found.revision, &json!({ "name": new })).await?;
    app.console.answer(&renamed.json, || facts(&renamed.data))?;
    Ok(Exit::Done)
}

async fn delete(client: &Client, app: &App, name: &str, yes: bool) -> Result<Exit, Failure> {
    let found = client.collection(name).await?.data;
    input::confirm(&format!("Delete the collection `{}`?", found.name), yes)?;
    client.delete(&format!("/collections/{}", found.id), Some(found.revision)).await?;
    app.console.note(&format!("deleted the collection `{}`", found.name));
    Ok(Exit::Done)
}

async fn grant(client: &Client, app: &App, name: &str, user: &str, role: &str) -> Result<Exit, Failure> {
    let collection = client.collection(name).await?.data;
    let person = client.person(user).await?;
    let path = format!("/collections/{}/members/{}", collection.id, person.id);
    let member = client.put(&path, &json!({ "role": role })).await?;
    app.console.answer(&member, || {
        Table::of_facts().fact("collection", &collection.name).fact("user", &person.name).fact("role", role)
    })?;
    Ok(Exit::Done)
}

async fn revoke(client: &Client, app: &App, name: &str, user: &str) -> Result<Exit, Failure> {
    let collection = client.collection(name).await?.data;
    let path = format!("/collections/{}/members", collection.id);
    // The person is looked up among the members, so that the caller does not need the right to see all
    // people.
    let members: Reply<Vec<MemberView>> = client.list(&path, &Query::default(), None).await?;
    let wanted = user.to_lowercase();
    let member = members
        .data
        .iter()
        .find(|member| member.email == wanted || member.user_id.to_string() == wanted)
        .ok_or_else(|| Failure::server(format!("`{user}` is no member of the collection `{}`", collection.name)))?;
    client.delete(&format!("{path}/{}", member.user_id), None).await?;
    app.console.note(&format!("`{}` may no longer use the collection `{}`", member.email, collection.name));
    Ok(Exit::Done)
}

fn facts(collection: &CollectionView) -> Table {
    Table::of_facts()
        .fact("name", &collection.name)
        .fact("id", collection.id.to_string())
        .fact("records", collection.records.to_string())
        .fact("revision", collection.revision.to_string())
        .fact("created", moment(&collection.created_at))
        .fact("updated", moment(&collection.updated_at))
}
