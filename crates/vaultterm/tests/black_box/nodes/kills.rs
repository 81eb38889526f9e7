//! Kills, freezes and cut connections of several servers on one database, while people edit both sides and runs start by
//! themselves.
//!
//! `VAULTTERM_NODE_KILLS` sets the number of disturbances. `cargo xtask kills --nodes 3` makes many.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::{Value, json};
use vaultterm_testkit::{cut_connections, openbao::OpenBao};

use crate::{
    house::House,
    kills::{
        accounts::{Found, in_step},
        dice::Dice,
        number,
        people::People,
        road::{Mode, Road},
    },
};

const DISTURBANCES: u64 = 6;
const SERVERS: u64 = 3;
/// Connections of each mode.
const OF_EACH_MODE: usize = 2;
/// How long a lease holds.
const LEASE: Duration = Duration::from_secs(30);
/// The time by which a waiting run may be late.
const SLACK: Duration = Duration::from_secs(5);
/// The time that everything may take to come to rest: leases must expire, and runs must heal what was cut off.
const REST_WITHIN: Duration = Duration::from_secs(180);

/// What happens to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Disturbance {
    Kill,
    Freeze,
    FreezeForLong,
    CutConnections,
    Stop,
}

struct World {
    servers: Vec<House>,
    bao: OpenBao,
    roads: Vec<Road>,
    people: People,
    dice: Dice,
    /// The server that is frozen, and the moment at which it goes on.
    frozen: Option<(usize, Instant)>,
    happened: BTreeMap<Disturbance, u64>,
}

impl World {
    async fn new() -> Self {
        let (first, bao) = tokio::join!(House::new(), OpenBao::start());
        let mut roads = Vec::new();
        for mode in Mode::ALL {
            for n in 0..OF_EACH_MODE {
                let name = format!("{}-{n}", mode.as_str());
                let options = json!({"interval_seconds": 3, "on_change": true});
                roads.push(Road::named(&first, &bao, mode, (&name, options)).await);
            }
        }
        let mut servers: Vec<_> = (1..number("VAULTTERM_NODES", SERVERS)).map(|_| first.beside()).collect();
        servers.push(first);
        let (people, dice) = (People::default(), Dice::new(number("VAULTTERM_NODE_SEED", 1)));
        Self { servers, bao, roads, people, dice, frozen: None, happened: BTreeMap::new() }
    }

    fn first(&self) -> &House {
        self.servers.last().expect("there are several servers")
    }

    fn any(&mut self, bound: usize) -> usize {
        usize::try_from(self.dice.below(bound as u64)).expect("small")
    }

    /// Picks a server that answers.
    fn awake(&mut self) -> usize {
        let frozen = self.frozen.map(|(server, _)| server);
        loop {
            let server = self.any(self.servers.len());
            if Some(server) != frozen {
                return server;
            }
        }
    }

    /// People begin, and each connection runs for the first time.
    async fn begin(&mut self) {
        for road in &self.roads {
            self.people.begin(self.first(), &self.bao, road).await;
            road.start(self.first()).await;
        }
    }

    async fn edits(&mut self, number: u64) {
        for _ in 0..number {
            let (server, road) = (self.awake(), self.any(self.roads.len()));
            let Self { servers, bao, roads, people, dice, .. } = self;
            people.edit(dice, &servers[server], bao, &roads[road]).await;
        }
        self.thaw_if_due();
    }

    fn thaw_if_due(&mut self) {
        if let Some((server, _)) = self.frozen.take_if(|(_, until)| Instant::now() >= *until) {
            self.servers[server].thaw();
        }
    }

    async fn disturb(&mut self) {
        let disturbance = match self.dice.below(100) {
            0..45 => Disturbance::Kill,
            45..60 => Disturbance::Stop,
            60..75 => Disturbance::CutConnections,
            75..90 if self.frozen.is_none() => Disturbance::Freeze,
            90..100 if self.frozen.is_none() => Disturbance::FreezeForLong,
            _ => Disturbance::Kill,
        };
        let victim = self.awake();
        match disturbance {
            Disturbance::Kill => {
                self.servers[victim].kill();
                // For a while there is one server less.
                if self.frozen.is_none() {
                    let others: Vec<_> = (0..self.servers.len()).filter(|server| *server != victim).collect();
                    for _ in 0..self.dice.below(4) {
                        let (server, road) = (others[self.any(others.len())], self.any(self.roads.len()));
                        let Self { servers, bao, roads, people, dice, .. } = self;
                        people.edit(dice, &servers[server], bao, &roads[road]).await;
                    }
                }
                self.servers[victim].start_again();
            }
            Disturbance::Stop => {
                self.servers[victim].stop();
                self.servers[victim].start_again();
            }
            Disturbance::Freeze | Disturbance::FreezeForLong => {
                let long = disturbance == Disturbance::FreezeForLong;
                let time = if long { LEASE + SLACK } else { Duration::from_secs(1 + self.dice.below(8)) };
                self.servers[victim].freeze();
                self.frozen = Some((victim, Instant::now() + time));
            }
            Disturbance::CutConnections => {
                let url = self.servers[victim].setting("DATABASE_URL").expect("the servers are on PostgreSQL");
                cut_connections(&url).await;
            }
        }
        *self.happened.entry(disturbance).or_default() += 1;
    }

    /// Waits until two runs in a row of each connection found nothing to do, and returns all runs.
    async fn come_to_rest(&mut self) -> Vec<Value> {
        if let Some((server, _)) = self.frozen.take() {
            self.servers[server].thaw();
        }
        let idle = |name: &str| matches!(name, "unchanged" | "conflicts" | "skipped");
        let rests = |run: &Value| {
            let counts = run["counts"].as_object().expect("counts");
            run["state"] == "succeeded" && counts.iter().all(|(name, count)| idle(name) || *count == 0)
        };
        let began = Timestamp::from_nanosecond(vaultterm_sync::system_time().0.into()).expect("a moment");
        let waits = Instant::now();
        let mut all = Vec::new();
        for road in &self.roads {
            let path = format!("/connections/{}/runs?limit=500", road.connection);
            loop {
                let runs = self.first().owner.items(&path).await;
                let newest: Vec<_> = runs.iter().take(2).collect();
                let is_later = |run: &&Value| run["started_at"].as_str().expect("a moment") > &*began.to_string();
                if newest.len() == 2 && newest.iter().all(|run| is_later(run) && rests(run)) {
                    all.extend(runs);
                    break;
                }
                let mode = road.mode.as_str();
                assert!(waits.elapsed() < REST_WITHIN, "a connection ({mode}) does not come to rest: {newest:#?}");
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        }
        all
    }
}

/// Asserts that each run that was cut off was continued soon after it was closed.
fn each_was_continued(runs: &[Value]) -> usize {
    let moment = |run: &Value, at: &str| run[at].as_str().expect("a moment").parse::<Timestamp>().expect("a moment");
    let mut cut_off = 0;
    for run in runs.iter().filter(|run| run["problems"].to_string().contains("lease_lost")) {
        cut_off += 1;
        let closed = moment(run, "finished_at");
        let later = runs.iter().filter(|next| next["connection_id"] == run["connection_id"]);
        let next = later.map(|next| moment(next, "started_at")).filter(|started| *started > moment(run, "started_at"));
        let next = next.min().expect("a later run");
        let waited = next.duration_since(closed).as_millis();
        assert!(waited <= SLACK.as_millis().cast_signed(), "waited {waited} ms after {run:#}");
    }
    cut_off
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn servers_that_are_killed_frozen_and_cut_off_lose_no_value_and_write_none_twice() {
    let (disturbances, began) = (number("VAULTTERM_NODE_KILLS", DISTURBANCES), Instant::now());
    let mut world = World::new().await;
    world.begin().await;
    for disturbance in 1..=disturbances {
        let edits = 3 + world.dice.below(8);
        world.edits(edits).await;
        world.disturb().await;
        if disturbance % 10 == 0 {
            let server = world.awake();
            let World { people, dice, servers, roads, .. } = &mut world;
            people.decide(dice, &servers[server], roads).await;
            eprintln!("{disturbance} of {disturbances}, {:.0} s", began.elapsed().as_secs_f64());
        }
    }
    let runs = world.come_to_rest().await;
    let cut_off = each_was_continued(&runs);
    let house = world.first();
    let mut found = Found::default();
    for road in &world.roads {
        in_step(house, &world.bao, road).await;
        found.look_through(house, &world.bao, road).await;
    }
    let verdict = house.owner.post("/audit/verify", json!({})).await.expect(200).body;
    assert_eq!(verdict["ok"], true, "{verdict}");
    let book = world.people.book();
    let lost: Vec<_> = book.saved.iter().filter(|value| !found.has(value) && !book.let_go.contains(*value)).collect();
    assert!(lost.is_empty(), "{lost:?} cannot be had any more");
    assert!(found.twice.is_empty(), "written twice: {:?}", found.twice);
    eprintln!(
        "{disturbances} disturbances ({:?}) in {:.0} s: {} runs, {cut_off} of them cut off and continued; {} values saved and \
         found, {} more cut off; {} KV versions, none of them twice",
        world.happened,
        began.elapsed().as_secs_f64(),
        runs.len(),
        book.saved.len(),
        book.cut.len(),
        found.versions,
    );
}
