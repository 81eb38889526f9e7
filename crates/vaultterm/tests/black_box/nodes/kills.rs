//! Kills, freezes and cut connections of several servers on one database, and restarts of the database itself, while people
//! edit both sides and runs start by themselves.
//!
//! `VAULTTERM_NODE_KILLS` sets the number of disturbances. `cargo xtask kills --nodes 3` makes many.

use std::{
    cell::Cell,
    collections::BTreeMap,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::{Value, json};
use vaultterm_testkit::{CommitCut, OwnPostgres, PostgresBetween, PostgresStop, cut_connections};

use super::scene::{BEHIND_GATEWAY, Scene};
use crate::{
    house::PATIENCE,
    kills::{
        accounts::{Found, come_to_rest, in_step},
        number,
    },
};

/// All kinds of disturbances that are over at once, and some of those that are not.
const DISTURBANCES: u64 = FIRST.len() as u64;
/// How long a lease holds.
const LEASE: Duration = Duration::from_secs(30);
/// The time by which a waiting run may be late.
const SLACK: Duration = Duration::from_secs(5);
/// The disturbances at the beginning, so that a short test has each kind. Those after them are drawn.
const FIRST: [Disturbance; 9] = [
    Disturbance::Restart(PostgresStop::Immediate),
    Disturbance::CutCommit(CommitCut::BeforeAnswer),
    Disturbance::Kill,
    Disturbance::CutCommit(CommitCut::During),
    Disturbance::Freeze,
    Disturbance::Restart(PostgresStop::Fast),
    Disturbance::CutCommit(CommitCut::Before),
    Disturbance::CutConnections,
    Disturbance::Stop,
];

/// What happens to a server, or to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Disturbance {
    Kill,
    Freeze,
    FreezeForLong,
    CutConnections,
    CutCommit(CommitCut),
    Restart(PostgresStop),
    Stop,
}

struct World {
    scene: Scene,
    postgres: OwnPostgres,
    /// What stands between one server and the database.
    between: PostgresBetween,
    /// The server that is frozen, and the moment at which it goes on.
    frozen: Option<(usize, Instant)>,
    happened: BTreeMap<Disturbance, u64>,
    /// The longest time for which the database was away.
    away_max: Duration,
}

impl World {
    async fn new() -> Self {
        let postgres = OwnPostgres::start().await;
        let between = PostgresBetween::new(postgres.port()).await;
        let scene = Scene::new(&postgres, &between).await;
        let (frozen, happened, away_max) = (None, BTreeMap::new(), Duration::ZERO);
        Self { scene, postgres, between, frozen, happened, away_max }
    }

    fn frozen(&self) -> Option<usize> {
        self.frozen.map(|(server, _)| server)
    }

    /// Picks a server that answers.
    fn awake(&mut self) -> usize {
        let frozen = self.frozen();
        self.scene.another(frozen)
    }

    async fn edits(&mut self, number: u64) {
        let frozen = self.frozen();
        self.scene.edits(number, frozen).await;
        if let Some((server, _)) = self.frozen.take_if(|(_, until)| Instant::now() >= *until) {
            self.scene.servers[server].thaw();
        }
    }

    /// Picks a disturbance that is possible now.
    fn draw(&mut self, number: u64) -> Disturbance {
        let first = usize::try_from(number).ok().and_then(|number| FIRST.get(number).copied());
        let dice = &mut self.scene.dice;
        let drawn = first.unwrap_or_else(|| match dice.below(100) {
            0..30 => Disturbance::Kill,
            30..40 => Disturbance::Stop,
            40..50 => Disturbance::CutConnections,
            50..60 => Disturbance::Freeze,
            60..67 => Disturbance::FreezeForLong,
            67..85 => Disturbance::CutCommit(dice.pick(&CommitCut::ALL)),
            85..92 => Disturbance::Restart(PostgresStop::Fast),
            _ => Disturbance::Restart(PostgresStop::Immediate),
        });
        match (drawn, self.frozen()) {
            (Disturbance::Freeze | Disturbance::FreezeForLong, Some(_)) => Disturbance::Kill,
            (Disturbance::CutCommit(_), Some(BEHIND_GATEWAY)) => Disturbance::Kill,
            (possible, _) => possible,
        }
    }

    async fn disturb(&mut self, number: u64) {
        let disturbance = self.draw(number);
        let victim = self.awake();
        match disturbance {
            Disturbance::Kill => {
                self.scene.servers[victim].kill();
                // For a while there is one server less.
                if self.frozen.is_none() {
                    let number = self.scene.dice.below(4);
                    self.scene.edits(number, Some(victim)).await;
                }
                self.scene.servers[victim].start_again();
            }
            Disturbance::Stop => {
                self.scene.servers[victim].stop();
                self.scene.servers[victim].start_again();
            }
            Disturbance::Freeze | Disturbance::FreezeForLong => {
                let long = disturbance == Disturbance::FreezeForLong;
                let time = if long { LEASE + SLACK } else { Duration::from_secs(1 + self.scene.dice.below(8)) };
                self.scene.servers[victim].freeze();
                self.frozen = Some((victim, Instant::now() + time));
            }
            Disturbance::CutConnections => {
                let url = self.scene.servers[victim].setting("DATABASE_URL").expect("the servers are on PostgreSQL");
                cut_connections(&url).await;
            }
            Disturbance::CutCommit(cut) => self.cut_commit(cut).await,
            Disturbance::Restart(stop) => {
                let (frozen, began) = (self.frozen(), Instant::now());
                let restart = async {
                    self.postgres.restart(stop).await;
                    began.elapsed()
                };
                let (away, ()) = tokio::join!(restart, self.scene.edits(4, frozen));
                self.away_max = self.away_max.max(away);
            }
        }
        *self.happened.entry(disturbance).or_default() += 1;
    }

    /// People go on to edit at the server behind the gateway until one of its commits is cut.
    async fn cut_commit(&mut self, cut: CommitCut) {
        let in_turn = self.scene.dice.percent(70);
        let is_cut = Cell::new(false);
        let cutting = async {
            let cut = tokio::time::timeout(PATIENCE, self.between.cut(cut, in_turn)).await;
            is_cut.set(true);
            cut.expect("a commit came");
        };
        let editing = async {
            while !is_cut.get() {
                self.scene.edit_at(BEHIND_GATEWAY).await;
            }
        };
        tokio::join!(cutting, editing);
    }
}

/// Asserts that each run that was cut off was continued soon after it was closed. The database may have been away meanwhile.
fn each_was_continued(runs: &[Value], away_max: Duration) -> usize {
    let moment = |run: &Value, at: &str| run[at].as_str().expect("a moment").parse::<Timestamp>().expect("a moment");
    let mut cut_off = 0;
    for run in runs.iter().filter(|run| run["problems"].to_string().contains("lease_lost")) {
        cut_off += 1;
        let closed = moment(run, "finished_at");
        let later = runs.iter().filter(|next| next["connection_id"] == run["connection_id"]);
        let next = later.map(|next| moment(next, "started_at")).filter(|started| *started > moment(run, "started_at"));
        let next = next.min().expect("a later run");
        let waited = next.duration_since(closed).as_millis();
        assert!(waited <= (SLACK + away_max).as_millis().cast_signed(), "waited {waited} ms after {run:#}");
    }
    cut_off
}

// The gateway must go on while a server starts, for which the test waits without letting go of its thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn servers_that_are_killed_frozen_and_cut_off_lose_no_value_and_write_none_twice() {
    let (disturbances, began) = (number("VAULTTERM_NODE_KILLS", DISTURBANCES), Instant::now());
    let mut world = World::new().await;
    world.scene.begin().await;
    for disturbance in 1..=disturbances {
        let edits = 3 + world.scene.dice.below(8);
        world.edits(edits).await;
        world.disturb(disturbance - 1).await;
        if disturbance % 10 == 0 {
            let server = world.awake();
            let Scene { people, dice, servers, roads, .. } = &mut world.scene;
            people.decide(dice, &servers[server], roads).await;
            eprintln!("{disturbance} of {disturbances}, {:.0} s", began.elapsed().as_secs_f64());
        }
    }
    if let Some((server, _)) = world.frozen.take() {
        world.scene.servers[server].thaw();
    }
    let runs = come_to_rest(world.scene.first(), &world.scene.roads).await;
    let cut_off = each_was_continued(&runs, world.away_max);
    let Scene { servers, bao, roads, people, .. } = &world.scene;
    let house = world.scene.first();
    let mut found = Found::default();
    for road in roads {
        in_step(house, bao, road).await;
        found.look_through(house, bao, road).await;
    }
    let verdict = house.owner.post("/audit/verify", json!({})).await.expect(200).body;
    assert_eq!(verdict["ok"], true, "{verdict}");
    let book = people.book();
    let lost: Vec<_> = book.saved.iter().filter(|value| !found.has(value) && !book.let_go.contains(*value)).collect();
    assert!(lost.is_empty(), "{lost:?} cannot be had any more");
    assert!(found.twice.is_empty(), "written twice: {:?}", found.twice);
    for server in servers {
        let log = server.log();
        let failed: Vec<_> = log.lines().filter(|line| line.contains("status=500")).collect();
        assert!(failed.is_empty(), "a database that is away for a moment is no fault of the server: {failed:#?}");
    }
    eprintln!(
        "{disturbances} disturbances ({:?}) in {:.0} s: {} runs, {cut_off} of them cut off and continued; {} values saved and \
         found, {} more cut off; {} KV versions, none of them twice; the database was away for at most {:.1} s",
        world.happened,
        began.elapsed().as_secs_f64(),
        runs.len(),
        book.saved.len(),
        book.cut.len(),
        found.versions,
        world.away_max.as_secs_f64(),
    );
}
