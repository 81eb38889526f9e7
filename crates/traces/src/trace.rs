//! Traces that go on. A [`Trace`] is a span with the place in its trace; the work inside of it finds it by [`current`].
//!
//! Nothing here waits, fails or sends.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use opentelemetry::trace::SpanId;
use uuid::Uuid;

use crate::{
    fact::{Fact, Route},
    id::{Ids, random_span},
    name::Name,
    parent,
    queue::{Entrance, Parent, Span, Spans, Told, queue},
    sampling::Sampling,
};

tokio::task_local! {
    /// The span that the work in this task belongs to.
    static CURRENT: Trace;
}

/// Makes traces. Copies share one queue. The default makes none.
#[derive(Clone, Default)]
pub struct Traces(Option<Arc<Recorder>>);

/// Returns the time in nanoseconds since the Unix epoch.
pub type Clock = fn() -> i64;

struct Recorder {
    sampling: Sampling,
    clock: Clock,
    entrance: Entrance,
}

impl Recorder {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::try_from((self.clock)()).unwrap_or(0))
    }
}

/// A span of another trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link(Ids);

impl Link {
    /// Returns the root of the trace of a run, on whatever server it was carried out.
    #[must_use]
    pub fn to_run(id: Uuid) -> Self {
        Self(Ids::of_run(id))
    }
}

impl Traces {
    /// Returns a maker of traces, and the end of its queue.
    #[must_use]
    pub fn new(sampling: Sampling, clock: Clock) -> (Self, Spans) {
        let (entrance, spans) = queue();
        (Self(Some(Arc::new(Recorder { sampling, clock, entrance }))), spans)
    }

    /// Begins the trace of a run. It links to other spans: what started the run, and the run that it continues.
    #[must_use]
    pub fn run(&self, id: Uuid, facts: Vec<Fact>, links: impl IntoIterator<Item = Link>) -> Trace {
        let Some(recorder) = &self.0 else { return Trace::default() };
        let ids = Ids::of_run(id);
        if !recorder.sampling.keeps(ids.trace, None) {
            return Trace::default();
        }
        let mut live = Live::new(recorder, ids, None, Name::Run, facts);
        live.links = links.into_iter().map(|Link(ids)| ids).collect();
        live.begun()
    }

    /// Begins the span of a request of a client. `traceparent` is what the client says about its own trace, if the client is
    /// trusted to decide which requests are kept. The span begins a trace without it.
    #[must_use]
    pub fn request(
        &self,
        method: &'static str,
        route: Option<Route>,
        traceparent: Option<&str>,
        facts: Vec<Fact>,
    ) -> Trace {
        let Some(recorder) = &self.0 else { return Trace::default() };
        let named = traceparent.and_then(parent::read);
        let mut ids = Ids::random();
        if let Some(named) = &named {
            ids.trace = named.trace_id();
        }
        if !recorder.sampling.keeps(ids.trace, named.as_ref()) {
            return Trace::default();
        }
        let parent = named.map(|named| Parent { span: named.span_id(), is_remote: true });
        Live::new(recorder, ids, parent, Name::Request { method, route }, facts).begun()
    }

    /// Returns how many spans went which way, or `None` if no traces are made.
    #[must_use]
    pub fn told(&self) -> Option<Told> {
        self.0.as_ref().map(|recorder| recorder.entrance.tally.told())
    }
}

/// A span that goes on, or nothing if this trace is not kept. Copies are the same span. A span whose last copy is dropped
/// before its end was told has failed.
#[derive(Clone, Default)]
pub struct Trace(Option<Arc<Live>>);

struct Live {
    recorder: Arc<Recorder>,
    ids: Ids,
    parent: Option<Parent>,
    name: Name,
    links: Vec<Ids>,
    moment: Moment,
    state: Mutex<State>,
}

struct State {
    facts: Vec<Fact>,
    phase: Option<Phase>,
    ended: bool,
}

/// The part of a run that goes on now.
struct Phase {
    name: &'static str,
    span: SpanId,
    began: SystemTime,
}

/// When a span began. Later moments of the span are counted from it, so that a clock that is set back changes no order.
struct Moment {
    time: SystemTime,
    instant: Instant,
}

impl Moment {
    fn now(&self) -> SystemTime {
        self.time + self.instant.elapsed()
    }
}

impl Live {
    fn new(recorder: &Arc<Recorder>, ids: Ids, parent: Option<Parent>, name: Name, facts: Vec<Fact>) -> Self {
        Self {
            recorder: Arc::clone(recorder),
            ids,
            parent,
            name,
            links: Vec::new(),
            moment: Moment { time: recorder.now(), instant: Instant::now() },
            state: Mutex::new(State { facts, phase: None, ended: false }),
        }
    }

    fn begun(self) -> Trace {
        Trace(Some(Arc::new(self)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the parent of what begins now: the phase that goes on, or the span itself.
    fn inner(&self, state: &State) -> Parent {
        Parent { span: state.phase.as_ref().map_or(self.ids.span, |phase| phase.span), is_remote: false }
    }

    fn end_phase(&self, state: &mut State, now: SystemTime) {
        if let Some(Phase { name, span, began }) = state.phase.take() {
            self.recorder.entrance.put(Span {
                name: Name::Phase(name),
                facts: Vec::new(),
                failed: false,
                ids: Ids { span, ..self.ids },
                parent: Some(Parent { span: self.ids.span, is_remote: false }),
                links: Vec::new(),
                began,
                took: now.duration_since(began).unwrap_or_default(),
            });
        }
    }

    fn end(&self, facts: Vec<Fact>, failed: bool) {
        let mut state = self.state();
        if state.ended {
            return;
        }
        state.ended = true;
        let now = self.moment.now();
        self.end_phase(&mut state, now);
        let mut told = std::mem::take(&mut state.facts);
        told.extend(facts);
        self.recorder.entrance.put(Span {
            name: self.name.clone(),
            facts: told,
            failed,
            ids: self.ids,
            parent: self.parent,
            links: self.links.clone(),
            began: self.moment.time,
            took: now.duration_since(self.moment.time).unwrap_or_default(),
        });
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.end(Vec::new(), true);
    }
}

impl Trace {
    /// Returns the id of the trace, for log lines.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        self.0.as_ref().map(|live| live.ids.trace.to_string())
    }

    /// Returns a link to this span, for another trace.
    #[must_use]
    pub fn link(&self) -> Option<Link> {
        self.0.as_ref().map(|live| Link(live.ids))
    }

    /// Begins a span inside of this one.
    #[must_use]
    pub fn child(&self, name: Name, facts: Vec<Fact>) -> Self {
        let Some(live) = &self.0 else { return Self::default() };
        let parent = live.inner(&live.state());
        let ids = Ids { span: random_span(), ..live.ids };
        Live::new(&live.recorder, ids, Some(parent), name, facts).begun()
    }

    /// Begins a phase. The one before ends with it. A phase that goes on already is no new one.
    pub fn phase(&self, name: &'static str) {
        let Some(live) = &self.0 else { return };
        let mut state = live.state();
        if state.ended || state.phase.as_ref().is_some_and(|phase| phase.name == name) {
            return;
        }
        let now = live.moment.now();
        live.end_phase(&mut state, now);
        state.phase = Some(Phase { name, span: random_span(), began: now });
    }

    /// Tells a span inside of this one that has ended now.
    pub fn ended(&self, name: Name, took: Duration, facts: Vec<Fact>, failed: bool) {
        let Some(live) = &self.0 else { return };
        let parent = live.inner(&live.state());
        let now = live.moment.now();
        live.recorder.entrance.put(Span {
            name,
            facts,
            failed,
            ids: Ids { span: random_span(), ..live.ids },
            parent: Some(parent),
            links: Vec::new(),
            began: now.checked_sub(took).unwrap_or(now),
            took,
        });
    }

    /// Ends the span with what is known now. A second end changes nothing.
    pub fn end(&self, facts: Vec<Fact>, failed: bool) {
        if let Some(live) = &self.0 {
            live.end(facts, failed);
        }
    }

    /// Makes this span the current one of some work.
    pub fn around<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        CURRENT.scope(self.clone(), work)
    }
}

/// Returns the span that the caller works for. It is none outside of requests and runs.
#[must_use]
pub fn current() -> Trace {
    CURRENT.try_with(Clone::clone).unwrap_or_default()
}

/// Keeps the current span for work that another task does.
pub fn in_current<F: Future>(work: F) -> impl Future<Output = F::Output> + use<F> {
    current().around(work)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::Sampler;

    fn all(spans: &mut Spans) -> Vec<Span> {
        std::iter::from_fn(|| spans.next_now()).collect()
    }

    fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
        spans.iter().find(|span| span.name.text() == name).unwrap_or_else(|| panic!("no {name} in {spans:?}"))
    }

    const VAULT: Name = Name::Vault("read");
    const TOOK: Duration = Duration::from_millis(3);

    #[tokio::test]
    async fn what_a_run_does_lies_inside_of_the_phase_in_which_it_began() {
        let (traces, mut spans) = Traces::new(Sampling::default(), || 0);
        let before = Uuid::from_u128(6);
        let trace = traces.run(Uuid::from_u128(7), vec![Fact::DryRun(false)], [Link::to_run(before)]);
        let work = trace.around(async {
            current().phase("observe");
            current().phase("observe");
            current().ended(VAULT, TOOK, vec![Fact::Status(200)], false);
            current().phase("apply");
        });
        work.await;
        trace.end(vec![Fact::Outcome("succeeded")], false);
        trace.end(Vec::new(), true);
        drop(trace);
        let spans = all(&mut spans);
        let names: Vec<_> = spans.iter().map(|span| span.name.text()).collect();
        assert_eq!(names, ["vault read", "observe", "apply", "run"]);
        let root = named(&spans, "run");
        assert!(named(&spans, "vault read").is_child_of(named(&spans, "observe")));
        assert!(named(&spans, "observe").is_child_of(root) && named(&spans, "apply").is_child_of(root));
        assert_eq!((root.parent, root.failed, root.took >= Duration::ZERO), (None, false, true));
        assert_eq!(root.facts, [Fact::DryRun(false), Fact::Outcome("succeeded")]);
        assert_eq!(root.linked_traces(), [Ids::of_run(before).trace.to_string()]);
        assert_eq!(named(&spans, "vault read").took, TOOK);
        assert!(current().id().is_none(), "nothing is current outside");
    }

    #[tokio::test]
    async fn a_task_that_breaks_off_ends_its_span_as_failed() {
        let (traces, mut spans) = Traces::new(Sampling::default(), || 0);
        let trace = traces.run(Uuid::from_u128(7), Vec::new(), []);
        trace.phase("apply");
        let task = tokio::spawn(async move { trace.around(async { panic!("on purpose") }).await });
        assert!(task.await.unwrap_err().is_panic());
        let spans = all(&mut spans);
        assert_eq!(spans.len(), 2);
        assert!(named(&spans, "run").failed);
    }

    #[tokio::test]
    async fn work_in_another_task_belongs_to_the_request_that_began_it() {
        let (traces, mut spans) = Traces::new(Sampling::default(), || 0);
        let route = Some(Route::of_router("/plans"));
        let header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let trace = traces.request("POST", route, Some(header), Vec::new());
        let begun =
            trace.around(async { tokio::spawn(in_current(async { current().child(Name::Plan, Vec::new()) })).await });
        let plan = begun.await.unwrap();
        plan.around(async { current().ended(VAULT, TOOK, Vec::new(), true) }).await;
        plan.end(Vec::new(), false);
        trace.end(vec![Fact::Status(201)], false);
        let spans = all(&mut spans);
        let request = named(&spans, "POST /plans");
        assert!(named(&spans, "plan").is_child_of(request));
        assert!(named(&spans, "vault read").is_child_of(named(&spans, "plan")));
        assert_eq!(request.trace_id(), "0af7651916cd43dd8448eb211c80319c");
        assert!(request.parent.is_some_and(|parent| parent.is_remote));
    }

    #[tokio::test]
    async fn a_trace_that_is_not_kept_has_no_id_and_no_spans() {
        let (traces, mut spans) = Traces::new(Sampling { sampler: Sampler::AlwaysOff, ratio: 1.0 }, || 0);
        for trace in [traces.run(Uuid::nil(), Vec::new(), []), Traces::default().run(Uuid::nil(), Vec::new(), [])] {
            assert!(trace.id().is_none() && trace.link().is_none());
            trace.phase("observe");
            trace.child(Name::Plan, Vec::new()).end(Vec::new(), false);
            trace.end(Vec::new(), false);
        }
        assert!(spans.next_now().is_none());
        assert_eq!(Traces::default().told(), None);
    }

    #[tokio::test]
    async fn a_full_queue_costs_spans_and_no_time() {
        let (traces, mut spans) = Traces::new(Sampling::default(), || 0);
        let trace = traces.run(Uuid::nil(), Vec::new(), []);
        for _ in 0..10_000 {
            trace.ended(VAULT, TOOK, Vec::new(), false);
        }
        let kept = all(&mut spans).len() as u64;
        let lost = traces.told().unwrap().lost;
        assert_eq!(lost[0].1 + kept, 10_000, "{lost:?}");
        assert!(lost[0].1 > 5_000 && lost[1].1 == 0);
    }
}
