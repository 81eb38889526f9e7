//! Opens sessions: checks the address, TLS and health, and logs in. `preflight.rs` makes the checks after the
//! login.
//!
//! [`VaultConnector::test`] takes the same steps and reports each, so that a test passes exactly when a run
//! can begin.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError, atomic::AtomicBool},
    time::Duration,
};

use reqwest::header::HeaderValue;
use vaultterm_reconcile::UnixNanos;
use vaultterm_sealing::SecretText;
use vaultterm_sync::{
    Connected, Connection, ConnectionId, ConnectionSecrets, Connector, Credential, FaultClass, Remote, RemoteFault,
    RemoteIdentity,
};

use crate::{
    ConnectorOptions, TestReport, VaultAddress, VaultRemote, approle,
    budget::Budget,
    check::{Server, failed},
    deadline::Deadline,
    fault,
    helping::RefusedHeaders,
    http::{Namespaces, Transport},
    namespaces,
    pages::KnownScopes,
    preflight::{Findings, Preflight},
    route::Scope,
    session::Session,
    sys::{Health, Mount, Product},
    tls,
    traffic::{Traffic, Watch},
    transport::Stage,
    writers::Writers,
};

/// The time for which the creation of a connection waits for a server that does not answer.
const ASKING_MAX: Duration = Duration::from_secs(10);

/// Opens sessions with Vault and OpenBao servers. Clones share what they learn about servers.
#[derive(Clone, Debug)]
pub struct VaultConnector {
    options: ConnectorOptions,
    known: Arc<KnownScopes>,
    refused_headers: Arc<RefusedHeaders>,
    watch: Watch,
    budgets: Arc<Budgets>,
}

/// The budgets of the installation and of connections. Those of connections are kept, so that a run, a plan and a test at
/// the same time share one.
#[derive(Debug)]
struct Budgets {
    whole: Arc<Budget>,
    of_connections: Mutex<HashMap<ConnectionId, Arc<Budget>>>,
}

impl VaultConnector {
    /// Returns a connector. A process should have a single one, because it remembers which scopes are too
    /// large for a scan, and which hide no names.
    #[must_use]
    pub fn new(options: ConnectorOptions) -> Self {
        let whole = Arc::new(Budget::new(options.requests_per_second_max.into()));
        let budgets = Arc::new(Budgets { whole, of_connections: Mutex::default() });
        let (known, refused_headers, watch) = (Arc::default(), Arc::default(), Watch::default());
        Self { options, known, refused_headers, watch, budgets }
    }

    /// Tells a listener about each request of the sessions that are opened from now on.
    #[must_use]
    pub fn watched_by(self, traffic: Arc<dyn Traffic>) -> Self {
        Self { watch: Watch::by(traffic), ..self }
    }

    /// Returns whether the requests of all connections together are limited.
    #[must_use]
    pub const fn is_limited(&self) -> bool {
        self.options.requests_per_second_max > 0
    }

    /// Divides the budget of the installation evenly among this number of servers that share its database.
    pub fn share_budget_among(&self, servers: usize) {
        let servers = u32::try_from(servers.max(1)).unwrap_or(u32::MAX);
        self.budgets.whole.set(f64::from(self.options.requests_per_second_max) / f64::from(servers));
    }

    /// Returns what paces the requests of a connection.
    fn budgets_of(&self, connection: &Connection) -> Vec<Arc<Budget>> {
        let mut budgets = self.budgets.of_connections.lock().unwrap_or_else(PoisonError::into_inner);
        let own = budgets.entry(connection.id).or_insert_with(|| Arc::new(Budget::new(0.0)));
        own.set(connection.schedule.requests_per_second_max.into());
        vec![Arc::clone(own), Arc::clone(&self.budgets.whole)]
    }

    /// Returns whether plain http may go to other machines.
    #[must_use]
    pub const fn allows_plaintext(&self) -> bool {
        self.options.allow_plaintext
    }

    /// Checks everything that a run needs, changes nothing, and revokes its token. The credential must be
    /// unwrapped. The check `answers` fails when the server is too slow.
    pub async fn test(&self, connection: &Connection, secrets: &ConnectionSecrets) -> TestReport {
        let mut report = TestReport::default();
        match self.open(connection, secrets, &mut report, self.deadline()).await {
            Ok(opened) => match opened.remote.close().await {
                Ok(()) => report.pass("token", "revoked at the end"),
                Err(fault) => report.fail("token", &fault),
            },
            Err(fault) if report.checks.iter().all(|check| check.ok) => report.fail("answers", &fault),
            Err(_) => {}
        }
        report.ok = report.checks.iter().all(|check| check.ok);
        report
    }

    /// Asks the server of a connection for its health, without a login. The check `answers` fails when the
    /// server is too slow.
    pub async fn reachable(&self, connection: &Connection, secrets: &ConnectionSecrets) -> TestReport {
        let mut report = TestReport::default();
        if let Err(fault) = self.deadline().hold(self.reach(connection, secrets, &mut report)).await
            && report.checks.iter().all(|check| check.ok)
        {
            report.fail("answers", &fault);
        }
        report.ok = report.checks.iter().all(|check| check.ok);
        report
    }

    /// Refuses a connection that names a namespace on a server without namespaces. A server that does not
    /// answer is not refused here, because the test and every run check the namespace again.
    ///
    /// # Errors
    /// [`FaultClass::NamespaceIgnored`], and no other class.
    pub async fn refuse_ignored_namespace(
        &self,
        connection: &Connection,
        secrets: &ConnectionSecrets,
    ) -> Result<(), RemoteFault> {
        if connection.namespace.is_none() && connection.auth_namespace.is_none() {
            return Ok(());
        }
        let mut report = TestReport::default();
        let reached = tokio::time::timeout(ASKING_MAX, self.reach(connection, secrets, &mut report)).await;
        match reached {
            Ok(Err(fault)) if fault.class == FaultClass::NamespaceIgnored => Err(fault),
            _ => Ok(()),
        }
    }

    /// Builds the transport to the server and asks the server for its health.
    pub(crate) async fn reach(
        &self,
        connection: &Connection,
        secrets: &ConnectionSecrets,
        report: &mut TestReport,
    ) -> Result<(Transport, Health), RemoteFault> {
        let address = VaultAddress::parse(&connection.address, self.options.allow_plaintext).map_err(|error| {
            let hint = "write it as https://host:8200; plain http is for loopback addresses";
            failed(report, "address", fault::hinted(FaultClass::Misconfigured, error.to_string(), hint))
        })?;
        let client = tls::client(&address, &connection.tls, secrets.client_key_pem.as_ref(), &self.options);
        let (client, certificate_asked) = client.map_err(|error| {
            let hint = error.hint();
            let fault = fault::new(FaultClass::Misconfigured, error.to_string());
            failed(report, "tls", RemoteFault { hint, ..fault })
        })?;
        let namespaces = headers(connection).map_err(|fault| failed(report, "namespace", fault))?;
        let base = address.base(connection.tls.server_name.as_deref());
        let transport = Transport::new(client, base, namespaces, Arc::clone(&self.refused_headers));
        let transport = transport.watched_by(self.watch.clone()).paced_by(self.budgets_of(connection));

        let request = Health::request();
        let answer = transport.send(&request, None).await.map_err(|mut error| {
            if certificate_asked.yes() {
                error = error.after_certificate_request(connection.tls.client_cert_pem.is_some());
            }
            let fault = error.fault(&request);
            let stage = match error.stage() {
                Stage::Address => "address",
                Stage::Tls => "tls",
                Stage::Answer => "health",
            };
            if stage != "address" {
                report.pass("address", format!("{} answers", address.origin()));
            }
            failed(report, stage, fault)
        })?;
        report.pass("address", format!("{} answers", address.origin()));
        match (address.is_plaintext(), &connection.tls.ca_pem) {
            (true, _) => report.pass("tls", "plain http"),
            (false, Some(_)) => report.pass("tls", "the certificate is signed by the connection's CA"),
            (false, None) => report.pass("tls", "the certificate is signed by a CA that this machine trusts"),
        }
        let health = Health::read(&request, &answer).map_err(|fault| failed(report, "health", fault))?;
        let server = Server { product: health.product().as_str().to_owned(), version: health.version.clone() };
        report.pass("health", format!("{} {}, unsealed", server.product, server.version));
        report.server = Some(server);
        if transport.namespaces().any() {
            let proven = namespaces::prove(&transport, &health).await;
            proven.map_err(|fault| failed(report, "namespace", fault))?;
            report.pass("namespace", "the server knows namespaces, and refuses one that does not exist");
        }
        Ok((transport, health))
    }

    /// Opens a session and reports each step. If a step after the login fails, the token is revoked.
    async fn open(
        &self,
        connection: &Connection,
        secrets: &ConnectionSecrets,
        report: &mut TestReport,
        deadline: Deadline,
    ) -> Result<Opened, RemoteFault> {
        let scope = Scope::new(&connection.mount, &connection.path).map_err(|reason| {
            let hint = "mount and path are names divided by `/`";
            failed(report, "mount", fault::hinted(FaultClass::Misconfigured, reason, hint))
        })?;
        let (transport, health) = deadline.hold(self.reach(connection, secrets, report)).await?;
        let Credential::SecretId(secret_id) = &secrets.credential else {
            let hint = "unwrap it first: the SecretID is then stored in its place";
            let fault = fault::hinted(FaultClass::LoginRefused, "the SecretID is still wrapped", hint);
            return Err(failed(report, "login", fault));
        };
        deadline.check()?;
        let sign_of_life = Mount::request(&scope);
        let login =
            Session::open(transport, &connection.auth_mount, &connection.role_id, secret_id.duplicate(), sign_of_life);
        let (session, role) = login.await.map_err(|fault| failed(report, "login", fault))?;
        let of_role = role.as_ref().map_or_else(String::new, |role| format!(" with the role `{role}`"));
        report.pass("login", format!("AppRole at auth/{}{of_role}", connection.auth_mount));

        let found = Preflight {
            connection,
            scope: &scope,
            session: &session,
            product: health.product(),
            secondary: health.is_secondary(),
            role,
        };
        match deadline.hold(found.look_around(self.options.listing, report)).await {
            Ok(findings) => Ok(self.opened(connection, scope, session, health, findings)),
            Err(fault) => {
                session.abandon().await;
                Err(fault)
            }
        }
    }

    /// Returns the deadline of a test or an unwrapping that begins now.
    fn deadline(&self) -> Deadline {
        Deadline::after(self.options.answer_timeout)
    }

    fn opened(
        &self,
        connection: &Connection,
        scope: Scope,
        session: Session,
        health: Health,
        findings: Findings,
    ) -> Opened {
        let product = health.product();
        let identity = RemoteIdentity {
            product: product.as_str().to_owned(),
            version: health.version,
            cluster_id: health.cluster_id,
            mount_accessor: findings.mount.accessor.clone(),
            mount_uuid: findings.mount.uuid.clone(),
            kv_version: findings.kv_version,
        };
        let namespace = connection.namespace.as_deref().unwrap_or_default();
        let of_scope = scope.folder("data", "");
        let scope_key = format!("{}\n{namespace}\n{}\n{of_scope}", connection.address, connection.role_id);
        let remote = VaultRemote {
            session,
            scope,
            mount: findings.mount,
            instance: connection.options.instance.clone(),
            ways: findings.ways,
            page_size: (product == Product::OpenBao).then_some(self.options.page_size.max(1)),
            pages_are_limited: AtomicBool::new(false),
            request_timeout: self.options.request_timeout,
            listing_concurrency: self.options.listing_concurrency.max(1),
            known: Arc::clone(&self.known),
            scope_key,
            expected: OnceLock::new(),
            freshness: Mutex::new(findings.freshness),
            writers: Writers::default(),
            mount_proven: tokio::sync::Mutex::new(None),
        };
        Opened { remote, identity, secret_id_expires: findings.secret_id_expires }
    }
}

/// A session, with what the client learned when it opened it.
struct Opened {
    remote: VaultRemote,
    identity: RemoteIdentity,
    secret_id_expires: Option<UnixNanos>,
}

impl Connector for VaultConnector {
    type Remote = VaultRemote;

    async fn unwrap_secret_id(
        &self,
        connection: &Connection,
        secrets: &ConnectionSecrets,
    ) -> Result<Option<SecretText>, RemoteFault> {
        let Credential::WrappingToken(token) = &secrets.credential else { return Ok(None) };
        let deadline = self.deadline();
        let (transport, _) = deadline.hold(self.reach(connection, secrets, &mut TestReport::default())).await?;
        deadline.hold(approle::refuse_other_wraps(&transport, &connection.auth_mount, token)).await?;
        deadline.check()?;
        approle::unwrap(&transport, token).await.map(Some)
    }

    async fn connect(
        &self,
        connection: &Connection,
        secrets: &ConnectionSecrets,
    ) -> Result<Connected<VaultRemote>, RemoteFault> {
        let Opened { remote, identity, secret_id_expires } =
            self.open(connection, secrets, &mut TestReport::default(), Deadline::NONE).await?;
        Ok(Connected { remote, identity, secret_id_expires })
    }
}

/// Returns the headers that name the namespaces of a connection.
fn headers(connection: &Connection) -> Result<Namespaces, RemoteFault> {
    let of_secrets = namespace(connection.namespace.as_deref())?;
    let of_login = match &connection.auth_namespace {
        Some(name) => namespace(Some(name))?,
        None => of_secrets.clone(),
    };
    Ok(Namespaces { of_secrets, of_login })
}

/// Returns the header that names a namespace, or `None` without a namespace.
pub(crate) fn namespace(name: Option<&str>) -> Result<Option<HeaderValue>, RemoteFault> {
    let Some(namespace) = name.map(|text| text.trim_matches('/')) else { return Ok(None) };
    if namespace.is_empty() || namespace == "root" {
        return Ok(None);
    }
    HeaderValue::from_str(namespace).map(Some).map_err(|_| {
        let message = "the namespace holds characters that no header can carry";
        fault::hinted(FaultClass::Misconfigured, message, "check the namespace")
    })
}
