//! A real OpenBao, started for a test and certainly gone after it.
//!
//! [`OpenBao::start`] runs one node in memory in under a second; [`Setup`] asks for raft on disk,
//! TLS with a CA of its own, or client certificates. [`Root`] is its administrator. Every
//! server writes an audit log, so that a test can count what really was asked.
//!
//! The binary is the one that `cargo xtask setup` fetched, or `VAULTTERM_BAO`.
//!
//! A server cannot outlive its test: a shell between them waits for the end of its standard
//! input, which the kernel closes however the test process dies, then kills the server and
//! removes its folder. (A parent-death signal would fire when the thread that started the server
//! ends, which under tokio may be long before the test.)

mod audit;
mod backdoor;
mod between;
mod certificates;
mod keeper;
mod root;

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::{Certificate, Client};
use serde_json::{Value, json};

pub use audit::AuditedRequest;
pub use backdoor::OpenBaoBackdoor;
pub use between::{Between, Exchange, Held, Meddling};
pub use certificates::{Authority, Leaf};
pub use root::{AppRole, Credentials, Root};

use keeper::Keeper;

/// How long a server may take to do what is waited for. Generous: tests run on busy machines.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a server is to be run.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Raft on disk instead of memory: survives [`OpenBao::restart`] and knows state indexes.
    pub raft: bool,
    /// TLS with this certificate.
    pub tls: Option<Leaf>,
    /// The CA of the client certificates that every client must show.
    pub client_ca: Option<String>,
    /// Bytes that a request may have.
    pub request_bytes_max: Option<u32>,
    /// JSON strings that a request may have.
    pub request_strings_max: Option<u32>,
}

/// A running server. Stopped and removed when dropped.
#[derive(Debug)]
pub struct OpenBao {
    setup: Setup,
    folder: PathBuf,
    /// The nodes of a cluster must agree on it, and so write the same.
    audit_log: PathBuf,
    port: u16,
    keeper: Keeper,
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
    /// When it does not start; the message holds its log.
    pub async fn start_with(setup: Setup) -> Self {
        // Removed by the keeper, who outlives this process.
        let folder = tempfile::Builder::new().prefix("vaultterm-openbao-").tempdir().expect("a folder can be made");
        let folder = folder.keep();
        let audit_log = folder.join("audit.log");
        let (port, keeper) = launch(&setup, &folder, &audit_log);
        let http = administrator(&setup);
        let (unseal_key, root_token) = (String::new(), String::new());
        let mut server = Self { setup, folder, audit_log, port, keeper, unseal_key, root_token, http };
        server.wait_for_health(|_| true).await;
        let init =
            server.root().call("PUT", "sys/init", Some(json!({"secret_shares": 1, "secret_threshold": 1}))).await;
        server.unseal_key = init["keys"][0].as_str().expect("init answers a key").to_owned();
        server.root_token = init["root_token"].as_str().expect("init answers a token").to_owned();
        server.unseal().await;
        server
    }

    /// Starts a second node of a server's cluster. It becomes a standby that answers reads by
    /// itself.
    ///
    /// # Panics
    /// When it does not join; and when the server is not on raft, as only raft has standbys.
    pub async fn start_standby(leader: &Self) -> Self {
        assert!(leader.setup.raft, "only raft has standbys");
        let folder = tempfile::Builder::new().prefix("vaultterm-openbao-").tempdir().expect("a folder can be made");
        let folder = folder.keep();
        let setup = leader.setup.clone();
        let audit_log = leader.audit_log.clone();
        let (port, keeper) = launch(&setup, &folder, &audit_log);
        let http = administrator(&setup);
        let (unseal_key, root_token) = (leader.unseal_key.clone(), leader.root_token.clone());
        let server = Self { setup, folder, audit_log, port, keeper, unseal_key, root_token, http };
        server.wait_for_health(|_| true).await;
        let join = json!({"leader_api_addr": leader.address()});
        server.root().call("PUT", "sys/storage/raft/join", Some(join)).await;
        server.root().call("PUT", "sys/unseal", Some(json!({"key": server.unseal_key}))).await;
        server.wait_for_health(|health| health["sealed"] == false && health["standby"] == true).await;
        server.wait_for_log("post-unseal setup complete").await;
        server
    }

    /// Waits until the server's log says something.
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
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// Returns the port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the root token.
    #[must_use]
    pub fn root_token(&self) -> &str {
        &self.root_token
    }

    /// Returns the administrator, in the root namespace.
    #[must_use]
    pub fn root(&self) -> Root<'_> {
        Root::new(self, String::new())
    }

    /// Returns the administrator, in a namespace.
    #[must_use]
    pub fn root_in(&self, namespace: &str) -> Root<'_> {
        Root::new(self, namespace.to_owned())
    }

    /// Makes a back door for the contract suite: a KV v2 mount and a prefix below it.
    #[must_use]
    pub fn backdoor(self: &Arc<Self>, mount: &str, prefix: &str) -> OpenBaoBackdoor {
        OpenBaoBackdoor::new(Arc::clone(self), mount, prefix)
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

    /// Kills the server and starts it again on the same port, unsealed. Only raft remembers.
    pub async fn restart(&mut self) {
        assert!(self.setup.raft, "a server in memory forgets everything");
        self.keeper.kill();
        self.keeper = Keeper::start(&binary(), &self.folder);
        self.wait_for_health(|_| true).await;
        self.unseal().await;
    }

    /// Kills the server; its port is closed then. Its folder stays until the value is dropped.
    pub fn kill(&mut self) {
        self.keeper.kill();
    }

    /// Reads the audit log: every request that was answered so far.
    #[must_use]
    pub fn audited(&self) -> Vec<AuditedRequest> {
        audit::read(&self.audit_log)
    }

    /// Waits until the server's health is as wanted.
    async fn wait_for_health(&self, wanted: impl Fn(&Value) -> bool) {
        let began = Instant::now();
        let url = format!("{}/v1/sys/health", self.address());
        while began.elapsed() < PATIENCE {
            if let Ok(answer) = self.http.get(&url).send().await
                && let Ok(health) = answer.json::<Value>().await
                && health["initialized"].is_boolean()
                && wanted(&health)
            {
                return;
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

/// Starts a server on a free port. Another process may take the port first, so it is tried again.
fn launch(setup: &Setup, folder: &Path, audit_log: &Path) -> (u16, Keeper) {
    let binary = binary();
    for _ in 0..5 {
        let port = free_port();
        fs::write(folder.join("config.hcl"), config(setup, folder, audit_log, port))
            .expect("the folder can be written to");
        let mut keeper = Keeper::start(&binary, folder);
        if keeper.listens_on(port, &folder.join("log"), PATIENCE) {
            return (port, keeper);
        }
    }
    let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
    panic!("OpenBao did not start:\n{log}");
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("a bound listener has an address").port()
}

fn config(setup: &Setup, folder: &Path, audit_log: &Path, port: u16) -> String {
    let (folder, audit_log) = (folder.display(), audit_log.display());
    // A standby says only at this level that it now answers by itself.
    let level = if setup.raft { "info" } else { "warn" };
    let (storage, cluster) = if setup.raft {
        fs::create_dir_all(format!("{folder}/raft")).expect("the folder can be written to");
        let cluster = format!("127.0.0.1:{}", free_port());
        let storage = format!(
            "storage \"raft\" {{\n  path = \"{folder}/raft\"\n  node_id = \"{port}\"\n  performance_multiplier = 1\n}}\n\
             api_addr = \"http://127.0.0.1:{port}\"\ncluster_addr = \"https://{cluster}\"\n"
        );
        (storage, format!("\n  cluster_address = \"{cluster}\""))
    } else {
        ("storage \"inmem\" {}\n".to_owned(), String::new())
    };
    let tls = match &setup.tls {
        None => "tls_disable = true".to_owned(),
        Some(leaf) => {
            let write = |name: &str, text: &str| {
                fs::write(format!("{folder}/{name}"), text).expect("the folder can be written to");
            };
            write("certificate.pem", &leaf.certificate_pem);
            write("key.pem", &leaf.key_pem);
            let mut tls =
                format!("tls_cert_file = \"{folder}/certificate.pem\"\n  tls_key_file = \"{folder}/key.pem\"");
            if let Some(ca) = &setup.client_ca {
                write("client-ca.pem", ca);
                tls.push_str(&format!(
                    "\n  tls_require_and_verify_client_cert = true\n  tls_client_ca_file = \"{folder}/client-ca.pem\""
                ));
            }
            tls
        }
    };
    let limit = |name: &str, max: Option<u32>| max.map_or_else(String::new, |max| format!("\n  {name} = {max}"));
    let limits = limit("max_request_size", setup.request_bytes_max)
        + &limit("max_request_json_strings", setup.request_strings_max);
    format!(
        "{storage}listener \"tcp\" {{\n  address = \"127.0.0.1:{port}\"{cluster}\n  {tls}{limits}\n}}\n\
         audit \"file\" \"audit\" {{\n  options = {{\n    file_path = \"{audit_log}\"\n  }}\n}}\nlog_level = \"{level}\"\n"
    )
}

/// An HTTP client for the administrator. It trusts the test's own server whatever it shows.
fn administrator(setup: &Setup) -> Client {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut client = Client::builder().no_proxy().timeout(PATIENCE);
    // An empty list of roots: a machine without CA certificates runs tests too.
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

/// Finds the binary.
///
/// # Panics
/// When there is none; says how to get it.
#[must_use]
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("VAULTTERM_BAO") {
        return path.into();
    }
    let workspace =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates/testkit is two levels down");
    let path = workspace.join("target/tools/openbao-2.7.2/bao");
    assert!(path.exists(), "there is no OpenBao at {}: run `cargo xtask setup`", path.display());
    path
}
