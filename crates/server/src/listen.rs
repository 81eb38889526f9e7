//! The listener: plain or TLS, with a limit on how long a client may take, and a shutdown that
//! lets requests and runs end.

use std::{net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use axum_server::{Handle, tls_rustls::RustlsConfig};
use hyper_util::rt::TokioTimer;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::{
    TrustedProxies, api,
    front::Front,
    metrics::{MetricsListener, Opened},
    state::ServerState,
};
use vaultterm_operations::{Meters, access, anchors, jobs};

/// How long the head of a request may take, against connections that send nothing.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// How long open requests and runs may take to end.
const SHUTDOWN_WITHIN: Duration = Duration::from_secs(10);

/// Certificate chain and private key, PEM.
pub struct TlsPem {
    /// The chain, the server's own certificate first.
    pub certificates: Vec<u8>,
    /// The key.
    pub key: Vec<u8>,
}

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address.
    #[error("cannot listen on {address}")]
    Bind {
        /// Which address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The certificate or key cannot be read.
    #[error("the {0} is not PEM")]
    Pem(&'static str),
    /// The two do not fit, or are of a kind that is not supported.
    #[error("certificate and key cannot be used")]
    Tls(#[from] rustls::Error),
    /// The listener failed.
    #[error("the listener failed")]
    Serve(#[source] std::io::Error),
}

/// When the keys are open.
pub enum Opening {
    /// They are.
    Done(Box<ServerState>),
    /// Once this has ended.
    Awaited(Pin<Box<dyn Future<Output = ServerState> + Send>>),
}

/// The way to give a listener that serves another certificate.
#[derive(Clone)]
pub struct TlsReload(RustlsConfig);

impl TlsReload {
    /// Takes another certificate, for connections that are made from now on.
    ///
    /// # Errors
    /// [`ListenError`]. The old certificate then stays in use.
    pub fn reload(&self, pem: &TlsPem) -> Result<(), ListenError> {
        self.0.reload_from_config(Arc::new(config(pem)?));
        Ok(())
    }
}

/// A bound listener that serves nothing yet.
pub struct Server {
    listener: std::net::TcpListener,
    address: SocketAddr,
    tls: Option<RustlsConfig>,
    proxies: TrustedProxies,
    parents: TrustedProxies,
    meters: Arc<Meters>,
    metrics: Option<MetricsListener>,
}

impl Server {
    /// Binds an address; port 0 takes a free one.
    ///
    /// # Errors
    /// [`ListenError`].
    pub fn bind(address: SocketAddr, tls: Option<TlsPem>) -> Result<Self, ListenError> {
        let tls = tls.map(|pem| config(&pem)).transpose()?.map(|config| RustlsConfig::from_config(Arc::new(config)));
        let failed = |source| ListenError::Bind { address, source };
        let listener = std::net::TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (proxies, parents) = (TrustedProxies::default(), TrustedProxies::default());
        Ok(Self { listener, address, tls, proxies, parents, meters: Arc::default(), metrics: None })
    }

    /// Returns where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes the word of these proxies about the addresses of clients.
    #[must_use]
    pub fn behind(self, proxies: TrustedProxies) -> Self {
        Self { proxies, ..self }
    }

    /// Lets these gateways and programs decide which of their requests are kept in traces.
    #[must_use]
    pub fn in_traces_of(self, parents: TrustedProxies) -> Self {
        Self { parents, ..self }
    }

    /// Counts requests with these meters, and tells the metrics on a listener of their own.
    #[must_use]
    pub fn measured(self, meters: Arc<Meters>, metrics: Option<MetricsListener>) -> Self {
        Self { meters, metrics, ..self }
    }

    /// Returns the way to give it another certificate, where it serves TLS.
    #[must_use]
    pub fn tls_reload(&self) -> Option<TlsReload> {
        self.tls.clone().map(TlsReload)
    }

    /// Serves until `shutdown` ends; then stops listening, cancels runs, and waits for both.
    /// While the app is still to be opened, everything is refused as `sealed`.
    ///
    /// # Errors
    /// [`ListenError::Serve`].
    pub async fn serve(self, opening: Opening, shutdown: impl Future<Output = ()> + Send) -> Result<(), ListenError> {
        let Self { listener, tls, proxies, parents, meters, metrics, .. } = self;
        let opened = Opened::default();
        // Until the end of the process: what a server does while it stops is measured too.
        let _metrics = metrics.map(|metrics| metrics.start(Arc::clone(&meters), opened.clone()));
        let front = Front::behind(proxies, parents, meters);
        let service = front.router().into_make_service_with_connect_info::<SocketAddr>();
        let handle = Handle::new();
        if let Opening::Done(app) = &opening {
            // Before anybody can ask for anything: an older database must not be worked with.
            anchors::compare_at_start(&app.services).await;
            license(app).await;
            opened.set(&app.services);
            front.open(api::router((**app).clone()));
        }
        let serving = tokio::spawn(listen(listener, tls, handle.clone(), service));
        let (mut serving, mut shutdown) = (std::pin::pin!(serving), std::pin::pin!(shutdown));
        let app = match opening {
            Opening::Done(app) => *app,
            Opening::Awaited(opening) => tokio::select! {
                ended = &mut serving => return joined(ended),
                () = &mut shutdown => {
                    handle.graceful_shutdown(Some(SHUTDOWN_WITHIN));
                    return joined(serving.await);
                }
                app = opening => {
                    anchors::compare_at_start(&app.services).await;
                    license(&app).await;
                    opened.set(&app.services);
                    front.open(api::router(app.clone()));
                    app
                }
            },
        };
        jobs::start(&app.services);
        tokio::select! {
            ended = &mut serving => return joined(ended),
            () = shutdown => {}
        }
        app.services.closing.cancel();
        app.services.tasks.close();
        handle.graceful_shutdown(Some(SHUTDOWN_WITHIN));
        if tokio::time::timeout(SHUTDOWN_WITHIN, app.services.tasks.wait()).await.is_err() {
            tracing::warn!("runs did not end in time; the next ones continue them");
        }
        let ended = serving.await;
        if let Err(error) = access::sum_up_denials(&app.services, true).await {
            tracing::error!(%error, "the last denials could not be written into the audit log");
        }
        jobs::sign_last(&app.services).await;
        anchors::last(&app.services).await;
        app.services.store.close().await;
        joined(ended)
    }
}

/// Reads the license before the first request is answered. A database that fails here fails the requests
/// too; the scheduler tries again.
async fn license(app: &ServerState) {
    if let Err(error) = app.services.license.refresh(&app.services.store).await {
        tracing::error!(%error, "the license could not be looked at yet");
    }
}

fn joined(ended: Result<std::io::Result<()>, tokio::task::JoinError>) -> Result<(), ListenError> {
    ended.map_err(std::io::Error::other).and_then(|served| served).map_err(ListenError::Serve)
}

async fn listen(
    listener: std::net::TcpListener,
    tls: Option<RustlsConfig>,
    handle: Handle<SocketAddr>,
    service: IntoMakeServiceWithConnectInfo<axum::Router, SocketAddr>,
) -> std::io::Result<()> {
    match tls {
        Some(config) => {
            let acceptor = axum_server::tls_rustls::RustlsAcceptor::new(config).handshake_timeout(HANDSHAKE_WITHIN);
            let mut server = axum_server::from_tcp(listener)?.acceptor(acceptor).handle(handle);
            server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN);
            server.serve(service).await
        }
        None => {
            let mut server = axum_server::from_tcp(listener)?.handle(handle);
            server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN);
            server.serve(service).await
        }
    }
}

fn config(pem: &TlsPem) -> Result<rustls::ServerConfig, ListenError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem.certificates).collect();
    let certificates = certificates.ok().filter(|found| !found.is_empty());
    let certificates = certificates.ok_or(ListenError::Pem("certificate"))?;
    let key = PrivateKeyDer::from_pem_slice(&pem.key).map_err(|_| ListenError::Pem("private key"))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
