//! Many connections on several servers: every run that is due happens, soon, and once.
//!
//! `cargo xtask kills --nodes 3 --connections 300 --minutes 5` runs it at length. What bounds the load is the processor: with
//! `VAULTTERM_MANY_*` the numbers are chosen so that it is not always busy.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::{Value, json};
use vaultterm_testkit::{OwnPostgres, PostgresStop, cut_connections, openbao::OpenBao};

use super::processor::Used;
use crate::{
    house::{House, PATIENCE},
    kills::number,
    town::{MOUNT, PREFIX, role},
};

/// Without disturbances, a run waits for at most so long. Each server looks for due runs each second, and begins all that it
/// finds, one after the other: some hundredths of a second for each, in a look that finds a dozen.
const LATE_MAX: Duration = Duration::from_secs(5);
/// With disturbances, the lease of a run comes on top: nobody may begin the next one before it has expired.
const LATE_MAX_DISTURBED: Duration = Duration::from_secs(35);
/// A run may begin so much too early, because the clocks of servers may differ by so much from the database's.
const EARLY_MAX_MS: i128 = 300;
/// How often something happens to a server.
const DISTURBED_EVERY: u64 = 20;

/// What is asked for.
struct Wanted {
    connections: u64,
    secrets: u64,
    seconds: u64,
    interval: u64,
    disturbed: bool,
}

impl Wanted {
    fn of_the_environment() -> Self {
        Self {
            connections: number("VAULTTERM_MANY_CONNECTIONS", 12),
            secrets: number("VAULTTERM_MANY_SECRETS", 3),
            seconds: number("VAULTTERM_MANY_SECONDS", 12),
            interval: number("VAULTTERM_MANY_INTERVAL", 2),
            disturbed: number("VAULTTERM_MANY_DISTURBED", 0) > 0,
        }
    }

    fn late_max(&self) -> Duration {
        if self.disturbed { LATE_MAX_DISTURBED } else { LATE_MAX }
    }
}

struct Connection {
    id: String,
    collection: String,
    /// The path in the mount.
    path: String,
}

struct Crowd {
    wanted: Wanted,
    servers: Vec<House>,
    bao: OpenBao,
    postgres: OwnPostgres,
    connections: Vec<Connection>,
    /// The server that is frozen, and the second at which it goes on.
    frozen: Option<(usize, u64)>,
    happened: BTreeMap<&'static str, u64>,
}

impl Crowd {
    /// Fills Vault, connects everything, and starts the first run of each connection, evenly over an interval.
    async fn gather(wanted: Wanted) -> Self {
        let postgres = OwnPostgres::start().await;
        let url = postgres.fresh_database().await;
        let settings = [("DATABASE_URL", url.as_str()), ("VAULTTERM_LOG", "info")];
        let (first, bao) = tokio::join!(House::configured(&settings), OpenBao::start());
        bao.root().mount_kv(MOUNT, 2).await;
        let credentials = role(&first, &bao, "bidirectional").await;
        let mut connections = Vec::new();
        for n in 0..wanted.connections {
            let path = format!("{PREFIX}/n{n}");
            for s in 0..wanted.secrets {
                bao.root().put(MOUNT, &format!("{path}/s{s}"), json!({"v": first_value(n, s)})).await;
            }
            let collection = first.collection(&format!("c{n}")).await;
            let settings = json!({
                "name": format!("n{n}"), "collection_id": collection, "address": bao.address(),
                "auth": {"role_id": credentials.role_id, "secret_id": credentials.secret_id},
                "mount": MOUNT, "path": path, "mode": "bidirectional",
                "options": {"interval_seconds": wanted.interval, "on_change": false},
            });
            let id = first.owner.post("/connections", settings).await.expect(201).id();
            connections.push(Connection { id, collection, path });
        }
        let mut servers: Vec<_> = (1..number("VAULTTERM_NODES", 3)).map(|_| first.beside()).collect();
        servers.push(first);
        let step = Duration::from_secs(wanted.interval) / u32::try_from(wanted.connections).expect("few");
        for (connection, server) in connections.iter().zip(servers.iter().cycle()) {
            server.owner.post(&format!("/connections/{}/runs", connection.id), json!({})).await.expect(202);
            tokio::time::sleep(step).await;
        }
        Self { wanted, servers, bao, postgres, connections, frozen: None, happened: BTreeMap::new() }
    }

    fn awake(&self) -> &House {
        let frozen = self.frozen.map(|(server, _)| server);
        let mut awake = self.servers.iter().enumerate().filter(|(place, _)| Some(*place) != frozen);
        awake.next().expect("one server is frozen at most").1
    }

    /// Lets runs come and go for the time that is asked for. Meanwhile each connection gets one edit, on one of its sides.
    async fn let_run(&mut self) {
        let (seconds, began) = (self.wanted.seconds, Instant::now());
        let mut edited = 0;
        for second in 0..seconds {
            let until = self.connections.len() * usize::try_from(second + 1).expect("few")
                / usize::try_from(seconds).expect("few");
            while edited < until {
                self.edit(edited).await;
                edited += 1;
            }
            if let Some((server, _)) = self.frozen.take_if(|(_, until)| second >= *until) {
                self.servers[server].thaw();
            }
            if self.wanted.disturbed && second % DISTURBED_EVERY == DISTURBED_EVERY / 2 {
                self.disturb(second).await;
            }
            tokio::time::sleep(Duration::from_secs(second + 1).saturating_sub(began.elapsed())).await;
        }
        if let Some((server, _)) = self.frozen.take() {
            self.servers[server].thaw();
        }
    }

    /// Changes the first secret of a connection: in Vault, or here.
    async fn edit(&self, number: usize) {
        let (connection, value) = (&self.connections[number], json!({"v": last_value(number)}));
        if number.is_multiple_of(2) {
            self.bao.root().put(MOUNT, &format!("{}/s0", connection.path), value).await;
            return;
        }
        let (house, asked) = (self.awake(), Instant::now());
        loop {
            let records = house.owner.items(&format!("/collections/{}/records", connection.collection)).await;
            let record = records.iter().find(|record| record["path"] == "s0").expect("the first run imported it");
            let path = format!("/records/{}", record["id"].as_str().expect("an id"));
            let answer = house.owner.patch(&path, &record["revision"], json!({"fields": value})).await;
            // The database is away for a moment, or a run changed the record.
            if !matches!(answer.status, 503 | 412) || asked.elapsed() > PATIENCE {
                answer.expect(200);
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn disturb(&mut self, second: u64) {
        let turn = second / DISTURBED_EVERY;
        let place = usize::try_from(turn).expect("few") % self.servers.len();
        let victim = &mut self.servers[place];
        let what = match turn % 5 {
            0 => {
                victim.kill_and_restart();
                "killed"
            }
            1 if self.frozen.is_none() => {
                victim.freeze();
                self.frozen = Some((place, second + LATE_MAX_DISTURBED.as_secs()));
                "frozen for longer than its lease"
            }
            2 => {
                self.postgres.restart(PostgresStop::Immediate).await;
                "PostgreSQL stopped at once and restarted"
            }
            3 => {
                cut_connections(&victim.setting("DATABASE_URL").expect("on PostgreSQL")).await;
                "connections cut"
            }
            _ => {
                self.postgres.restart(PostgresStop::Fast).await;
                "PostgreSQL restarted"
            }
        };
        *self.happened.entry(what).or_default() += 1;
    }

    /// Returns the runs of a connection, the oldest first.
    async fn runs(&self, connection: &Connection) -> Vec<Run> {
        let path = format!("/connections/{}/runs?limit=500", connection.id);
        let house = self.awake();
        let runs = house.until("no run goes on", async || {
            let runs = house.owner.items(&path).await;
            runs.iter().all(|run| run["state"] != "running").then_some(runs)
        });
        let mut runs: Vec<_> = runs.await.iter().map(Run::new).collect();
        runs.sort_unstable_by_key(|run| run.started);
        runs
    }

    /// Asserts that both sides hold each value, and Vault in as many versions as people and the test wrote.
    async fn nothing_is_lost_or_written_twice(&self) {
        let house = self.awake();
        for (n, connection) in self.connections.iter().enumerate() {
            let expected: BTreeMap<_, _> = (0..self.wanted.secrets)
                .map(|s| (format!("s{s}"), if s == 0 { last_value(n) } else { first_value(n as u64, s) }))
                .map(|(path, value)| (path, json!({"v": value})))
                .collect();
            let here: BTreeMap<_, _> = house.values(&connection.collection).await.into_iter().collect();
            assert_eq!(here, expected, "connection {n}");
            for (path, value) in expected {
                let full = format!("{}/{path}", connection.path);
                assert_eq!(self.bao.root().value(MOUNT, &full).await, Some(value), "{full}");
                let metadata = self.bao.root().metadata(MOUNT, &full).await.expect("the secret exists");
                assert_eq!(
                    metadata["current_version"],
                    if path == "s0" { 2 } else { 1 },
                    "{full} was not written twice"
                );
            }
        }
        let verdict = house.owner.post("/audit/verify", json!({})).await.expect(200).body;
        assert_eq!(verdict["ok"], true, "{verdict}");
    }
}

fn first_value(connection: u64, secret: u64) -> String {
    format!("first-{connection}-{secret}")
}

fn last_value(connection: usize) -> String {
    format!("last-{connection}")
}

/// A run, as far as this test needs it.
#[derive(Debug)]
struct Run {
    state: String,
    started: Timestamp,
    finished: Timestamp,
    requests: u64,
    is_cut_off: bool,
}

impl Run {
    fn new(run: &Value) -> Self {
        let moment = |at: &str| run[at].as_str().expect("a moment").parse().expect("a moment");
        Self {
            state: run["state"].as_str().expect("a state").to_owned(),
            started: moment("started_at"),
            finished: moment("finished_at"),
            requests: run["requests"].as_u64().expect("a number"),
            is_cut_off: ["lease_lost", "server_stopped"]
                .iter()
                .any(|class| run["problems"].to_string().contains(class)),
        }
    }
}

/// Returns how late the runs of a connection were, in milliseconds. Asserts that none was too early, which would be a second
/// run for one due moment.
fn lateness(runs: &[Run], wanted: &Wanted) -> Vec<i128> {
    let mut late = Vec::new();
    for pair in runs.windows(2) {
        let [before, after] = pair else { unreachable!("windows of two") };
        assert!(wanted.disturbed || before.state == "succeeded", "{before:?}");
        let rest = if before.is_cut_off { 0 } else { i128::from(wanted.interval) * 1_000 };
        let gap = after.started.duration_since(before.finished).as_millis() - rest;
        assert!(gap >= -EARLY_MAX_MS, "a run began {gap} ms late: {pair:#?}");
        late.push(gap);
    }
    late
}

/// What the runs of all connections were like.
#[derive(Default)]
struct Told {
    late: Vec<i128>,
    durations: Vec<i128>,
    requests: u64,
    cut_off: u64,
}

impl Told {
    async fn of(crowd: &Crowd) -> Self {
        let mut told = Self::default();
        let late_max = crowd.wanted.late_max().as_millis().cast_signed();
        for connection in &crowd.connections {
            let runs = crowd.runs(connection).await;
            let last = runs.last().expect("it ran").finished;
            let now = Timestamp::from_nanosecond(vaultterm_sync::system_time().0.into()).expect("a moment");
            let silent = now.duration_since(last).as_millis() - i128::from(crowd.wanted.interval) * 1_000;
            assert!(silent <= late_max, "a due run does not happen: {silent} ms");
            told.late.extend(lateness(&runs, &crowd.wanted));
            // The first run imports everything.
            for run in &runs[1..] {
                told.requests += run.requests;
                told.cut_off += u64::from(run.is_cut_off);
                told.durations.push(run.finished.duration_since(run.started).as_millis());
            }
        }
        told.late.sort_unstable();
        told.durations.sort_unstable();
        told
    }

    fn late_max(&self) -> i128 {
        *self.late.last().expect("runs")
    }

    fn print(&self) {
        let of = |sorted: &[i128]| {
            let at = |percent: usize| sorted[(sorted.len() - 1) * percent / 100];
            format!("p50 {}, p99 {}, at most {}", at(50), at(99), at(100))
        };
        let count = self.durations.len();
        eprintln!("late by, in ms: {}", of(&self.late));
        eprintln!("a run takes, in ms: {}", of(&self.durations));
        let requests = self.requests as f64 / count as f64;
        eprintln!("{count} runs, {requests:.1} requests to Vault each; {} of them cut off and continued", self.cut_off);
    }
}

/// Returns how many runs each server has ended.
fn ended(crowd: &Crowd) -> Vec<usize> {
    crowd.servers.iter().map(|house| house.log().matches("run ended").count()).collect()
}

// The servers go on while the test waits for a start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn due_runs_of_many_connections_happen_once_each_whichever_server_does_them() {
    let mut crowd = Crowd::gather(Wanted::of_the_environment()).await;
    let (before, used, began) = (ended(&crowd), Used::now(), Instant::now());
    crowd.let_run().await;
    let (after, used, took) = (ended(&crowd), Used::now().since(&used), began.elapsed().as_secs_f64());
    // One more run of each connection takes the last edit over.
    tokio::time::sleep(Duration::from_secs(crowd.wanted.interval) + crowd.wanted.late_max()).await;
    let told = Told::of(&crowd).await;
    let Wanted { connections, secrets, interval, disturbed, .. } = crowd.wanted;
    eprintln!(
        "{connections} connections of {secrets} secrets, every {interval} s, for {took:.0} s: {:?}",
        crowd.happened
    );
    let shares: Vec<_> = after.iter().zip(&before).map(|(after, before)| after - before).collect();
    for (place, share) in shares.iter().enumerate() {
        eprintln!("server {place}: {:.1} runs per minute", *share as f64 * 60.0 / took);
    }
    told.print();
    let runs = shares.iter().sum::<usize>() as f64;
    for (program, seconds) in &used {
        eprintln!("{program}: {:.3} processor seconds per run", seconds / runs);
    }
    eprintln!("{:.2} processors were in use", used.values().sum::<f64>() / took);
    crowd.nothing_is_lost_or_written_twice().await;
    let late_max = crowd.wanted.late_max().as_millis().cast_signed();
    assert!(told.late_max() <= late_max, "a run waited for {} ms", told.late_max());
    assert!(shares.iter().filter(|share| **share > 0).count() >= 2, "the work is shared: {shares:?}");
    assert!(disturbed || told.cut_off == 0, "{} runs were cut off", told.cut_off);
}
