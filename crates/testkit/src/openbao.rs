//! Starts a real OpenBao, or another server in its place, for a test. The server never outlives the test.
//!
//! [`OpenBao::start`] runs a node in memory and takes less than a second. [`Setup`] asks for raft on disk,
//! TLS with its own CA, or client certificates. [`Root`] is the administrator. Every server writes an audit
//! log, so that a test can count the requests that reached it.
//!
//! The binary is the one that `cargo xtask setup` fetched, or `VAULTTERM_BAO`. With `VAULTTERM_VAULT` the
//! same tests run on a HashiCorp Vault, or on the stand-in for it ([`Product`]). [`OpenBao::flavor`] returns
//! which of them it is.
//!
//! A server cannot outlive its test. A shell between them waits for the end of its standard input, which the
//! kernel closes however the test process dies. The shell then kills the server and removes its folder. (A
//! parent-death signal would fire at the end of the thread that started the server. Under tokio that can be
//! long before the end of the test.)

mod audit;
mod backdoor;
mod between;
mod certificates;
mod config;
mod keeper;
mod product;
mod root;
mod setup;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use reqwest::{Certificate, Client};
use serde_json::{Value, json};

pub use audit::{Answered, AuditedRequest};
pub use backdoor::OpenBaoBackdoor;
pub use between::{Between, Exchange, Held, Meddling};
pub use certificates::{Authority, Leaf};
pub use product::{Product, binary, only_on_openbao};
pub use root::{AppRole, Credentials, Root};
pub use setup::Setup;

use crate::vault_like::VaultLike;
use config::free_port;
use keeper::Keeper;

/// The time limit for an expected change of a server. It is generous because tests run on busy machines.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server. It is stopped and removed on drop.
#[derive(Debug)]
pub struct OpenBao {
    setup: Setup,
    folder: PathBuf,
    /// The path of the audit log. The nodes of a cluster must agree on it, so they write the same file.
    audit_log: PathBuf,
    port: u16,
    keeper: Keeper,
    /// The stand-in in front of the server, if the test runs on it.
    vault_like: Option<VaultLike>,
    /// The product, as the server's health shows it.
    flavor: &'static str,
    unseal_key: String,
    root_token: String,
    http: Client,
}

impl OpenBao {
    /// Starts a server in memory, unsealed.
    pub async fn start() -> Self {
        Self::start_with(Setup::default()).await
    }

    /// Starts a server, initialized and unsealed.
    ///
    /// # Panics
    /// If the server does not start. The message contains its log.
    pub async fn start_with(setup: Setup) -> Self {
        // The keeper removes the folder, because it outlives this process.
        let folder = tempfile::Builder::new().prefix("vaultterm-openbao-").tempdir().expect("a folder can be made");
        let folder = folder.keep();
        let audit_log = folder.join("audit.log");
        let (port, keeper, vault_like) = launch(&setup, &folder, &audit_log);
        let http = administrator(&setup);
        let (unseal_key, root_token) = (String::new(), String::new());
        let flavor = "";
        let mut server =
            Self { setup, folder, audit_log, port, keeper, vault_like, flavor, unseal_key, root_token, http };
        // Only HashiCorp Vault has this field in its health.
        let health = server.wait_for_health(|_| true).await;
        server.flavor = if health["enterprise"].is_boolean() { "vault" } else { "openbao" };
        let init =
            server.root().call("PUT", "sys/init", Some(json!({"secret_shares": 1, "secret_threshold": 1}))).await;
        server.unseal_key = init["keys"][0].as_str().expect("init answers a key").to_owned();
        server.root_token = init["root_token"].as_str().expect("init answers a token").to_owned();
        server.unseal().await;
        if server.setup.product().is_vault() {
            let audit = json!({"type": "file", "options": {"file_path": server.audit_log}});
            server.root().call("PUT", "sys/audit/file", Some(audit)).await;
        }
        server
    }

    /// Starts a second node for the cluster of a server. It becomes a standby, which answers reads by itself
    /// on OpenBao and forwards them on Vault.
    ///
    /// # Panics
    /// If the node does not join, or if the server does not use raft, because only raft has standbys. Also
    /// behind the stand-in, which has its own nodes ([`VaultLike::join`]).
    pub async fn start_standby(leader: &Self) -> Self {
        assert!(leader.setup.raft, "only raft has standbys");
        assert!(leader.vault_like.is_none(), "a stand-in is joined by another node of its own");
        let folder = tempfile::Builder::new().prefix("vaultterm-openbao-").tempdir().expect("a folder can be made");
        let folder = folder.keep();
        let setup = leader.setup.clone();
        let audit_log = leader.audit_log.clone();
        let (port, keeper, vault_like) = launch(&setup, &folder, &audit_log);
        let http = administrator(&setup);
        let (unseal_key, root_token) = (leader.unseal_key.clone(), leader.root_token.clone());
        let flavor = leader.flavor;
        let server = Self { setup, folder, audit_log, port, keeper, vault_like, flavor, unseal_key, root_token, http };
        server.wait_for_health(|_| true).await;
        let join = json!({"leader_api_addr": leader.address()});
        server.root().call("PUT", "sys/storage/raft/join", Some(join)).await;
        server.root().call("PUT", "sys/unseal", Some(json!({"key": server.unseal_key}))).await;
        server.wait_for_health(|health| health["sealed"] == false && health["standby"] == true).await;
        if server.setup.product() == Product::OpenBao {
            server.wait_for_log("post-unseal setup complete").await;
        }
        server
    }

    /// Waits until the log of the server contains a text.
    async fn wait_for_log(&self, text: &str) {
        let began = Instant::now();
        let log = || fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        while !log().contains(text) {
            assert!(began.elapsed() < PATIENCE, "OpenBao did not say `{text}` within {PATIENCE:?}:\n{}", log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Returns the address, with `127.0.0.1` as host.
    #[must_use]
    pub fn address(&self) -> String {
        let scheme = if self.setup.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.port())
    }

    /// Returns the port that clients use.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.vault_like.as_ref().map_or(self.port, VaultLike::port)
    }

    /// Returns the flavor of the server, as VaultTerm names it: `openbao` or `vault`.
    #[must_use]
    pub fn flavor(&self) -> &'static str {
        self.flavor
    }

    /// Returns the stand-in for HashiCorp Vault, if the test runs on it.
    #[must_use]
    pub fn vault_like(&self) -> Option<&VaultLike> {
        self.vault_like.as_ref()
    }

    /// Returns the root token.
    #[must_use]
    pub fn root_token(&self) -> &str {
        &self.root_token
    }

    /// Seals the server.
    pub async fn seal(&self) {
        self.root().call("PUT", "sys/seal", None).await;
        self.wait_for_health(|health| health["sealed"] == true).await;
    }

    /// Unseals the server and waits until it is active.
    pub async fn unseal(&self) {
        self.root().call("PUT", "sys/unseal", Some(json!({"key": self.unseal_key}))).await;
        self.wait_for_health(|health| health["sealed"] == false && health["standby"] == false).await;
    }

    /// Kills the server and starts it again on the same port, unsealed. Only a server with raft keeps its
    /// data.
    pub async fn restart(&mut self) {
        assert!(self.setup.raft, "a server in memory forgets everything");
        self.keeper.kill();
        self.keeper = Keeper::start(&self.setup.product().binary(), &self.folder);
        if let Some(vault_like) = &self.vault_like {
            vault_like.reopen();
        }
        self.wait_for_health(|_| true).await;
        self.unseal().await;
    }

    /// Kills the server, which closes its port. The folder stays until the value is dropped.
    pub fn kill(&mut self) {
        if let Some(vault_like) = &self.vault_like {
            vault_like.close();
        }
        self.keeper.kill();
    }

    /// Returns the path of the audit log.
    #[must_use]
    pub fn audit_log(&self) -> &Path {
        &self.audit_log
    }

    /// Reads from the audit log all requests that were answered so far.
    #[must_use]
    pub fn audited(&self) -> Vec<AuditedRequest> {
        audit::read(&self.audit_log)
    }

    /// Counts the requests that were answered since the last call, or since the start, and empties the audit log. A long
    /// measurement calls it between its phases, while nobody sends a request.
    #[must_use]
    pub fn take_answered(&self) -> Answered {
        audit::take(&self.audit_log)
    }

    /// Waits until the health of the server is as wanted, and returns it.
    async fn wait_for_health(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        let url = format!("{}/v1/sys/health", self.address());
        while began.elapsed() < PATIENCE {
            if let Ok(answer) = self.http.get(&url).send().await
                && let Ok(health) = answer.json::<Value>().await
                && health["initialized"].is_boolean()
                && wanted(&health)
            {
                return health;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        panic!("OpenBao was not as wanted within {PATIENCE:?}:\n{log}");
    }
}

impl Drop for OpenBao {
    fn drop(&mut self) {
        self.keeper.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Starts a server on a free port, and the stand-in in front of it if wanted. Tries again if another process
/// took the port first.
fn launch(setup: &Setup, folder: &Path, audit_log: &Path) -> (u16, Keeper, Option<VaultLike>) {
    let product = setup.product();
    let binary = product.binary();
    for _ in 0..5 {
        let port = free_port();
        let vault_like = if product == Product::StandIn { Some(VaultLike::open(port)) } else { None };
        let reached_at = vault_like.as_ref().map_or(port, VaultLike::port);
        fs::write(folder.join("config.hcl"), config::text(setup, folder, audit_log, [port, reached_at]))
            .expect("the folder can be written to");
        let mut keeper = Keeper::start(&binary, folder);
        if keeper.listens_on(port, &folder.join("log"), PATIENCE) {
            return (port, keeper, vault_like);
        }
    }
    let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
    panic!("{} did not start:\n{log}", binary.display());
}

/// Returns an HTTP client for the administrator. It accepts any certificate of the test's own server.
fn administrator(setup: &Setup) -> Client {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut client = Client::builder().no_proxy().timeout(PATIENCE);
    // The list of roots is empty, so that tests also run on a machine without CA certificates.
    client = client.tls_certs_only(std::iter::empty::<Certificate>());
    if let Some(leaf) = &setup.tls {
        client = client.tls_danger_accept_invalid_certs(true);
        if setup.client_ca.is_some() {
            let identity = leaf.administrator.as_deref().expect("a server that asks for certificates has one for us");
            client =
                client.identity(reqwest::Identity::from_pem(identity.as_bytes()).expect("made by certificates.rs"));
        }
    }
    client.build().expect("a client with fixed settings can be built")
}
