//! The settings of the command line as a client. Flags come before the environment, then `config.toml`, then
//! the defaults.
//!
//! VaultTerm never reads `~/.vault-token`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::{
    Args, ValueEnum,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{
    address::{self, Address},
    console::Format,
    failure::Failure,
    input_file::InputFile,
    login_store::LoginStore,
    private_file,
};

/// The flags of every command.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// How data is printed; `json` is the API's own JSON. For import and export also the format of the file
    #[arg(long, global = true, value_parser = any_format(), env = "VAULTTERM_FORMAT", hide_env_values = true)]
    pub(crate) format: Option<AnyFormat>,
    /// Address of the server [default: http://127.0.0.1:8250]
    #[arg(long, global = true, value_name = "URL", env = "VAULTTERM_ADDR", hide_env_values = true)]
    pub(crate) addr: Option<String>,
    /// CA certificates (PEM) to trust instead of the system's
    #[arg(long, global = true, value_name = "FILE", env = "VAULTTERM_CACERT", hide_env_values = true)]
    pub(crate) cacert: Option<PathBuf>,
    /// File that holds the token [env: VAULTTERM_TOKEN, VAULTTERM_TOKEN_FILE]
    // Without clap's `env`: VAULTTERM_TOKEN comes between the flag and VAULTTERM_TOKEN_FILE.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
}

/// What `--format` names: how data is printed, or the format of a file. The names of both differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnyFormat {
    /// How data is printed.
    Printed(Format),
    /// The format of a file that is imported or exported.
    OfFile(vaultterm_exchange::Format),
}

fn printed_by_the_environment() -> Option<Format> {
    Format::from_str(&std::env::var("VAULTTERM_FORMAT").ok()?, false).ok()
}

fn any_format() -> impl TypedValueParser<Value = AnyFormat> {
    let printed = Format::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    // The commands for which they have a meaning list them.
    let of_files = vaultterm_exchange::Format::NAMES.iter().map(|name| PossibleValue::new(*name).hide(true));
    PossibleValuesParser::new(printed.chain(of_files)).map(|name| match Format::from_str(&name, false) {
        Ok(format) => AnyFormat::Printed(format),
        Err(_) => AnyFormat::OfFile(name.parse().expect("a listed name is known")),
    })
}

/// The client's `config.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    addr: Option<String>,
    cacert: Option<PathBuf>,
    token_file: Option<PathBuf>,
    format: Option<String>,
}

/// The settings of the client.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The format of printed data.
    pub(crate) format: Format,
    /// The format of the file, if `--format` names one.
    pub(crate) file_format: Option<vaultterm_exchange::Format>,
    flags: GlobalArgs,
    file: ConfigFile,
    configuration: Option<PathBuf>,
}

impl Settings {
    /// Combines the sources.
    pub(crate) fn load(flags: GlobalArgs) -> Result<Self, Failure> {
        // Without a home directory there is no file to read, and only `login` needs one.
        let configuration = private_file::xdg_directory("XDG_CONFIG_HOME", ".config").ok();
        let file = match &configuration {
            Some(directory) => read_config(&directory.join("config.toml"))?,
            None => ConfigFile::default(),
        };
        let (printed, file_format) = match flags.format {
            Some(AnyFormat::Printed(format)) => (Some(format), None),
            // The flag says nothing about how data is printed, so the environment still may.
            Some(AnyFormat::OfFile(format)) => (printed_by_the_environment(), Some(format)),
            None => (None, None),
        };
        let format = match (printed, file.format.as_deref()) {
            (Some(format), _) => format,
            (None, None | Some("table")) => Format::Table,
            (None, Some("json")) => Format::Json,
            (None, Some(other)) => {
                return Err(Failure::local(format!("config.toml: `{other}` is no format")).hint("use table or json"));
            }
        };
        Ok(Self { format, file_format, flags, file, configuration })
    }

    /// Returns the address of the server.
    pub(crate) fn address(&self) -> Result<Address, Failure> {
        let flag = self.flags.addr.as_deref().filter(|addr| !addr.is_empty());
        Address::parse(flag.or(self.file.addr.as_deref()).unwrap_or(address::DEFAULT))
    }

    /// Reads the CA certificates to trust, if any are named.
    pub(crate) fn ca_pem(&self) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
        let flag = self.flags.cacert.as_ref().filter(|path| !path.as_os_str().is_empty());
        let Some(path) = flag.or(self.file.cacert.as_ref()) else { return Ok(None) };
        let file = InputFile { path, what: "the CA certificates", by: "--cacert (or VAULTTERM_CACERT)" };
        file.bytes().map(Some)
    }

    /// Returns the token from the first of these that has one: `--token-file`, `VAULTTERM_TOKEN`,
    /// `VAULTTERM_TOKEN_FILE`, `config.toml`, the stored login.
    pub(crate) fn token(&self, address: &Address) -> Result<Option<Zeroizing<String>>, Failure> {
        if let Some(path) = &self.flags.token_file {
            return token_in(path, "--token-file").map(Some);
        }
        if let Some(token) = variable("VAULTTERM_TOKEN") {
            return checked_token(Zeroizing::new(token), "VAULTTERM_TOKEN").map(Some);
        }
        if let Some(path) = variable("VAULTTERM_TOKEN_FILE") {
            return token_in(path.as_ref(), "VAULTTERM_TOKEN_FILE").map(Some);
        }
        if let Some(path) = &self.file.token_file {
            return token_in(path, "token_file in config.toml").map(Some);
        }
        match &self.configuration {
            Some(directory) => LoginStore::new(directory).token(address),
            None => Ok(None),
        }
    }

    /// Returns the name of the setting with a token that comes before a stored login, if there is one.
    pub(crate) fn token_override(&self) -> Option<&'static str> {
        if self.flags.token_file.is_some() {
            Some("--token-file")
        } else if variable("VAULTTERM_TOKEN").is_some() {
            Some("VAULTTERM_TOKEN")
        } else if variable("VAULTTERM_TOKEN_FILE").is_some() {
            Some("VAULTTERM_TOKEN_FILE")
        } else {
            self.file.token_file.is_some().then_some("token_file in config.toml")
        }
    }

    /// Returns the stored logins.
    pub(crate) fn logins(&self) -> Result<LoginStore, Failure> {
        self.configuration.as_deref().map(LoginStore::new).ok_or_else(|| {
            Failure::local("there is no place to keep the login")
                .hint("set XDG_CONFIG_HOME or HOME, or use VAULTTERM_TOKEN")
        })
    }
}

/// Reads the token from a file. `by` is the setting that names the file.
fn token_in(path: &Path, by: &str) -> Result<Zeroizing<String>, Failure> {
    checked_token(InputFile { path, what: "the token", by }.secret()?, by)
}

/// Removes white space around a token, and refuses a token that no request can carry.
fn checked_token(text: Zeroizing<String>, by: &str) -> Result<Zeroizing<String>, Failure> {
    let token = text.trim();
    let refuse = |why: &str| {
        Err(Failure::local(format!("the token that {by} gives cannot be used"))
            .because_of(why)
            .hint("a token is one word; make one with `vaultterm token create`, or log in with `vaultterm login`"))
    };
    if token.is_empty() {
        return refuse("it is empty");
    }
    if token.contains(['\n', '\r']) {
        return refuse("it holds a line end: there are several lines");
    }
    if !token.chars().all(|c| c.is_ascii_graphic()) {
        return refuse("it holds a blank, or a character that no token has");
    }
    Ok(Zeroizing::new(token.to_owned()))
}

/// Reads a variable. An empty variable counts as not set.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn read_config(path: &Path) -> Result<ConfigFile, Failure> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ConfigFile::default()),
        Err(error) => return Err(Failure::local(format!("cannot read {}", path.display())).because(&error)),
    };
    toml::from_str(&text)
        .map_err(|error| Failure::local(format!("{} is not valid", path.display())).because_of(error.message()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_loses_the_line_end_around_it_and_an_unusable_one_is_named_not_shown() {
        let checked = |text: &str| checked_token(Zeroizing::new(text.to_owned()), "VAULTTERM_TOKEN");
        for text in ["vtt_hunter2", "vtt_hunter2\n", "vtt_hunter2\r\n", " vtt_hunter2\n\n"] {
            assert_eq!(checked(text).expect("usable").as_str(), "vtt_hunter2");
        }
        for text in ["\n", "vtt_hunter2\nvtt_other", "vtt hunter2", "vtt_hunter2é", "vtt_hunter2\u{7f}"] {
            let failure = checked(text).expect_err(text);
            assert!(failure.message.contains("VAULTTERM_TOKEN"), "{failure:?}");
            assert!(!format!("{failure:?}").contains("hunter2"), "{failure:?}");
        }
    }
}
