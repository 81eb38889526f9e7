//! The configuration of the server. Flags come before the environment, then `vaultterm.toml`, then the
//! defaults.
//!
//! [`VARIABLES`] is the only list of settings. This module looks them up in it, and the reference page is
//! generated from it. Secrets are never in `vaultterm.toml` or in a flag. They are in files whose paths are
//! configured, or among systemd's credentials.

mod audit;
mod keys;
mod license;

use std::{
    ffi::OsString,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use vaultterm_hcv::ConnectorOptions;
use vaultterm_server::{AuditOptions, LicenseSettings, TrustedProxies};
use zeroize::Zeroizing;

pub(crate) use keys::{KeyConfig, MasterKey, Provider, renewed_keeper};

use crate::{failure::Failure, input_file::InputFile, output_place::never_a_dash, private_file};

/// A setting.
#[derive(Debug)]
pub(crate) struct Variable {
    /// The environment variable.
    pub(crate) name: &'static str,
    /// The key in `vaultterm.toml`, if the setting may be there.
    pub(crate) key: Option<&'static str>,
    /// The flag, if there is one. This field and the following ones are used only for the reference page.
    #[cfg_attr(not(test), expect(dead_code, reason = "read by the test that holds the reference page"))]
    pub(crate) flag: Option<&'static str>,
    /// The default.
    #[cfg_attr(not(test), expect(dead_code, reason = "read by the test that holds the reference page"))]
    pub(crate) default: &'static str,
    /// The purpose of the setting.
    #[cfg_attr(not(test), expect(dead_code, reason = "read by the test that holds the reference page"))]
    pub(crate) meaning: &'static str,
}

macro_rules! variables {
    ($($constant:ident = $name:literal, $key:expr, $flag:expr, $default:literal, $meaning:literal;)+) => {
        $(const $constant: &Variable =
            &Variable { name: $name, key: $key, flag: $flag, default: $default, meaning: $meaning };)+

        /// All settings, in the order of the reference.
        pub(crate) const VARIABLES: &[&Variable] = &[$($constant),+];
    };
}

variables! {
    CONFIG = "VAULTTERM_CONFIG", None, Some("--config"), "`<data>/vaultterm.toml`, if it exists",
        "The configuration file.";
    DATA_DIR = "VAULTTERM_DATA_DIR", Some("data_dir"), Some("--data-dir"), "`$XDG_DATA_HOME/vaultterm`",
        "The data directory (0700): SQLite file and local master key.";
    DATABASE_URL = "DATABASE_URL", Some("database_url"), None, "`sqlite:<data>/vaultterm.db`",
        "The database: `sqlite:PATH`. Also `DATABASE_URL_FILE` and the credential `DATABASE_URL`.";
    LISTEN = "VAULTTERM_LISTEN", Some("listen"), Some("--listen"), "`127.0.0.1:8250`",
        "Address and port of the API. Port 0 takes a free one.";
    TLS_CERT = "VAULTTERM_TLS_CERT", Some("tls_cert"), None, "none",
        "Certificate chain of the server (PEM).";
    TLS_KEY = "VAULTTERM_TLS_KEY", Some("tls_key"), None, "none",
        "File with the private key of the certificate (PEM); private to its owner.";
    ALLOW_PLAINTEXT = "VAULTTERM_ALLOW_PLAINTEXT", Some("allow_plaintext"), None, "`0`",
        "`1` serves plain HTTP on other addresses than loopback, for a proxy that speaks TLS.";
    TRUSTED_PROXIES = "VAULTTERM_TRUSTED_PROXIES", Some("trusted_proxies"), None, "none",
        "Addresses or networks (`10.0.0.0/8`) of proxies, with commas between, whose `X-Forwarded-For` is believed. Behind a proxy that \
         is not named all clients share one address, in the audit log and in the limit on logins.";
    ALLOW_PLAINTEXT_VAULT = "VAULTTERM_ALLOW_PLAINTEXT_VAULT", Some("allow_plaintext_vault"), None, "`0`",
        "`1` allows connections to a Vault over plain HTTP on another machine.";
    VAULT_TIMEOUT = "VAULTTERM_VAULT_TIMEOUT_SECONDS", Some("vault_timeout_seconds"), None, "`30`",
        "How long one request to a Vault may take, 1 to 600 seconds. Opening the connection has 5 of them at most. \
         The test of a connection and the unwrapping of a SecretID end after 60 seconds in all, or twice this time if that is longer.";
    KEY_PROVIDER = "KEY_PROVIDER", Some("key_provider"), None, "`local`",
        "Who keeps the root key: `local` (a file), or `hcv-transit` (sealed under a Transit key).";
    MASTER_KEY_FILE = "MASTER_KEY_FILE", Some("master_key_file"), None, "`<data>/master.key`",
        "File with the root key (64 hexadecimal digits, mode 0600). Also the credential `MASTER_KEY`.";
    DEV_MASTER_KEY = "DEV_MASTER_KEY", None, None, "none",
        "The root key itself, for tests only: others can read a process's environment.";
    MASTER_KEY_CIPHERTEXT = "MASTER_KEY_CIPHERTEXT", None, None, "what the database keeps",
        "What Transit sealed, as `vaultterm key seal` printed it. Also `MASTER_KEY_CIPHERTEXT_FILE`.";
    KEY_HCV_ADDR = "KEY_HCV_ADDR", Some("key_hcv_addr"), None, "none",
        "Address of the Vault with the Transit key.";
    KEY_HCV_NAMESPACE = "KEY_HCV_NAMESPACE", Some("key_hcv_namespace"), None, "none",
        "Namespace of the Transit engine.";
    KEY_HCV_CACERT = "KEY_HCV_CACERT", Some("key_hcv_cacert"), None, "the system's CAs",
        "File with the CA certificates to trust (PEM).";
    KEY_HCV_AUTH = "KEY_HCV_AUTH", Some("key_hcv_auth"), None, "`approle`",
        "How to log in there: `approle` or `token`.";
    KEY_HCV_TOKEN = "KEY_HCV_TOKEN", None, None, "none",
        "The token, with `token`. Also `KEY_HCV_TOKEN_FILE` and the credential `KEY_HCV_TOKEN`.";
    KEY_HCV_AUTH_MOUNT = "KEY_HCV_AUTH_MOUNT", Some("key_hcv_auth_mount"), None, "`approle`",
        "Where AppRole is mounted.";
    KEY_HCV_ROLE_ID = "KEY_HCV_ROLE_ID", Some("key_hcv_role_id"), None, "none",
        "The RoleID, with `approle`.";
    KEY_HCV_SECRET_ID = "KEY_HCV_SECRET_ID", None, None, "none",
        "The SecretID, with `approle`. Also `KEY_HCV_SECRET_ID_FILE` and the credential `KEY_HCV_SECRET_ID`.";
    KEY_HCV_TRANSIT_MOUNT = "KEY_HCV_TRANSIT_MOUNT", Some("key_hcv_transit_mount"), None, "`transit`",
        "Where the Transit engine is mounted.";
    KEY_HCV_TRANSIT_KEY = "KEY_HCV_TRANSIT_KEY", Some("key_hcv_transit_key"), None, "`vaultterm-master`",
        "Name of the Transit key.";
    LICENSE_PATH = "LICENSE_PATH", Some("license_path"), None, "`<data>/license.vtlic`",
        "A license that an operator lays there, also where nobody may write; it counts beside those of `vaultterm license \
         install`. A change of the file is noticed without a restart.";
    LICENSE_STATE_PATH = "LICENSE_STATE_PATH", Some("license_state_path"), None, "`<data>/license.state`",
        "The highest counter of a license that was seen, and the licenses that were accepted. Keep it when a database is restored.";
    LICENSE_PUBLIC_KEY = "LICENSE_PUBLIC_KEY", Some("license_public_key"), None, "what the binary was built with",
        "The vendor's public key, or several with spaces between. Also `LICENSE_PUBLIC_KEY_FILE`. \
         `VAULTTERM_LICENSE_PUBLIC_KEY` at build time builds one in.";
    AUDIT_ANCHOR_FILE = "VAULTTERM_AUDIT_ANCHOR_FILE", Some("audit_anchor_file"), None, "none",
        "File that each checkpoint of the audit log is appended to (0600), for a place that this server cannot rewrite.";
    AUDIT_SYSLOG = "VAULTTERM_AUDIT_SYSLOG", Some("audit_syslog"), None, "none",
        "Where checkpoints are sent to (RFC 5424): `unix:/dev/log`, `udp://host:port` or `tcp://host:port`.";
    AUDIT_SYSLOG_ENTRIES = "VAULTTERM_AUDIT_SYSLOG_ENTRIES", Some("audit_syslog_entries"), None, "`0`",
        "`1` sends every audit entry there as well, from the first one that is kept on.";
    AUDIT_ANCHOR_CONNECTION = "VAULTTERM_AUDIT_ANCHOR_CONNECTION", Some("audit_anchor_connection"), None, "none",
        "Name of the connection whose Vault keeps the newest checkpoint.";
    AUDIT_ANCHOR_PATH = "VAULTTERM_AUDIT_ANCHOR_PATH", Some("audit_anchor_path"), None, "none",
        "The secret it is kept in: a path below the connection's mount, outside of what is synchronized.";
    AUDIT_KEEP_DAYS = "VAULTTERM_AUDIT_KEEP_DAYS", Some("audit_keep_days"), None, "`365`",
        "Audit entries younger than this are never removed by `vaultterm audit prune`. 0 to 36500.";
    LOG = "VAULTTERM_LOG", Some("log"), None, "`info`",
        "What is logged: a level, or `tracing` directives such as `vaultterm_sync=debug,info`.";
    LOG_FORMAT = "VAULTTERM_LOG_FORMAT", Some("log_format"), None, "`text`",
        "`text` or `json`.";
}

/// The flags of the commands that work on the data directory.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct ConfigArgs {
    /// The configuration file [env: VAULTTERM_CONFIG] [default: vaultterm.toml in the data directory]
    #[arg(long, value_name = "FILE", value_parser = never_a_dash())]
    pub(crate) config: Option<PathBuf>,
    /// The data directory [env: VAULTTERM_DATA_DIR] [default: $XDG_DATA_HOME/vaultterm]
    #[arg(long, value_name = "DIR", value_parser = never_a_dash())]
    pub(crate) data_dir: Option<PathBuf>,
}

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// The configuration of the server.
pub(crate) struct ServerConfig {
    pub(crate) data_dir: PathBuf,
    pub(crate) database: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) tls: Option<TlsFiles>,
    /// The options for connections to all Vaults: those of connections, and the one with the Transit key.
    pub(crate) vault: ConnectorOptions,
    pub(crate) keys: KeyConfig,
    pub(crate) license: LicenseSettings,
    pub(crate) audit: AuditOptions,
    pub(crate) proxies: TrustedProxies,
    pub(crate) log: String,
    pub(crate) log_format: LogFormat,
}

/// The certificate and the key of the server.
#[derive(Clone, Debug)]
pub(crate) struct TlsFiles {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl ServerConfig {
    /// Combines the sources, and checks what can be checked without a database.
    pub(crate) fn load(args: &ConfigArgs, listen: Option<SocketAddr>) -> Result<Self, Failure> {
        Self::load_from(args, listen, |name| std::env::var_os(name))
    }

    fn load_from(
        args: &ConfigArgs,
        listen: Option<SocketAddr>,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, Failure> {
        let mut sources = Sources { environment, file: toml::Table::new() };
        let named = args.config.clone().or_else(|| sources.path(CONFIG));
        if let Some(path) = &named {
            sources.file = read_file(path)?;
        }
        let data_dir = match args.data_dir.clone().or_else(|| sources.path(DATA_DIR)) {
            Some(directory) => directory,
            None => private_file::xdg_directory("XDG_DATA_HOME", ".local/share")?,
        };
        let beside_data = data_dir.join("vaultterm.toml");
        if named.is_none() && beside_data.exists() {
            sources.file = read_file(&beside_data)?;
            if sources.file.contains_key("data_dir") {
                return Err(Failure::local(format!(
                    "{} cannot move the data directory it stands in",
                    beside_data.display()
                ))
                .hint("name the file with --config, or the directory with VAULTTERM_DATA_DIR"));
            }
        }
        let usual = ConnectorOptions::default();
        let request_timeout = sources.vault_timeout()?;
        let vault = ConnectorOptions {
            allow_plaintext: sources.truth(ALLOW_PLAINTEXT_VAULT)?,
            request_timeout,
            answer_timeout: usual.answer_timeout.max(request_timeout * 2),
            ..usual
        };
        let config = Self {
            database: sources.database(&data_dir)?,
            listen: match listen {
                Some(listen) => listen,
                None => sources.parsed(LISTEN, "127.0.0.1:8250", "an address and port, for example 127.0.0.1:8250")?,
            },
            tls: sources.tls()?,
            keys: KeyConfig::load(&sources, &data_dir, vault.clone())?,
            license: license::load(&sources, &data_dir)?,
            vault,
            audit: audit::load(&sources)?,
            proxies: sources.proxies()?,
            log: sources.text(LOG)?.unwrap_or_else(|| "info".to_owned()),
            log_format: match sources.text(LOG_FORMAT)?.as_deref() {
                None | Some("text") => LogFormat::Text,
                Some("json") => LogFormat::Json,
                Some(other) => return Err(unusable(LOG_FORMAT, other, "text or json")),
            },
            data_dir,
        };
        if config.tls.is_none() && !config.listen.ip().is_loopback() && !sources.truth(ALLOW_PLAINTEXT)? {
            return Err(Failure::local(format!("{} would be served without TLS to other machines", config.listen))
                .hint("set VAULTTERM_TLS_CERT and VAULTTERM_TLS_KEY, or listen on a loopback address")
                .hint("behind a proxy that speaks TLS set VAULTTERM_ALLOW_PLAINTEXT=1"));
        }
        Ok(config)
    }
}

/// The sources of settings: the environment and the file.
struct Sources<E> {
    environment: E,
    file: toml::Table,
}

impl<E: Fn(&str) -> Option<OsString>> Sources<E> {
    fn variable(&self, name: &str) -> Option<OsString> {
        (self.environment)(name).filter(|value| !value.is_empty())
    }

    fn path(&self, variable: &Variable) -> Option<PathBuf> {
        let in_file = || variable.key.and_then(|key| self.file.get(key)).and_then(toml::Value::as_str);
        self.variable(variable.name).map(PathBuf::from).or_else(|| in_file().map(PathBuf::from))
    }

    fn text(&self, variable: &Variable) -> Result<Option<String>, Failure> {
        if let Some(value) = self.variable(variable.name) {
            return match value.into_string() {
                Ok(text) => Ok(Some(text)),
                Err(_) => Err(Failure::local(format!("{} is not UTF-8 text", variable.name))),
            };
        }
        Ok(variable.key.and_then(|key| self.file.get(key)).map(|value| match value {
            toml::Value::String(text) => text.clone(),
            other => other.to_string(),
        }))
    }

    fn parsed<T: std::str::FromStr>(&self, variable: &Variable, default: &str, form: &str) -> Result<T, Failure> {
        let text = self.text(variable)?.unwrap_or_else(|| default.to_owned());
        text.parse().map_err(|_| unusable(variable, &text, form))
    }

    fn truth(&self, variable: &Variable) -> Result<bool, Failure> {
        match self.text(variable)?.as_deref() {
            None | Some("0" | "false") => Ok(false),
            Some("1" | "true") => Ok(true),
            Some(other) => Err(unusable(variable, other, "1 or 0")),
        }
    }

    fn vault_timeout(&self) -> Result<Duration, Failure> {
        const FORM: &str = "a whole number of seconds, 1 to 600";
        let seconds: u64 = self.parsed(VAULT_TIMEOUT, "30", FORM)?;
        match seconds {
            1..=600 => Ok(Duration::from_secs(seconds)),
            _ => Err(unusable(VAULT_TIMEOUT, &seconds.to_string(), FORM)),
        }
    }

    /// Returns a secret. It comes from the variable itself, from the file that `NAME_FILE` names, or from a
    /// systemd credential.
    fn secret(&self, variable: &Variable) -> Result<Option<Zeroizing<String>>, Failure> {
        if let Some(text) = self.text(variable)? {
            return Ok(Some(Zeroizing::new(text)));
        }
        let named = self.variable(&format!("{}_FILE", variable.name)).map(PathBuf::from);
        match named.or_else(|| self.credential(variable.name)) {
            Some(path) => {
                let by = format!("{}_FILE", variable.name);
                InputFile { path: &path, what: variable.name, by: &by }.secret().map(Some)
            }
            None => Ok(None),
        }
    }

    /// Returns the path of a systemd credential, if it was passed.
    fn credential(&self, name: &str) -> Option<PathBuf> {
        let path = PathBuf::from(self.variable("CREDENTIALS_DIRECTORY")?).join(name);
        path.exists().then_some(path)
    }

    fn database(&self, data_dir: &Path) -> Result<PathBuf, Failure> {
        let Some(url) = self.secret(DATABASE_URL)? else { return Ok(data_dir.join("vaultterm.db")) };
        match url.strip_prefix("sqlite:") {
            Some(path) => Ok(PathBuf::from(path.strip_prefix("//").unwrap_or(path))),
            // The URL may contain a password, so the error does not repeat it.
            None => Err(Failure::local("DATABASE_URL names a database that this version does not support")
                .hint("use sqlite:PATH, or leave it out for SQLite in the data directory")),
        }
    }

    fn proxies(&self) -> Result<TrustedProxies, Failure> {
        let text = self.text(TRUSTED_PROXIES)?.unwrap_or_default();
        let parsed = text.parse();
        parsed.map_err(|part: String| unusable(TRUSTED_PROXIES, &part, "addresses or networks such as 10.0.0.0/8"))
    }

    fn tls(&self) -> Result<Option<TlsFiles>, Failure> {
        match (self.path(TLS_CERT), self.path(TLS_KEY)) {
            (Some(cert), Some(key)) => Ok(Some(TlsFiles { cert, key })),
            (None, None) => Ok(None),
            _ => Err(Failure::local("VAULTTERM_TLS_CERT and VAULTTERM_TLS_KEY need one another").hint("set both")),
        }
    }
}

fn unusable(variable: &Variable, value: &str, form: &str) -> Failure {
    Failure::local(format!("{} cannot be `{value}`", variable.name)).hint(format!("use {form}"))
}

fn read_file(path: &Path) -> Result<toml::Table, Failure> {
    let text = fs::read_to_string(path).map_err(|error: io::Error| {
        Failure::local(format!("cannot read the configuration {}", path.display())).because(&error)
    })?;
    let table: toml::Table = toml::from_str(&text)
        .map_err(|error| Failure::local(format!("{} is not valid", path.display())).because_of(error.message()))?;
    let known = |key: &str| VARIABLES.iter().any(|variable| variable.key == Some(key));
    if let Some(key) = table.keys().find(|key| !known(key)) {
        return Err(Failure::local(format!("{}: there is nothing named `{key}` to configure", path.display()))
            .hint("the reference of the configuration lists what there is"));
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(args: &ConfigArgs, variables: &[(&str, &str)]) -> Result<ServerConfig, Failure> {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        ServerConfig::load_from(args, None, find)
    }

    fn in_directory(directory: &Path) -> ConfigArgs {
        ConfigArgs { config: None, data_dir: Some(directory.to_owned()) }
    }

    #[test]
    fn the_environment_wins_over_the_file_and_the_file_over_the_default() {
        let directory = tempfile::tempdir().expect("temporary directory");
        fs::write(directory.path().join("vaultterm.toml"), "listen = \"127.0.0.1:1\"\nlog = \"debug\"")
            .expect("written");
        let args = in_directory(directory.path());
        let config = load(&args, &[("VAULTTERM_LISTEN", "127.0.0.1:2"), ("VAULTTERM_LOG", "")]).expect("valid");
        assert_eq!(config.listen.port(), 2);
        assert_eq!(config.log, "debug");
        assert_eq!(config.database, directory.path().join("vaultterm.db"));
        assert!(matches!(config.keys.master_key, MasterKey::File(path) if path == directory.path().join("master.key")));
    }

    #[test]
    fn an_unknown_key_is_named() {
        let directory = tempfile::tempdir().expect("temporary directory");
        fs::write(directory.path().join("vaultterm.toml"), "lisen = \"127.0.0.1:1\"").expect("written");
        let failure = load(&in_directory(directory.path()), &[]).err().expect("refused");
        assert!(failure.message.contains("`lisen`"), "{failure:?}");
    }

    #[test]
    fn nothing_is_served_to_other_machines_in_plain_text_by_accident() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let args = in_directory(directory.path());
        let open = ("VAULTTERM_LISTEN", "0.0.0.0:8250");
        assert!(load(&args, &[open]).is_err());
        assert!(load(&args, &[open, ("VAULTTERM_ALLOW_PLAINTEXT", "1")]).is_ok());
        assert!(load(&args, &[open, ("VAULTTERM_TLS_CERT", "c.pem"), ("VAULTTERM_TLS_KEY", "k.pem")]).is_ok());
        assert!(load(&args, &[("VAULTTERM_TLS_CERT", "c.pem")]).is_err());
    }

    #[test]
    fn the_time_limit_of_requests_to_a_vault_is_bounded() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let args = in_directory(directory.path());
        let limit =
            |text| load(&args, &[("VAULTTERM_VAULT_TIMEOUT_SECONDS", text)]).map(|config| config.vault.request_timeout);
        assert_eq!(limit("").ok(), Some(Duration::from_secs(30)));
        assert_eq!(limit("2").ok(), Some(Duration::from_secs(2)));
        for text in ["0", "601", "-1", "2s"] {
            let failure = limit(text).expect_err("refused");
            assert!(failure.message.contains("VAULTTERM_VAULT_TIMEOUT_SECONDS"), "{failure:?}");
        }
    }

    #[test]
    fn what_this_version_cannot_do_is_refused_rather_than_ignored() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let args = in_directory(directory.path());
        assert!(load(&args, &[("KEY_PROVIDER", "hsm")]).is_err());
        let failure = load(&args, &[("DATABASE_URL", "postgres://u:hunter2@db/x")]).err().expect("refused");
        assert!(!format!("{failure:?}").contains("hunter2"));
    }

    #[test]
    fn a_secret_may_stand_in_a_file_or_be_a_credential() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let args = in_directory(directory.path());
        let file = directory.path().join("DATABASE_URL");
        fs::write(&file, "sqlite:/elsewhere/x.db\n").expect("written");
        let file = file.to_str().expect("UTF-8");
        let config = load(&args, &[("DATABASE_URL_FILE", file)]).expect("valid");
        assert_eq!(config.database, PathBuf::from("/elsewhere/x.db"));
        let credentials = directory.path().to_str().expect("UTF-8");
        let config = load(&args, &[("CREDENTIALS_DIRECTORY", credentials)]).expect("valid");
        assert_eq!(config.database, PathBuf::from("/elsewhere/x.db"));
    }

    #[test]
    fn the_vendors_key_may_stand_in_a_file_and_one_that_is_none_is_named() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let args = in_directory(directory.path());
        let config = load(&args, &[]).expect("valid");
        assert_eq!(config.license.path, directory.path().join("license.vtlic"));
        assert_eq!(config.license.state_path, directory.path().join("license.state"));
        let key = vaultterm_license::IssuerKey::generate();
        let file = directory.path().join("license.pub");
        fs::write(&file, format!("{}\n", key.public())).expect("written");
        let file = file.to_str().expect("UTF-8");
        let config = load(&args, &[("LICENSE_PUBLIC_KEY_FILE", file), ("LICENSE_PATH", "/elsewhere")]).expect("valid");
        assert_eq!(config.license.trusted.ids().collect::<Vec<_>>(), [key.public().id()]);
        assert_eq!(config.license.path, PathBuf::from("/elsewhere"));
        let failure = load(&args, &[("LICENSE_PUBLIC_KEY", "my key")]).err().expect("refused");
        assert!(failure.message.contains("LICENSE_PUBLIC_KEY"), "{failure:?}");
    }

    #[test]
    fn a_transit_key_is_configured_whole_or_what_is_missing_is_named() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let args = in_directory(directory.path());
        let secret = directory.path().join("secret-id");
        fs::write(&secret, "hunter2\n").expect("written");
        let secret = secret.to_str().expect("UTF-8");
        let steps = [
            ("KEY_PROVIDER", "hcv-transit", "KEY_HCV_ADDR"),
            ("KEY_HCV_ADDR", "https://vault.example.com:8200", "KEY_HCV_ROLE_ID"),
            ("KEY_HCV_ROLE_ID", "r", "KEY_HCV_SECRET_ID"),
            ("KEY_HCV_SECRET_ID_FILE", secret, ""),
        ];
        let mut variables = Vec::new();
        for (name, value, missing) in steps {
            variables.push((name, value));
            match load(&args, &variables) {
                Ok(config) => {
                    assert_eq!(missing, "");
                    assert_eq!(config.keys.provider, Provider::Transit);
                    let at = config.keys.keeper().expect("a keeper").describe();
                    assert_eq!(at, "transit/keys/vaultterm-master at https://vault.example.com:8200");
                }
                Err(failure) => assert!(!missing.is_empty() && failure.message.contains(missing), "{failure:?}"),
            }
        }
        variables.push(("KEY_HCV_AUTH", "token"));
        assert!(load(&args, &variables).err().expect("refused").message.contains("KEY_HCV_TOKEN"));
    }
}
