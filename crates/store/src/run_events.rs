//! What a run told, and who asked to cancel it, for people who watch it through another server than the one that carries it
//! out. The rows are no record of the run. They are the newest part of what it told, and stay for an hour.

use std::time::Duration;

use vaultterm_sync::{ConnectionId, Run, RunId};

use crate::{
    Store, StoreError,
    nodes::micros,
    runs,
    sql::{NOW_US, Row, args},
};

/// Events that are kept of one run. Older ones go.
const EVENTS_MAX: u64 = 10_000;
/// How long events are kept.
const KEPT_FOR: Duration = Duration::from_secs(3_600);
/// Events that one request reads.
const READ_AT_ONCE: u64 = 500;

/// An event of a run, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptEvent {
    /// The number of the event, counted from 1.
    pub seq: u64,
    /// Whether it is the progress of the run. Only the newest counts.
    pub is_progress: bool,
    /// The event as it is sent.
    pub told: String,
}

impl Store {
    /// Keeps events of a run.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn keep_run_events(&self, id: RunId, events: &[KeptEvent]) -> Result<(), StoreError> {
        let Some(last) = events.last() else { return Ok(()) };
        let mut tx = self.db.touch().await?;
        if events.iter().any(|event| event.is_progress) {
            tx.run("DELETE FROM run_events WHERE run_id = $1 AND is_progress = 1", args![id]).await?;
        }
        let newest = events.iter().rposition(|event| event.is_progress);
        for (at, event) in events.iter().enumerate() {
            if event.is_progress && Some(at) != newest {
                continue;
            }
            let sql = format!(
                "INSERT INTO run_events (run_id, seq, at_us, is_progress, told) VALUES ($1, $2, {NOW_US}, $3, $4)
                 ON CONFLICT (run_id, seq) DO NOTHING"
            );
            tx.run(&sql, args![id, event.seq, event.is_progress, event.told.as_str()]).await?;
        }
        let sql = "DELETE FROM run_events WHERE run_id = $1 AND seq <= $2";
        tx.run(sql, args![id, last.seq.saturating_sub(EVENTS_MAX)]).await?;
        tx.commit().await
    }

    /// Removes the events of runs that ended a while ago.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn forget_run_events(&self) -> Result<(), StoreError> {
        let mut tx = self.db.touch().await?;
        let sql = format!(
            "DELETE FROM run_events WHERE at_us < {NOW_US} - $1
             AND run_id NOT IN (SELECT id FROM runs WHERE state = 'running')"
        );
        tx.run(&sql, args![micros(KEPT_FOR)]).await?;
        tx.commit().await
    }

    /// Reads the events of a run after one, the oldest first, up to five hundred.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn run_events(&self, id: RunId, after: u64) -> Result<Vec<KeptEvent>, StoreError> {
        let sql = "SELECT seq, is_progress, told FROM run_events WHERE run_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";
        let rows = self.db.all(sql, args![id, after, READ_AT_ONCE]).await?;
        let event = |row: &Row| {
            Ok(KeptEvent { seq: row.count("seq")?, is_progress: row.flag("is_progress")?, told: row.text("told")? })
        };
        rows.iter().map(event).collect()
    }

    /// Asks the server that carries a run out to cancel it.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn ask_to_cancel(&self, id: RunId) -> Result<(), StoreError> {
        let mut tx = self.db.touch().await?;
        let sql = format!(
            "UPDATE runs SET cancel_asked_us = {NOW_US}
             WHERE id = $1 AND state = 'running' AND cancel_asked_us IS NULL"
        );
        tx.run(&sql, args![id]).await?;
        tx.commit().await
    }

    /// Lists the runs of this server that somebody asked to cancel.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn asked_to_cancel(&self) -> Result<Vec<RunId>, StoreError> {
        let sql = "SELECT id FROM runs WHERE state = 'running' AND cancel_asked_us IS NOT NULL AND node_id = $1";
        let rows = self.db.all(sql, args![self.node.0]).await?;
        rows.iter().map(|row| row.id("id").map(RunId)).collect()
    }

    /// Finds the first run of a connection after a run.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn run_after(&self, connection: ConnectionId, id: RunId) -> Result<Option<Run>, StoreError> {
        let sql = "SELECT * FROM runs WHERE connection_id = $1 AND id > $2 ORDER BY id LIMIT 1";
        self.db.one(sql, args![connection, id]).await?.map(|row| runs::run(&row)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use vaultterm_reconcile::Mode;
    use vaultterm_sync::{RunState, Trigger};

    use super::*;
    use crate::testing::House;

    fn event(seq: u64, is_progress: bool) -> KeptEvent {
        KeptEvent { seq, is_progress, told: format!("event {seq}") }
    }

    #[tokio::test]
    async fn events_are_read_from_any_place_and_of_the_progress_only_the_newest_stays() {
        let house = House::new().await;
        let made = house.connect("prod", Mode::Push, "team").await.unwrap();
        let (lease, run) = house.begin(made.id, Trigger::Manual).await;
        let keep = async |events: &[KeptEvent]| house.store.keep_run_events(run.id, events).await.unwrap();
        let seqs = async |after| {
            let events = house.store.run_events(run.id, after).await.unwrap();
            events.into_iter().map(|event| event.seq).collect::<Vec<_>>()
        };
        keep(&[event(1, true), event(2, false), event(3, true)]).await;
        assert_eq!(seqs(0).await, [2, 3]);
        keep(&[event(4, false), event(5, true)]).await;
        keep(&[event(4, false)]).await;
        assert_eq!(seqs(2).await, [4, 5]);
        assert_eq!(house.store.run_events(run.id, 3).await.unwrap()[0], event(4, false));
        keep(&[event(EVENTS_MAX + 2, false)]).await;
        assert_eq!(seqs(0).await, [4, 5, EVENTS_MAX + 2], "the oldest went");
        // The rows of a run that goes on stay, however old they are.
        let age = async || {
            let mut tx = house.store.db.touch().await.unwrap();
            tx.run("UPDATE run_events SET at_us = at_us - $1", args![micros(KEPT_FOR) + 1_000_000]).await.unwrap();
            tx.commit().await.unwrap();
            house.store.forget_run_events().await.unwrap();
        };
        age().await;
        assert_eq!(seqs(0).await.len(), 3);
        house.end((lease, run.clone()), RunState::Succeeded).await;
        age().await;
        assert!(seqs(0).await.is_empty());
    }

    #[tokio::test]
    async fn a_wish_to_cancel_reaches_the_server_that_carries_the_run_out_until_it_ends() {
        let house = House::new().await;
        let made = house.connect("prod", Mode::Push, "team").await.unwrap();
        let (lease, run) = house.begin(made.id, Trigger::Manual).await;
        assert!(house.store.asked_to_cancel().await.unwrap().is_empty());
        let other = crate::testing::reopened(&house, &house.root).await.unwrap();
        other.ask_to_cancel(run.id).await.unwrap();
        assert!(other.asked_to_cancel().await.unwrap().is_empty(), "the run is on another server");
        assert_eq!(house.store.asked_to_cancel().await.unwrap(), [run.id]);
        assert!(house.store.run_after(made.id, run.id).await.unwrap().is_none());
        let first = run.id;
        house.end((lease, run), RunState::Cancelled).await;
        assert!(house.store.asked_to_cancel().await.unwrap().is_empty());
        let (_, next) = house.begin(made.id, Trigger::Interval).await;
        assert_eq!(house.store.run_after(made.id, first).await.unwrap().map(|run| run.id), Some(next.id));
    }
}
