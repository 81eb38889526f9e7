//! The events of the runs in this process, and the means to cancel them.
//!
//! The events of a run stay in memory, within bounds, so that a stream that broke off can resume. They are
//! not the record of the run: that is in the database.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use vaultterm_contract::StepView;
use vaultterm_sync::{Event, Phase, Progress, Run, RunId, RunProblem};

/// Events kept of one run. A reader who falls further behind misses the oldest.
const EVENTS_MAX: usize = 10_000;
/// Bytes of the events kept of one run, about: their texts, and what keeping one costs.
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// Events kept of a run that ended, for a stream that broke off shortly before.
const ENDED_EVENTS_MAX: usize = 100;
/// What keeping one event costs besides its texts, in bytes, about.
const EVENT_COST: usize = 256;
/// Ended runs whose events are kept.
const ENDED_MAX: usize = 32;

/// What a run tells.
#[derive(Debug)]
pub enum Told {
    /// How far it is. Only the newest counts.
    Progress {
        /// How much is done.
        done: u64,
        /// Of how much.
        total: u64,
        /// In which phase.
        phase: Phase,
    },
    /// A step that was carried out.
    Step(Box<StepView>),
    /// Why a path, or the whole run, was not done.
    Problem(RunProblem),
    /// How it ended. Nothing comes after it.
    Finished(Box<Run>),
    /// The run was cut off, and another one continues it. What that one tells follows.
    Continued(Box<Run>),
    /// The server that tells it stops. A reader who wants to know more asks again, and another server answers.
    Closing,
}

impl Told {
    fn of(event: Event<'_>) -> Self {
        match event {
            Event::Progress { done, total, phase } => Self::Progress { done, total, phase },
            Event::Step(step) => Self::Step(Box::new(StepView::of(step, None))),
            Event::Problem(problem) => Self::Problem(problem.clone()),
            Event::Finished(run) => Self::Finished(Box::new(run.clone())),
        }
    }

    /// Returns how many bytes keeping it costs, about.
    fn cost(&self) -> usize {
        let of = |problem: &RunProblem| {
            problem.path.len() + problem.detail.len() + problem.hint.as_ref().map_or(0, |hint| hint.to_string().len())
        };
        EVENT_COST
            + match self {
                Self::Progress { .. } | Self::Continued(_) | Self::Closing => 0,
                Self::Step(step) => step.path.len() + step.fields.iter().map(|field| field.name.len()).sum::<usize>(),
                Self::Problem(problem) => of(problem),
                Self::Finished(run) => run.problems.iter().map(|problem| EVENT_COST + of(problem)).sum(),
            }
    }
}

/// One event of a run.
#[derive(Clone, Debug)]
pub struct LiveEvent {
    /// Counts from 1.
    pub id: u64,
    /// What it tells.
    pub told: Arc<Told>,
}

#[derive(Default)]
struct Kept {
    last_id: u64,
    events: VecDeque<LiveEvent>,
    /// What the events cost, together.
    bytes: usize,
    ended: bool,
}

impl Kept {
    fn push(&mut self, event: LiveEvent) {
        self.bytes += event.told.cost();
        self.events.push_back(event);
        self.forget(EVENTS_MAX);
    }

    fn pop_newest(&mut self) {
        self.bytes -= self.events.pop_back().map_or(0, |event| event.told.cost());
    }

    /// Forgets the oldest events until so many are left, in no more than so many bytes. The newest stays.
    fn forget(&mut self, events_max: usize) {
        while self.events.len() > 1 && (self.events.len() > events_max || self.bytes > BYTES_MAX) {
            self.bytes -= self.events.pop_front().map_or(0, |event| event.told.cost());
        }
    }
}

/// One run that goes on, or ended a moment ago.
pub(crate) struct LiveRun {
    told: Mutex<Kept>,
    news: Notify,
    /// Asks the run to stop.
    pub(crate) cancel: CancellationToken,
}

impl LiveRun {
    /// Waits for events after the one with this id. Returns none when the run ended and there are no more.
    pub(crate) async fn after(&self, id: u64) -> Vec<LiveEvent> {
        loop {
            let notified = self.news.notified();
            tokio::pin!(notified);
            // Listens before it looks, so that it does not miss an event in between.
            notified.as_mut().enable();
            {
                let told = self.told();
                let events: Vec<_> = told.events.iter().filter(|event| event.id > id).cloned().collect();
                if !events.is_empty() || told.ended {
                    return events;
                }
            }
            notified.await;
        }
    }

    fn say(&self, told: Told) {
        {
            let mut kept = self.told();
            kept.last_id += 1;
            // Only the newest progress counts, so it replaces an older one that is still the last event.
            let is_progress = |told: &Told| matches!(told, Told::Progress { .. });
            if is_progress(&told) && kept.events.back().is_some_and(|last| is_progress(&last.told)) {
                kept.pop_newest();
            }
            kept.ended |= matches!(told, Told::Finished(_));
            let event = LiveEvent { id: kept.last_id, told: Arc::new(told) };
            kept.push(event);
        }
        self.news.notify_waiters();
    }

    /// Ends the feed, and with it the streams, and forgets most events. Also for a run that never said that
    /// it finished.
    fn end(&self) {
        {
            let mut told = self.told();
            told.ended = true;
            told.forget(ENDED_EVENTS_MAX);
            told.events.shrink_to_fit();
        }
        self.news.notify_waiters();
    }

    fn told(&self) -> MutexGuard<'_, Kept> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for LiveRun {
    fn tell(&self, event: Event<'_>) {
        self.say(Told::of(event));
    }
}

/// All runs of this process that go on or ended a moment ago.
#[derive(Default)]
pub struct LiveRuns(Mutex<Known>);

#[derive(Default)]
struct Known {
    runs: HashMap<RunId, Arc<LiveRun>>,
    ended: VecDeque<RunId>,
}

impl LiveRuns {
    /// Begins to keep a run's events. `closing` is what cancels every run.
    fn begin(&self, id: RunId, closing: &CancellationToken) -> Arc<LiveRun> {
        let run = Arc::new(LiveRun { told: Mutex::default(), news: Notify::new(), cancel: closing.child_token() });
        self.known().runs.insert(id, Arc::clone(&run));
        run
    }

    /// Begins to keep a run's events. The feed ends when the returned guard is dropped, also by a panic of
    /// the task that carries the run out.
    pub(crate) fn guarded(self: &Arc<Self>, id: RunId, closing: &CancellationToken) -> Feed {
        Feed { run: self.begin(id, closing), id, runs: Arc::clone(self) }
    }

    /// Notes that a run ended. It is forgotten when enough others ended after it.
    fn end(&self, id: RunId) {
        let mut known = self.known();
        if let Some(run) = known.runs.get(&id) {
            run.end();
        }
        known.ended.push_back(id);
        if known.ended.len() > ENDED_MAX
            && let Some(oldest) = known.ended.pop_front()
        {
            known.runs.remove(&oldest);
        }
    }

    /// Finds a run.
    pub(crate) fn find(&self, id: RunId) -> Option<Arc<LiveRun>> {
        self.known().runs.get(&id).cloned()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The feed of a run, for as long as a task carries the run out.
pub(crate) struct Feed {
    pub(crate) run: Arc<LiveRun>,
    id: RunId,
    runs: Arc<LiveRuns>,
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.runs.end(self.id);
    }
}

#[cfg(test)]
mod tests {
    use vaultterm_reconcile::{Counts, UnixNanos};
    use vaultterm_sync::{ConnectionId, FaultClass, RunPart, RunState, Trigger};

    use super::*;
    use vaultterm_ledger::Actor;

    fn progress(done: u64) -> Event<'static> {
        Event::Progress { done, total: 3, phase: Phase::Apply }
    }

    #[tokio::test]
    async fn a_late_reader_gets_what_came_after_and_only_the_newest_progress() {
        let live = LiveRuns::default();
        let run = live.begin(RunId(uuid::Uuid::nil()), &CancellationToken::new());
        run.tell(progress(1));
        run.tell(progress(2));
        let events = run.after(0).await;
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].id, done(&events[0])), (2, 2));
        let waiting = tokio::spawn({
            let run = Arc::clone(&run);
            async move { run.after(2).await }
        });
        tokio::task::yield_now().await;
        run.tell(progress(3));
        let events = waiting.await.expect("not cancelled");
        assert_eq!(events.iter().map(|event| event.id).collect::<Vec<_>>(), [3]);
    }

    fn done(event: &LiveEvent) -> u64 {
        let Told::Progress { done, .. } = *event.told else { panic!("not progress: {event:?}") };
        done
    }

    fn problem(detail: String) -> Told {
        let class = FaultClass::Unavailable.into();
        Told::Problem(RunProblem { path: String::new(), class, detail, hint: None })
    }

    fn run() -> Run {
        Run {
            id: RunId(uuid::Uuid::nil()),
            connection_id: ConnectionId(uuid::Uuid::nil()),
            plan_id: None,
            state: RunState::Succeeded,
            trigger: Trigger::Manual,
            actor: Actor::vaultterm(),
            counts: Counts::default(),
            halts: Vec::new(),
            problems: Vec::new(),
            started: UnixNanos(0),
            finished: Some(UnixNanos(1)),
            requests: 0,
            part: RunPart::default(),
        }
    }

    #[tokio::test]
    async fn a_task_that_panics_ends_the_feed_of_its_run() {
        let live = Arc::new(LiveRuns::default());
        let id = RunId(uuid::Uuid::nil());
        let feed = live.guarded(id, &CancellationToken::new());
        let reader = tokio::spawn({
            let run = Arc::clone(&feed.run);
            async move { run.after(0).await }
        });
        let task = tokio::spawn(async move {
            let _feed = feed;
            panic!("on purpose");
        });
        assert!(task.await.expect_err("a panic").is_panic());
        assert!(reader.await.expect("not cancelled").is_empty(), "the stream ends");
        assert!(live.find(id).expect("kept for a while").after(0).await.is_empty());
        assert_eq!(live.known().ended.len(), 1);
    }

    #[tokio::test]
    async fn what_is_kept_of_a_run_is_bounded_in_bytes_and_little_once_it_ended() {
        let live = Arc::new(LiveRuns::default());
        let feed = live.guarded(RunId(uuid::Uuid::nil()), &CancellationToken::new());
        for _ in 0..200 {
            feed.run.say(problem("x".repeat(64 * 1024)));
        }
        let kept = feed.run.after(0).await;
        assert_eq!(kept.last().map(|event| event.id), Some(200));
        assert!(
            kept.iter().map(|event| event.told.cost()).sum::<usize>() <= BYTES_MAX && kept.len() > 50,
            "{}",
            kept.len()
        );
        for _ in 0..EVENTS_MAX + 1 {
            feed.run.say(problem(String::new()));
        }
        assert_eq!(feed.run.after(0).await.len(), EVENTS_MAX);
        feed.run.say(Told::Finished(Box::new(run())));
        let live = Arc::clone(&feed.run);
        drop(feed);
        let kept = live.after(0).await;
        assert_eq!(kept.len(), ENDED_EVENTS_MAX);
        assert!(matches!(*kept[ENDED_EVENTS_MAX - 1].told, Told::Finished(_)));
    }

    #[test]
    fn ended_runs_are_forgotten_the_oldest_first() {
        let live = LiveRuns::default();
        let ids: Vec<_> = (0..=ENDED_MAX as u128).map(|n| RunId(uuid::Uuid::from_u128(n))).collect();
        for id in &ids {
            live.begin(*id, &CancellationToken::new());
            live.end(*id);
        }
        assert!(live.find(ids[0]).is_none());
        assert!(live.find(ids[1]).is_some());
    }
}
