//! What runs are telling right now, for event streams and for cancelling.
//!
//! Events of a run are kept in memory, within bounds, until it is forgotten, so that a stream that broke off
//! resumes. What counts for ever is in the database.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use vaultterm_sync::{Event, Progress, RunId};

use crate::api::plans::StepView;
use crate::api::runs::{ProblemView, RunView};

/// Events kept of one run. A reader who falls further behind misses the oldest.
const EVENTS_MAX: usize = 10_000;
/// Bytes of the events kept of one run, about: their text, and what keeping one costs.
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// Events kept of a run that ended, for a stream that broke off shortly before.
const ENDED_EVENTS_MAX: usize = 100;
/// What keeping one event costs besides its text, in bytes, about.
const EVENT_COST: usize = 128;
/// Ended runs whose events are kept.
const ENDED_MAX: usize = 32;

/// One event as it goes over the wire.
#[derive(Clone, Debug)]
pub(crate) struct LiveEvent {
    /// Counts from 1.
    pub(crate) id: u64,
    /// `progress`, `step`, `problem`, `finished`.
    pub(crate) name: &'static str,
    /// JSON in one line.
    pub(crate) data: Arc<str>,
}

impl LiveEvent {
    fn cost(&self) -> usize {
        self.data.len() + EVENT_COST
    }
}

#[derive(Default)]
struct Told {
    last_id: u64,
    events: VecDeque<LiveEvent>,
    /// What the events cost, together.
    bytes: usize,
    ended: bool,
}

impl Told {
    fn push(&mut self, event: LiveEvent) {
        self.bytes += event.cost();
        self.events.push_back(event);
        self.forget(EVENTS_MAX);
    }

    fn pop_newest(&mut self) {
        self.bytes -= self.events.pop_back().map_or(0, |event| event.cost());
    }

    /// Forgets the oldest events until so many are left, in no more than so many bytes. The newest stays.
    fn forget(&mut self, events_max: usize) {
        while self.events.len() > 1 && (self.events.len() > events_max || self.bytes > BYTES_MAX) {
            self.bytes -= self.events.pop_front().map_or(0, |event| event.cost());
        }
    }
}

/// One run that goes on, or ended a moment ago.
pub(crate) struct LiveRun {
    told: Mutex<Told>,
    news: Notify,
    /// Asks the run to stop.
    pub(crate) cancel: CancellationToken,
}

impl LiveRun {
    /// Waits for events after one; empty when the run ended and all of it was told.
    pub(crate) async fn after(&self, id: u64) -> Vec<LiveEvent> {
        loop {
            let notified = self.news.notified();
            tokio::pin!(notified);
            // Listening before looking: what is told in between is not missed.
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

    fn say(&self, name: &'static str, data: &Value) {
        {
            let mut told = self.told();
            told.last_id += 1;
            let event = LiveEvent { id: told.last_id, name, data: data.to_string().into() };
            // Only the newest progress counts: those that nobody read yet are replaced.
            if name == "progress" && told.events.back().is_some_and(|last| last.name == "progress") {
                told.pop_newest();
            }
            told.push(event);
            told.ended |= name == "finished";
        }
        self.news.notify_waiters();
    }

    /// Ends the feed, also of a run that never said that it finished: streams end, and most events are forgotten.
    fn end(&self) {
        {
            let mut told = self.told();
            told.ended = true;
            told.forget(ENDED_EVENTS_MAX);
            told.events.shrink_to_fit();
        }
        self.news.notify_waiters();
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for LiveRun {
    fn tell(&self, event: Event<'_>) {
        match event {
            Event::Progress { done, total, phase } => {
                self.say("progress", &json!({ "done": done, "total": total, "phase": phase.as_str() }));
            }
            Event::Step(step) => self.say("step", &json!(StepView::of(step, None))),
            Event::Problem(problem) => self.say("problem", &json!(ProblemView::of(problem))),
            Event::Finished(run) => self.say("finished", &json!(RunView::of(run))),
        }
    }
}

/// All runs of this process that go on or ended a moment ago.
#[derive(Default)]
pub(crate) struct LiveRuns(Mutex<Known>);

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

    /// Begins to keep a run's events, and ends its feed when what it answers is dropped: also when the task panics that
    /// carries the run out.
    pub(crate) fn guarded(self: &Arc<Self>, id: RunId, closing: &CancellationToken) -> Feed {
        Feed { run: self.begin(id, closing), id, runs: Arc::clone(self) }
    }

    /// Notes that a run ended: it is forgotten when enough others ended after it.
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

/// The feed of a run, for as long as somebody carries it out.
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
    use vaultterm_sync::Phase;

    use super::*;

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
        let data: Value = serde_json::from_str(&event.data).expect("JSON");
        data["done"].as_u64().expect("a number")
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
        let long = json!("x".repeat(64 * 1024));
        for _ in 0..200 {
            feed.run.say("problem", &long);
        }
        let kept = feed.run.after(0).await;
        assert_eq!(kept.last().map(|event| event.id), Some(200));
        assert!(kept.iter().map(LiveEvent::cost).sum::<usize>() <= BYTES_MAX && kept.len() > 50, "{}", kept.len());
        for _ in 0..EVENTS_MAX + 1 {
            feed.run.say("step", &json!({}));
        }
        assert_eq!(feed.run.after(0).await.len(), EVENTS_MAX);
        feed.run.say("finished", &json!({}));
        let run = Arc::clone(&feed.run);
        drop(feed);
        let kept = run.after(0).await;
        assert_eq!((kept.len(), kept.last().map(|event| event.name)), (ENDED_EVENTS_MAX, Some("finished")));
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
