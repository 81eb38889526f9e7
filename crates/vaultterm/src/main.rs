//! The `vaultterm` binary: the server, and the command line over its HTTP API.
//!
//! Only this crate reads the environment, prints and ends the process. It makes no decisions about
//! credentials. `init`, `serve` and `doctor` work on a data directory, and nearly all other commands send
//! requests to a server.
//!
//! Start reading at `cli.rs` (the commands), then `app.rs` and `client.rs` (what they share). Each command is
//! a file in `commands/`. Every error becomes a [`failure::Failure`], and all output goes through
//! [`console::Console`].

mod address;
mod app;
mod arguments;
mod assignment;
mod cli;
mod client;
mod commands;
mod console;
mod events;
mod failure;
mod field_ref;
mod file_parser;
mod input;
mod input_file;
mod installation;
mod login_store;
mod lookup;
mod moments;
mod output_place;
mod printable;
mod private_file;
#[cfg(test)]
mod reference;
mod server_config;
mod settings;
mod table;
mod usage;

use std::process::ExitCode;

use vaultterm_contract::shell;

fn main() -> ExitCode {
    if file_parser::is_wanted() {
        return file_parser::run();
    }
    ExitCode::from(cli::main().code())
}
