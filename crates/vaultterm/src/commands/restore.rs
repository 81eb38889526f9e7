//! `vaultterm restore`: installs the database of a backup. With `--replace` it takes the place of an existing
//! one.

use std::{
    io::BufReader,
    path::{Path, PathBuf},
};

use serde_json::json;
use vaultterm_store::{Archive, BackupError, Restored, Target};

use crate::{
    app::App,
    failure::{Exit, Failure},
    input_file::InputFile,
    installation::{self, Locked},
    private_file,
    server_config::{ConfigArgs, ServerConfig},
    table::Table,
};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// What `vaultterm backup` wrote; `-` for stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Replace the existing database, which is kept beside it as `….before-restore-TIME`
    #[arg(long)]
    replace: bool,
}

/// Restores a backup. The target is not touched before the whole backup has been checked.
pub(crate) async fn run(args: Args, app: &App) -> Result<Exit, Failure> {
    let config = ServerConfig::load(&args.config, None)?;
    let failed = |error| installation::not_backed_up("nothing was restored", &error);
    let input = InputFile { path: &args.file, what: "the backup", by: "FILE" }.open()?;
    let archive = Archive::open(BufReader::new(input)).map_err(failed)?;
    let beside = config.beside();
    let in_the_way = config.database.file().is_some_and(Path::exists);
    if in_the_way && !args.replace {
        return Err(failed(BackupError::InTheWay(beside)));
    }
    let header = archive.header();
    let keeper = config.keys.keeper()?;
    let root = keeper.find(header.instance, header.root_id, &header.sealed_roots).await;
    let root = root.map_err(|error| installation::locked(&error))?;
    let folder = beside.parent().unwrap_or(&config.data_dir);
    private_file::create_directory(folder)?;
    let Locked::ByUs(_lock) = installation::lock(&config).await? else {
        return Err(Failure::local(format!("a server runs on {}", config.database))
            .hint("stop it first: what it writes would be lost"));
    };
    let _turn = installation::take_turn(&config)?;
    let target = Target { url: &config.database, beside: &beside, replace: args.replace };
    let context = installation::operator();
    // If a person interrupts, the future is dropped, and the files that it began are removed. The last step
    // cannot be interrupted in the middle.
    let restored = tokio::select! {
        restored = archive.restore(&context, &root, target, tokio::task::yield_now) => restored.map_err(failed)?,
        _ = tokio::signal::ctrl_c() => return Err(Failure::interrupted()),
    };
    show(&restored, &config, app)?;
    Ok(Exit::Done)
}

fn show(restored: &Restored, config: &ServerConfig, app: &App) -> Result<(), Failure> {
    let Restored { header, epoch, tokens_revoked, connections_guarded, kept } = restored;
    let kept = kept.as_ref().map(|path| path.display().to_string());
    let database = config.database.to_string();
    let answer = json!({
        "database": database,
        "archive_id": header.archive_id,
        "created_at": header.created(),
        "instance_epoch": epoch,
        "tokens_revoked": tokens_revoked,
        "connections_guarded": connections_guarded,
        "kept": kept,
    });
    app.console.answer(&answer, || {
        Table::of_facts()
            .fact("database", database.as_str())
            .fact("as of", header.created())
            .fact("epoch", epoch.to_string())
            .fact("logins and tokens revoked", tokens_revoked.to_string())
            .fact("connections plan-only", connections_guarded.to_string())
            .fact_if("the one before", kept.as_deref())
    })?;
    app.console.note("everybody has to log in again, and programs need new API tokens");
    if *connections_guarded > 0 {
        app.console
            .note("nothing is written to Vault or from it until somebody has looked: `vaultterm sync plan NAME`,");
        app.console.note("then `vaultterm sync run NAME --acknowledge rewound`, for each connection");
    }
    app.console.next("vaultterm serve");
    Ok(())
}
