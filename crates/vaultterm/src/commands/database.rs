//! `vaultterm database copy`: copies an installation into another database, from SQLite to PostgreSQL or back.

use std::path::PathBuf;

use serde_json::json;
use vaultterm_store::{AuditVerdict, CopiedTable, Database, DatabaseUrl, RevisionsVerdict};

use crate::{
    app::App,
    failure::{Exit, Failure},
    input_file::InputFile,
    installation::{self, Locked, broken},
    private_file,
    server_config::{ConfigArgs, ServerConfig, database_url},
    table::Table,
};

#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    /// Copy everything into an empty database, which takes over after `DATABASE_URL` names it; the source is only read
    Copy(CopyArgs),
}

#[derive(clap::Args, Debug)]
pub(crate) struct CopyArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// File with the URL of the target, as in `DATABASE_URL`: `postgres://USER:PASSWORD@HOST:PORT/NAME` or `sqlite:PATH`; `-` for
    /// stdin
    #[arg(long, value_name = "FILE")]
    to_url_file: PathBuf,
}

pub(crate) async fn run(command: Command, app: &App) -> Result<Exit, Failure> {
    match command {
        Command::Copy(args) => copy(args, app).await,
    }
}

/// What a copy holds, as the target itself tells it.
struct Proof {
    audit: AuditVerdict,
    revisions: RevisionsVerdict,
}

async fn copy(args: CopyArgs, app: &App) -> Result<Exit, Failure> {
    let config = ServerConfig::load(&args.config, None)?;
    let url = InputFile { path: &args.to_url_file, what: "the URL", by: "--to-url-file" }.secret()?;
    let to = database_url(&url, "--to-url-file")?;
    installation::refuse_older(&config, "start the server once with this version: it migrates the database").await?;
    let source = installation::open_existing(&config).await?;
    let Locked::ByUs(_lock) = installation::lock(&config).await? else {
        return Err(Failure::local(format!("a server runs on {}", config.database))
            .hint("stop it first: what it writes meanwhile would be missing in the copy"));
    };
    if let Some(folder) = to.file().and_then(|file| file.parent()).filter(|folder| !folder.as_os_str().is_empty()) {
        private_file::create_directory(folder)?;
    }
    let Locked::ByUs(_target_lock) = installation::lock_of(&to).await? else {
        return Err(Failure::local(format!("a server runs on {to}")).hint("name an empty database"));
    };
    let failed = |error: &vaultterm_store::StoreError| Failure::local("nothing was copied").because(error);
    if !to.is_empty().await.map_err(|error| failed(&error))? {
        return Err(Failure::local(format!("the database {to} is not empty; nothing was copied"))
            .hint("name an empty database: a copy never replaces anything"));
    }
    let target = Database::open(&to).await.map_err(|error| failed(&error))?;
    let copied = source.copy_to(&target).await.map_err(|error| failed(&error))?;
    source.close().await;
    let rows = copied.iter().map(|table| table.rows).sum();
    let proof = prove(&config, &target, rows).await;
    target.close().await;
    show(&copied, &proof?, &config.database, &to, app)
}

/// Opens the copy with the root key, and checks every link of the audit log, every checkpoint and every stored value.
async fn prove(config: &ServerConfig, target: &Database, rows: u64) -> Result<Proof, Failure> {
    let store = installation::unlock(config, target).await?;
    let wrong = |what: String| {
        Failure::local(format!("the copy is not as it should be: {what}"))
            .hint("do not use it; run `vaultterm doctor` on the source, which was not changed")
    };
    let revisions = store.verify_revisions().await.map_err(|error| broken(&error))?;
    if revisions.damaged > 0 {
        return Err(wrong(format!("{} stored values do not open", revisions.damaged)));
    }
    let context = installation::operator();
    store.record_copy(&context, &config.database.to_string(), rows).await.map_err(|error| broken(&error))?;
    let audit = store.verify_audit().await.map_err(|error| broken(&error))?;
    match &audit.broken {
        Some(why) => Err(wrong(why.clone())),
        None => Ok(Proof { audit, revisions }),
    }
}

fn show(
    copied: &[CopiedTable],
    proof: &Proof,
    from: &DatabaseUrl,
    to: &DatabaseUrl,
    app: &App,
) -> Result<Exit, Failure> {
    let rows: u64 = copied.iter().map(|table| table.rows).sum();
    let tables: serde_json::Map<_, _> = copied.iter().map(|table| (table.name.clone(), json!(table.rows))).collect();
    let (from, to) = (from.to_string(), to.to_string());
    let Proof { audit, revisions } = proof;
    let entries = audit.entries - audit.pruned;
    let answer = json!({
        "from": from,
        "to": to,
        "rows": rows,
        "tables": tables,
        "audit_entries": entries,
        "checkpoints": audit.checkpoints,
        "revisions": revisions.open,
    });
    app.console.answer(&answer, || {
        Table::of_facts()
            .fact("from", from.as_str())
            .fact("to", to.as_str())
            .fact("rows", format!("{rows} in {} tables, counted on both sides", copied.len()))
            .fact("stored values", format!("{} opened", revisions.open))
            .fact("audit log", format!("{entries} entries in an unbroken chain, {} checkpoints", audit.checkpoints))
    })?;
    app.console.note("set DATABASE_URL to the new database before you start the server again");
    app.console.note(
        "never start a server on the old one again: two copies of one installation would write to the same Vault",
    );
    app.console.next("vaultterm doctor");
    Ok(Exit::Done)
}
