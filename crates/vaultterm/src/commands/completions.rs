//! `vaultterm completions SHELL`.

use clap_complete::Shell;

use crate::{
    console,
    failure::{Exit, Failure},
};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// For which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints a completion script of the whole command line.
pub(crate) fn run(args: &Args, mut cli: clap::Command) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut cli, "vaultterm", &mut script);
    console::write_data(&script)?;
    Ok(Exit::Done)
}
