//! How a session is opened: address, TLS, health, login, mount, capabilities.

use std::time::Duration;

use vaultterm_sealing::SecretText;
use vaultterm_sync::{Connected, Connection, ConnectionSecrets, Connector, RemoteFault};

use crate::{TestReport, VaultRemote};

/// How the stamps of a scope are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Listing {
    /// The cheapest way that the server and the role allow.
    #[default]
    Auto,
    /// OpenBao's `SCAN detailed-metadata`, or an error.
    Scan,
    /// OpenBao's `LIST detailed-metadata` folder by folder, or an error.
    DetailedList,
    /// `LIST metadata` and one metadata request per key: what works on every server.
    PerKey,
}

/// What an operator chooses for every connection.
#[derive(Clone, Debug)]
pub struct ConnectorOptions {
    /// Whether plain http may leave the machine (`VAULTTERM_ALLOW_PLAINTEXT_VAULT`).
    pub allow_plaintext: bool,
    /// How long a connection may take to open, TLS included.
    pub connect_timeout: Duration,
    /// How long one request may take, body included.
    pub request_timeout: Duration,
    /// How stamps are listed.
    pub listing: Listing,
    /// Keys per page of a listing.
    pub page_size: u32,
    /// Listing requests in flight, at most.
    pub listing_concurrency: usize,
}

impl Default for ConnectorOptions {
    fn default() -> Self {
        Self {
            allow_plaintext: false,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(30),
            listing: Listing::Auto,
            page_size: 1_000,
            listing_concurrency: 8,
        }
    }
}

/// Opens sessions with Vault and OpenBao servers.
#[derive(Debug)]
pub struct VaultConnector {
    options: ConnectorOptions,
}

impl VaultConnector {
    /// Makes a connector.
    #[must_use]
    pub fn new(options: ConnectorOptions) -> Self {
        Self { options }
    }

    /// Checks everything a run would need, changes nothing, and revokes its token.
    pub async fn test(&self, connection: &Connection, secrets: &ConnectionSecrets) -> TestReport {
        let _ = (connection, secrets, &self.options);
        todo!()
    }
}

impl Connector for VaultConnector {
    type Remote = VaultRemote;

    async fn unwrap_secret_id(
        &self,
        connection: &Connection,
        secrets: &ConnectionSecrets,
    ) -> Result<Option<SecretText>, RemoteFault> {
        let _ = (connection, secrets);
        todo!()
    }

    async fn connect(
        &self,
        connection: &Connection,
        secrets: &ConnectionSecrets,
    ) -> Result<Connected<VaultRemote>, RemoteFault> {
        let _ = (connection, secrets);
        todo!()
    }
}
