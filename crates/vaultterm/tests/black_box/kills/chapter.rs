//! Fifty kills in a house, and the checks after them.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use futures_util::future::{Either, join_all, select};
use serde_json::{Value, json};
use vaultterm_testkit::openbao::{Held, OpenBao};

use super::{
    Tally, accounts,
    dice::Dice,
    people::People,
    road::{Mode, Road},
};
use crate::house::{House, PATIENCE};

/// The maximum number of runs until nothing is left to do.
const RUNS_TO_REST: usize = 8;
/// After this many kills, the runs may end once.
const REST_EVERY: u64 = 10;
/// The maximum number of edits during the three runs.
const EDITS_MAX: usize = 20;
/// The requests at which a kill is aimed, by a text in their first line. `{kv}` is the mount. They cover
/// every mode, and the places where Vault is read or written.
const AIMS: [&str; 5] = [
    "/v1/sys/health",
    "/v1/auth/approle/login",
    "/v1/sys/capabilities-self",
    // The listing, in all its forms.
    "metadata/",
    "/v1/auth/token/revoke-self",
];
const AIMS_AT_READS: [&str; 1] = ["GET /v1/{kv}/data/"];
const AIMS_AT_WRITES: [&str; 4] =
    ["GET /v1/{kv}/metadata/", "POST /v1/{kv}/data/", "POST /v1/{kv}/data/", "PATCH /v1/{kv}/metadata/"];
const AIMS_AT_ALL: [&str; 6] = [
    "GET /v1/{kv}/data/",
    "GET /v1/{kv}/metadata/",
    "POST /v1/{kv}/data/",
    "POST /v1/{kv}/data/",
    "POST /v1/{kv}/delete/",
    "PATCH /v1/{kv}/metadata/",
];

/// A house with three connections, an OpenBao, and the people who edit both sides.
pub(super) struct Chapter {
    house: House,
    bao: OpenBao,
    roads: Vec<Road>,
    people: People,
    dice: Dice,
    number: u64,
    /// The duration of the three runs together.
    length: Duration,
    tally: Tally,
    /// A held request of a server that is already dead.
    on_its_way: Option<Held>,
}

impl Chapter {
    pub(super) async fn new(number: u64) -> Self {
        let (house, bao) = tokio::join!(House::new(), OpenBao::start());
        let mut roads = Vec::new();
        for mode in Mode::ALL {
            roads.push(Road::new(&house, &bao, mode).await);
        }
        let (people, dice) = (People::default(), Dice::new(number));
        let (length, tally) = (Duration::ZERO, Tally::default());
        Self { house, bao, roads, people, dice, number, length, tally, on_its_way: None }
    }

    /// Plays the chapter to its end. Returns what happened in it.
    pub(super) async fn tell(mut self, kills: u64) -> Tally {
        for road in &self.roads {
            self.people.begin(&self.house, &self.bao, road).await;
        }
        for _ in 0..20 {
            self.edit().await;
        }
        self.let_runs_end().await;
        for kill in 1..=kills {
            for _ in 0..3 + self.dice.below(5) {
                self.edit().await;
            }
            self.run_and_kill().await;
            if kill % REST_EVERY == 0 {
                self.let_runs_end().await;
                let (found, decided) = self.people.decide(&mut self.dice, &self.house, &self.roads).await;
                self.tally.conflicts += found;
                self.tally.resolved += decided;
            }
        }
        self.on_its_way = None;
        self.come_to_rest().await;
        self.check().await;
        self.tally
    }

    async fn edit(&mut self) {
        let road = &self.roads[usize::try_from(self.dice.below(3)).expect("one of three")];
        self.people.edit(&mut self.dice, &self.house, &self.bao, road).await;
    }

    /// Starts the three runs, edits both sides during them, and kills the server.
    async fn run_and_kill(&mut self) {
        let before = join_all(self.roads.iter().map(|road| road.before(&self.house))).await;
        let aim = self.aim();
        let mut runs = Vec::new();
        for road in &self.roads {
            runs.push(road.start(&self.house).await);
        }
        // The held request of the earlier server reaches Vault in the middle of these runs.
        self.tally.late += u64::from(self.on_its_way.take().is_some());
        let wait = self.length.mul_f64(f64::from(u32::try_from(self.dice.below(60)).expect("small")) / 100.0);
        let held = match self.wait_for_the_moment(aim, wait).await {
            Some(held) if self.dice.percent(40) => {
                self.tally.answered += 1;
                held.let_through().await;
                None
            }
            held => held,
        };
        self.house.kill_and_restart();
        self.tally.kills += 1;
        self.tally.held += u64::from(held.is_some());
        // Half of the held requests reach Vault now, and the other half while other runs are in progress.
        self.on_its_way = held.filter(|_| self.dice.percent(50));
        for ((road, run), before) in self.roads.iter().zip(&runs).zip(&before) {
            let moment = road.moment(&self.house, run, before).await;
            *self.tally.moments.entry((road.mode, moment)).or_default() += 1;
        }
    }

    /// Aims most kills at a request of one connection.
    fn aim(&mut self) -> Option<Held> {
        let road = &self.roads[usize::try_from(self.dice.below(3)).expect("one of three")];
        let at = match (self.dice.below(100), road.mode) {
            (0..30, _) => return None,
            (30..50, _) => self.dice.pick(&AIMS),
            (_, Mode::Push) => self.dice.pick(&AIMS_AT_WRITES),
            (_, Mode::Pull) => self.dice.pick(&AIMS_AT_READS),
            (_, Mode::Bidirectional) => self.dice.pick(&AIMS_AT_ALL),
        };
        Some(road.between.hold(at.replace("{kv}", &road.mount)))
    }

    /// Edits both sides until the moment of the kill. Returns the request that is held at that moment.
    async fn wait_for_the_moment(&mut self, aim: Option<Held>, wait: Duration) -> Option<Held> {
        let length = self.length;
        let Self { house, bao, roads, people, dice, .. } = self;
        let edits = async {
            for _ in 0..EDITS_MAX {
                let road = &roads[usize::try_from(dice.below(3)).expect("one of three")];
                people.edit(dice, house, bao, road).await;
                tokio::time::sleep(length / 4).await;
            }
        };
        let moment = async {
            let Some(mut held) = aim else {
                tokio::time::sleep(wait).await;
                return None;
            };
            // The wait for the request has a limit, because these runs may not send it.
            let reached = tokio::time::timeout(length, held.reached()).await;
            reached.is_ok().then_some(held)
        };
        match select(pin!(moment), pin!(edits)).await {
            Either::Left((held, _)) => held,
            Either::Right(((), moment)) => moment.await,
        }
    }

    /// Runs all three connections once without a kill, and measures the duration.
    async fn let_runs_end(&mut self) -> Vec<Value> {
        let began = Instant::now();
        let runs = join_all(self.roads.iter().map(|road| async {
            let id = road.start(&self.house).await;
            let ended = async || {
                let run = self.house.owner.get(&format!("/runs/{id}")).await.expect(200).body;
                (run["state"] != "running").then_some(run)
            };
            self.house.until("the run ends", ended).await
        }));
        let runs = runs.await;
        self.length = began.elapsed();
        assert!(self.length < PATIENCE, "three runs take {:?}", self.length);
        self.tally.ended += runs.len() as u64;
        for run in &runs {
            assert!(matches!(run["state"].as_str(), Some("succeeded" | "partial")), "{run:#}");
        }
        runs
    }

    /// Runs the connections until there is nothing left to do.
    async fn come_to_rest(&mut self) {
        let idle = |name: &str| matches!(name, "unchanged" | "conflicts" | "skipped");
        for _ in 0..RUNS_TO_REST {
            let runs = self.let_runs_end().await;
            let rests = |run: &Value| {
                let counts = run["counts"].as_object().expect("counts");
                run["state"] == "succeeded" && counts.iter().all(|(name, count)| idle(name) || *count == 0)
            };
            if runs.iter().all(rests) {
                return;
            }
        }
        panic!("chapter {}: {RUNS_TO_REST} runs did not come to rest", self.number);
    }

    /// Checks the conditions that must hold in every case.
    async fn check(&mut self) {
        let (house, bao, number) = (&self.house, &self.bao, self.number);
        let mut found = accounts::Found::default();
        for road in &self.roads {
            accounts::in_step(house, bao, road).await;
            found.look_through(house, bao, road).await;
        }
        let verdict = house.owner.post("/audit/verify", json!({})).await.expect(200).body;
        assert_eq!(verdict["ok"], true, "{verdict}");
        let book = self.people.book();
        let lost: Vec<_> =
            book.saved.iter().filter(|value| !found.has(value) && !book.let_go.contains(*value)).collect();
        assert!(lost.is_empty(), "chapter {number}: {lost:?} cannot be had any more");
        assert!(found.twice.is_empty(), "chapter {number}: written twice: {:?}", found.twice);
        self.tally.saved = book.saved.len() as u64;
        self.tally.cut = book.cut.len() as u64;
        self.tally.versions = found.versions;
    }
}
