//! `vaultterm import`: shows what a file of another program becomes, asks, and makes the records.

mod shown;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use uuid::Uuid;
use vaultterm_contract::{
    CollectionView, ImportCommit, ImportItemView, ImportSummaryView, ImportUpload, ImportView, Nothing, UndoneView,
};
use vaultterm_exchange::{FILE_BYTES_MAX, ImportState};
use zeroize::Zeroizing;

use crate::{
    app::App,
    client::{Client, Patience, Query, Reply},
    failure::{Exit, Failure},
    input,
    input_file::InputFile,
    shell,
    table::Table,
};

/// A file of so many bytes, or an import of so many records, may take longer than people wait without a word.
const LARGE: usize = 1024 * 1024;
const MANY: u64 = 1_000;

/// The flags that stand without a file.
const OTHERS: [&str; 4] = ["undo", "go_on", "discard", "list"];

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The file; `-` for stdin
    #[arg(value_name = "FILE", required_unless_present_any = OTHERS, conflicts_with_all = OTHERS)]
    file: Option<PathBuf>,
    /// Its format, also as --format: bitwarden-json, bitwarden-csv, 1pux, 1password-csv, kdbx, keepassxc-csv, lastpass-csv, chrome-csv,
    /// firefox-csv, nordpass-csv, env, vault-kv, medusa, vkv, safe, cxf, vaultterm [default: recognised]
    #[arg(long, value_name = "FORMAT")]
    from: Option<String>,
    /// The name of what comes from stdin, as if it were a file: a secret of `vault kv get` is called so
    #[arg(long, value_name = "NAME")]
    file_name: Option<String>,
    /// Where the records go [default: your only collection]
    #[arg(long, value_name = "COLLECTION[/PREFIX]")]
    into: Option<String>,
    /// Show what would happen, and store nothing
    #[arg(long)]
    dry_run: bool,
    /// What to do with items that are here already with other values: leave them, make a new revision of them, or keep both
    #[arg(long, value_name = "CHOICE", value_parser = ["skip", "update", "both"], default_value = "skip")]
    duplicates: String,
    /// File that holds the password of a protected file; `-` for stdin [default: you are asked]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// The key file of a KeePass database, or identities of age
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// LastPass: `&amp;` in a value stands for `&`
    #[arg(long)]
    decode_entities: bool,
    /// Vault: an object within a secret is a value, and no folder
    #[arg(long)]
    keep_nested: bool,
    /// Show every item, and not only those about which there is something to say
    #[arg(long)]
    all: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Go on with a file that was read and not imported yet: it is shown as it would be imported now, and you are asked
    #[arg(long = "continue", value_name = "IMPORT", conflicts_with_all = ["undo", "discard", "list"])]
    go_on: Option<Uuid>,
    /// Remove what was read of a file that waits, and import nothing of it
    #[arg(long, value_name = "IMPORT", conflicts_with_all = ["undo", "list"])]
    discard: Option<Uuid>,
    /// Take an import back, for a day: what it made goes to the trash, and what it changed gets its earlier values again, unless
    /// somebody changed it since
    #[arg(long, value_name = "IMPORT", conflicts_with = "list")]
    undo: Option<Uuid>,
    /// List your imports of the last week
    #[arg(long)]
    list: bool,
}

/// Runs the command.
pub(crate) async fn run(args: Args, app: &App) -> Result<Exit, Failure> {
    let client = app.client()?;
    if args.list {
        return list(&client, app).await;
    }
    if let Some(id) = args.undo {
        return undo(&client, app, id).await;
    }
    if let Some(id) = args.discard {
        return discard(&client, app, id).await;
    }
    let id = match args.go_on {
        Some(id) => id,
        None => read(&client, app, &args).await?.data.id,
    };
    decide(&client, app, &args, id).await
}

/// Shows what an import would do, asks, and makes the records.
async fn decide(client: &Client, app: &App, args: &Args, id: Uuid) -> Result<Exit, Failure> {
    let query = Query::default().with("duplicates", &args.duplicates);
    let seen: Reply<ImportView> = client.query(&format!("/imports/{id}"), &query).await?;
    if seen.data.state != ImportState::Reviewed {
        app.console.answer(&seen.json, || shown::counts(&seen.data))?;
        app.console.note(&format!("this import is {} already", seen.data.state));
        return Ok(Exit::Done);
    }
    // One more than is shown tells that there are more.
    let (items, limit) =
        if args.all { (query, None) } else { (query.with("notable", true), Some(shown::ITEMS_MAX + 1)) };
    let items: Reply<Vec<ImportItemView>> = client.list(&format!("/imports/{id}/items"), &items, limit).await?;
    if args.dry_run {
        forget(client, args, id).await?;
        let json = json!({ "import": seen.json, "items": items.json["items"] });
        app.console.answer_text(&json, || shown::report(&seen.data, &items.data, args.all))?;
        app.console.note("nothing was stored; without --dry-run you are asked before anything is");
        return Ok(Exit::Done);
    }
    // What a person decides on goes where the question stands.
    app.console.about_the_question(&shown::report(&seen.data, &items.data, args.all));
    let changes = seen.data.counts.created + seen.data.counts.updated;
    if changes == 0 {
        forget(client, args, id).await?;
        app.console.answer(&seen.json, || shown::counts(&seen.data))?;
        app.console.note("there is nothing to import");
        return Ok(Exit::Done);
    }
    let question = format!("Import {changes} of {} items?", seen.data.counts.found);
    if let Err(failure) = input::confirm(&question, args.yes) {
        if args.go_on.is_some() {
            return Err(
                failure.hint(format!("the file waits: go on with --continue {id}, or remove it with --discard {id}"))
            );
        }
        client.delete(&format!("/imports/{id}"), None).await?;
        return Err(failure.hint("what was read of the file is removed"));
    }
    let done = commit(client, app, &seen.data, &args.duplicates).await.map_err(|failure| unsure(failure, id))?;
    app.console.answer(&done.json, || shown::counts(&done.data))?;
    app.console.next(&format!("vaultterm import --undo {id}  (for a day)"));
    Ok(if done.data.counts.refused > 0 { Exit::Partial } else { Exit::Done })
}

/// Removes what was read for this command. A file that waited before goes on waiting.
async fn forget(client: &Client, args: &Args, id: Uuid) -> Result<(), Failure> {
    match args.go_on {
        Some(_) => Ok(()),
        None => client.delete(&format!("/imports/{id}"), None).await,
    }
}

/// Removes a file that waits. One that is imported stays, because undoing it needs what is kept.
async fn discard(client: &Client, app: &App, id: Uuid) -> Result<Exit, Failure> {
    let seen: Reply<ImportView> = client.query(&format!("/imports/{id}"), &Query::default()).await?;
    if seen.data.state == ImportState::Done {
        return Err(Failure::local("this import is done already, so there is nothing to discard")
            .hint(format!("`vaultterm import --undo {id}` takes it back, for a day")));
    }
    client.delete(&format!("/imports/{id}"), None).await?;
    app.console.note("what was read is removed");
    Ok(Exit::Done)
}

/// Says where to look after the server ended while it stored the records: all of them are there, or none.
fn unsure(failure: Failure, id: Uuid) -> Failure {
    if failure.status.is_some() {
        return failure;
    }
    failure.hint(format!(
        "either all records of this import are stored, or none: `vaultterm import --list` tells which. If import {id} is \
         `reviewed`, nothing is stored, and `vaultterm import --continue {id}` goes on"
    ))
}

/// Sends the file. Asks for its password if it needs one.
async fn read(client: &Client, app: &App, args: &Args) -> Result<Reply<ImportView>, Failure> {
    let file = args.file.as_deref().ok_or_else(|| Failure::local("name the file"))?;
    let bytes = InputFile { path: file, what: "the file", by: "FILE" }.bytes_up_to(FILE_BYTES_MAX)?;
    let (collection, prefix) = target(client, args.into.as_deref()).await?;
    let secret = |path: &PathBuf| InputFile { path, what: "the password", by: "--password-file" }.secret();
    let key = |path: &PathBuf| InputFile { path, what: "the key file", by: "--key-file" }.bytes();
    let mut upload = ImportUpload {
        collection_id: collection.id,
        prefix,
        format: args.from.clone().or_else(|| app.settings.file_format.map(|format| format.to_string())),
        file_name: args.file_name.clone().or_else(|| name_of(file)),
        content: base64_of(&bytes),
        password: args.password_file.as_ref().map(secret).transpose()?,
        key_file: args.key_file.as_ref().map(key).transpose()?.map(|bytes| base64_of(&bytes)),
        decode_entities: args.decode_entities,
        keep_nested: args.keep_nested,
    };
    let is_long = bytes.len() >= LARGE;
    drop(bytes);
    let sent = send(client, app, &upload, is_long).await;
    let asked = matches!(&sent, Err(failure) if failure.fields.iter().any(|field| field == "password"));
    if !asked || upload.password.is_some() || !app.console.is_live() {
        return sent;
    }
    upload.password = Some(input::ask_secret("Password of the file", "--password-file")?);
    send(client, app, &upload, is_long).await
}

/// Returns the name of a file. Stdin has none.
fn name_of(file: &Path) -> Option<String> {
    let name = file.file_name().filter(|_| file != Path::new("-"));
    name.map(|name| name.to_string_lossy().into_owned())
}

/// Sends the file, and shows that it is being read.
async fn send(client: &Client, app: &App, upload: &ImportUpload, is_long: bool) -> Result<Reply<ImportView>, Failure> {
    let _show = Show::begin(app, "reading the file", is_long);
    let sent = client.post("/imports", upload, Patience::Vault).await;
    sent.map_err(|failure| match failure.status {
        Some(_) => failure,
        None => failure.hint("nothing was imported: the server was only reading the file. Run the same command again"),
    })
}

fn base64_of(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(STANDARD.encode(bytes))
}

/// Finds where the records go.
async fn target(client: &Client, into: Option<&str>) -> Result<(CollectionView, Option<String>), Failure> {
    if let Some(into) = into {
        let (name, prefix) = match into.split_once('/') {
            Some((name, prefix)) => (name, Some(prefix.to_owned()).filter(|prefix| !prefix.is_empty())),
            None => (into, None),
        };
        return Ok((client.collection(name).await?.data, prefix));
    }
    let all: Reply<Vec<CollectionView>> = client.list("/collections", &Query::default(), None).await?;
    let mut all = all.data;
    match all.len() {
        1 => Ok((all.remove(0), None)),
        0 => Err(Failure::local("there is no collection yet").hint("make one: `vaultterm collection create NAME`")),
        _ => {
            let names: Vec<_> = all.iter().map(|one| shell::word(&one.name).into_owned()).collect();
            Err(Failure::local("say where the records go")
                .hint(format!("--into COLLECTION or --into COLLECTION/PREFIX, with one of {}", names.join(", "))))
        }
    }
}

/// Confirms the import, and shows how far it is.
async fn commit(client: &Client, app: &App, seen: &ImportView, duplicates: &str) -> Result<Reply<ImportView>, Failure> {
    let body = ImportCommit { plan: seen.plan.clone(), duplicates: Some(duplicates.to_owned()) };
    let path = format!("/imports/{}/commit", seen.id);
    let total = seen.counts.created + seen.counts.updated;
    let show = Show::begin(app, &format!("storing {total} records"), total >= MANY);
    let look = async {
        loop {
            tokio::time::sleep(Duration::from_millis(300)).await;
            // The list tells it without computing what would happen.
            let list = client.list::<ImportSummaryView>("/imports", &Query::default(), None).await;
            let stored = list.ok().and_then(|list| list.data.into_iter().find(|import| import.id == seen.id)?.progress);
            show.stored(stored, total);
        }
    };
    let committed = client.post(&path, &body, Patience::Vault);
    if !show.is_live() {
        return committed.await;
    }
    tokio::select! {
        done = committed => done,
        () = look => unreachable!("it looks until the import is done"),
    }
}

/// What a person sees while they wait: a bar on a terminal, and one line elsewhere if it may take long.
struct Show(Option<ProgressBar>);

impl Show {
    fn begin(app: &App, words: &str, is_long: bool) -> Self {
        if !app.console.is_live() {
            if is_long {
                app.console.note(words);
            }
            return Self(None);
        }
        let bar = ProgressBar::new_spinner().with_message(words.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(Some(bar))
    }

    fn is_live(&self) -> bool {
        self.0.is_some()
    }

    /// Shows how many records are stored, once that is known.
    fn stored(&self, stored: Option<u64>, total: u64) {
        let (Some(bar), Some(stored)) = (&self.0, stored) else { return };
        if bar.length().is_none() {
            let style = ProgressStyle::with_template("{spinner} {msg} {bar:30} {pos} of {len}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_length(total);
        }
        bar.set_position(stored);
    }
}

impl Drop for Show {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

async fn undo(client: &Client, app: &App, id: Uuid) -> Result<Exit, Failure> {
    let undone: Reply<UndoneView> = client.post(&format!("/imports/{id}/undo"), &Nothing {}, Patience::Vault).await?;
    let UndoneView { trashed, restored, kept, in_trash } = undone.data;
    app.console.answer(&undone.json, || {
        let facts = Table::of_facts().fact("in the trash now", trashed.to_string());
        let facts = facts.fact("with earlier values again", restored.to_string()).fact("kept", kept.to_string());
        if in_trash > 0 { facts.fact("in the trash since the import", in_trash.to_string()) } else { facts }
    })?;
    if kept > 0 {
        app.console.note("kept are the records that somebody changed, moved or trashed since the import");
    }
    Ok(Exit::Done)
}

async fn list(client: &Client, app: &App) -> Result<Exit, Failure> {
    let list: Reply<Vec<ImportSummaryView>> = client.list("/imports", &Query::default(), None).await?;
    let collections: Reply<Vec<CollectionView>> = client.list("/collections", &Query::default(), None).await?;
    app.console.answer(&list.json, || shown::list(&list.data, &collections.data))?;
    if list.data.iter().any(|import| import.state == ImportState::Reviewed) {
        app.console.next("vaultterm import --continue ID  (or --discard ID, for one that is `reviewed`)");
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_whose_server_ended_says_what_may_have_happened_and_where_to_look() {
        let id = Uuid::from_u128(7);
        let failure = unsure(Failure::server("cannot reach the server"), id);
        let hint = failure.hints.last().expect("a hint");
        for part in ["all records of this import are stored, or none", "import --list", &format!("--continue {id}")] {
            assert!(hint.contains(part), "{hint}");
        }
        let answered = Failure { status: Some(409), ..Failure::server("something else would happen now") };
        assert!(unsure(answered, id).hints.is_empty());
    }
}
