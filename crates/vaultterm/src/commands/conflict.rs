//! `vaultterm conflict …`.

mod accepted;
mod alike;

use std::{collections::BTreeMap, path::PathBuf, str::FromStr};

use clap::{ArgGroup, Subcommand};
use serde_json::Value;
use uuid::Uuid;
use vaultterm_contract::{
    ConflictView, ConnectionView, Expected, FieldDecision, MaskedView, Resolve, RevealedConflictView,
};
use vaultterm_reconcile::Side;
use vaultterm_sync::{ConflictStatus, ResolutionName};

use crate::{
    app::App,
    assignment::json_text,
    client::{Client, Patience, Query, Reply},
    console::Format,
    failure::{Exit, Failure},
    field_ref::plain,
    input,
    input_file::InputFile,
    lookup::ConflictRef,
    printable::printable,
    shell,
    table::{MASK, Table, moment},
};

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// List conflicts
    Ls {
        /// Only of this connection, by name or id
        #[arg(long)]
        connection: Option<String>,
        /// Which ones
        #[arg(long, default_value = "open", value_parser = ["open", "resolved", "all"])]
        status: String,
    },
    /// Show base, local and remote beside one another, values masked
    Show {
        /// CONNECTION:PATH, COLLECTION/PATH or id of the conflict
        conflict: ConflictRef,
        /// Show values, which the audit log records
        #[arg(long)]
        reveal: bool,
    },
    /// Decide a conflict; refused if a side has changed since
    Resolve(ResolveArgs),
    /// List the differences of a connection that people accepted
    Accepted {
        /// Name or id of the connection
        connection: String,
    },
    /// Open an accepted difference again: the next run makes a conflict of it and changes neither side
    Reopen {
        /// Name or id of the connection
        connection: String,
        /// The path below the connection's own
        path: String,
    },
}

#[derive(clap::Args, Debug)]
#[command(group = ArgGroup::new("decision").required(true).args(["keep_local", "keep_remote", "keep_both", "fields"]))]
pub(crate) struct ResolveArgs {
    /// CONNECTION:PATH, COLLECTION/PATH or id of the conflict
    conflict: ConflictRef,
    /// Decide every open conflict of the same connection and kind like this one: makes a plan to look at first
    #[arg(long, conflicts_with_all = ["keep_both", "fields"])]
    all_like: bool,
    /// The record wins; in a pull, both sides stay as they are and differ
    #[arg(long)]
    keep_local: bool,
    /// The secret in Vault wins; in a push, both sides stay as they are and differ
    #[arg(long)]
    keep_remote: bool,
    /// The secret in Vault becomes a new record beside the old one, which wins
    #[arg(long)]
    keep_both: bool,
    /// One field: NAME=local, NAME=remote, NAME=@FILE, NAME=- (stdin) or NAME=? (asked for); repeat
    #[arg(long = "field", value_name = "NAME=…")]
    fields: Vec<Choice>,
    /// Why, for the audit log
    #[arg(long)]
    reason: Option<String>,
    /// The record's revision the decision was taken on [default: as it is now]
    #[arg(long, value_name = "N")]
    local_revision: Option<u64>,
    /// The secret's version the decision was taken on [default: as it is now]
    #[arg(long, value_name = "N")]
    remote_version: Option<u64>,
}

/// The decision on a field.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Choice {
    name: String,
    from: From,
}

/// The source of a field's value. A value itself is never on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
enum From {
    Local,
    Remote,
    File(PathBuf),
    Terminal,
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "a field is decided with NAME=local, NAME=remote, NAME=@FILE, NAME=- or NAME=?";
        // A field that came from Vault may have an empty name. The server checks which fields exist.
        let (name, from) = text.rsplit_once('=').ok_or(FORM)?;
        let from = match from {
            "local" => From::Local,
            "remote" => From::Remote,
            "-" => From::File("-".into()),
            "?" => From::Terminal,
            other => From::File(other.strip_prefix('@').filter(|path| !path.is_empty()).ok_or(FORM)?.into()),
        };
        Ok(Self { name: name.to_owned(), from })
    }
}

/// Runs the command.
pub(crate) async fn run(command: Command, app: &App) -> Result<Exit, Failure> {
    let client = app.client()?;
    match command {
        Command::Ls { connection, status } => list(&client, app, connection.as_deref(), &status).await,
        Command::Show { conflict, reveal } => show(&client, app, client.conflict(&conflict).await?, reveal).await,
        Command::Resolve(args) => resolve(&client, app, args).await,
        Command::Accepted { connection } => accepted::list(&client, app, &connection).await,
        Command::Reopen { connection, path } => accepted::reopen(&client, app, &connection, &path).await,
    }
}

async fn list(client: &Client, app: &App, connection: Option<&str>, status: &str) -> Result<Exit, Failure> {
    let connection_id = match connection {
        Some(name) => Some(client.connection(name).await?.data.id),
        None => None,
    };
    let query = Query::default()
        .with_some("connection_id", connection_id)
        .with_some("status", (status != "all").then_some(status));
    let list: Reply<Vec<ConflictView>> = client.list("/conflicts", &query, None).await?;
    app.console.answer(&list.json, || {
        let table = Table::new(&["PATH", "KIND", "FIELDS", "LAST VERIFIED", "STATUS", "ID"], "");
        list.data.iter().fold(table, |table, conflict| {
            let fields: Vec<_> = conflict.fields.iter().map(|field| field.name.as_str()).collect();
            table.row([
                conflict.path.clone(),
                conflict.kind.to_string(),
                fields.join(" "),
                moment(&conflict.last_seen_at),
                conflict.status.to_string(),
                conflict.id.to_string(),
            ])
        })
    })?;
    if list.data.is_empty() {
        app.console.note(&match status {
            "all" => "no conflicts".to_owned(),
            named => format!("no {named} conflicts"),
        });
    }
    if let Some(conflict) = list.data.iter().find(|conflict| conflict.status == ConflictStatus::Open) {
        app.console.next(&format!("vaultterm conflict show {}", conflict.id));
    }
    Ok(Exit::Done)
}

async fn show(client: &Client, app: &App, id: Uuid, reveal: bool) -> Result<Exit, Failure> {
    let conflict: Reply<ConflictView> = client.get(&format!("/conflicts/{id}")).await?;
    if reveal {
        let path = format!("/conflicts/{id}/reveal");
        let revealed: Reply<RevealedConflictView> = client.post(&path, &serde_json::json!({}), Patience::Vault).await?;
        app.console.answer(&revealed.json, || revealed_table(&revealed.data))?;
    } else {
        let name = connection_name(client, app, &conflict.data).await;
        app.console.answer_text(&conflict.json, || {
            format!("{}\n{}", facts(&conflict.data, &name).render(false), masked_table(&conflict.data).render(false))
        })?;
        if !conflict.data.fields.is_empty() {
            app.console.note(
                "the digits beside a hidden value are its fingerprint: equal values have the same one, and it shows nothing else",
            );
        }
    }
    if conflict.data.status == ConflictStatus::Open {
        let ConflictView { local_revision, remote_version, .. } = &conflict.data;
        let seen: String = [("--local-revision", local_revision), ("--remote-version", remote_version)]
            .into_iter()
            .filter_map(|(flag, number)| number.map(|number| format!(" {flag} {number}")))
            .collect();
        app.console.next(&format!(
            "vaultterm conflict resolve {id} --keep-local{seen} (or --keep-remote, --keep-both, --field NAME=…)"
        ));
    }
    Ok(Exit::Done)
}

async fn resolve(client: &Client, app: &App, args: ResolveArgs) -> Result<Exit, Failure> {
    let path = format!("/conflicts/{}", client.conflict(&args.conflict).await?);
    if args.all_like {
        return alike::plan(client, app, &path, args.keep_remote, args.reason).await;
    }
    let shown: ConflictView = client.get::<ConflictView>(&path).await?.data;
    let resolution = match (args.keep_local, args.keep_remote, args.keep_both) {
        (true, ..) => ResolutionName::KeepLocal,
        (_, true, _) => ResolutionName::KeepRemote,
        (.., true) => ResolutionName::KeepBoth,
        _ => ResolutionName::Merge,
    };
    let body = Resolve {
        resolution: resolution.to_string(),
        fields: choices(&args.fields)?,
        reason: args.reason,
        expect: Expected {
            local_revision: args.local_revision.or(shown.local_revision),
            remote_version: args.remote_version.or(shown.remote_version),
        },
    };
    let resolved: Result<Reply<ConflictView>, _> =
        client.post(&format!("{path}/resolve"), &body, Patience::Vault).await;
    let resolved = resolved.map_err(with_flags)?;
    let name = connection_name(client, app, &resolved.data).await;
    app.console.answer(&resolved.json, || facts(&resolved.data, &name))?;
    app.console.next("vaultterm sync status");
    Ok(Exit::Done)
}

/// Adds the flags for the fields that a decision left open to the hints.
fn with_flags(mut failure: Failure) -> Failure {
    let open = failure.fields.iter().filter_map(|field| field.strip_prefix("fields."));
    let flags: Vec<_> = open.map(|name| format!("--field {}", shell::word(&format!("{name}=local")))).collect();
    if flags.is_empty() || failure.status != Some(409) {
        return failure;
    }
    failure.hints = vec![format!(
        "add {} (or =remote, =@FILE, =-, =? for each): the two sides of a credential belong together",
        flags.join(" ")
    )];
    failure
}

fn choices(fields: &[Choice]) -> Result<BTreeMap<String, FieldDecision>, Failure> {
    let stdin_reads = fields.iter().filter(|choice| choice.from == From::File("-".into())).count();
    if stdin_reads > 1 {
        return Err(Failure::local("stdin can be read only once").hint("put the other values into files: NAME=@FILE"));
    }
    let take = |side: Side| FieldDecision { take: Some(side.to_string()), value: None };
    let given = |value| FieldDecision { take: None, value: Some(value) };
    let mut chosen = BTreeMap::new();
    for Choice { name, from } in fields {
        let what = format!("the value of `{name}`");
        let choice = match from {
            From::Local => take(Side::Local),
            From::Remote => take(Side::Remote),
            From::File(path) => {
                let by = format!("--field {name}=@…");
                let value = InputFile { path, what: &what, by: &by }.secret().map_err(|failure| {
                    failure.hint(format!("for a value that begins with @: {name}=- (stdin) or {name}=? (asked for)"))
                })?;
                given(json_text(&value))
            }
            From::Terminal => given(json_text(&input::ask_secret(name, &format!("{name}=@FILE"))?)),
        };
        if chosen.insert(name.clone(), choice).is_some() {
            return Err(Failure::local(format!("the field `{name}` is decided twice")));
        }
    }
    Ok(chosen)
}

/// Returns the name of the connection of a conflict for people, or its id if the name cannot be read.
async fn connection_name(client: &Client, app: &App, conflict: &ConflictView) -> String {
    let id = conflict.connection_id;
    if app.console.format() == Format::Json {
        return id.to_string();
    }
    let found = client.get::<ConnectionView>(&format!("/connections/{id}")).await;
    found.map_or_else(|_| id.to_string(), |found| found.data.name)
}

fn facts(conflict: &ConflictView, connection: &str) -> Table {
    let table = Table::of_facts()
        .fact("path", &conflict.path)
        .fact("kind", conflict.kind.as_str())
        .fact("status", conflict.status.as_str())
        .fact("id", conflict.id.to_string())
        .fact("connection", connection)
        .fact_if("record", conflict.record_id.map(|id| id.to_string()))
        .fact_if("local revision", conflict.local_revision.map(|number| number.to_string()))
        .fact_if("written here by", conflict.local_writer.as_deref().map(printable))
        .fact_if("remote version", conflict.remote_version.map(|number| number.to_string()))
        .fact_if("written in Vault by", conflict.remote_writer.as_deref().map(printable))
        .fact("first seen", moment(&conflict.first_seen_at))
        .fact("last verified", moment(&conflict.last_seen_at));
    let Some(decision) = &conflict.decision else { return table };
    let table = table
        .fact("decided by", printable(&decision.by))
        .fact("decided", moment(&decision.decided_at))
        .fact("decision", decision.chosen())
        .fact_if("reason", decision.reason.as_deref().map(printable));
    if decision.written.is_empty() {
        return table
            .fact("written", "nothing: unless the difference was accepted, the next run carries the decision out");
    }
    decision.written.iter().fold(table, |table, written| table.fact("written", printable(&written.sentence())))
}

fn masked_table(conflict: &ConflictView) -> Table {
    let cell = |masked: &Option<MaskedView>| {
        masked.as_ref().map_or("absent".into(), |masked| format!("{MASK} {} ({} bytes)", masked.digest, masked.length))
    };
    let table = Table::new(&["FIELD", "BASE", "LOCAL", "REMOTE"], "no field differs");
    conflict.fields.iter().fold(table, |table, field| {
        table.row([field.name.clone(), cell(&field.base), cell(&field.local), cell(&field.remote)])
    })
}

fn revealed_table(revealed: &RevealedConflictView) -> Table {
    let cell = |value: &Option<Value>| value.as_ref().map_or("absent".into(), plain);
    let table = Table::new(&["FIELD", "BASE", "LOCAL", "REMOTE"], "no field differs");
    revealed.fields.iter().fold(table, |table, field| {
        table.row([field.name.clone(), cell(&field.base), cell(&field.local), cell(&field.remote)])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_looks_like_the_name_of_a_file_is_not_repeated() {
        let Err(failure) = choices(&["password=@hunter2".parse().expect("a choice")]) else { panic!("no such file") };
        assert!(!format!("{failure:?}").contains("hunter2"), "{failure:?}");
        assert!(failure.message.contains("`password`"), "{failure:?}");
    }

    #[test]
    fn a_field_is_decided_by_side_or_by_a_value_from_elsewhere() {
        let choice = |name: &str, from| Ok(Choice { name: name.into(), from });
        assert_eq!("password=local".parse(), choice("password", From::Local));
        assert_eq!("a=b=remote".parse(), choice("a=b", From::Remote));
        assert_eq!("password=@new.txt".parse(), choice("password", From::File("new.txt".into())));
        assert_eq!("password=?".parse(), choice("password", From::Terminal));
        assert_eq!("=remote".parse(), choice("", From::Remote));
        for bad in ["password", "password=hunter2", "password=@"] {
            assert!(bad.parse::<Choice>().is_err(), "{bad}");
        }
    }
}
