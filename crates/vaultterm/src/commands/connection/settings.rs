//! `vaultterm connection create` and `update`: turn flags into the connection of the API.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use vaultterm_contract::ConnectionView;
use vaultterm_reconcile::Mode;

use super::{credential::CredentialArgs, facts::facts};
use crate::{
    app::App,
    client::{Patience, Reply},
    failure::{Exit, Failure},
    input_file::InputFile,
    settings::variable,
    shell,
};

#[derive(clap::Args, Debug)]
pub(crate) struct CreateArgs {
    /// Its name
    name: String,
    /// The collection, by name or id
    #[arg(long)]
    collection: String,
    /// Address of Vault, https://host:port, or https://host/prefix behind a proxy [default: VAULT_ADDR, then BAO_ADDR]
    #[arg(long, value_name = "URL")]
    address: Option<String>,
    /// Namespace [default: VAULT_NAMESPACE, then BAO_NAMESPACE]
    #[arg(long)]
    namespace: Option<String>,
    /// CA certificates (PEM) to trust [default: VAULT_CACERT, then BAO_CACERT, then the system's]
    #[arg(long, value_name = "FILE")]
    ca_cert: Option<PathBuf>,
    #[command(flatten)]
    tls: TlsArgs,
    /// The KV v2 mount
    #[arg(long)]
    mount: String,
    /// The path prefix below the mount [default: the whole mount]
    #[arg(long, default_value = "")]
    path: String,
    /// Which way credentials travel
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(Mode::NAMES))]
    mode: String,
    /// The RoleID
    #[arg(long)]
    role_id: String,
    #[command(flatten)]
    credential: CredentialArgs,
    /// Where AppRole is mounted
    #[arg(long, default_value = "approle", value_name = "MOUNT")]
    auth_mount: String,
    /// Namespace in which AppRole is mounted, `root` for the root [default: that of the secrets]
    #[arg(long, value_name = "NAMESPACE")]
    auth_namespace: Option<String>,
    #[command(flatten)]
    options: OptionArgs,
}

#[derive(clap::Args, Debug)]
pub(crate) struct UpdateArgs {
    /// Name or id
    connection: String,
    /// New name
    #[arg(long)]
    name: Option<String>,
    /// New address of Vault
    #[arg(long, value_name = "URL")]
    address: Option<String>,
    /// New namespace; empty for none
    #[arg(long)]
    namespace: Option<String>,
    /// CA certificates (PEM) to trust from now on; empty for the system's
    #[arg(long, value_name = "FILE")]
    ca_cert: Option<PathBuf>,
    #[command(flatten)]
    tls: TlsArgs,
    /// New KV v2 mount
    #[arg(long)]
    mount: Option<String>,
    /// New path prefix
    #[arg(long)]
    path: Option<String>,
    /// New mode
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(Mode::NAMES))]
    mode: Option<String>,
    /// New RoleID
    #[arg(long)]
    role_id: Option<String>,
    /// New mount of AppRole
    #[arg(long, value_name = "MOUNT")]
    auth_mount: Option<String>,
    /// New namespace of AppRole, `root` for the root; empty for that of the secrets
    #[arg(long, value_name = "NAMESPACE")]
    auth_namespace: Option<String>,
    #[command(flatten)]
    options: OptionArgs,
}

/// How both sides show themselves, beyond the CA.
#[derive(clap::Args, Debug)]
struct TlsArgs {
    /// Name to expect in the server's certificate
    #[arg(long, value_name = "NAME")]
    tls_server_name: Option<String>,
    /// Client certificate chain (PEM) for mutual TLS
    #[arg(long, value_name = "FILE")]
    client_cert: Option<PathBuf>,
    /// Private key (PEM) of the client certificate
    #[arg(long, value_name = "FILE")]
    client_key_file: Option<PathBuf>,
}

#[derive(clap::Args, Debug)]
struct OptionArgs {
    /// merge, deletions, expired, initial, on_drift, annotate, interval_seconds, on_change,
    /// max_delete_percent, max_delete_count, concurrency_max or requests_per_second_max; repeat for several
    #[arg(long = "option", value_name = "KEY=VALUE", value_parser = option)]
    options: Vec<(String, Value)>,
}

/// Creates a connection.
pub(crate) async fn create(args: CreateArgs, app: &App) -> Result<Exit, Failure> {
    let address = offered(app, "--address", args.address, ["VAULT_ADDR", "BAO_ADDR"]).ok_or_else(|| {
        Failure::local("the address of Vault is missing").hint("pass --address https://host:port, or set VAULT_ADDR")
    })?;
    let namespace = offered(app, "--namespace", args.namespace, ["VAULT_NAMESPACE", "BAO_NAMESPACE"]);
    let ca_cert = args.ca_cert.map(|path| path.to_string_lossy().into_owned());
    let ca_cert = offered(app, "--ca-cert", ca_cert, ["VAULT_CACERT", "BAO_CACERT"]);

    let client = app.client()?;
    let collection = client.collection(&args.collection).await?.data;
    let (credential, secret) = args.credential.read()?;
    let mut body = json!({
        "name": args.name,
        "collection_id": collection.id,
        "address": address,
        "namespace": namespace,
        "auth": { "method": "approle", "mount": args.auth_mount, "role_id": args.role_id, (credential): secret.as_str() },
        "mount": args.mount,
        "path": args.path,
        "mode": args.mode,
    });
    if let Some(namespace) = args.auth_namespace.filter(|text| !text.is_empty()) {
        body["auth"]["namespace"] = namespace.into();
    }
    let tls = tls(ca_cert.as_deref(), &args.tls)?;
    if !tls.is_empty() {
        body["tls"] = tls.into();
    }
    if !args.options.options.is_empty() {
        body["options"] = args.options.options.into_iter().collect::<Map<_, _>>().into();
    }
    let created: Reply<ConnectionView> = client.post("/connections", &body, Patience::Vault).await?;
    app.console.answer(&created.json, || facts(&created.data))?;
    let name = shell::word(&created.data.name);
    app.console.next(&format!("vaultterm connection test {name}, then vaultterm sync plan {name}"));
    Ok(Exit::Done)
}

/// Changes a connection.
pub(crate) async fn update(args: UpdateArgs, app: &App) -> Result<Exit, Failure> {
    let mut body = Map::new();
    let mut set = |key: &str, value: Option<Value>| body.extend(value.map(|value| (key.to_owned(), value)));
    let empty_is_none = |text: String| if text.is_empty() { Value::Null } else { text.into() };
    set("name", args.name.map(Value::from));
    set("address", args.address.map(Value::from));
    set("namespace", args.namespace.map(empty_is_none));
    set("mount", args.mount.map(Value::from));
    set("path", args.path.map(Value::from));
    set("mode", args.mode.map(Value::from));
    let mut auth = Map::new();
    auth.extend(args.role_id.map(|role_id| ("role_id".to_owned(), role_id.into())));
    auth.extend(args.auth_mount.map(|mount| ("mount".to_owned(), mount.into())));
    auth.extend(args.auth_namespace.map(|namespace| ("namespace".to_owned(), empty_is_none(namespace))));
    set("auth", (!auth.is_empty()).then_some(auth.into()));
    let tls = tls(args.ca_cert.map(|path| path.to_string_lossy().into_owned()).as_deref(), &args.tls)?;
    set("tls", (!tls.is_empty()).then_some(tls.into()));
    let options: Map<_, _> = args.options.options.into_iter().collect();
    set("options", (!options.is_empty()).then_some(options.into()));
    if body.is_empty() {
        return Err(Failure::local("nothing to change was named").hint("see `vaultterm connection update --help`"));
    }
    // What decides whether VaultTerm reaches Vault and may log in is tested before anything is planned.
    let reaches =
        ["address", "namespace", "auth", "tls", "mount", "path"].into_iter().any(|key| body.contains_key(key));
    let client = app.client()?;
    let found = client.connection(&args.connection).await?.data;
    let path = format!("/connections/{}", found.id);
    let changed: Reply<ConnectionView> = client.patch(&path, found.revision, &body).await?;
    app.console.answer(&changed.json, || facts(&changed.data))?;
    let name = shell::word(&changed.data.name);
    app.console.next(&match reaches {
        true => format!("vaultterm connection test {name}, then vaultterm sync plan {name}"),
        false => format!("vaultterm sync plan {name}"),
    });
    Ok(Exit::Done)
}

/// Returns the value of a flag, or else that of Vault's own variables. Prints which variable was used.
fn offered(app: &App, flag: &str, given: Option<String>, variables: [&str; 2]) -> Option<String> {
    if given.is_some() {
        return given.filter(|text| !text.is_empty());
    }
    let (name, value) = variables.into_iter().find_map(|name| variable(name).map(|value| (name, value)))?;
    // An address may contain a password.
    let shown = if value.contains('@') { name.to_owned() } else { format!("{name}={value}") };
    app.console.note(&format!("using {shown} ({flag} was not given)"));
    Some(value)
}

/// Reads the TLS files. Files that no flag names are left out.
fn tls(ca_cert: Option<&str>, args: &TlsArgs) -> Result<Map<String, Value>, Failure> {
    let read = |path: &Path, what: &str, by: &str| InputFile { path, what, by }.text();
    let mut tls = Map::new();
    if let Some(path) = ca_cert {
        let pem = match path {
            "" => Value::Null,
            path => read(path.as_ref(), "the CA certificates", "--ca-cert")?.as_str().into(),
        };
        tls.insert("ca_pem".to_owned(), pem);
    }
    if let Some(name) = &args.tls_server_name {
        tls.insert("server_name".to_owned(), name.as_str().into());
    }
    if let Some(path) = &args.client_cert {
        tls.insert(
            "client_cert_pem".to_owned(),
            read(path, "the client certificate", "--client-cert")?.as_str().into(),
        );
    }
    if let Some(path) = &args.client_key_file {
        let key = read(path, "the client key", "--client-key-file")?;
        tls.insert("client_key_pem".to_owned(), key.as_str().into());
    }
    Ok(tls)
}

/// Reads `key=value`. Numbers, `true` and `false` become JSON values, and everything else becomes a text. The
/// server checks the keys and values.
fn option(text: &str) -> Result<(String, Value), String> {
    let (key, value) = text.split_once('=').ok_or("an option is written KEY=VALUE")?;
    let value = match serde_json::from_str(value) {
        Ok(value @ (Value::Bool(_) | Value::Number(_))) => value,
        _ => value.into(),
    };
    Ok((key.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_numbers_truths_or_texts() {
        assert_eq!(option("interval_seconds=300"), Ok(("interval_seconds".into(), json!(300))));
        assert_eq!(option("annotate=false"), Ok(("annotate".into(), json!(false))));
        assert_eq!(option("merge=secret"), Ok(("merge".into(), json!("secret"))));
        assert!(option("merge").is_err());
    }
}
