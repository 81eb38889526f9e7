//! What answers from the first moment on, while the root key may still be sealed: everything is
//! refused as `sealed` until the keys are open, and passed on from then on.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use axum::{
    Router,
    extract::{ConnectInfo, Request},
    http::HeaderValue,
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use tower::ServiceExt as _;
use vaultterm_operations::Meters;

use crate::{
    TrustedProxies,
    api::livez,
    gate::{self, TrustedParent},
    problem::{Problem, ProblemKind},
    web,
};

/// Where a client names the trace that its request is a part of (W3C Trace Context).
const TRACEPARENT: &str = "traceparent";

/// The server's routes, once there are any.
#[derive(Clone, Default)]
pub(crate) struct Front {
    routes: Arc<OnceLock<Router>>,
    proxies: Arc<TrustedProxies>,
    parents: Arc<TrustedProxies>,
    meters: Arc<Meters>,
}

impl Front {
    /// Makes one that takes the word of proxies about the addresses of clients and that of parents about traces, and counts
    /// requests with these meters.
    pub(crate) fn behind(proxies: TrustedProxies, parents: TrustedProxies, meters: Arc<Meters>) -> Self {
        Self { routes: Arc::default(), proxies: Arc::new(proxies), parents: Arc::new(parents), meters }
    }

    /// Passes every request on from now on.
    pub(crate) fn open(&self, routes: Router) {
        // Opened once: a second call would change nothing.
        let _ = self.routes.set(routes);
    }

    /// Answers requests.
    pub(crate) fn router(&self) -> Router {
        let (opened, sealed) = (Arc::clone(&self.routes), sealed());
        let (proxies, parents, meters) =
            (Arc::clone(&self.proxies), Arc::clone(&self.parents), Arc::clone(&self.meters));
        Router::new().fallback(move |mut request: Request| {
            if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>().copied() {
                // Whoever sent the request vouches for its trace, and not the client that a proxy names.
                if parents.trusts(peer.ip())
                    && let Some(Ok(parent)) = request.headers().get(TRACEPARENT).map(HeaderValue::to_str)
                {
                    let parent = TrustedParent(parent.to_owned());
                    request.extensions_mut().insert(parent);
                }
                let client = proxies.client(peer, request.headers());
                request.extensions_mut().insert(ConnectInfo(client));
            }
            request.extensions_mut().insert(Arc::clone(&meters));
            let routes = opened.get().unwrap_or(&sealed).clone();
            async move {
                match routes.oneshot(request).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                }
            }
        })
    }
}

fn sealed() -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/api/v1/livez", get(livez))
        // What the page of a refusal loads.
        .route("/static/{hash}/{name}", get(web::assets::file))
        .fallback(refuse)
        .layer(middleware::from_fn(gate::pass))
}

async fn refuse() -> Response {
    Problem::new(ProblemKind::Sealed, "the root key is sealed: Vault has not opened it yet")
        .hint("the server tries again by itself; its log says why it could not, `vaultterm doctor` too")
        .retry_after(5)
        .into_response()
}

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, sync::Arc};

    use axum::{
        Router,
        body::Body,
        extract::{ConnectInfo, Request},
        routing::get,
    };
    use tower::ServiceExt as _;
    use vaultterm_operations::Meters;
    use vaultterm_traces::{Sampler, Sampling, Traces};

    use super::Front;

    async fn status(front: &Front, path: &str) -> u16 {
        let request = Request::get(path).body(Body::empty()).unwrap();
        front.router().oneshot(request).await.unwrap().status().as_u16()
    }

    #[tokio::test]
    async fn everything_but_liveness_is_sealed_until_the_keys_are_open() {
        let front = Front::default();
        for (path, expected) in [("/livez", 200), ("/readyz", 503), ("/api/v1/records/x", 503), ("/", 503)] {
            assert_eq!(status(&front, path).await, expected, "{path}");
        }
        front.open(Router::new().route("/readyz", get(|| async { "ready" })));
        assert_eq!(status(&front, "/readyz").await, 200);
        assert_eq!(status(&front, "/elsewhere").await, 404);
    }

    /// Returns the ids of the traces of a request that names this one, where the server keeps no trace of its own accord.
    async fn traces(trusted: &str, peer: &str, path: &str) -> Vec<String> {
        let (traces, mut spans) = Traces::new(Sampling { sampler: Sampler::ParentBasedAlwaysOff, ratio: 1.0 }, || 0);
        let meters = Arc::new(Meters::default().traced_by(traces));
        let front = Front::behind("10.9.9.9".parse().unwrap(), trusted.parse().unwrap(), meters);
        let peer = SocketAddr::new(peer.parse().unwrap(), 7);
        let request = Request::get(path)
            .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
            .header("x-forwarded-for", "10.1.1.1")
            .extension(ConnectInfo(peer))
            .body(Body::empty());
        front.router().oneshot(request.unwrap()).await.unwrap();
        std::iter::from_fn(|| spans.next_now()).map(|span| span.trace_id()).collect()
    }

    #[tokio::test]
    async fn only_who_is_named_decides_which_requests_are_kept_in_traces() {
        let named = ["0af7651916cd43dd8448eb211c80319c"];
        assert_eq!(traces("10.0.0.0/8", "10.1.1.1", "/x").await, named);
        assert!(traces("", "127.0.0.1", "/x").await.is_empty(), "not even a client on this machine");
        assert!(traces("10.0.0.0/8", "9.9.9.9", "/x").await.is_empty());
        // A proxy is believed about the address of its client, and not about a trace that this client names.
        assert!(traces("10.1.1.1", "10.9.9.9", "/x").await.is_empty());
        assert!(traces("10.0.0.0/8", "10.1.1.1", "/livez").await.is_empty(), "what monitors ask has no spans");
    }
}
