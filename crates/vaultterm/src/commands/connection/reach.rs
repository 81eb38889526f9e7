//! `vaultterm connection reach`: asks a server for its health before there is a connection to it.

use std::path::PathBuf;

use vaultterm_contract::{ReachBody, TestView, TlsBody};

use super::test::{checks_table, tell_hints};
use crate::{
    app::App,
    client::{Patience, Reply},
    failure::{Exit, Failure},
    input_file::InputFile,
    shell,
};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The collection that the connection would be for, by name or id
    #[arg(long)]
    collection: String,
    /// Address of Vault, https://host:port
    #[arg(long, value_name = "URL")]
    address: String,
    /// Namespace
    #[arg(long)]
    namespace: Option<String>,
    /// CA certificates (PEM) to trust
    #[arg(long, value_name = "FILE")]
    ca_cert: Option<PathBuf>,
}

/// Asks the server, and prints one line per check.
pub(crate) async fn run(args: Args, app: &App) -> Result<Exit, Failure> {
    let client = app.client()?;
    let collection_id = client.collection(&args.collection).await?.data.id;
    let tls = match &args.ca_cert {
        Some(path) => {
            let pem = InputFile { path, what: "the CA certificates", by: "--ca-cert FILE" }.text()?.to_string();
            Some(TlsBody { ca_pem: Some(Some(pem)), ..TlsBody::default() })
        }
        None => None,
    };
    let body = ReachBody { collection_id, address: args.address, namespace: args.namespace, tls };
    let report: Reply<TestView> = client.post("/connections/reach", &body, Patience::Vault).await?;
    app.console.answer(&report.json, || checks_table(&report.data.checks))?;
    if !report.data.ok {
        tell_hints(&app.console, &report.data.checks);
        return Err(Failure::server("the server cannot be reached"));
    }
    app.console.next(&format!("vaultterm connection policy --mount MOUNT --path PATH --mode MODE --script, then vaultterm connection create NAME --collection {}", shell::word(&args.collection)));
    Ok(Exit::Done)
}
