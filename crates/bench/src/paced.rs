//! A run with a limit of requests per second: whether it keeps the limit, and how long another client of the same Vault waits
//! meanwhile.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use tokio::{
    sync::oneshot::{self, error::TryRecvError},
    task::JoinHandle,
};
use vaultterm_reconcile::Mode;

use crate::{
    bare::{Bare, filled},
    house::{House, Lists, SOURCE},
    people::percentile,
};

/// The limit.
const PER_SECOND: u32 = 100;
/// The most secrets that are pulled, so that the run takes no longer than 20 seconds.
const SECRETS_MAX: usize = 2_000;
/// The pause of the other client between two requests, and how long it asks before the run and after it.
const PAUSE: Duration = Duration::from_millis(5);
const IDLE: Duration = Duration::from_secs(5);

/// What was measured.
pub(crate) struct Paced {
    pub(crate) secrets: usize,
    /// The limit, and the requests that the run made per second.
    pub(crate) budget: f64,
    pub(crate) rate: f64,
    /// How long the other client waited, in milliseconds, sorted: while nothing else happened, and during the run.
    pub(crate) idle: Vec<f64>,
    pub(crate) during: Vec<f64>,
}

impl Paced {
    /// Returns p99 of the other client during the run as a multiple of p99 while nothing else happens.
    pub(crate) fn slowdown(&self) -> f64 {
        percentile(&self.during, 99) / percentile(&self.idle, 99)
    }
}

/// Measures a first pull of at most this many secrets.
pub(crate) async fn measure(secrets: usize) -> Result<Paced> {
    let secrets = secrets.min(SECRETS_MAX);
    let (vault, town, bare) = filled(secrets).await?;
    let bare = Arc::new(bare);
    let house = House::new(&vault, &town).await?;
    let connection = house.connect_at(Mode::Pull, SOURCE, PER_SECOND).await?;

    let mut idle = Asking::new(&bare).for_a_while(IDLE).await?;
    let asking = Asking::new(&bare);
    let began = Instant::now();
    let run = house.run(connection, Lists::Cheapest).await?;
    let took = began.elapsed();
    let mut during = asking.end().await?;
    house.check(secrets, &[0], 0).await?;
    idle.extend(Asking::new(&bare).for_a_while(IDLE).await?);
    for times in [&mut idle, &mut during] {
        times.sort_by(f64::total_cmp);
    }
    let rate = run.requests as f64 / took.as_secs_f64();
    Ok(Paced { secrets, budget: PER_SECOND.into(), rate, idle, during })
}

/// Another client of the same Vault, in a task of its own. It reads one secret again and again.
struct Asking {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<Vec<f64>>>,
}

impl Asking {
    fn new(bare: &Arc<Bare>) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let bare = Arc::clone(bare);
        let task = tokio::spawn(async move {
            let mut times = Vec::new();
            while stopped.try_recv() == Err(TryRecvError::Empty) {
                let began = Instant::now();
                bare.read_one(SOURCE, 0).await?;
                times.push(began.elapsed().as_secs_f64() * 1_000.0);
                tokio::time::sleep(PAUSE).await;
            }
            Ok(times)
        });
        Self { stop, task }
    }

    async fn for_a_while(self, time: Duration) -> Result<Vec<f64>> {
        tokio::time::sleep(time).await;
        self.end().await
    }

    /// Returns how long each answer took, in milliseconds.
    async fn end(self) -> Result<Vec<f64>> {
        // The task has ended already if a request failed.
        let _ = self.stop.send(());
        self.task.await?
    }
}
