//! `vaultterm backup`: writes the whole database into a sealed and signed file while the server runs.

use serde_json::json;
use vaultterm_store::{BackupHeader, Database};

use crate::{
    app::App,
    failure::{Exit, Failure},
    installation::{self, broken},
    output_place::OutputPlace,
    server_config::{ConfigArgs, ServerConfig},
    table::Table,
};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// The file to write, which must not exist; `-` for stdout
    #[arg(short, long, value_name = "FILE")]
    output: OutputPlace,
}

/// Makes a backup.
pub(crate) async fn run(args: Args, app: &App) -> Result<Exit, Failure> {
    let config = ServerConfig::load(&args.config, None)?;
    args.output.refuse_existing("name another file: a backup never replaces one")?;
    args.output.refuse_terminal(app.console)?;
    let _turn = installation::take_turn(&config)?;
    installation::refuse_older(&config, "make the backup with the version that the server has").await?;
    let database = installation::open_existing(&config).await?;
    // If a person interrupts, the future is dropped, and the file that it began is removed with it.
    let made = tokio::select! {
        made = make(&config, &database, &args) => made,
        _ = tokio::signal::ctrl_c() => Err(Failure::interrupted()),
    };
    database.close().await;
    show(&made?, &args, app)?;
    Ok(Exit::Done)
}

async fn make(config: &ServerConfig, database: &Database, args: &Args) -> Result<BackupHeader, Failure> {
    vaultterm_store::clear_leftovers(&config.beside())
        .map_err(|error| Failure::local(format!("cannot tidy up {}", config.data_dir.display())).because(&error))?;
    let failed = |error| installation::not_backed_up("the backup was not made", &error);
    let instance = database.instance().await.map_err(|error| broken(&error))?;
    let root_id = database.root_id().await.map_err(|error| broken(&error))?;
    let root_id = root_id.ok_or_else(|| {
        Failure::local("the database does not say which root key it has")
            .hint("start the server once: it records the id of the root key")
    })?;
    let sealed = database.sealed_roots().await.map_err(|error| broken(&error))?;
    let keeper = config.keys.keeper()?;
    let root = keeper.find(instance, root_id, &sealed).await.map_err(|error| installation::locked(&error))?;
    let store = database.unlock(&root).await.map_err(|error| broken(&error))?;
    let output = args.output.begin()?;
    let context = installation::operator();
    let backup = store.begin_backup(&context, &root, &config.beside()).await.map_err(failed)?;
    let header = backup.header().clone();
    backup.write(&output, tokio::task::yield_now).await.map_err(failed)?;
    output.finish_new()?;
    Ok(header)
}

fn show(header: &BackupHeader, args: &Args, app: &App) -> Result<(), Failure> {
    let file = args.output.file().map(|path| path.display().to_string());
    let bytes = args.output.file().and_then(|path| std::fs::metadata(path).ok()).map(|found| found.len());
    let answer = json!({
        "file": file,
        "bytes": bytes,
        "archive_id": header.archive_id,
        "created_at": header.created(),
        "instance_epoch": header.epoch,
        "root_key_id": header.root_id.0,
    });
    args.output.tell(app.console, &answer, || {
        Table::of_facts()
            .fact("backup", file.as_deref().unwrap_or("stdout"))
            .fact_if("bytes", bytes.map(|bytes| bytes.to_string()))
            .fact("id", header.archive_id.to_string())
            .fact("made", header.created())
            .fact("root key", header.root_id.0.to_string())
    })?;
    app.console.note("it opens with the root key only: keep that apart from it, and test that you can restore");
    Ok(())
}
