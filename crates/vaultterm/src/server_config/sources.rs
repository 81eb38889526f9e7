//! The settings of the server, and the places where their values come from.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use vaultterm_server::TrustedProxies;
use vaultterm_store::{DatabaseUrl, NotADatabaseUrl};
use zeroize::Zeroizing;

use crate::{failure::Failure, input_file::InputFile, output_place::never_a_dash};

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
        $(pub(super) const $constant: &Variable =
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
        "The database: `sqlite:PATH`, or `postgres://USER:PASSWORD@HOST:PORT/NAME` with `?sslmode=` and `&sslrootcert=` as in libpq. Also `DATABASE_URL_FILE` and the credential `DATABASE_URL`.";
    LISTEN = "VAULTTERM_LISTEN", Some("listen"), Some("--listen"), "`127.0.0.1:8250`",
        "Address and port of the API. Port 0 takes a free one.";
    METRICS_LISTEN = "VAULTTERM_METRICS_LISTEN", Some("metrics_listen"), None, "`127.0.0.1:8251`",
        "Address and port of the [metrics](metrics.md), which anybody who can connect to it may read; `off` for none. Where the default \
         is in use already, the server goes on without metrics and says so.";
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
    VAULT_RATE = "VAULTTERM_VAULT_REQUESTS_PER_SECOND_MAX", Some("vault_requests_per_second_max"), None, "`0`",
        "How many requests per second all connections together send to Vaults at most, evenly paced. 0 sets no limit. Servers that share \
         a database share it evenly. A connection may have a limit of its own: its option `requests_per_second_max`.";
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
    TRACES_ENDPOINT = "VAULTTERM_TRACES_ENDPOINT", Some("traces_endpoint"), None, "none",
        "The collector that [traces](traces.md) are sent to (OTLP over HTTP, protobuf), for example `http://127.0.0.1:4318`; an address \
         without a path gets `/v1/traces`. `off` for none, whatever the variables of OpenTelemetry say. It wins over \
         `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, which wins over `OTEL_EXPORTER_OTLP_ENDPOINT`.";
    TRACES_HEADERS = "VAULTTERM_TRACES_HEADERS", None, None, "none",
        "Headers for the collector, `name=value` with commas between. Also `VAULTTERM_TRACES_HEADERS_FILE` and the credential \
         `VAULTTERM_TRACES_HEADERS`. Wins over `OTEL_EXPORTER_OTLP_TRACES_HEADERS`, which wins over `OTEL_EXPORTER_OTLP_HEADERS`. \
         Headers are not sent over plain HTTP to another machine.";
    TRACES_CACERT = "VAULTTERM_TRACES_CACERT", Some("traces_cacert"), None, "the system's CAs",
        "File with the CA certificates of the collector (PEM). Wins over `OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE`, which wins over \
         `OTEL_EXPORTER_OTLP_CERTIFICATE`.";
    TRACES_RATIO = "VAULTTERM_TRACES_RATIO", Some("traces_ratio"), None, "`1`",
        "The share of traces that is kept, 0 to 1. Wins over `OTEL_TRACES_SAMPLER`.";
    TRACES_PARENTS = "VAULTTERM_TRACES_PARENTS", Some("traces_parents"), None, "none",
        "Addresses or networks of gateways and programs, with commas between, whose `traceparent` is taken over, and with it their \
         decision which requests are kept. It is the address of the connection that counts: name no proxy that passes on what strangers \
         write into this header.";
    OTEL_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT", None, None, "none",
        "A collector by the convention of OpenTelemetry: `/v1/traces` is added.";
    OTEL_TRACES_ENDPOINT = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", None, None, "none",
        "A collector by the convention of OpenTelemetry: the whole address, used as it is.";
    OTEL_HEADERS = "OTEL_EXPORTER_OTLP_HEADERS", None, None, "none",
        "Headers for the collector. Also `OTEL_EXPORTER_OTLP_HEADERS_FILE`.";
    OTEL_TRACES_HEADERS = "OTEL_EXPORTER_OTLP_TRACES_HEADERS", None, None, "none",
        "Headers for the collector. Also `OTEL_EXPORTER_OTLP_TRACES_HEADERS_FILE`.";
    OTEL_CERTIFICATE = "OTEL_EXPORTER_OTLP_CERTIFICATE", None, None, "the system's CAs",
        "File with the CA certificates of the collector (PEM).";
    OTEL_TRACES_CERTIFICATE = "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", None, None, "the system's CAs",
        "File with the CA certificates of the collector (PEM).";
    OTEL_PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL", None, None, "`http/protobuf`",
        "Nothing but `http/protobuf` can be used. `OTEL_EXPORTER_OTLP_TRACES_PROTOCOL` wins over it.";
    OTEL_TRACES_PROTOCOL = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", None, None, "`http/protobuf`",
        "Nothing but `http/protobuf` can be used.";
    OTEL_TRACES_EXPORTER = "OTEL_TRACES_EXPORTER", None, None, "`otlp`",
        "`none` sends no traces, unless `VAULTTERM_TRACES_ENDPOINT` is set.";
    OTEL_SDK_DISABLED = "OTEL_SDK_DISABLED", None, None, "`false`",
        "`true` sends no traces, unless `VAULTTERM_TRACES_ENDPOINT` is set.";
    OTEL_SERVICE_NAME = "OTEL_SERVICE_NAME", None, None, "`vaultterm`",
        "The name of the service in traces. Wins over `service.name` in `OTEL_RESOURCE_ATTRIBUTES`.";
    OTEL_RESOURCE_ATTRIBUTES = "OTEL_RESOURCE_ATTRIBUTES", None, None, "none",
        "Attributes of the service in traces, `key=value` with commas between. They are sent as they stand, so put no secret there.";
    OTEL_TRACES_SAMPLER = "OTEL_TRACES_SAMPLER", None, None, "`parentbased_always_on`",
        "Which traces are kept: `always_on`, `always_off`, `traceidratio`, or one of these after `parentbased_`.";
    OTEL_TRACES_SAMPLER_ARG = "OTEL_TRACES_SAMPLER_ARG", None, None, "`1`",
        "The share for a sampler with a ratio, 0 to 1.";
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

/// The sources of settings: the environment and the file.
pub(super) struct Sources<E> {
    pub(super) environment: E,
    pub(super) file: toml::Table,
}

/// The certificate and the key of the server.
#[derive(Clone, Debug)]
pub(crate) struct TlsFiles {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl<E: Fn(&str) -> Option<OsString>> Sources<E> {
    pub(super) fn variable(&self, name: &str) -> Option<OsString> {
        (self.environment)(name).filter(|value| !value.is_empty())
    }

    pub(super) fn path(&self, variable: &Variable) -> Option<PathBuf> {
        let in_file = || variable.key.and_then(|key| self.file.get(key)).and_then(toml::Value::as_str);
        self.variable(variable.name).map(PathBuf::from).or_else(|| in_file().map(PathBuf::from))
    }

    pub(super) fn text(&self, variable: &Variable) -> Result<Option<String>, Failure> {
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

    pub(super) fn parsed<T: std::str::FromStr>(
        &self,
        variable: &Variable,
        default: &str,
        form: &str,
    ) -> Result<T, Failure> {
        let text = self.text(variable)?.unwrap_or_else(|| default.to_owned());
        text.parse().map_err(|_| unusable(variable, &text, form))
    }

    pub(super) fn truth(&self, variable: &Variable) -> Result<bool, Failure> {
        match self.text(variable)?.as_deref() {
            None | Some("0" | "false") => Ok(false),
            Some("1" | "true") => Ok(true),
            Some(other) => Err(unusable(variable, other, "1 or 0")),
        }
    }

    pub(super) fn vault_timeout(&self) -> Result<Duration, Failure> {
        const FORM: &str = "a whole number of seconds, 1 to 600";
        let seconds: u64 = self.parsed(VAULT_TIMEOUT, "30", FORM)?;
        match seconds {
            1..=600 => Ok(Duration::from_secs(seconds)),
            _ => Err(unusable(VAULT_TIMEOUT, &seconds.to_string(), FORM)),
        }
    }

    /// Returns a secret. It comes from the variable itself, from the file that `NAME_FILE` names, or from a
    /// systemd credential.
    pub(super) fn secret(&self, variable: &Variable) -> Result<Option<Zeroizing<String>>, Failure> {
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
    pub(super) fn credential(&self, name: &str) -> Option<PathBuf> {
        let path = PathBuf::from(self.variable("CREDENTIALS_DIRECTORY")?).join(name);
        path.exists().then_some(path)
    }

    pub(super) fn database(&self, data_dir: &Path) -> Result<DatabaseUrl, Failure> {
        match self.secret(DATABASE_URL)? {
            Some(url) => database_url(&url, "DATABASE_URL"),
            None => Ok(DatabaseUrl::Sqlite(data_dir.join("vaultterm.db"))),
        }
    }

    pub(super) fn networks(&self, variable: &Variable) -> Result<TrustedProxies, Failure> {
        let text = self.text(variable)?.unwrap_or_default();
        let parsed = text.parse();
        parsed.map_err(|part: String| unusable(variable, &part, "addresses or networks such as 10.0.0.0/8"))
    }

    pub(super) fn tls(&self) -> Result<Option<TlsFiles>, Failure> {
        match (self.path(TLS_CERT), self.path(TLS_KEY)) {
            (Some(cert), Some(key)) => Ok(Some(TlsFiles { cert, key })),
            (None, None) => Ok(None),
            _ => Err(Failure::local("VAULTTERM_TLS_CERT and VAULTTERM_TLS_KEY need one another").hint("set both")),
        }
    }
}

pub(super) fn unusable(variable: &Variable, value: &str, form: &str) -> Failure {
    Failure::local(format!("{} cannot be `{value}`", variable.name)).hint(format!("use {form}"))
}

pub(super) fn read_file(path: &Path) -> Result<toml::Table, Failure> {
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

/// Reads the URL of a database, which `from` names. The URL may contain a password, so the error does not repeat it.
pub(crate) fn database_url(url: &str, from: &str) -> Result<DatabaseUrl, Failure> {
    url.parse().map_err(|error: NotADatabaseUrl| {
        Failure::local(format!("{from} cannot be used: {error}"))
            .hint("use sqlite:PATH, or postgres://USER:PASSWORD@HOST:PORT/NAME")
            .hint("write characters such as @ and / in a password as %40 and %2F")
    })
}
