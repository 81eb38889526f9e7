//! Serves the metrics on a listener of their own, so that a program that collects them needs neither the API nor a login.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use axum_server::Handle;
use hyper_util::rt::TokioTimer;
use tokio_util::task::AbortOnDropHandle;
use vaultterm_operations::{Meters, Services, scrape};

/// The text format of Prometheus.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// How long the head of a request may take.
const HEADERS_WITHIN: std::time::Duration = std::time::Duration::from_secs(10);

/// A bound listener for the metrics, which serves nothing yet.
pub struct MetricsListener {
    listener: std::net::TcpListener,
    address: SocketAddr,
}

impl MetricsListener {
    /// Binds an address; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn bind(address: SocketAddr) -> std::io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(Self { address: listener.local_addr()?, listener })
    }

    /// Returns where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the returned handle is dropped.
    pub(crate) fn start(self, meters: Arc<Meters>, opened: Opened) -> AbortOnDropHandle<()> {
        AbortOnDropHandle::new(tokio::spawn(async move {
            if let Err(error) = serve(self.listener, router(meters, opened)).await {
                tracing::error!(%error, "the metrics are served no more");
            }
        }))
    }
}

/// The services, once the root key is open.
#[derive(Clone, Default)]
pub(crate) struct Opened(Arc<OnceLock<Services>>);

impl Opened {
    pub(crate) fn set(&self, services: &Services) {
        // Set once: a second call would change nothing.
        let _ = self.0.set(services.clone());
    }
}

async fn serve(listener: std::net::TcpListener, router: Router) -> std::io::Result<()> {
    let mut server = axum_server::from_tcp(listener)?.handle(Handle::new());
    server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN);
    server.serve(router.into_make_service()).await
}

pub(crate) fn router(meters: Arc<Meters>, opened: Opened) -> Router {
    Router::new().route("/metrics", get(tell)).fallback(elsewhere).with_state((meters, opened))
}

async fn tell(State((meters, opened)): State<(Arc<Meters>, Opened)>) -> impl IntoResponse {
    let text = scrape::text(&meters, opened.0.get()).await;
    ([(header::CONTENT_TYPE, FORMAT), (header::CACHE_CONTROL, "no-store")], text)
}

async fn elsewhere() -> impl IntoResponse {
    (StatusCode::NOT_FOUND, "the metrics are at /metrics\n")
}
