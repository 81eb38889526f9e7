//! What creates or changes a connection, checked.

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_hcv::VaultAddress;
use vaultterm_reconcile::{
    DeletionPolicy, DriftPolicy, ExpiryPolicy, InitialPolicy, MergePolicy, Mode, Options, SecretPath,
};
use vaultterm_sealing::SecretText;
use vaultterm_store::{ConnectionUpdate, NewConnection};
use vaultterm_sync::{CollectionId, Connection, ConnectionId, ConnectionSecrets, Credential, Schedule, Tls};
use zeroize::Zeroizing;

use super::{approle, credential, secret};
use crate::{api::policy::mode, api::users::NAME_CHARS_MAX, problem::Problem};

const INTERVAL_SECONDS_DEFAULT: u32 = 300;
const INTERVAL_SECONDS_MAX: u32 = 30 * 24 * 3_600;
const CONCURRENCY_DEFAULT: u32 = 32;
const CONCURRENCY_MAX: u32 = 256;

/// Tells a field that is null from one that is not there.
pub(crate) fn named<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// How TLS to Vault is done. What is not named stays; null removes.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TlsBody {
    /// CA certificates (PEM); the machine's own unless told.
    #[serde(deserialize_with = "named")]
    #[schema(value_type = Option<String>)]
    ca_pem: Option<Option<String>>,
    /// Name to expect in the server's certificate.
    #[serde(deserialize_with = "named")]
    #[schema(value_type = Option<String>)]
    server_name: Option<Option<String>>,
    /// Client certificate chain (PEM), for mutual TLS.
    #[serde(deserialize_with = "named")]
    #[schema(value_type = Option<String>)]
    client_cert_pem: Option<Option<String>>,
    /// Its private key (PEM). Written, never read back.
    #[serde(deserialize_with = "named")]
    #[schema(value_type = Option<String>)]
    client_key_pem: Option<Option<Zeroizing<String>>>,
}

impl TlsBody {
    /// The settings that follow from those before, and the key if it was named.
    fn checked(self, before: &Tls) -> Result<(Tls, Option<Option<SecretText>>), Problem> {
        for (field, pem) in [("tls.ca_pem", &self.ca_pem), ("tls.client_cert_pem", &self.client_cert_pem)] {
            if let Some(Some(pem)) = pem {
                let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
                if found.is_ok_and(|certificates| !certificates.is_empty()) {
                    continue;
                }
                return Err(Problem::field(field, "holds no certificate in PEM form"));
            }
        }
        let key = match self.client_key_pem {
            Some(Some(pem)) => {
                PrivateKeyDer::from_pem_slice(pem.as_bytes())
                    .map_err(|_| Problem::field("tls.client_key_pem", "holds no private key in PEM form"))?;
                Some(Some(SecretText::new(pem.as_str().to_owned())))
            }
            Some(None) => Some(None),
            None => None,
        };
        let tls = Tls {
            ca_pem: self.ca_pem.unwrap_or_else(|| before.ca_pem.clone()),
            server_name: self.server_name.unwrap_or_else(|| before.server_name.clone()),
            client_cert_pem: self.client_cert_pem.unwrap_or_else(|| before.client_cert_pem.clone()),
        };
        Ok((tls, key))
    }
}

/// How VaultTerm logs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthBody {
    /// `approle`.
    method: Option<String>,
    /// Where AppRole is mounted; `approle` unless told.
    mount: Option<String>,
    /// The namespace in which AppRole is mounted: that of the secrets unless told, `root` for the root.
    namespace: Option<String>,
    role_id: String,
    /// Written, never read back.
    #[schema(value_type = Option<String>)]
    secret_id: Option<Zeroizing<String>>,
    /// A response-wrapping token of a `SecretID`, in its place.
    #[schema(value_type = Option<String>)]
    wrapping_token: Option<Zeroizing<String>>,
}

/// How VaultTerm logs in, changed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthPatch {
    method: Option<String>,
    mount: Option<String>,
    /// null: that of the secrets.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<String>)]
    namespace: Option<Option<String>>,
    role_id: Option<String>,
}

/// A new credential: exactly one of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CredentialBody {
    #[schema(value_type = Option<String>)]
    secret_id: Option<Zeroizing<String>>,
    #[schema(value_type = Option<String>)]
    wrapping_token: Option<Zeroizing<String>>,
}

impl CredentialBody {
    pub(super) fn checked(self) -> Result<Credential, Problem> {
        let text = |held: &Option<Zeroizing<String>>| held.as_ref().map(|text| text.as_str().to_owned());
        credential("", text(&self.secret_id).as_deref(), text(&self.wrapping_token).as_deref())
    }
}

/// How it behaves. What is not named is as by default, or stays.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OptionsBody {
    /// `descriptive`, `field` or `secret`.
    #[schema(value_type = Option<String>)]
    merge: Option<MergePolicy>,
    /// `retain` or `propagate`.
    #[schema(value_type = Option<String>)]
    deletions: Option<DeletionPolicy>,
    /// `ignore` or `propagate`.
    #[schema(value_type = Option<String>)]
    expired: Option<ExpiryPolicy>,
    /// `conflict`, `prefer_local` or `prefer_remote`.
    #[schema(value_type = Option<String>)]
    initial: Option<InitialPolicy>,
    /// `conflict` or `overwrite`.
    #[schema(value_type = Option<String>)]
    on_drift: Option<DriftPolicy>,
    annotate: Option<bool>,
    /// 0 never runs by itself at intervals.
    interval_seconds: Option<u32>,
    on_change: Option<bool>,
    max_delete_percent: Option<u32>,
    max_delete_count: Option<u32>,
    concurrency_max: Option<u32>,
}

impl OptionsBody {
    /// The options that follow from those before.
    fn over(&self, before: Options) -> Result<Options, Problem> {
        if self.max_delete_percent.is_some_and(|percent| percent > 100) {
            return Err(Problem::field("options.max_delete_percent", "is 0 to 100"));
        }
        Ok(Options {
            merge: self.merge.unwrap_or(before.merge),
            deletions: self.deletions.unwrap_or(before.deletions),
            expired: self.expired.unwrap_or(before.expired),
            initial: self.initial.unwrap_or(before.initial),
            on_drift: self.on_drift.unwrap_or(before.on_drift),
            annotate: self.annotate.unwrap_or(before.annotate),
            max_delete_percent: self.max_delete_percent.unwrap_or(before.max_delete_percent),
            max_delete_count: self.max_delete_count.unwrap_or(before.max_delete_count),
            ..before
        })
    }

    fn schedule(&self, before: Schedule) -> Result<Schedule, Problem> {
        let interval_seconds = self.interval_seconds.unwrap_or(before.interval_seconds);
        if interval_seconds > INTERVAL_SECONDS_MAX {
            return Err(Problem::field("options.interval_seconds", format!("is 0 (off) to {INTERVAL_SECONDS_MAX}")));
        }
        Ok(Schedule { interval_seconds, on_change: self.on_change.unwrap_or(before.on_change) })
    }

    fn concurrency_max(&self, before: u32) -> Result<u32, Problem> {
        let concurrency_max = self.concurrency_max.unwrap_or(before);
        if !(1..=CONCURRENCY_MAX).contains(&concurrency_max) {
            return Err(Problem::field("options.concurrency_max", format!("is 1 to {CONCURRENCY_MAX}")));
        }
        Ok(concurrency_max)
    }
}

/// A connection to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectionCreate {
    name: String,
    pub(super) collection_id: Uuid,
    /// `https://host:8200`, with the path prefix of a Vault behind one (`https://host/vault`); plain http
    /// to loopback addresses only.
    address: String,
    namespace: Option<String>,
    tls: Option<TlsBody>,
    auth: AuthBody,
    /// The KV v2 mount.
    mount: String,
    /// The path prefix below it; empty for the whole mount.
    #[serde(default)]
    path: String,
    /// `push`, `pull` or `bidirectional`.
    mode: String,
    options: Option<OptionsBody>,
}

impl ConnectionCreate {
    /// Checks everything that can be checked without asking Vault.
    pub(super) fn checked(self, allow_plaintext: bool) -> Result<NewConnection, Problem> {
        let options = self.options.unwrap_or_default();
        approle(self.auth.method.as_deref())?;
        let secret_id = self.auth.secret_id.as_ref().map(|text| text.as_str());
        let wrapping_token = self.auth.wrapping_token.as_ref().map(|text| text.as_str());
        let credential = credential("auth.", secret_id, wrapping_token)?;
        let (tls, client_key_pem) = self.tls.unwrap_or_default().checked(&Tls::default())?;
        let schedule = Schedule { interval_seconds: INTERVAL_SECONDS_DEFAULT, on_change: true };
        let connection = Connection {
            id: ConnectionId(Uuid::nil()),
            name: checked_name(&self.name)?,
            collection_id: CollectionId(self.collection_id),
            address: address(&self.address, allow_plaintext)?,
            namespace: self.namespace.map(|text| namespace(&text)).transpose()?.flatten(),
            tls,
            auth_mount: place("auth.mount", self.auth.mount.as_deref().unwrap_or("approle"))?.to_owned(),
            auth_namespace: self.auth.namespace.as_deref().map(auth_namespace).transpose()?.flatten(),
            role_id: role_id(&self.auth.role_id)?,
            mount: place("mount", &self.mount)?.to_owned(),
            path: prefix(&self.path)?,
            // The store fills in the instance's own id.
            options: options.over(Options::defaults(mode(&self.mode)?, String::new()))?,
            schedule: options.schedule(schedule)?,
            concurrency_max: options.concurrency_max(CONCURRENCY_DEFAULT)?,
            paused: false,
            started: false,
            scope_changed: false,
            guarded: None,
            identity: None,
            revision: 1,
        };
        let client_key_pem = client_key_pem.flatten();
        pair(&connection.tls, client_key_pem.is_some())?;
        Ok(NewConnection { connection, secrets: ConnectionSecrets { credential, client_key_pem } })
    }
}

/// What to change of a connection.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectionPatch {
    name: Option<String>,
    address: Option<String>,
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<String>)]
    namespace: Option<Option<String>>,
    tls: Option<TlsBody>,
    auth: Option<AuthPatch>,
    mount: Option<String>,
    path: Option<String>,
    mode: Option<String>,
    options: Option<OptionsBody>,
}

impl ConnectionPatch {
    pub(super) fn checked(self, before: &Connection, allow_plaintext: bool) -> Result<ConnectionUpdate, Problem> {
        let auth = self.auth.unwrap_or(AuthPatch { method: None, mount: None, namespace: None, role_id: None });
        approle(auth.method.as_deref())?;
        let mode = self.mode.as_deref().map(mode).transpose()?;
        let options = match (&self.options, mode) {
            (None, None) => None,
            (body, mode) => {
                let before = switched(before.options.clone(), mode);
                Some(body.clone().unwrap_or_default().over(before)?)
            }
        };
        let schedule = self.options.as_ref().map(|body| body.schedule(before.schedule)).transpose()?;
        let concurrency_max = self.options.as_ref().map(|body| body.concurrency_max(before.concurrency_max));
        let (tls, client_key_pem) = match self.tls {
            Some(body) => {
                let (tls, key) = body.checked(&before.tls)?;
                (Some(tls), key)
            }
            None => (None, None),
        };
        let namespace = match self.namespace {
            Some(Some(text)) => Some(namespace(&text)?),
            other => other,
        };
        Ok(ConnectionUpdate {
            name: self.name.as_deref().map(checked_name).transpose()?,
            address: self.address.as_deref().map(|text| address(text, allow_plaintext)).transpose()?,
            namespace,
            tls,
            client_key_pem,
            auth_mount: auth.mount.as_deref().map(|text| place("auth.mount", text)).transpose()?.map(str::to_owned),
            auth_namespace: auth.namespace.map(|told| told.as_deref().map_or(Ok(None), auth_namespace)).transpose()?,
            role_id: auth.role_id.as_deref().map(role_id).transpose()?,
            mount: self.mount.as_deref().map(|text| place("mount", text)).transpose()?.map(str::to_owned),
            path: self.path.as_deref().map(prefix).transpose()?,
            options,
            schedule,
            concurrency_max: concurrency_max.transpose()?,
            paused: None,
        })
    }
}

/// The options in another mode: what deletions do follows the mode unless a person chose.
fn switched(before: Options, mode: Option<Mode>) -> Options {
    let Some(mode) = mode.filter(|mode| *mode != before.mode) else { return before };
    let by_default = |mode| Options::defaults(mode, String::new()).deletions;
    let deletions = if before.deletions == by_default(before.mode) { by_default(mode) } else { before.deletions };
    Options { mode, deletions, ..before }
}

fn address(text: &str, allow_plaintext: bool) -> Result<String, Problem> {
    let text = text.trim();
    VaultAddress::parse(text, allow_plaintext)?;
    Ok(text.trim_end_matches('/').to_owned())
}

/// A mount: names divided by `/`.
pub(crate) fn place<'a>(field: &str, text: &'a str) -> Result<&'a str, Problem> {
    SecretPath::place(text).map_err(|error| Problem::field(field, error.to_string()))
}

/// A path prefix, which may be empty.
fn prefix(text: &str) -> Result<String, Problem> {
    let trimmed = text.trim_matches('/');
    if trimmed.is_empty() { Ok(String::new()) } else { place("path", trimmed).map(str::to_owned) }
}

fn namespace(text: &str) -> Result<Option<String>, Problem> {
    named_namespace("namespace", text)
}

fn auth_namespace(text: &str) -> Result<Option<String>, Problem> {
    named_namespace("auth.namespace", text)
}

fn named_namespace(field: &str, text: &str) -> Result<Option<String>, Problem> {
    let trimmed = text.trim_matches('/');
    if trimmed.is_empty() { Ok(None) } else { place(field, trimmed).map(|text| Some(text.to_owned())) }
}

fn role_id(text: &str) -> Result<String, Problem> {
    secret("auth.role_id", text).map(|text| text.expose().to_owned())
}

fn checked_name(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    let fits = !text.is_empty() && text.chars().count() <= NAME_CHARS_MAX && !text.chars().any(char::is_control);
    // A name that is an id could not be told from one.
    if !fits || text.parse::<Uuid>().is_ok() {
        return Err(Problem::field("name", format!("has 1 to {NAME_CHARS_MAX} printable characters and is no id")));
    }
    Ok(text.to_owned())
}

/// A client certificate and its key need one another.
fn pair(tls: &Tls, key: bool) -> Result<(), Problem> {
    match (tls.client_cert_pem.is_some(), key) {
        (true, false) => Err(Problem::field("tls.client_key_pem", "is missing: the certificate needs its key")),
        (false, true) => Err(Problem::field("tls.client_cert_pem", "is missing: the key needs its certificate")),
        _ => Ok(()),
    }
}
