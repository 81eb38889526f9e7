//! Following a run: what it tells, from an event on.
//!
//! The run goes on in this process, or in another server on the database, or it has ended. If it was cut off, what the next
//! run of its connection tells follows: a reader sees the work go on, whichever server does it.

use std::{sync::Arc, time::Duration};

use futures_util::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use uuid::Uuid;
use vaultterm_store::{CollectionRole, Scope, StoreError};
use vaultterm_sync::{Run, RunState};

use super::{
    feed::{LiveEvent, Told},
    kept,
};
use crate::{access, caller::Caller, refusal::Refusal, services::Services};

/// How often the database is asked for news of a run that another server carries out.
const ASKED_EVERY: Duration = Duration::from_millis(500);
/// How long a reader waits for the run that continues one that was cut off. Servers look for such runs each second.
const SUCCESSOR_WITHIN: Duration = Duration::from_secs(5);
/// A run that was cut off longer ago is over for its readers.
const CUT_OFF_LATELY_NS: i64 = 60 * 1_000_000_000;

/// Streams what a run tells after an event; everything that is kept after the event 0. The stream ends with
/// the run, and with a word when the server shuts down.
///
/// # Errors
/// [`Refusal`].
pub async fn follow(
    services: &Services,
    caller: &Caller,
    id: Uuid,
    after: u64,
) -> Result<BoxStream<'static, LiveEvent>, Refusal> {
    access::any_scope(services, caller, &[Scope::SyncPlan, Scope::SyncRun, Scope::RecordsRead]).await?;
    let id = access::run(services, caller, id, CollectionRole::Viewer).await?;
    let run = services.store.run(id).await?.ok_or_else(|| Refusal::not_found("run"))?;
    let follower = Follower { services: services.clone(), run, before: 0, after, over: false };
    let batches = stream::unfold(follower, |follower| async move {
        let (events, follower) = follower.next().await?;
        Some((stream::iter(events), follower))
    });
    // A stream would keep the server from shutting down.
    let closing = services.closing.clone();
    // The reader asks again for what comes after the last event, so this one has no number of its own.
    let stops = move || closing.is_cancelled().then(|| LiveEvent { id: 0, told: Arc::new(Told::Closing) });
    let word = stream::iter(std::iter::once_with(stops).flatten());
    Ok(batches.flatten().take_until(services.closing.clone().cancelled_owned()).chain(word).boxed())
}

/// A reader of a run.
struct Follower {
    services: Services,
    /// The run that goes on, or went on last.
    run: Run,
    /// The number of events of the runs before it.
    before: u64,
    /// The last event that the reader has.
    after: u64,
    over: bool,
}

impl Follower {
    /// Waits for the next events. `None` after the last one.
    async fn next(mut self) -> Option<(Vec<LiveEvent>, Self)> {
        while !self.over {
            match self.some().await {
                Ok(events) if events.is_empty() => tokio::time::sleep(ASKED_EVERY).await,
                Ok(events) => return Some((events, self)),
                // The database may answer again in a moment. Until then the reader waits, and may leave.
                Err(error) => {
                    tracing::warn!(%error, run = %self.run.id, "a run could not be followed for a moment");
                    tokio::time::sleep(ASKED_EVERY).await;
                }
            }
        }
        None
    }

    /// Looks for events. None when there is no news yet.
    async fn some(&mut self) -> Result<Vec<LiveEvent>, StoreError> {
        let after = self.after.saturating_sub(self.before);
        let mut events = match self.services.runs.find(self.run.id) {
            Some(live) => live.after(after).await,
            None => Vec::new(),
        };
        if events.is_empty() {
            // The state is read before the events, so that none is missed between.
            self.reload().await?;
            events = kept::read(&self.services, &self.run, after).await?;
            if events.is_empty() && self.run.state != RunState::Running {
                return Ok(vec![self.end(after).await?]);
            }
        }
        if events.last().is_some_and(|event| matches!(*event.told, Told::Finished(_))) {
            let last = events.pop().expect("it was there");
            self.reload().await?;
            let end = self.end(last.id.saturating_sub(1)).await?;
            events = self.numbered(events);
            events.push(end);
            return Ok(events);
        }
        Ok(self.numbered(events))
    }

    /// Counts events on from those of the runs before.
    fn numbered(&mut self, events: Vec<LiveEvent>) -> Vec<LiveEvent> {
        let before = self.before;
        let events: Vec<_> =
            events.into_iter().map(|event| LiveEvent { id: event.id.saturating_add(before), ..event }).collect();
        self.after = events.last().map_or(self.after, |last| last.id);
        events
    }

    async fn reload(&mut self) -> Result<(), StoreError> {
        if let Some(run) = self.services.store.run(self.run.id).await? {
            self.run = run;
        }
        Ok(())
    }

    /// Returns the last event of the run, which comes after so many of its own: how it ended, or which run continues it.
    async fn end(&mut self, events: u64) -> Result<LiveEvent, StoreError> {
        let id = self.before.saturating_add(events).saturating_add(1);
        self.after = id;
        if let Some(successor) = self.successor().await? {
            self.before = id;
            self.run = successor.clone();
            return Ok(LiveEvent { id, told: Arc::new(Told::Continued(Box::new(successor))) });
        }
        self.over = true;
        Ok(LiveEvent { id, told: Arc::new(Told::Finished(Box::new(self.run.clone()))) })
    }

    /// Finds the run that continues one that was cut off.
    async fn successor(&self) -> Result<Option<Run>, StoreError> {
        let run = &self.run;
        let lately = |run: &Run| {
            let now_ns = self.services.now_us().saturating_mul(1_000);
            run.finished.is_some_and(|finished| now_ns - finished.0 < CUT_OFF_LATELY_NS)
        };
        if !run.was_cut_off() || self.services.closing.is_cancelled() {
            return Ok(None);
        }
        let waits_until = tokio::time::Instant::now() + SUCCESSOR_WITHIN;
        loop {
            if let Some(next) = self.services.store.run_after(run.connection_id, run.id).await? {
                let ended = run.finished.map_or(0, |finished| finished.0);
                return Ok(Some(next).filter(|next| next.started.0 - ended < CUT_OFF_LATELY_NS));
            }
            if !lately(run) || tokio::time::Instant::now() >= waits_until {
                return Ok(None);
            }
            tokio::time::sleep(ASKED_EVERY).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use vaultterm_ledger::Actor;
    use vaultterm_reconcile::Counts;
    use vaultterm_sync::{
        ConnectionId, EngineProblem, Event, Journal as _, Lease, Phase, Progress as _, RunId, RunPart, RunProblem,
        Trigger,
    };

    use super::*;
    use crate::{
        connections,
        matrix::{credential, wanted},
        testing::House,
    };

    const LEASE: Duration = Duration::from_secs(600);

    async fn connect(house: &House) -> ConnectionId {
        let (services, collection) = (&house.services, house.collection.0);
        let made = connections::create(services, &house.owner, collection, wanted(), &credential()).await.unwrap();
        made.summary.connection.id
    }

    async fn begin(services: &Services, connection_id: ConnectionId, trigger: Trigger) -> (Lease, Run) {
        let id = RunId(vaultterm_sync::new_id());
        let lease = services.store.acquire_lease(connection_id, id.0, LEASE).await.unwrap().expect("it is free");
        let run = Run {
            id,
            connection_id,
            plan_id: None,
            state: RunState::Running,
            trigger,
            actor: Actor::vaultterm(),
            counts: Counts::default(),
            halts: Vec::new(),
            problems: Vec::new(),
            started: vaultterm_sync::system_time(),
            finished: None,
            requests: 0,
            part: RunPart::default(),
        };
        services.store.begin_run(lease, &run).await.unwrap();
        (lease, run)
    }

    async fn end(
        services: &Services,
        (lease, run): (Lease, Run),
        state: RunState,
        problem: Option<EngineProblem>,
    ) -> Run {
        let problem = problem.map(|class| RunProblem {
            path: String::new(),
            class: class.into(),
            detail: "why".to_owned(),
            hint: None,
        });
        let finished = Some(vaultterm_sync::system_time());
        let run = Run { state, finished, problems: problem.into_iter().collect(), ..run };
        services.store.finish_run(&run).await.unwrap();
        services.store.release_lease(lease).await.unwrap();
        run
    }

    fn problem(detail: &str) -> RunProblem {
        let class = EngineProblem::Skipped.into();
        RunProblem { path: "a".to_owned(), class, detail: detail.to_owned(), hint: None }
    }

    /// Returns what the events tell, in words.
    fn told(events: &[LiveEvent]) -> Vec<(u64, String)> {
        let word = |told: &Told| match told {
            Told::Progress { done, .. } => format!("progress {done}"),
            Told::Step(step) => format!("step {}", step.path),
            Told::Problem(problem) => problem.detail.clone(),
            Told::Finished(run) => format!("finished {}", run.state),
            Told::Continued(run) => format!("continued by {}", run.trigger),
            Told::Closing => "closing".to_owned(),
        };
        events.iter().map(|event| (event.id, word(&event.told))).collect()
    }

    #[tokio::test]
    async fn a_run_of_another_server_is_read_from_the_database_and_goes_on_in_the_run_that_continues_it() {
        let house = House::new().await;
        let (here, there) = (&house.services, house.second_services());
        let connection = connect(&house).await;
        let begun = begin(&there, connection, Trigger::Interval).await;
        let id = begun.1.id;
        let feed = there.runs.guarded(id, &there.closing);
        let keeping = tokio::spawn(kept::keep(there.clone(), id, Arc::clone(&feed.run)));
        for detail in ["one", "two"] {
            feed.run.tell(Event::Progress { done: 1, total: 2, phase: Phase::Apply });
            feed.run.tell(Event::Problem(&problem(detail)));
        }
        let mut stream = follow(here, &house.owner, id.0, 0).await.unwrap();
        let first: Vec<_> = stream.by_ref().take(3).collect().await;
        assert_eq!(told(&first).last(), Some(&(4, "two".to_owned())), "{:?}", told(&first));
        // The other server dies, and its run is closed.
        keeping.abort();
        drop(feed);
        end(&there, begun, RunState::Failed, Some(EngineProblem::LeaseLost)).await;
        let successor = begin(here, connection, Trigger::Takeover).await;
        let live = here.runs.guarded(successor.1.id, &here.closing);
        live.run.tell(Event::Problem(&problem("three")));
        let ended = end(here, successor, RunState::Succeeded, None).await;
        live.run.tell(Event::Finished(&ended));
        let rest: Vec<_> = stream.collect().await;
        let expected = [(5, "continued by takeover"), (6, "three"), (7, "finished succeeded")];
        assert_eq!(told(&rest), expected.map(|(id, word)| (id, word.to_owned())));
        // A reader goes on at any event, at any server.
        let again: Vec<_> = follow(&there, &house.owner, id.0, 4).await.unwrap().collect().await;
        assert_eq!(told(&again).first(), Some(&(5, "continued by takeover".to_owned())));
        let whole: Vec<_> = follow(here, &house.owner, ended.id.0, 0).await.unwrap().collect().await;
        assert_eq!(told(&whole).last(), Some(&(2, "finished succeeded".to_owned())));
    }

    #[tokio::test]
    async fn a_reader_is_told_when_the_server_stops_and_how_a_run_ended_that_nobody_continues() {
        let house = House::new().await;
        let services = &house.services;
        let connection = connect(&house).await;
        let begun = begin(services, connection, Trigger::Manual).await;
        let id = begun.1.id.0;
        let other = house.second_services();
        let stream = follow(&other, &house.owner, id, 0).await.unwrap();
        other.closing.cancel();
        let events: Vec<_> = stream.collect().await;
        assert_eq!(told(&events), [(0, "closing".to_owned())]);
        end(services, begun, RunState::Failed, Some(EngineProblem::LeaseLost)).await;
        let events: Vec<_> = follow(services, &house.owner, id, 0).await.unwrap().collect().await;
        assert_eq!(told(&events), [(1, "finished failed".to_owned())]);
    }
}
