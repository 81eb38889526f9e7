//! The reference pages that are generated from the definitions in this crate, and the tests that compare
//! them. `UPDATE_DOCS=1 cargo test -p vaultterm reference` rewrites them.

use std::{fmt::Write, fs, path::PathBuf};

use clap::{Arg, Command, CommandFactory};

use crate::{cli::Cli, server_config::VARIABLES};

/// Compares a page with its expected content, or rewrites it.
fn hold(name: &str, wanted: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference").join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(path.parent().expect("a parent")).expect("docs/reference");
        fs::write(&path, wanted).expect("written");
        return;
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "docs/reference/{name} is not up to date: run UPDATE_DOCS=1 cargo test -p vaultterm reference"
    );
}

#[test]
fn the_page_about_the_command_line_is_up_to_date() {
    let mut command = Cli::command();
    command.build();
    let mut page = String::from(
        "# Command line\n\nGenerated from the code: `UPDATE_DOCS=1 cargo test -p vaultterm reference` rewrites it.\n",
    );
    let globals: Vec<_> = command.get_arguments().filter(|arg| arg.is_global_set()).collect();
    let _ = writeln!(page, "\n## Every command\n\n{}", arguments(&globals));
    if let Some(help) = command.get_after_help() {
        let _ = writeln!(page, "{help}");
    }
    for subcommand in visible(&command) {
        section(&mut page, subcommand, "vaultterm", 2);
    }
    hold("cli.md", &page);
}

#[test]
fn the_page_about_the_configuration_is_up_to_date() {
    let page = "# Configuration of the client\n\n\
         Held by a test beside the code: `UPDATE_DOCS=1 cargo test -p vaultterm reference` rewrites it.\n\n\
         A flag wins over the environment, which wins over `$XDG_CONFIG_HOME/vaultterm/config.toml`, which wins \
         over the default. `~/.vault-token` is never read.\n\n\
         | variable | in `config.toml` | flag | default | meaning |\n|---|---|---|---|---|\n\
         | `VAULTTERM_ADDR` | `addr` | `--addr` | `http://127.0.0.1:8250` | Address of the server: https, or plain http on this machine. |\n\
         | `VAULTTERM_TOKEN` | | | what `login` kept | The token. Wins over a login; `--token-file` wins over it. |\n\
         | `VAULTTERM_TOKEN_FILE` | `token_file` | `--token-file` | | File that holds the token. |\n\
         | `VAULTTERM_CACERT` | `cacert` | `--cacert` | the system's | CA certificates (PEM) to trust instead of the system's. |\n\
         | `VAULTTERM_FORMAT` | `format` | `--format` | `table` | `table` or `json`. |\n\
         | `NO_COLOR` | | | | Not empty: no colour. |\n\
         | `VISUAL`, `EDITOR` | | | `vi` | What `record edit` opens. |\n\
         | `VAULT_ADDR`, `VAULT_NAMESPACE`, `VAULT_CACERT`, then `BAO_…` | | | | Offered as defaults by `connection create`, which says so. |\n\n\
         `vaultterm login` keeps one token per server address in `$XDG_CONFIG_HOME/vaultterm/tokens` (0600).\n";
    hold("configuration.md", page);
}

#[test]
fn the_page_about_the_configuration_of_the_server_is_up_to_date() {
    let mut page = String::from(
        "# Configuration of the server\n\n\
         Generated from the code: `UPDATE_DOCS=1 cargo test -p vaultterm reference` rewrites it.\n\n\
         For `vaultterm init`, `serve` and `doctor`. A flag wins over the environment, which wins over \
         `vaultterm.toml`, which wins over the default.\n\n\
         | variable | in `vaultterm.toml` | flag | default | meaning |\n|---|---|---|---|---|\n",
    );
    for variable in VARIABLES {
        let code = |text: Option<&str>| text.map_or(String::new(), |text| format!("`{text}`"));
        let (key, flag) = (code(variable.key), code(variable.flag));
        let _ =
            writeln!(page, "| `{}` | {key} | {flag} | {} | {} |", variable.name, variable.default, variable.meaning);
    }
    hold("server-configuration.md", &page);
}

fn section(page: &mut String, command: &Command, parent: &str, level: usize) {
    let name = format!("{parent} {}", command.get_name());
    let _ = writeln!(page, "\n{} `{name}`\n", "#".repeat(level));
    if let Some(about) = command.get_about() {
        let _ = writeln!(page, "{about}.\n");
    }
    let subcommands: Vec<_> = visible(command).collect();
    if subcommands.is_empty() {
        let usage = command.clone().render_usage().to_string();
        let _ = writeln!(page, "```\n{}\n```", usage.trim_start_matches("Usage: "));
        let own: Vec<_> =
            command.get_arguments().filter(|arg| !arg.is_global_set() && arg.get_id() != "help").collect();
        if !own.is_empty() {
            let _ = writeln!(page, "\n{}", arguments(&own).trim_end());
        }
        if let Some(help) = command.get_after_help() {
            let _ = writeln!(page, "\n```\n{help}\n```");
        }
    }
    for subcommand in subcommands {
        section(page, subcommand, &name, level + 1);
    }
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set() && subcommand.get_name() != "help")
}

fn arguments(arguments: &[&Arg]) -> String {
    let mut table = String::from("| argument | meaning |\n|---|---|\n");
    for argument in arguments {
        let mut written = match (argument.get_short(), argument.get_long()) {
            (Some(short), Some(long)) => format!("-{short}, --{long}"),
            (_, Some(long)) => format!("--{long}"),
            _ => String::new(),
        };
        if argument.get_action().takes_values() {
            let names = argument.get_value_names().unwrap_or_default();
            let names = names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            written = format!("{written} {names}").trim().to_owned();
        }
        let mut meaning = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let choices: Vec<_> =
            argument.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
        if argument.get_action().takes_values() && !choices.is_empty() {
            let _ = write!(meaning, ": {}", choices.join(", "));
        }
        let defaults: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        if argument.get_action().takes_values() && !defaults.is_empty() && !defaults[0].is_empty() {
            let _ = write!(meaning, " [default: {}]", defaults.join(" "));
        }
        if let Some(name) = argument.get_env() {
            let _ = write!(meaning, " [env: {}]", name.to_string_lossy());
        }
        let _ = writeln!(table, "| `{written}` | {} |", meaning.replace('|', "\\|").replace('\n', " "));
    }
    table
}
