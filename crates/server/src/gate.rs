//! What every request passes: its id, its line in the log, the headers of every answer, and
//! problem documents in one form, those of the framework included.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use axum::{
    extract::{ConnectInfo, MatchedPath, Request},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tracing::Instrument as _;

use crate::{
    problem::{Problem, ProblemKind},
    request::too_large,
    web,
};
use vaultterm_operations::{Asked, Meters, Origin};
use vaultterm_traces::{Fact, Trace};

/// The headers of every answer, unless a handler set its own.
const HEADERS: [(HeaderName, &str); 7] = [
    (header::CACHE_CONTROL, "no-store"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// What every address of the API begins with. Problems there are documents, for browsers too.
const API: &str = "/api/";

/// Routes without spans: what monitors ask every few seconds, and the files of pages.
const UNTRACED: [&str; 5] = ["/livez", "/readyz", "/api/v1/livez", "/api/v1/readyz", "/static/"];

/// The header `traceparent` of a request whose sender is trusted with it.
#[derive(Clone)]
pub(crate) struct TrustedParent(pub(crate) String);

/// The outermost layer.
pub(crate) async fn pass(mut request: Request, next: Next) -> Response {
    let start = Instant::now();
    let id = vaultterm_sync::new_id();
    let request_id = id.to_string();
    let source_ip = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let method = request.method().clone();
    // The route, never the path or the query: they hold names, and of a set-up link the token.
    let route = request.extensions().get::<MatchedPath>().map_or("-".to_owned(), |path| path.as_str().to_owned());
    request.extensions_mut().insert(Origin { request_id: request_id.clone(), source_ip });

    let page = !request.uri().path().starts_with(API) && web::asks_page(request.headers());

    let meters = request.extensions().get::<Arc<Meters>>().cloned();
    let trace = match &meters {
        Some(meters) if !UNTRACED.iter().any(|route_of| route.starts_with(route_of)) => {
            let traceparent = request.extensions().get::<TrustedParent>().map(|parent| parent.0.as_str());
            let route = Some(route.as_str()).filter(|route| *route != "-");
            meters.request_begins(&Asked { method: method.as_str(), route, id, traceparent })
        }
        _ => Trace::default(),
    };
    // Every log line of this request carries the id that the answer names, and that of its trace if there is one.
    let on_the_way = tracing::error_span!("request", request_id, trace_id = trace.id());
    let response = trace.around(next.run(request)).instrument(on_the_way).await;
    let mut response = in_one_form(response, &request_id, page);
    let status = response.status().as_u16();
    let took = start.elapsed();
    if let Some(meters) = meters {
        meters.request(&route, method.as_str(), status, took);
    }
    trace.end(vec![Fact::Status(status.into())], status >= 500);
    tracing::info!(%method, route, status, ms = took.as_millis(), request_id, trace_id = trace.id(), "request");
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        headers.insert(REQUEST_ID, value);
    }
    response
}

/// Turns every refusal into a problem document with the request's id, or into a page for somebody who asked for one.
fn in_one_form(mut response: Response, request_id: &str, page: bool) -> Response {
    let problem = response.extensions_mut().remove::<Problem>();
    let problem = problem.or_else(|| {
        let is_ours =
            response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind != "text/plain; charset=utf-8");
        match response.status() {
            StatusCode::METHOD_NOT_ALLOWED => {
                Some(Problem::new(ProblemKind::MethodNotAllowed, "this path has other methods"))
            }
            StatusCode::PAYLOAD_TOO_LARGE => Some(too_large()),
            status if status.is_client_error() && !is_ours => {
                Some(Problem::new(ProblemKind::Malformed, "the request is not understood"))
            }
            status if status.is_server_error() && !is_ours => {
                Some(Problem::new(ProblemKind::Internal, "the server's log has the details under this request's id"))
            }
            _ => None,
        }
    });
    let Some(problem) = problem else { return response };
    let allowed = response.headers_mut().remove(header::ALLOW);
    let mut rendered = if page {
        let advice = response.extensions_mut().remove::<web::Advice>();
        web::refused_page(&problem, advice, request_id)
    } else {
        problem.render(request_id)
    };
    if let Some(allowed) = allowed {
        rendered.headers_mut().insert(header::ALLOW, allowed);
    }
    rendered
}

/// Nothing is at this path.
pub(crate) async fn nothing_here() -> Response {
    Problem::new(ProblemKind::NotFound, "there is nothing at this path")
        .hint("the API begins at /api/v1; its description is /api/v1/openapi.json")
        .into_response()
}
