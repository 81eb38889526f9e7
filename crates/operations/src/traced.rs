//! What is told about runs and requests in traces, where an operator wants them. `vaultterm_traces` has the table of all that
//! can be told.

use uuid::Uuid;
use vaultterm_hcv::Exchange;
use vaultterm_reconcile::{Counts, Mode};
use vaultterm_sync::{ConnectionId, Event, Progress, Run, RunId, RunState, Stage, Trigger};
use vaultterm_traces::{Fact, Link, Name, Route, Trace, Traces, current};

/// A run that is about to begin.
pub(crate) struct Beginning<'a> {
    pub(crate) run: &'a Run,
    pub(crate) mode: Mode,
    /// The newest run of the connection before this one, if the schedule decided on this one.
    pub(crate) follows: Option<RunId>,
    /// The server that carries it out.
    pub(crate) node: Uuid,
}

/// Begins the trace of a run. It links to the request that started the run, and to the run that it continues.
pub(crate) fn run(traces: &Traces, beginning: &Beginning<'_>) -> Trace {
    let Beginning { run, mode, follows, node } = *beginning;
    let continued = follows.filter(|_| run.trigger == Trigger::Takeover).map(|id| Link::to_run(id.0));
    let facts = vec![
        Fact::RunId(run.id.0),
        Fact::ConnectionId(run.connection_id.0),
        Fact::Mode(mode.as_str()),
        Fact::Trigger(run.trigger.as_str()),
        Fact::DryRun(false),
        Fact::Node(node),
    ];
    traces.run(run.id.0, facts, current().link().into_iter().chain(continued))
}

/// Ends the trace of a run.
pub(crate) fn run_ended(trace: &Trace, run: &Run) {
    if trace.id().is_none() {
        return;
    }
    let mut facts = vec![Fact::Outcome(run.state.as_str()), Fact::Requests(run.requests)];
    facts.extend(counted(&run.counts));
    let failed = matches!(run.state, RunState::Failed | RunState::Partial);
    if failed {
        // A problem of the whole run says more than one of a path. Problems of the whole run come first.
        facts.extend(run.problems.first().map(|problem| Fact::ErrorType(problem.class.as_str())));
    }
    trace.end(facts, failed);
}

/// A fact that tells a count.
type Count = fn(u64) -> Fact;

/// Returns the counts that are not 0.
fn counted(counts: &Counts) -> impl Iterator<Item = Fact> {
    let all: [(Count, u64); 13] = [
        (Fact::CreatedRemote, counts.created_remote),
        (Fact::UpdatedRemote, counts.updated_remote),
        (Fact::DeletedRemote, counts.deleted_remote),
        (Fact::CreatedLocal, counts.created_local),
        (Fact::UpdatedLocal, counts.updated_local),
        (Fact::DeletedLocal, counts.deleted_local),
        (Fact::Adopted, counts.adopted),
        (Fact::Unchanged, counts.unchanged),
        (Fact::Accepted, counts.accepted),
        (Fact::Conflicts, counts.conflicts),
        (Fact::Skipped, counts.skipped),
        (Fact::Failed, counts.failed),
        (Fact::Stale, counts.stale),
    ];
    all.into_iter().filter(|(_, count)| *count > 0).map(|(fact, count)| fact(count))
}

/// Begins the span of a plan that nobody has applied yet, inside of the request that asks for it.
pub(crate) fn plan(id: ConnectionId) -> Trace {
    current().child(Name::Plan, vec![Fact::ConnectionId(id.0), Fact::DryRun(true)])
}

/// Tells a request to a Vault, inside of the run or the request of a client that needed it. Work of the server that belongs to
/// neither has no trace.
pub(crate) fn vault_request(exchange: &Exchange) {
    let trace = current();
    if trace.id().is_none() {
        return;
    }
    let operation = exchange.kind.as_str();
    let mut facts =
        vec![Fact::Operation(operation), Fact::Method(exchange.method), Fact::Attempt(exchange.attempt.into())];
    facts.extend(exchange.status.map(|status| Fact::Status(status.into())));
    facts.extend(exchange.failure.map(Fact::ErrorType));
    // A client's span has failed with any answer that is not what it asked for.
    let failed = exchange.status.is_none_or(|status| status >= 400);
    trace.ended(Name::Vault(operation), exchange.took, facts, failed);
}

/// A request of a client that begins.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The method.
    pub method: &'a str,
    /// The template of the route, as the router has it.
    pub route: Option<&'a str>,
    /// The id of the request.
    pub id: Uuid,
    /// The header `traceparent` of a client that may decide which requests are kept.
    pub traceparent: Option<&'a str>,
}

/// Begins the span of a request of a client.
pub(crate) fn request(traces: &Traces, asked: &Asked<'_>) -> Trace {
    let method = known_method(asked.method).unwrap_or("_OTHER");
    let mut facts = vec![Fact::Method(method), Fact::RequestId(asked.id)];
    let route = asked.route.map(Route::of_router);
    facts.extend(route.clone().map(Fact::Template));
    traces.request(method, route, asked.traceparent, facts)
}

/// The methods that are told by name. A client can send any text as its method.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Returns a method as one of the names that are told.
pub(crate) fn known_method(method: &str) -> Option<&'static str> {
    METHODS.iter().find(|known| **known == method).copied()
}

/// Passes what a run tells on, and its stages to the trace.
pub(crate) struct Traced<'a, P> {
    pub(crate) progress: &'a P,
    pub(crate) trace: &'a Trace,
}

impl<P: Progress> Progress for Traced<'_, P> {
    fn tell(&self, event: Event<'_>) {
        self.progress.tell(event);
    }

    fn begins(&self, stage: Stage) {
        self.trace.phase(stage.as_str());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use vaultterm_hcv::{RequestKind, Traffic as _};
    use vaultterm_ledger::Actor;
    use vaultterm_reconcile::UnixNanos;
    use vaultterm_sync::{FaultClass, RunPart, RunProblem};
    use vaultterm_traces::{Sampling, Span};

    use super::*;
    use crate::meters::Meters;

    fn of(id: u128, trigger: Trigger) -> Run {
        Run {
            id: RunId(Uuid::from_u128(id)),
            connection_id: ConnectionId(Uuid::nil()),
            plan_id: None,
            state: RunState::Running,
            trigger,
            actor: Actor::vaultterm(),
            counts: Counts::default(),
            halts: Vec::new(),
            problems: Vec::new(),
            started: UnixNanos(0),
            finished: None,
            requests: 0,
            part: RunPart::default(),
        }
    }

    fn begun(traces: &Traces, run: &Run, follows: Option<u128>) -> Trace {
        let follows = follows.map(|id| RunId(Uuid::from_u128(id)));
        super::run(traces, &Beginning { run, mode: Mode::Push, follows, node: Uuid::nil() })
    }

    #[tokio::test]
    async fn a_run_links_to_the_request_that_started_it_and_only_a_takeover_to_the_run_before() {
        let (traces, mut spans) = Traces::new(Sampling::default(), || 0);
        let first = begun(&traces, &of(1, Trigger::Interval), Some(9));
        let of_first = first.id().unwrap();
        first.end(Vec::new(), false);
        let asked = Asked { method: "POST", route: Some("/runs"), id: Uuid::nil(), traceparent: None };
        let request = request(&traces, &asked);
        let second = request.around(async { begun(&traces, &of(2, Trigger::Manual), None) }).await;
        second.end(Vec::new(), false);
        let third = begun(&traces, &of(3, Trigger::Takeover), Some(1));
        third.end(Vec::new(), false);
        let links: Vec<_> = std::iter::from_fn(|| spans.next_now()).map(|span| span.linked_traces()).collect();
        assert_eq!(links, [vec![], vec![request.id().unwrap()], vec![of_first]]);
    }

    #[tokio::test]
    async fn a_run_that_failed_tells_the_class_of_its_first_problem_and_no_text() {
        let (traces, mut spans) = Traces::new(Sampling::default(), || 0);
        let trace = begun(&traces, &of(1, Trigger::Manual), None);
        let problem = RunProblem {
            path: "hunter2".into(),
            class: FaultClass::Denied.into(),
            detail: "hunter2".into(),
            hint: None,
        };
        let counts = Counts { created_local: 2, ..Counts::default() };
        let ended = Run { state: RunState::Partial, problems: vec![problem], counts, ..of(1, Trigger::Manual) };
        run_ended(&trace, &ended);
        let span = spans.next_now().unwrap();
        assert!(span.failed && !format!("{span:?}").contains("hunter2"));
        assert!(span.facts.contains(&Fact::ErrorType("denied")) && span.facts.contains(&Fact::CreatedLocal(2)));
        assert!(!span.facts.iter().any(|fact| matches!(fact, Fact::Failed(_))), "counts of 0 are left out");
    }

    #[tokio::test]
    async fn a_request_to_a_vault_is_told_inside_of_what_needed_it_and_nowhere_else() {
        let (traces, mut spans) = Traces::new(Sampling::default(), || 0);
        let meters = Meters::default().traced_by(traces.clone());
        let exchange = Exchange {
            kind: RequestKind::Read,
            method: "GET",
            attempt: 2,
            status: None,
            took: Duration::from_millis(5),
            failure: Some("timeout"),
        };
        meters.exchanged(&exchange);
        let trace = begun(&traces, &of(1, Trigger::Manual), None);
        trace.around(async { meters.exchanged(&exchange) }).await;
        trace.end(Vec::new(), false);
        let spans: Vec<Span> = std::iter::from_fn(|| spans.next_now()).collect();
        let [request, run] = spans.as_slice() else { panic!("{spans:?}") };
        assert!(request.is_child_of(run) && request.failed);
        assert_eq!(request.name.text(), "vault read");
        let told = [Fact::Operation("read"), Fact::Method("GET"), Fact::Attempt(2), Fact::ErrorType("timeout")];
        assert_eq!(request.facts, told);
    }

    #[test]
    fn a_request_of_a_client_has_the_template_of_its_route_and_no_method_that_somebody_made_up() {
        let (traces, mut spans) = Traces::new(Sampling::default(), || 0);
        let asked = Asked { method: "HUNTER2", route: None, id: Uuid::nil(), traceparent: None };
        request(&traces, &asked).end(Vec::new(), false);
        request(&traces, &Asked { method: "GET", route: Some("/records/{id}"), ..asked }).end(Vec::new(), false);
        let names: Vec<_> = std::iter::from_fn(|| spans.next_now()).map(|span| span.name.text()).collect();
        assert_eq!(names, ["HTTP", "GET /records/{id}"]);
    }
}
