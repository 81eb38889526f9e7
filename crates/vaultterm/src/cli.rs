//! The commands, and how the process runs one of them, from its arguments to its exit code.

use clap::{CommandFactory, Parser, Subcommand, error::ErrorKind};

use crate::{
    app::App,
    arguments,
    commands::{
        audit, backup, collection, completions, conflict, connection, database, doctor, export, factor, feed, health,
        import, init, inject, key, license, login, openapi, read, record, restore, run, serve, session, sync, token,
        user, version, webhook,
    },
    console::{self, Console, Format},
    failure::{Exit, Failure},
    settings::{GlobalArgs, Settings},
    usage,
};

/// The size of the stack of a thread that runs futures. A run that follows hints while it looks at everything makes a plan inside
/// of another one. In a debug build, that takes about 2 MiB, which is all that a thread has by default.
const STACK_BYTES: usize = 4 << 20;

/// Self-hosted credential vault that stays in two-way sync with `HashiCorp` Vault and `OpenBao`
#[derive(Parser, Debug)]
#[command(
    name = "vaultterm",
    version,
    about = "Self-hosted credential vault that stays in two-way sync with HashiCorp Vault and OpenBao",
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "\
Exit codes: 0 done, or nothing to do · 1 wrong usage, or an error on this machine · 2 the server or
Vault refused or failed, or told a state that this version does not know · 3 the plan has changes
(with --detailed-exitcode) · 4 conflicts wait for a person · 5 halted by a guard · 6 some paths were
not done · 130 interrupted"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Set up a server: data directory, master key, database, first owner
    Init(init::Args),
    /// Run the server: API and scheduler
    Serve(serve::Args),
    /// Log in and keep the token for this address
    Login(login::Args),
    /// Revoke the kept token and forget it
    Logout,
    /// Show who the token belongs to and what it may do
    Whoami,
    /// Your second factor and your recovery codes
    #[command(subcommand)]
    Factor(factor::Command),
    /// Where you are logged in
    #[command(subcommand)]
    Session(session::Command),
    /// Collections of records, and who may use them
    #[command(subcommand)]
    Collection(collection::Command),
    /// Records: credentials with all their revisions
    #[command(subcommand)]
    Record(record::Command),
    /// Connections: a collection kept in step with a place in Vault
    #[command(subcommand)]
    Connection(connection::Command),
    /// Plan, run and follow synchronization
    #[command(subcommand)]
    Sync(sync::Command),
    /// Follow the audit log of a Vault, and hint at what changed there
    Feed(feed::Args),
    /// Conflicts that wait for a person
    #[command(subcommand)]
    Conflict(conflict::Command),
    /// The audit log
    #[command(subcommand)]
    Audit(audit::Command),
    /// Webhooks: where the audit log is pushed to
    #[command(subcommand)]
    Webhook(webhook::Command),
    /// Bring secrets: a file of another program becomes records, after you saw what it becomes
    Import(import::Args),
    /// Take secrets with you: records as a file for another program, sealed
    Export(export::Args),
    /// Write the whole database into one sealed and signed file, while the server runs
    Backup(backup::Args),
    /// Restore a backup; every connection is then plan-only until a plan is acknowledged
    Restore(restore::Args),
    /// The database itself: copy it to another engine
    #[command(subcommand)]
    Database(database::Command),
    /// The root key's seal, and the rotation of keys
    #[command(subcommand)]
    Key(key::Command),
    /// The license: show and install; keygen and issue are the vendor's
    #[command(subcommand)]
    License(license::Command),
    /// People
    #[command(subcommand)]
    User(user::Command),
    /// API tokens for programs
    #[command(subcommand)]
    Token(token::Command),
    /// Print one field: vt://collection/path/field
    Read(read::Args),
    /// Fill a template: {{ vt://collection/path/field }} becomes the value
    Inject(inject::Args),
    /// Run a program with values in its environment: run --env NAME=vt://… -- CMD
    Run(run::Args),
    /// Check a server's installation, without changing it
    Doctor(doctor::Args),
    /// Tell by the exit code whether a server is ready; needs no login
    Health(health::Args),
    /// Print the description of the HTTP API (OpenAPI 3.1)
    Openapi,
    /// Print a completion script
    Completions(completions::Args),
    /// Print the version
    Version,
}

/// Runs the command line of this process.
pub(crate) fn main() -> Exit {
    let cli = match Cli::try_parse_from(arguments::joined(std::env::args_os())) {
        Ok(cli) => cli,
        Err(error) => return refused(error),
    };
    let settings = match Settings::load(cli.global) {
        Ok(settings) => settings,
        Err(failure) => return Console::new(Format::Table).failure(&failure),
    };
    let app = App { console: Console::new(settings.format), settings };
    if app.settings.file_format.is_some() && !matches!(cli.command, Command::Import(_) | Command::Export(_)) {
        let failure = Failure::local("only import and export take the format of a file");
        return app.console.failure(&failure.hint("here `--format` takes table or json"));
    }
    // All of VaultTerm uses this cryptography library. An error only says that it is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK_BYTES).build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run(cli.command, &app)),
        Err(error) => Err(Failure::local("cannot start").because(&error)),
    };
    match result {
        Ok(exit) => exit,
        Err(failure) => app.console.failure(&failure),
    }
}

async fn run(command: Command, app: &App) -> Result<Exit, Failure> {
    match command {
        Command::Init(args) => init::run(args, app).await,
        Command::Serve(args) => serve::run(args, app).await,
        Command::Login(args) => login::login(args, app).await,
        Command::Logout => login::logout(app).await,
        Command::Whoami => login::whoami(app).await,
        Command::Factor(command) => factor::run(command, app).await,
        Command::Session(command) => session::run(command, app).await,
        Command::Collection(command) => collection::run(command, app).await,
        Command::Record(command) => record::run(command, app).await,
        Command::Connection(command) => connection::run(command, app).await,
        Command::Sync(command) => sync::run(command, app).await,
        Command::Feed(args) => feed::run(args, app).await,
        Command::Conflict(command) => conflict::run(command, app).await,
        Command::Audit(command) => audit::run(command, app).await,
        Command::Webhook(command) => webhook::run(command, app).await,
        Command::Import(args) => import::run(args, app).await,
        Command::Export(args) => export::run(args, app).await,
        Command::Backup(args) => backup::run(args, app).await,
        Command::Restore(args) => restore::run(args, app).await,
        Command::Database(command) => database::run(command, app).await,
        Command::Key(command) => key::run(command, app).await,
        Command::License(command) => license::run(command, app).await,
        Command::User(command) => user::run(command, app).await,
        Command::Token(command) => token::run(command, app).await,
        Command::Read(args) => read::run(args, app).await,
        Command::Inject(args) => inject::run(args, app).await,
        Command::Run(args) => run::run(args, app).await,
        Command::Doctor(args) => doctor::run(args, app).await,
        Command::Health(args) => health::run(args, app).await,
        Command::Openapi => openapi::run(app),
        Command::Completions(args) => completions::run(&args, Cli::command()),
        Command::Version => version::run(app),
    }
}

/// Prints help to stdout and usage errors to stderr. Clap's own exit code 2 is not used, because here 2 means
/// a server error.
fn refused(error: clap::Error) -> Exit {
    let wanted = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if wanted {
        // The text is VaultTerm's own. A reader that went away is not an error.
        let _ = console::write_data(error.render().to_string().as_bytes());
        return Exit::Done;
    }
    let mut text = usage::without_values(error).render().to_string();
    if text.contains("--format <FORMAT>") && text.contains("possible values") {
        text.push_str(
            "\nhint: import and export also take the format of a file here: `vaultterm import --help` lists them\n",
        );
    }
    Console::new(Format::Table).usage(&text);
    Exit::Local
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_commands_is_sound() {
        Cli::command().debug_assert();
    }
}
