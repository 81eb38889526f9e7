//! `vaultterm completions SHELL`.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{
    cli::Cli,
    console,
    failure::{Exit, Failure},
};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// For which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints a completion script.
pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "vaultterm", &mut script);
    console::write_data(&script)?;
    Ok(Exit::Done)
}
