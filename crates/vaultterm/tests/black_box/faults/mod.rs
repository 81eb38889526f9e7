//! Every fault of the table "Remote faults" in the specification, end to end: a real server, a real OpenBao,
//! and between them a gateway that behaves like networks and proxies. The gateway gives the answers that a
//! real OpenBao cannot be brought to give.
//!
//! For each row of `rows/`, the test prepares both sides, causes the fault (`deeds.rs`), runs the command
//! line, and checks what a person sees. Then the fault ends. The next run must leave both sides equal,
//! without an additional version, conflict or record.
//!
//! The rows are also a page of the documentation. `UPDATE_DOCS=1` rewrites it.

mod deeds;
mod lane;
mod page;
mod row;
mod rows;

use std::{collections::BTreeMap, net::TcpListener, sync::Arc};

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use vaultterm_testkit::openbao::{Exchange, OpenBao, Setup, only_on_openbao};

use crate::{
    house::{House, PATIENCE},
    town::PREFIX,
};
use lane::{Lane, MARK, Ran};
use row::{Also, Deed, Edits, Fault, Row, Sees};
use rows::SECTIONS;

/// The maximum number of rows at a time.
const ROWS_MAX: usize = 24;
/// The time limit of a request to a Vault, so that a silent Vault is noticed within the patience of the test.
const ENVIRONMENT: &[(&str, &str)] = &[("VAULTTERM_VAULT_TIMEOUT_SECONDS", "3")];

/// The parts that all rows share: a house, a server with the usual limits, and a strict one.
struct Shared {
    house: Arc<House>,
    bao: Arc<OpenBao>,
    strict: Arc<OpenBao>,
    /// A listener that no connection may reach.
    elsewhere: TcpListener,
    room: Semaphore,
}

impl Shared {
    async fn new() -> Self {
        let limits = Setup { request_bytes_max: Some(16_384), request_strings_max: Some(60), ..Setup::default() };
        let (house, bao, strict) =
            tokio::join!(House::configured(ENVIRONMENT), OpenBao::start(), OpenBao::start_with(limits));
        let elsewhere = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        elsewhere.set_nonblocking(true).expect("a listener can be asked without waiting");
        let room = Semaphore::new(ROWS_MAX);
        Self { house: Arc::new(house), bao: Arc::new(bao), strict: Arc::new(strict), elsewhere, room }
    }

    async fn lane(&self, number: usize, fault: &Fault) -> Lane {
        let bao = match fault {
            Fault::Before(Deed::Grow | Deed::Multiply) => Arc::clone(&self.strict),
            // Sealing affects all users of a server, so this row gets its own.
            Fault::Before(Deed::Seal) | Fault::During(_, Deed::Seal) => Arc::new(OpenBao::start().await),
            _ => Arc::clone(&self.bao),
        };
        Lane::new(Arc::clone(&self.house), bao, number, matches!(fault, Fault::Certificate(_))).await
    }

    /// Plays a row and returns what was seen.
    async fn play(&self, number: usize, row: &Row) -> Seen {
        let _turn = self.room.acquire().await.expect("the semaphore is never closed");
        let mut lane = self.lane(number, &row.fault).await;
        settle_in(&mut lane, row.edits).await;
        let before = picture(&lane).await;
        let requests = lane.between.seen().len();
        let port = self.elsewhere.local_addr().expect("a bound listener has an address").port();
        deeds::begin(&lane, &row.fault, port).await;
        let (ran, exit) = match &row.fault {
            Fault::During(at, deed) => run_while(&lane, at, *deed).await,
            _ => lane.run_on_command_line().await,
        };
        let seen = Seen::of(&lane, &ran, port);
        assert_eq!(exit, Some(exit_code(&seen.run)), "{:#}", ran.run);
        also(row.also, &lane, requests);
        deeds::end(&lane, &row.fault).await;
        if matches!(ran.state(), "failed" | "halted") {
            assert_eq!(picture(&lane).await, before, "a run that was stopped wrote nothing");
        }
        heals(&lane, row).await;
        seen
    }
}

/// Makes both sides equal, and then makes the edits that the run must carry over.
async fn settle_in(lane: &mut Lane, edits: Edits) {
    for path in ["one", "two", "three", "gone", "left"] {
        lane.save(path, json!({"v": format!("{MARK}-1")})).await;
    }
    let first = lane.run().await;
    assert_eq!((first.state(), first.changes()), ("succeeded", 5), "{:#}", first.run);
    lane.change("one", json!({"v": format!("{MARK}-2")})).await;
    if edits == Edits::One {
        return;
    }
    lane.save("here", json!({"v": format!("{MARK}-1")})).await;
    lane.put("there", json!({"v": format!("{MARK}-1")})).await;
    lane.put("two", json!({"v": format!("{MARK}-2")})).await;
    lane.trash("gone").await;
    lane.turn("delete", "left").await;
}

/// The heads of all secrets, and the revisions of all records.
type Picture = (BTreeMap<String, (u64, bool)>, BTreeMap<String, u64>);

async fn picture(lane: &Lane) -> Picture {
    (lane.heads().await, lane.revisions().await)
}

/// Runs the connection, and lets an event happen when a certain request comes.
async fn run_while(lane: &Lane, at: &str, deed: Deed) -> (Ran, Option<i32>) {
    let mut held = lane.hold(at);
    let deed = async {
        let token = held.reached().await;
        deed.happens(lane, &token).await;
        drop(held);
    };
    let both = tokio::time::timeout(PATIENCE, async { tokio::join!(lane.run_on_command_line(), deed).0 });
    both.await.expect("the request comes, and the run ends")
}

/// What a person saw of a fault, without the names that differ by row.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    run: String,
    class: String,
    path: String,
    message: String,
    hint: String,
    state: String,
}

impl Seen {
    fn of(lane: &Lane, ran: &Ran, elsewhere: u16) -> Self {
        let elsewhere = format!("http://127.0.0.1:{elsewhere}");
        let plain = |value: &Value| {
            let text = value.as_str().unwrap_or_default();
            let text = text.replace(&elsewhere, "http://elsewhere.example.com");
            text.replace(&lane.mount, "kv").replace(&lane.name, "vaultterm")
        };
        let problem = match ran.run["halts"].get(0) {
            Some(halt) => json!({"class": halt["kind"], "path": "", "detail": halt["detail"]}),
            None => ran.run["problems"].get(0).cloned().unwrap_or_default(),
        };
        let seen = Self {
            run: ran.state().to_owned(),
            class: plain(&problem["class"]),
            path: plain(&problem["path"]),
            message: plain(&problem["detail"]),
            hint: plain(&problem["hint"]),
            state: plain(&ran.connection["state"]),
        };
        assert!(ran.paths().len() <= 1, "one problem: {:#}", ran.run);
        let detail = plain(&ran.connection["state_detail"]);
        assert!(detail.ends_with(&seen.message) && !detail.starts_with(':'), "the state says why: {detail}");
        seen
    }

    fn is(&self, sees: &Sees) -> bool {
        let Sees { run, class, path, message, hint, state } = *sees;
        [run, class, path, message, hint, state]
            == [&self.run, &self.class, &self.path, &self.message, &self.hint, &self.state].map(String::as_str)
    }
}

/// Returns the exit code that the command line promises for the state of a run.
fn exit_code(run: &str) -> i32 {
    match run {
        "succeeded" => 0,
        "failed" => 2,
        "halted" => 5,
        "partial" => 6,
        other => panic!("no run ends `{other}` here"),
    }
}

/// Checks the additional conditions of the run with the fault.
fn also(also: Also, lane: &Lane, requests: usize) {
    let exchanges = lane.between.exchanges().split_off(requests);
    match also {
        Also::Nothing | Also::OneMoreVersion => {}
        Also::LogsInTwice => {
            let logins = exchanges.iter().filter(|exchange| exchange.line.contains("/v1/auth/approle/login")).count();
            assert_eq!(logins, 2, "{exchanges:#?}");
        }
        Also::AsksAgain => {
            let limited = |exchange: &Exchange| exchange.status == Some(429);
            assert!(exchanges.iter().any(limited), "the quota is enforced: {exchanges:#?}");
            for (number, refused) in exchanges.iter().enumerate().filter(|(_, exchange)| limited(exchange)) {
                let repeats = |later: &Exchange| asks_again(&later.line, &refused.line);
                let again = exchanges[number + 1..].iter().any(repeats);
                assert!(again, "{} is sent again: {exchanges:#?}", refused.line);
            }
        }
    }
}

/// Returns whether a request repeats a refused one. A look at a secret begins again with its metadata. After a
/// deletion in the same second, it also read the deleted version, and a second later it need not read it again.
fn asks_again(later: &str, refused: &str) -> bool {
    let secret = |line: &str| {
        let line = line.strip_prefix("GET ")?.split([' ', '?']).next()?;
        Some(line.replacen("/metadata/", "/data/", 1))
    };
    later == refused || (secret(refused).is_some() && secret(later) == secret(refused))
}

/// Checks that the next run leaves both sides equal, and that nothing was done twice.
async fn heals(lane: &Lane, row: &Row) {
    let next = lane.run().await;
    assert_eq!(next.state(), "succeeded", "{:#}", next.run);
    assert_eq!(next.connection["state"], "ready", "{:#}", next.connection);
    let heads = lane.heads().await;
    assert_eq!(lane.remote().await, lane.local().await, "both sides are equal");
    assert_eq!(heads, expected_heads(row), "no version too many");
    assert_eq!(lane.conflicts().await, Vec::<Value>::new());
    let last = lane.run().await;
    assert_eq!((last.state(), last.changes()), ("succeeded", 0), "{:#}", last.run);
    assert_eq!(lane.heads().await, heads, "nothing changed means no new version");
}

fn expected_heads(row: &Row) -> BTreeMap<String, (u64, bool)> {
    let all = row.edits != Edits::One;
    let one = if row.also == Also::OneMoreVersion { 3 } else { 2 };
    let mut heads = BTreeMap::from([
        ("one", (one, true)),
        ("two", (if all { 2 } else { 1 }, true)),
        ("three", (1, true)),
        ("gone", (1, !all)),
        ("left", (1, !all)),
    ]);
    if all {
        heads.extend([("here", (1, true)), ("there", (1, true))]);
    }
    heads.into_iter().map(|(path, head)| (path.to_owned(), head)).collect()
}

/// Returns what was synchronized according to the audit log, by mount. Marking a secret that was synchronized
/// before appears as an adoption, and is left out.
async fn audited(house: &House) -> BTreeMap<String, Vec<String>> {
    let mut travelled: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for event in house.owner.items("/audit/events?action=HCV_SECRET_SYNCED&limit=500").await {
        let whole = event["remote"]["path"].as_str().expect("the audit names the secret");
        let (mount, path) = whole.split_once(&format!("/{PREFIX}/")).expect("a path of the connection");
        if event["detail"]["what"] != "adopted" {
            travelled.entry(mount.to_owned()).or_default().push(path.to_owned());
        }
    }
    travelled.values_mut().for_each(|paths| paths.sort_unstable());
    travelled
}

/// Returns every path that must be synchronized, as often as it must be: once at the beginning, and once with
/// the edits.
fn expected_audit(row: &Row) -> Vec<String> {
    let mut paths = vec!["one", "two", "three", "gone", "left", "one"];
    if row.edits != Edits::One {
        paths.extend(["two", "gone", "left", "here", "there"]);
    }
    let mut paths: Vec<_> = paths.into_iter().map(str::to_owned).collect();
    if row.also == Also::OneMoreVersion {
        // The audit log names the merge twice, for the record and for the secret.
        paths.push("one".to_owned());
    }
    paths.sort_unstable();
    paths
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_fault_is_named_shown_and_healed_by_the_next_run() {
    if only_on_openbao("the rows name OpenBao's own requests and limits, word for word") {
        return;
    }
    let shared = Arc::new(Shared::new().await);
    let rows: Vec<&'static Row> = SECTIONS.iter().flat_map(|section| section.rows).collect();
    let mut playing = Vec::new();
    for (number, row) in rows.iter().copied().enumerate() {
        let shared = Arc::clone(&shared);
        playing.push(tokio::spawn(async move { shared.play(number, row).await }));
    }
    let mut wrong = Vec::new();
    let mut played = Vec::new();
    for (number, (row, playing)) in rows.iter().zip(playing).enumerate() {
        match playing.await {
            Ok(seen) if seen.is(&row.sees) => played.push((number, row)),
            Ok(seen) => wrong.push(format!("{}: {seen:#?}", row.name)),
            Err(panic) => wrong.push(format!("{}: {panic}", row.name)),
        }
    }
    assert!(wrong.is_empty(), "{} rows do not hold:\n{}", wrong.len(), wrong.join("\n"));
    let travelled = audited(&shared.house).await;
    for (number, row) in played {
        assert_eq!(travelled[&lane::mount(number)], expected_audit(row), "each change is told once: {}", row.name);
    }
    let came = shared.elsewhere.accept().map_err(|error| error.kind());
    assert_eq!(came.err(), Some(std::io::ErrorKind::WouldBlock), "no redirect was followed");
    assert!(!shared.house.log().contains(MARK), "no value stands in the log");
    page::hold(SECTIONS);
}
