//! The configuration of the server. Flags come before the environment, then `vaultterm.toml`, then the
//! defaults.
//!
//! `VARIABLES` (`sources.rs`) is the only list of settings. This module looks them up in it, and the reference page is
//! generated from it. Secrets are never in `vaultterm.toml` or in a flag. They are in files whose paths are
//! configured, or among systemd's credentials.

mod audit;
mod keys;
mod license;
mod metrics;
mod sources;
mod traces;

use std::{
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use vaultterm_hcv::ConnectorOptions;
use vaultterm_server::{AuditOptions, LicenseSettings, RootKeeper, TransitSource, TrustedProxies};
use vaultterm_store::DatabaseUrl;

pub(crate) use keys::{KeyConfig, MasterKey, Provider};
pub(crate) use metrics::MetricsListen;
#[cfg(test)]
pub(crate) use sources::VARIABLES;
pub(crate) use sources::{ConfigArgs, TlsFiles, database_url};
pub(crate) use traces::TracesConfig;

use self::sources::{
    ALLOW_PLAINTEXT, ALLOW_PLAINTEXT_VAULT, CONFIG, DATA_DIR, LISTEN, LOG, LOG_FORMAT, Sources, TRUSTED_PROXIES,
    VAULT_RATE, read_file, unusable,
};
use crate::{failure::Failure, private_file};

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// The configuration of the server.
pub(crate) struct ServerConfig {
    pub(crate) data_dir: PathBuf,
    pub(crate) database: DatabaseUrl,
    pub(crate) listen: SocketAddr,
    /// Where the metrics are told, if anywhere.
    pub(crate) metrics: Option<MetricsListen>,
    pub(crate) tls: Option<TlsFiles>,
    /// The options for connections to all Vaults: those of connections, and the one with the Transit key.
    pub(crate) vault: ConnectorOptions,
    pub(crate) keys: KeyConfig,
    pub(crate) license: LicenseSettings,
    pub(crate) audit: AuditOptions,
    pub(crate) proxies: TrustedProxies,
    /// Where traces are sent to, if anywhere.
    pub(crate) traces: Option<TracesConfig>,
    pub(crate) log: String,
    pub(crate) log_format: LogFormat,
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
            requests_per_second_max: sources.parsed(VAULT_RATE, "0", "a whole number of requests, 0 for no limit")?,
            ..usual
        };
        let config = Self {
            database: sources.database(&data_dir)?,
            listen: match listen {
                Some(listen) => listen,
                None => sources.parsed(LISTEN, "127.0.0.1:8250", "an address and port, for example 127.0.0.1:8250")?,
            },
            metrics: metrics::load(&sources)?,
            tls: sources.tls()?,
            keys: KeyConfig::load(&sources, &data_dir, vault.clone())?,
            license: license::load(&sources, &data_dir)?,
            vault,
            audit: audit::load(&sources)?,
            proxies: sources.networks(TRUSTED_PROXIES)?,
            traces: traces::load(&sources)?,
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

impl ServerConfig {
    /// Returns the path beside which locks, backups and restores have their files: that of the database, or that which it would
    /// have in the data directory.
    pub(crate) fn beside(&self) -> PathBuf {
        self.database.file().map_or_else(|| self.data_dir.join("vaultterm.db"), Path::to_owned)
    }
}

/// Returns the keeper of the root key for a running server. The keeper reads the credential for Transit again
/// before each use, from the same places that `args` named at the start.
pub(crate) fn renewed_keeper(config: &ServerConfig, args: &ConfigArgs) -> Result<RootKeeper, Failure> {
    Ok(match config.keys.keeper()? {
        RootKeeper::Transit { transit, configured } => {
            let args = args.clone();
            let reload = move || {
                let read = ServerConfig::load(&args, None).and_then(|config| config.keys.transit());
                read.map_err(|failure| {
                    std::iter::once(failure.message).chain(failure.causes).collect::<Vec<_>>().join(": ")
                })
            };
            RootKeeper::Transit { transit: TransitSource::renewed_by(transit.current(), reload), configured }
        }
        keeper => keeper,
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, time::Duration};

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
        assert_eq!(config.database.file(), Some(&*directory.path().join("vaultterm.db")));
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
        let failure = load(&args, &[("DATABASE_URL", "mysql://u:hunter2@db/x")]).err().expect("refused");
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
        assert_eq!(config.database.file(), Some(Path::new("/elsewhere/x.db")));
        let credentials = directory.path().to_str().expect("UTF-8");
        let config = load(&args, &[("CREDENTIALS_DIRECTORY", credentials)]).expect("valid");
        assert_eq!(config.database.file(), Some(Path::new("/elsewhere/x.db")));
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
