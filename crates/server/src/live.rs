//! What runs are telling right now, for event streams and for cancelling.
//!
//! Events of a run are kept in memory until it is forgotten, so that a stream that broke off
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

/// Events kept of one run. Who falls further behind misses the oldest.
const EVENTS_MAX: usize = 10_000;
/// Ended runs whose events are kept.
const ENDED_MAX: usize = 32;

/// One event as it goes over the wire.
#[derive(Clone, Debug)]
pub(crate) struct LiveEvent {
    /// Counts from 1.
    pub(crate) id: u64,
    /// `progress`, `step`, `problem`, `finished`.
    pub(crate) name: &'static str,
    pub(crate) data: Arc<Value>,
}

#[derive(Default)]
struct Told {
    last_id: u64,
    events: VecDeque<LiveEvent>,
    ended: bool,
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

    fn say(&self, name: &'static str, data: Value) {
        {
            let mut told = self.told();
            told.last_id += 1;
            let event = LiveEvent { id: told.last_id, name, data: Arc::new(data) };
            // Only the newest progress counts: those that nobody read yet are replaced.
            if name == "progress" && told.events.back().is_some_and(|last| last.name == "progress") {
                told.events.pop_back();
            }
            if told.events.len() >= EVENTS_MAX {
                told.events.pop_front();
            }
            told.events.push_back(event);
            told.ended |= name == "finished";
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
                self.say("progress", json!({ "done": done, "total": total, "phase": phase.as_str() }));
            }
            Event::Step(step) => self.say("step", json!(StepView::of(step))),
            Event::Problem(problem) => self.say("problem", json!(ProblemView::of(problem))),
            Event::Finished(run) => self.say("finished", json!(RunView::of(run))),
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
    pub(crate) fn begin(&self, id: RunId, closing: &CancellationToken) -> Arc<LiveRun> {
        let run = Arc::new(LiveRun { told: Mutex::default(), news: Notify::new(), cancel: closing.child_token() });
        self.known().runs.insert(id, Arc::clone(&run));
        run
    }

    /// Notes that a run ended: it is forgotten when enough others ended after it.
    pub(crate) fn end(&self, id: RunId) {
        let mut known = self.known();
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
        assert_eq!((events[0].id, &events[0].data["done"]), (2, &json!(2)));
        let waiting = tokio::spawn({
            let run = Arc::clone(&run);
            async move { run.after(2).await }
        });
        tokio::task::yield_now().await;
        run.tell(progress(3));
        let events = waiting.await.expect("not cancelled");
        assert_eq!(events.iter().map(|event| event.id).collect::<Vec<_>>(), [3]);
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
