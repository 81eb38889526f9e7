//! `vaultterm record …`. Values are masked unless `--reveal` is given, and the audit log records that.

mod edit;
mod generate;
mod generated;
mod get;
mod list;
mod moves;
mod set;
mod shared;

use clap::Subcommand;
use serde_json::json;
use vaultterm_contract::{Makers, RecordView, RevisionView};

use self::shared::{facts, standing_or_trashed};
use crate::{
    app::App,
    client::{Client, Patience, Query, Reply},
    failure::{Exit, Failure},
    lookup::RecordRef,
    shell,
    table::{Table, moment},
};

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// List the records of a collection, or find them in all collections
    Ls(list::Args),
    /// Show a record, its values masked
    Get(get::Args),
    /// Show the values of several records, each of which the audit log records
    Reveal(moves::RevealArgs),
    /// Create a record or change its fields
    Set(set::Args),
    /// Edit the fields of a record as JSON in $EDITOR
    Edit(edit::Args),
    /// Give a record another path in its collection
    Mv {
        /// COLLECTION/PATH or id
        #[arg(value_parser = RecordRef::parse)]
        record: RecordRef,
        /// COLLECTION/NEW-PATH, or NEW-PATH alone
        new_path: String,
    },
    /// Move records to another collection, with all their revisions
    Move(moves::MoveArgs),
    /// Add tags to records and remove others
    Tag(moves::TagArgs),
    /// Move records to the trash; all their revisions stay
    Rm {
        /// COLLECTION/PATH or id; several are moved together, or none of them
        #[arg(required = true, value_parser = RecordRef::parse, value_name = "RECORD")]
        records: Vec<RecordRef>,
    },
    /// Show who can see a record, and why
    Who {
        /// COLLECTION/PATH or id
        #[arg(value_parser = RecordRef::parse)]
        record: RecordRef,
    },
    /// List the revisions of a record
    History {
        /// COLLECTION/PATH or id
        #[arg(value_parser = RecordRef::parse)]
        record: RecordRef,
    },
    /// Bring an old revision back as the newest, or a record out of the trash
    Restore {
        /// COLLECTION/PATH or id
        #[arg(value_parser = RecordRef::parse)]
        record: RecordRef,
        /// The revision [default: the newest, out of the trash]
        #[arg(long, value_name = "N")]
        revision: Option<u64>,
    },
    /// Generate a password: print it, or put it into a record unseen
    Generate(generate::Args),
    /// List the values that you had generated in a page or over the API within a day
    Generated {
        /// Print the value with this id
        #[arg(long, value_name = "ID")]
        reveal: Option<uuid::Uuid>,
    },
}

/// Runs the command.
pub(crate) async fn run(command: Command, app: &App) -> Result<Exit, Failure> {
    match command {
        Command::Ls(args) => list::run(args, app).await,
        Command::Get(args) => get::run(args, app).await,
        Command::Reveal(args) => moves::reveal(args, app).await,
        Command::Set(args) => set::run(args, app).await,
        Command::Edit(args) => edit::run(args, app).await,
        Command::Mv { record, new_path } => rename(&app.client()?, app, &record, &new_path).await,
        Command::Move(args) => moves::relocate(args, app).await,
        Command::Tag(args) => moves::tag(args, app).await,
        Command::Rm { records } => moves::remove(&records, app).await,
        Command::Who { record } => moves::who(&record, app).await,
        Command::History { record } => history(&app.client()?, app, &record).await,
        Command::Restore { record, revision } => restore(&app.client()?, app, &record, revision).await,
        Command::Generate(args) => generate::run(args, app).await,
        Command::Generated { reveal } => generated::run(reveal, app).await,
    }
}

async fn rename(client: &Client, app: &App, reference: &RecordRef, new_path: &str) -> Result<Exit, Failure> {
    let record = client.record(reference).await?.data;
    let path = match (reference, new_path.split_once('/')) {
        (RecordRef::Place { collection, .. }, Some((first, rest))) if first == collection => rest,
        (RecordRef::Place { collection, .. }, Some((first, _))) => {
            refuse_other_collection(client, collection, first).await?;
            new_path
        }
        _ => new_path,
    };
    let body = json!({ "path": path });
    let moved: Reply<RecordView> = client.patch(&format!("/records/{}", record.id), record.revision, &body).await?;
    app.console.answer(&moved.json, || facts(&moved.data))?;
    app.console.note(&format!("renamed `{}` to `{}`", record.path, moved.data.path));
    Ok(Exit::Done)
}

/// Refuses a new path that begins with the name of another collection, because the person most likely wants
/// to move the record there.
async fn refuse_other_collection(client: &Client, own: &str, first: &str) -> Result<(), Failure> {
    match client.collection(first).await {
        Ok(other) => {
            Err(Failure::local(format!("`{first}` is another collection, and `mv` renames within one")).hint(format!(
                "to move it there: `vaultterm record move {own}/… --to {first}`; for a folder of that name write {}",
                shell::word(&format!("{own}/{}/…", other.data.name))
            )))
        }
        Err(failure) if failure.exit == Exit::Server => Ok(()),
        Err(failure) => Err(failure),
    }
}

async fn history(client: &Client, app: &App, reference: &RecordRef) -> Result<Exit, Failure> {
    let record = standing_or_trashed(client, reference).await?.data;
    let path = format!("/records/{}/revisions", record.id);
    let list: Reply<Vec<RevisionView>> = client.list(&path, &Query::default(), None).await?;
    app.console.answer(&list.json, || {
        let table = Table::new(&["REVISION", "TIME", "ORIGIN", "BY", "TYPE", "PATH", "FIELDS"], "no revisions");
        list.data.iter().fold(table, |table, revision| {
            table.row([
                revision.revision.to_string(),
                moment(&revision.created_at),
                revision.origin.to_string(),
                Makers {
                    origin: revision.origin,
                    actor: &revision.actor,
                    vault_writer: revision.vault_writer.as_deref(),
                }
                .named(),
                revision.record_type.to_string(),
                revision.path.clone(),
                revision.field_names.join(" "),
            ])
        })
    })?;
    Ok(Exit::Done)
}

async fn restore(client: &Client, app: &App, reference: &RecordRef, revision: Option<u64>) -> Result<Exit, Failure> {
    let record = standing_or_trashed(client, reference).await?.data;
    if record.deleted_at.is_none() && revision.is_none() {
        return Err(Failure::local(format!("`{}` is not in the trash", record.path))
            .hint("to bring an old revision back, name it: --revision N (see `vaultterm record history`)"));
    }
    let body = revision.map_or_else(|| json!({}), |revision| json!({ "revision": revision }));
    let path = format!("/records/{}/restore", record.id);
    let restored: Reply<RecordView> = client.post(&path, &body, Patience::Usual).await?;
    app.console.answer(&restored.json, || facts(&restored.data))?;
    Ok(Exit::Done)
}
