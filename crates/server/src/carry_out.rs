//! The work that a request has begun runs to its end on the server, even if the client hangs up.
//!
//! A client that hangs up makes the HTTP server drop the handler's future. In the middle of talking to Vault
//! that would lose a `SecretID` that was just unwrapped, leave a token unrevoked, or a lease taken. So every
//! request that may change something is carried out by a task of its own, and the connection only waits for
//! it. This is one layer around all routes: no handler can forget it.
//!
//! A deadline bounds the waiting, not the work. The work has bounds of its own: `vaultterm_operations::WITHIN` for
//! what the engine does, the client's `answer_timeout` for the test of a connection and for the unwrapping of a
//! `SecretID`, and the time limit of each request to Vault.

use std::time::Duration;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;
use vaultterm_traces::in_current;

use crate::problem::{Problem, ProblemKind};

/// How long a client is kept waiting: longer than anything takes that has bounds of its own.
const ANSWERED_WITHIN: Duration = Duration::from_secs(14 * 60);

/// The layer around every route. A shutdown waits for the tasks of the tracker.
pub(crate) async fn to_its_end(State(tasks): State<TaskTracker>, request: Request, next: Next) -> Response {
    // A request that only reads may be dropped at any moment.
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let work = tasks.spawn(in_current(next.run(request)).in_current_span());
    match tokio::time::timeout(ANSWERED_WITHIN, work).await {
        Ok(Ok(response)) => response,
        Ok(Err(failed)) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Problem::new(ProblemKind::Unavailable, "the server is shutting down").into_response(),
        },
        Err(_) => {
            let minutes = ANSWERED_WITHIN.as_secs() / 60;
            let why = format!("the request was not done after {minutes} minutes; the server goes on with it");
            let hint = "read the object again in a while; do not repeat the request before";
            Problem::new(ProblemKind::Unfinished, why).hint(hint).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use axum::{Router, body::Body, http::Method, middleware, routing::any};
    use tokio::sync::Semaphore;
    use tower::ServiceExt as _;

    use super::*;

    /// A route that begins, waits for somebody, and ends.
    struct Slow {
        tasks: TaskTracker,
        begun: Arc<Semaphore>,
        go_on: Arc<Semaphore>,
        ended: Arc<AtomicU32>,
    }

    impl Slow {
        fn new() -> Self {
            let (begun, go_on) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
            Self { tasks: TaskTracker::new(), begun, go_on, ended: Arc::default() }
        }

        fn router(&self) -> Router {
            let (begun, go_on, ended) = (Arc::clone(&self.begun), Arc::clone(&self.go_on), Arc::clone(&self.ended));
            let handler = move || async move {
                begun.add_permits(1);
                go_on.acquire().await.expect("open").forget();
                ended.fetch_add(1, Ordering::SeqCst);
            };
            let layer = middleware::from_fn_with_state(self.tasks.clone(), to_its_end);
            Router::new().route("/", any(handler)).layer(layer)
        }

        /// Sends a request, hangs up once it has begun, and lets the server go on.
        async fn hung_up(&self, method: Method) -> u32 {
            let request = Request::builder().method(method).uri("/").body(Body::empty()).expect("a request");
            let answer = tokio::spawn(self.router().oneshot(request));
            self.begun.acquire().await.expect("open").forget();
            answer.abort();
            assert!(answer.await.expect_err("nobody waits for an answer").is_cancelled());
            self.go_on.add_permits(1);
            self.tasks.close();
            self.tasks.wait().await;
            self.ended.load(Ordering::SeqCst)
        }
    }

    #[tokio::test]
    async fn what_a_request_began_runs_to_its_end_when_the_client_hangs_up() {
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            assert_eq!(Slow::new().hung_up(method.clone()).await, 1, "{method}");
        }
    }

    #[tokio::test]
    async fn what_only_reads_is_dropped_with_its_client() {
        assert_eq!(Slow::new().hung_up(Method::GET).await, 0);
    }
}
