//! How much memory a server holds during runs, and how long people wait for a record and for its values while a run pulls.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use serde_json::json;

use crate::{bare::filled, house::SOURCE, served::Served, works::Work};

/// How often a person asks while nothing else happens, and the pause between two requests.
const IDLE_TIMES: usize = 500;
const PAUSE: Duration = Duration::from_millis(5);
/// The fewest requests during a run of which p99 says anything.
const TIMES_MIN: usize = 100;

/// How long people wait for one kind of request.
pub(crate) struct Waiting {
    pub(crate) what: &'static str,
    /// In milliseconds, sorted: while nothing else happens, and during a run.
    pub(crate) idle: Vec<f64>,
    pub(crate) during: Vec<f64>,
}

impl Waiting {
    /// Returns whether the run lasted long enough for a p99.
    pub(crate) fn counts(&self) -> bool {
        self.during.len() >= TIMES_MIN
    }

    /// Returns p99 during a run as a multiple of p99 while nothing else happens.
    pub(crate) fn slowdown(&self) -> f64 {
        percentile(&self.during, 99) / percentile(&self.idle, 99)
    }
}

/// What was measured of a server.
pub(crate) struct Measured {
    pub(crate) secrets: usize,
    /// The memory that it held at most until its owner had logged in, and during works, in MB.
    pub(crate) started_mb: u64,
    pub(crate) peaks_mb: Vec<(String, u64)>,
    pub(crate) waiting: [Waiting; 2],
}

/// Measures a server with this many secrets.
pub(crate) async fn measure(binary: &Path, secrets: usize) -> Result<Measured> {
    let (vault, town, _) = filled(secrets).await?;

    let served = Served::start(binary).await?;
    let started_mb = served.process.peak_mb()?;
    let all = secrets as u64;
    let main = served.collection("main").await?;
    let pull = served.connect(&vault, &town, &main, ["pull", "pull", SOURCE], 0).await?;
    let push = served.connect(&vault, &town, &main, ["push", "push", "pushed"], 0).await?;
    // People look at a plan before the first run, and get all of it in one answer.
    served.process.forget_peak()?;
    let plan = served.plan(&pull).await?;
    ensure!(plan["steps"].as_array().map(Vec::len) == Some(secrets), "the plan has other steps: {}", plan["counts"]);
    let mut peaks_mb = vec![("plan".to_owned(), served.process.peak_mb()?)];
    let runs = [
        (Work::InitialPull, &pull, "created_local"),
        (Work::NoChange, &pull, "unchanged"),
        (Work::InitialPush, &push, "created_remote"),
    ];
    for (work, connection, counted) in runs {
        served.process.forget_peak()?;
        let run = served.begin(connection).await?;
        let ended = served.end(&run).await?;
        ensure!(ended["counts"][counted] == all, "{}: {ended:#}", work.name());
        peaks_mb.push((work.name(), served.process.peak_mb()?));
    }

    let records = served.records(&main).await?;
    let [read, reveal] = ask(&served, &records, |asked| Ok(asked < IDLE_TIMES)).await?;
    let beside = served.collection("beside").await?;
    let pull = served.connect(&vault, &town, &beside, ["beside", "pull", SOURCE], 0).await?;
    let run = served.begin(&pull).await?;
    let following = served.follow(&run);
    let [read_during, reveal_during] = ask(&served, &records, |_| Ok(!following.is_finished())).await?;
    let ended = following.await??;
    ensure!(ended["counts"]["created_local"] == all, "{ended:#}");
    served.stop()?;
    Ok(Measured {
        secrets,
        started_mb,
        peaks_mb,
        waiting: [
            Waiting { what: "read", idle: read, during: read_during },
            Waiting { what: "reveal", idle: reveal, during: reveal_during },
        ],
    })
}

/// Reads and reveals one record after another, with a pause after each request. Returns how long each request took, in
/// milliseconds.
async fn ask(
    served: &Served,
    records: &[String],
    mut goes_on: impl FnMut(usize) -> Result<bool>,
) -> Result<[Vec<f64>; 2]> {
    let (mut reads, mut reveals) = (Vec::new(), Vec::new());
    for record in records.iter().cycle() {
        if !goes_on(reads.len())? && !reads.is_empty() {
            break;
        }
        let began = Instant::now();
        served.api.get(&format!("/records/{record}")).await?;
        reads.push(began.elapsed().as_secs_f64() * 1_000.0);
        tokio::time::sleep(PAUSE).await;
        let began = Instant::now();
        served.api.post(&format!("/records/{record}/reveal"), json!({})).await?;
        reveals.push(began.elapsed().as_secs_f64() * 1_000.0);
        tokio::time::sleep(PAUSE).await;
    }
    Ok([reads, reveals].map(|mut times| {
        times.sort_by(f64::total_cmp);
        times
    }))
}

/// Returns a percentile of sorted times, of which there is at least one.
pub(crate) fn percentile(times: &[f64], share: usize) -> f64 {
    times[(times.len() * share / 100).min(times.len() - 1)]
}
