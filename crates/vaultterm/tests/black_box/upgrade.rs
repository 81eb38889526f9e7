//! An installation of an older version is upgraded while people and runs work with it: on a file, and on a PostgreSQL server.
//!
//! `VAULTTERM_OLDER` names the binary of a version that has the database for itself. `cargo xtask upgrade --from REVISION`
//! builds it and runs these tests.

use std::{
    collections::BTreeMap,
    env,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use vaultterm_testkit::openbao::OpenBao;

use crate::{
    guest::Guest,
    house::{House, IN_A_FILE, binary},
    kills::{
        accounts::{Found, come_to_rest, in_step},
        dice::Dice,
        people::People,
        road::{Mode, Road},
    },
};

/// A server ends ten seconds after it was asked to, at the latest. The new one migrates the database and starts in the rest.
const AWAY_MAX: Duration = Duration::from_secs(15);
/// A client that works while nothing happens to the server never waits for so long.
const QUIET_MAX: Duration = Duration::from_secs(3);

/// A client that writes and reads all the time, and what it saw.
struct Traffic {
    address: Arc<Mutex<String>>,
    ends: Arc<AtomicBool>,
    task: JoinHandle<Seen>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Clone, Debug, Default)]
struct Seen {
    /// The values that were saved, by path.
    saved: BTreeMap<String, String>,
    /// The number of reads that returned what was saved.
    read: u64,
    /// The number of requests that the server refused with 503, and of those to which nobody answered.
    refused: u64,
    unanswered: u64,
    /// The longest time between two requests that were carried out.
    longest: Duration,
}

impl Traffic {
    /// Begins to make records in a collection, each of which is read again.
    fn begin(guest: &Guest, collection: &str) -> Self {
        let address = Arc::new(Mutex::new(guest.address.clone()));
        let (ends, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Seen::default())));
        let client = Client { guest: guest.clone(), address: Arc::clone(&address), seen: Arc::clone(&seen) };
        let (stop, collection) = (Arc::clone(&ends), collection.to_owned());
        let task = tokio::spawn(async move {
            let mut number = 0;
            let mut worked = Instant::now();
            while !stop.load(Ordering::Relaxed) {
                number += 1;
                client.save_and_read(&collection, number, &mut worked).await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            client.seen.lock().expect("nothing panics with it").clone()
        });
        Self { address, ends, task, seen }
    }

    fn seen(&self) -> Seen {
        self.seen.lock().expect("nothing panics with it").clone()
    }

    /// Goes on at another server.
    fn move_to(&self, house: &House) {
        self.address.lock().expect("nothing panics with it").clone_from(&house.address);
    }

    async fn end(self) -> Seen {
        self.ends.store(true, Ordering::Relaxed);
        self.task.await.expect("the client does not panic")
    }
}

struct Client {
    guest: Guest,
    address: Arc<Mutex<String>>,
    seen: Arc<Mutex<Seen>>,
}

impl Client {
    async fn save_and_read(&self, collection: &str, number: u32, worked: &mut Instant) {
        let (path, value) = (format!("t{number}"), format!("traffic-{number}"));
        let body = json!({"path": path, "type": "KEY_VALUE", "fields": {"v": value}});
        let made = self.post(&format!("/collections/{collection}/records"), &body, StatusCode::CREATED, worked).await;
        let Some(id) = made.as_ref().and_then(|made| made["id"].as_str()) else { return };
        self.seen.lock().expect("nothing panics with it").saved.insert(path, value.clone());
        let shown = self.post(&format!("/records/{id}/reveal"), &json!({}), StatusCode::OK, worked).await;
        if let Some(shown) = shown {
            assert_eq!(shown["fields"]["v"], json!(value));
            self.seen.lock().expect("nothing panics with it").read += 1;
        }
    }

    /// Sends a request. Returns nothing if it was refused for the moment, or if nobody answered.
    async fn post(&self, path: &str, body: &Value, expected: StatusCode, worked: &mut Instant) -> Option<Value> {
        let url = format!("{}/api/v1{path}", self.address.lock().expect("nothing panics with it"));
        let request = self.guest.http.post(url).bearer_auth(self.guest.token.as_deref().unwrap_or_default());
        let answer = request.header("content-type", "application/json").body(body.to_string()).send().await;
        let text = match answer {
            Ok(answer) if answer.status() == expected => answer.text().await.ok(),
            Ok(answer) => {
                assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}: {answer:?}");
                self.seen.lock().expect("nothing panics with it").refused += 1;
                return None;
            }
            Err(_) => None,
        };
        let mut seen = self.seen.lock().expect("nothing panics with it");
        let Some(text) = text else {
            seen.unanswered += 1;
            return None;
        };
        seen.longest = seen.longest.max(worked.elapsed());
        *worked = Instant::now();
        serde_json::from_str(&text).ok()
    }
}

/// Upgrades an installation of the older version. `waits_for` is what the new version says while an older server runs.
async fn upgrades_with_traffic(settings: &[(&str, &str)], waits_for: &str) -> House {
    let older = PathBuf::from(env::var_os("VAULTTERM_OLDER").expect("VAULTTERM_OLDER names a binary"));
    let (mut house, bao) = tokio::join!(House::of_a_binary(&older, settings), OpenBao::start());
    let (people, mut dice, mut roads) = (People::default(), Dice::new(1), Vec::new());
    for mode in Mode::ALL {
        let options = json!({"interval_seconds": 2, "on_change": true});
        roads.push(Road::named(&house, &bao, mode, (mode.as_str(), options)).await);
    }
    for road in &roads {
        people.begin(&house, &bao, road).await;
        road.start(&house).await;
    }
    let traffic = Traffic::begin(&house.owner, &roads[0].collection);
    for n in 0..30 {
        people.edit(&mut dice, &house, &bao, &roads[n % roads.len()]).await;
    }
    // The new version changes nothing while the older one is at work, and says why.
    for _ in 0..2 {
        let said = house.refuses(&binary(), &["serve", "--listen", "127.0.0.1:0"]);
        assert!(said.contains(waits_for), "{said}");
        let doctor = house.refuses(&binary(), &["doctor"]);
        assert!(doctor.contains("a server of an older version runs on the database"), "{doctor}");
        assert!(doctor.contains("it has schema 26"), "{doctor}");
    }
    let seen = traffic.seen();
    assert_eq!((seen.refused, seen.unanswered), (0, 0), "clients notice nothing of it: {seen:?}");
    assert!(seen.longest < QUIET_MAX && seen.read > 0, "{:?}", seen.longest);
    for n in 0..10 {
        people.edit(&mut dice, &house, &bao, &roads[n % roads.len()]).await;
    }
    let began = Instant::now();
    house.stop();
    let stopped = began.elapsed();
    house.upgrade();
    house.start_again();
    traffic.move_to(&house);
    let started = began.elapsed();
    for n in 0..30 {
        people.edit(&mut dice, &house, &bao, &roads[n % roads.len()]).await;
    }
    let seen = traffic.end().await;
    assert!(seen.longest < AWAY_MAX, "clients were without an answer for {:?}", seen.longest);
    account(&house, &bao, &roads, (&people, &seen)).await;
    let verdict = house.owner.post("/audit/verify", json!({})).await.expect(200).body;
    assert_eq!(verdict["ok"], true, "{verdict}");
    assert_eq!(house.cli_json(&["doctor"])["ok"], true);
    let said = house.refuses(&older, &["serve", "--listen", "127.0.0.1:0"]);
    eprintln!(
        "the older server stopped within {:.1} s, and the new one answered {:.1} s after the word to stop; a client that \
         writes and reads all the time was without an answer for {:.1} s ({} requests refused, {} unanswered); an older server \
         that starts later says: {}",
        stopped.as_secs_f64(),
        started.as_secs_f64(),
        seen.longest.as_secs_f64(),
        seen.refused,
        seen.unanswered,
        said.lines().find(|line| line.starts_with("caused by")).unwrap_or_default(),
    );
    house
}

/// Asserts that each value that was saved is there, that nothing was written twice, and that both sides are in step.
async fn account(house: &House, bao: &OpenBao, roads: &[Road], (people, seen): (&People, &Seen)) {
    let runs = come_to_rest(house, roads).await;
    let mut found = Found::default();
    for road in roads {
        in_step(house, bao, road).await;
        found.look_through(house, bao, road).await;
    }
    let kept = house.values(&roads[0].collection).await;
    let missing: Vec<_> = seen.saved.iter().filter(|(path, value)| kept[*path] != json!({ "v": value })).collect();
    assert!(missing.is_empty(), "{missing:?} were saved");
    let book = people.book();
    let lost: Vec<_> = book.saved.iter().filter(|value| !found.has(value) && !book.let_go.contains(*value)).collect();
    assert!(lost.is_empty(), "{lost:?} cannot be had any more");
    assert!(found.twice.is_empty(), "written twice: {:?}", found.twice);
    eprintln!(
        "{} values of people and {} of a client, all of them there; {} runs, {} KV versions, none of them twice",
        book.saved.len(),
        seen.saved.len(),
        runs.len(),
        found.versions,
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a binary of an older version: cargo xtask upgrade"]
async fn an_installation_in_a_file_is_upgraded_with_traffic() {
    upgrades_with_traffic(&[IN_A_FILE], "another server runs on").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a binary of an older version: cargo xtask upgrade"]
async fn an_installation_on_a_database_server_is_upgraded_with_traffic_and_gets_a_second_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = vaultterm_testkit::fresh_database(folder.path()).await;
    assert!(vaultterm_testkit::on_postgres(), "this test needs {}", vaultterm_testkit::POSTGRES);
    let house = upgrades_with_traffic(&[("DATABASE_URL", &url)], "too old for the schema of this version").await;
    let other = house.beside();
    let collection = other.collection("of the second server").await;
    let id = other.record(&collection, "a", json!({"v": "1"})).await;
    house.owner.post(&format!("/records/{id}/reveal"), json!({})).await.expect(200);
}
