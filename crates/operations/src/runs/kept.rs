//! What runs tell, as rows of the database: for people who watch a run through another server than the one that carries it
//! out.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use vaultterm_contract::StepView;
use vaultterm_store::{KeptEvent, StoreError};
use vaultterm_sync::{Phase, Run, RunId, RunProblem};

use super::feed::{LiveEvent, LiveRun, Told};
use crate::services::Services;

/// How often events are written.
const EVERY: Duration = Duration::from_millis(300);

/// An event in a row.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Row {
    Progress {
        done: u64,
        total: u64,
        phase: Phase,
    },
    Step(StepView),
    Problem(RunProblem),
    /// How the run ended stands in the row of the run.
    Finished,
    /// An event that only a newer version tells.
    #[serde(other)]
    Other,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum RowRef<'a> {
    Progress { done: u64, total: u64, phase: Phase },
    Step(&'a StepView),
    Problem(&'a RunProblem),
    Finished,
}

/// Writes what a run tells until it ends.
pub(super) async fn keep(services: Services, id: RunId, run: Arc<LiveRun>) {
    let mut after = 0;
    loop {
        let events = run.after(after).await;
        let Some(last) = events.last() else { return };
        after = last.id;
        let rows: Vec<_> = events.iter().filter_map(row).collect();
        if let Err(error) = services.store.keep_run_events(id, &rows).await {
            tracing::warn!(%error, run = %id, "what a run tells could not be written for people at other servers");
        }
        if matches!(*last.told, Told::Finished(_)) {
            return;
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn row(event: &LiveEvent) -> Option<KeptEvent> {
    let row = match &*event.told {
        Told::Progress { done, total, phase } => RowRef::Progress { done: *done, total: *total, phase: *phase },
        Told::Step(step) => RowRef::Step(step),
        Told::Problem(problem) => RowRef::Problem(problem),
        Told::Finished(_) => RowRef::Finished,
        Told::Continued(_) | Told::Closing => return None,
    };
    let told = serde_json::to_string(&row).expect("an event is JSON");
    Some(KeptEvent { seq: event.id, is_progress: matches!(row, RowRef::Progress { .. }), told })
}

/// Reads what a run told after an event. The end of the run is not among it.
pub(super) async fn read(services: &Services, run: &Run, after: u64) -> Result<Vec<LiveEvent>, StoreError> {
    let rows = services.store.run_events(run.id, after).await?;
    Ok(rows.into_iter().filter_map(|row| told(&row.told).map(|told| LiveEvent { id: row.seq, told })).collect())
}

fn told(row: &str) -> Option<Arc<Told>> {
    Some(Arc::new(match serde_json::from_str(row).ok()? {
        Row::Progress { done, total, phase } => Told::Progress { done, total, phase },
        Row::Step(step) => Told::Step(Box::new(step)),
        Row::Problem(problem) => Told::Problem(problem),
        Row::Finished | Row::Other => return None,
    }))
}
