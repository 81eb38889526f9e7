//! What answers from the first moment on, while the root key may still be sealed: everything is
//! refused as `sealed` until the keys are open, and passed on from then on.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use axum::{
    Router,
    extract::{ConnectInfo, Request},
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use tower::ServiceExt as _;
use vaultterm_operations::Meters;

use crate::{
    TrustedProxies,
    api::livez,
    gate,
    problem::{Problem, ProblemKind},
    web,
};

/// The server's routes, once there are any.
#[derive(Clone, Default)]
pub(crate) struct Front {
    routes: Arc<OnceLock<Router>>,
    proxies: Arc<TrustedProxies>,
    meters: Arc<Meters>,
}

impl Front {
    /// Makes one that takes the word of proxies about the addresses of clients, and counts requests with these meters.
    pub(crate) fn behind(proxies: TrustedProxies, meters: Arc<Meters>) -> Self {
        Self { routes: Arc::default(), proxies: Arc::new(proxies), meters }
    }

    /// Passes every request on from now on.
    pub(crate) fn open(&self, routes: Router) {
        // Opened once: a second call would change nothing.
        let _ = self.routes.set(routes);
    }

    /// Answers requests.
    pub(crate) fn router(&self) -> Router {
        let (opened, sealed) = (Arc::clone(&self.routes), sealed());
        let (proxies, meters) = (Arc::clone(&self.proxies), Arc::clone(&self.meters));
        Router::new().fallback(move |mut request: Request| {
            if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>().copied() {
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
    use axum::{Router, body::Body, extract::Request, routing::get};
    use tower::ServiceExt as _;

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
}
