//! Checks what a caller wants of a connection, without asking Vault.

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use uuid::Uuid;
use vaultterm_hcv::VaultAddress;
use vaultterm_reconcile::{Mode, Options, SecretPath, UnknownName};
use vaultterm_sealing::SecretText;
use vaultterm_store::{ConnectionUpdate, NewConnection};
use vaultterm_sync::{CollectionId, Connection, ConnectionId, ConnectionSecrets, Schedule, Tls};

use super::{
    credentials::{self, differ},
    wanted::{Wanted, WantedAuth, WantedCredential, WantedOptions, WantedTls},
};
use crate::{names, refusal::Refusal};

const INTERVAL_SECONDS_DEFAULT: u32 = 300;
const INTERVAL_SECONDS_MAX: u32 = 30 * 24 * 3_600;
const CONCURRENCY_DEFAULT: u32 = 32;
const CONCURRENCY_MAX: u32 = 256;
const REQUESTS_PER_SECOND_MAX: u32 = 100_000;

/// Checks a connection to create.
pub(super) fn new_connection(
    collection_id: CollectionId,
    wanted: Wanted,
    credential: &WantedCredential,
    allow_plaintext: bool,
) -> Result<NewConnection, Refusal> {
    let Wanted { name, address, namespace, tls, auth, mount, path, mode, options } = wanted;
    let options = options.unwrap_or_default();
    approle(auth.method.as_deref())?;
    let credential = credentials::credential("auth.", credential)?;
    let (tls, client_key_pem) = tls_over(tls.unwrap_or_default(), &Tls::default())?;
    let connection = Connection {
        id: ConnectionId(Uuid::nil()),
        name: names::connection(needed("name", name.as_deref())?)?,
        collection_id,
        address: checked_address(needed("address", address.as_deref())?, allow_plaintext)?,
        namespace: checked_namespace("namespace", namespace.flatten())?,
        tls,
        auth_mount: place("auth.mount", auth.mount.as_deref().unwrap_or("approle"))?.to_owned(),
        auth_namespace: checked_namespace("auth.namespace", auth.namespace.flatten())?,
        role_id: credentials::role_id(needed("auth.role_id", auth.role_id.as_deref())?)?,
        mount: place("mount", needed("mount", mount.as_deref())?)?.to_owned(),
        path: prefix(path.as_deref().unwrap_or_default())?,
        // The store fills in the installation's own id.
        options: {
            let mode = self::mode(needed("mode", mode.as_deref())?)?;
            options_over(&options, Options::defaults(mode, String::new()))?
        },
        schedule: {
            let default =
                Schedule { interval_seconds: INTERVAL_SECONDS_DEFAULT, on_change: true, requests_per_second_max: 0 };
            schedule_over(&options, default)?
        },
        concurrency_max: concurrency_max(&options, CONCURRENCY_DEFAULT)?,
        paused: false,
        started: false,
        scope_changed: false,
        guarded: None,
        identity: None,
        revision: 1,
    };
    let client_key_pem = client_key_pem.flatten();
    pair(&connection.tls, client_key_pem.is_some())?;
    differ(&connection.role_id, &credential)?;
    Ok(NewConnection { connection, secrets: ConnectionSecrets { credential, client_key_pem } })
}

/// Checks the address of a connection to create, with everything else as if it were known.
pub(super) fn address_alone(
    collection_id: CollectionId,
    wanted: Wanted,
    allow_plaintext: bool,
) -> Result<NewConnection, Refusal> {
    let some = |text: &str| Some(text.to_owned());
    let Wanted { address, namespace, tls, .. } = wanted;
    let auth = WantedAuth { role_id: some("unknown"), ..WantedAuth::default() };
    let (name, mount, mode) = (some("new"), some("unknown"), some("pull"));
    let wanted = Wanted { name, address, namespace, tls, auth, mount, mode, ..Wanted::default() };
    let nothing = WantedCredential { secret_id: some("none").map(Into::into), wrapping_token: None };
    new_connection(collection_id, wanted, &nothing, allow_plaintext)
}

/// Checks a change of a connection.
pub(super) fn update(wanted: Wanted, before: &Connection, allow_plaintext: bool) -> Result<ConnectionUpdate, Refusal> {
    let Wanted { name, address, namespace, tls, auth, mount, path, mode, options } = wanted;
    approle(auth.method.as_deref())?;
    let mode = mode.as_deref().map(self::mode).transpose()?;
    let changed_options = match (&options, mode) {
        (None, None) => None,
        (wanted, mode) => {
            let before = switched(before.options.clone(), mode);
            Some(options_over(&wanted.clone().unwrap_or_default(), before)?)
        }
    };
    let schedule = options.as_ref().map(|wanted| schedule_over(wanted, before.schedule)).transpose()?;
    let concurrency_max = options.as_ref().map(|wanted| concurrency_max(wanted, before.concurrency_max));
    let (tls, client_key_pem) = match tls {
        Some(wanted) => {
            let (tls, key) = tls_over(wanted, &before.tls)?;
            (Some(tls), key)
        }
        None => (None, None),
    };
    let namespace = namespace.map(|text| checked_namespace("namespace", text)).transpose()?;
    Ok(ConnectionUpdate {
        name: name.as_deref().map(names::connection).transpose()?,
        address: address.as_deref().map(|text| checked_address(text, allow_plaintext)).transpose()?,
        namespace,
        tls,
        client_key_pem,
        auth_mount: auth.mount.as_deref().map(|text| place("auth.mount", text)).transpose()?.map(str::to_owned),
        auth_namespace: auth.namespace.map(|text| checked_namespace("auth.namespace", text)).transpose()?,
        role_id: auth.role_id.as_deref().map(credentials::role_id).transpose()?,
        mount: mount.as_deref().map(|text| place("mount", text)).transpose()?.map(str::to_owned),
        path: path.as_deref().map(prefix).transpose()?,
        options: changed_options,
        schedule,
        concurrency_max: concurrency_max.transpose()?,
        paused: None,
    })
}

/// Finds a mode by name.
pub(super) fn mode(name: &str) -> Result<Mode, Refusal> {
    name.parse().map_err(|unknown: UnknownName| Refusal::field("mode", unknown.one_of()))
}

/// Checks a mount: names divided by `/`.
pub(super) fn place<'a>(field: &str, text: &'a str) -> Result<&'a str, Refusal> {
    SecretPath::place(text).map_err(|error| Refusal::field(field, error.to_string()))
}

fn needed<'a>(field: &str, text: Option<&'a str>) -> Result<&'a str, Refusal> {
    text.ok_or_else(|| Refusal::field(field, "is missing"))
}

/// Returns the TLS settings that follow from those before, and the key if the caller named it.
fn tls_over(wanted: WantedTls, before: &Tls) -> Result<(Tls, Option<Option<SecretText>>), Refusal> {
    for (field, pem) in [("tls.ca_pem", &wanted.ca_pem), ("tls.client_cert_pem", &wanted.client_cert_pem)] {
        if let Some(Some(pem)) = pem {
            let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
            if found.is_ok_and(|certificates| !certificates.is_empty()) {
                continue;
            }
            return Err(Refusal::field(field, "holds no certificate in PEM form"));
        }
    }
    let key = match wanted.client_key_pem {
        Some(Some(pem)) => {
            PrivateKeyDer::from_pem_slice(pem.as_bytes())
                .map_err(|_| Refusal::field("tls.client_key_pem", "holds no private key in PEM form"))?;
            Some(Some(SecretText::new(pem.as_str().to_owned())))
        }
        Some(None) => Some(None),
        None => None,
    };
    let tls = Tls {
        ca_pem: wanted.ca_pem.unwrap_or_else(|| before.ca_pem.clone()),
        server_name: wanted.server_name.unwrap_or_else(|| before.server_name.clone()),
        client_cert_pem: wanted.client_cert_pem.unwrap_or_else(|| before.client_cert_pem.clone()),
    };
    Ok((tls, key))
}

/// Returns the options that follow from those before.
fn options_over(wanted: &WantedOptions, before: Options) -> Result<Options, Refusal> {
    if wanted.max_delete_percent.is_some_and(|percent| percent > 100) {
        return Err(Refusal::field("options.max_delete_percent", "is 0 to 100"));
    }
    Ok(Options {
        merge: wanted.merge.unwrap_or(before.merge),
        deletions: wanted.deletions.unwrap_or(before.deletions),
        expired: wanted.expired.unwrap_or(before.expired),
        initial: wanted.initial.unwrap_or(before.initial),
        on_drift: wanted.on_drift.unwrap_or(before.on_drift),
        annotate: wanted.annotate.unwrap_or(before.annotate),
        max_delete_percent: wanted.max_delete_percent.unwrap_or(before.max_delete_percent),
        max_delete_count: wanted.max_delete_count.unwrap_or(before.max_delete_count),
        ..before
    })
}

fn schedule_over(wanted: &WantedOptions, before: Schedule) -> Result<Schedule, Refusal> {
    let interval_seconds = wanted.interval_seconds.unwrap_or(before.interval_seconds);
    if interval_seconds > INTERVAL_SECONDS_MAX {
        return Err(Refusal::field("options.interval_seconds", format!("is 0 (off) to {INTERVAL_SECONDS_MAX}")));
    }
    let requests_per_second_max = wanted.requests_per_second_max.unwrap_or(before.requests_per_second_max);
    if requests_per_second_max > REQUESTS_PER_SECOND_MAX {
        let range = format!("is 0 (no limit) to {REQUESTS_PER_SECOND_MAX}");
        return Err(Refusal::field("options.requests_per_second_max", range));
    }
    Ok(Schedule { interval_seconds, on_change: wanted.on_change.unwrap_or(before.on_change), requests_per_second_max })
}

fn concurrency_max(wanted: &WantedOptions, before: u32) -> Result<u32, Refusal> {
    let concurrency_max = wanted.concurrency_max.unwrap_or(before);
    if !(1..=CONCURRENCY_MAX).contains(&concurrency_max) {
        return Err(Refusal::field("options.concurrency_max", format!("is 1 to {CONCURRENCY_MAX}")));
    }
    Ok(concurrency_max)
}

/// Returns the options in another mode: what deletions do follows the mode unless a person chose.
fn switched(before: Options, mode: Option<Mode>) -> Options {
    let Some(mode) = mode.filter(|mode| *mode != before.mode) else { return before };
    let by_default = |mode| Options::defaults(mode, String::new()).deletions;
    let deletions = if before.deletions == by_default(before.mode) { by_default(mode) } else { before.deletions };
    Options { mode, deletions, ..before }
}

fn checked_address(text: &str, allow_plaintext: bool) -> Result<String, Refusal> {
    let text = text.trim();
    VaultAddress::parse(text, allow_plaintext)?;
    Ok(text.trim_end_matches('/').to_owned())
}

/// Checks a path prefix, which may be empty.
fn prefix(text: &str) -> Result<String, Refusal> {
    let trimmed = text.trim_matches('/');
    if trimmed.is_empty() { Ok(String::new()) } else { place("path", trimmed).map(str::to_owned) }
}

fn checked_namespace(field: &str, text: Option<String>) -> Result<Option<String>, Refusal> {
    let Some(text) = text else { return Ok(None) };
    let trimmed = text.trim_matches('/');
    if trimmed.is_empty() { Ok(None) } else { place(field, trimmed).map(|text| Some(text.to_owned())) }
}

/// Refuses an unknown login method.
fn approle(method: Option<&str>) -> Result<(), Refusal> {
    match method {
        None | Some("approle") => Ok(()),
        Some(_) => Err(Refusal::field("auth.method", "expected `approle`")),
    }
}

/// A client certificate and its key need one another.
fn pair(tls: &Tls, key: bool) -> Result<(), Refusal> {
    match (tls.client_cert_pem.is_some(), key) {
        (true, false) => Err(Refusal::field("tls.client_key_pem", "is missing: the certificate needs its key")),
        (false, true) => Err(Refusal::field("tls.client_cert_pem", "is missing: the key needs its certificate")),
        _ => Ok(()),
    }
}
