//! Several servers on one database that a test may restart, and the people who edit both sides through them. One server
//! reaches the database through a gateway, and the clock of another one is an hour off.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::json;
use vaultterm_testkit::{OwnPostgres, PostgresBetween, openbao::OpenBao};

use crate::{
    house::House,
    kills::{
        dice::Dice,
        number,
        people::People,
        road::{Mode, Road},
    },
};

const SERVERS: u64 = 3;
/// Connections of each mode.
const OF_EACH_MODE: usize = 2;
/// The place of the server behind the gateway.
pub(super) const BEHIND_GATEWAY: usize = 0;
/// How far the clock of a server is off, as libfaketime reads it.
const CLOCKS: [&str; 2] = ["+3600s", "-3600s"];

/// The servers, and the people.
pub(super) struct Scene {
    pub(super) servers: Vec<House>,
    pub(super) bao: OpenBao,
    pub(super) roads: Vec<Road>,
    pub(super) people: People,
    pub(super) dice: Dice,
}

impl Scene {
    pub(super) async fn new(postgres: &OwnPostgres, between: &PostgresBetween) -> Self {
        let mut dice = Dice::new(number("VAULTTERM_NODE_SEED", 1));
        let url = postgres.fresh_database().await;
        let settings = [("DATABASE_URL", url.as_str())];
        let (first, bao) = tokio::join!(House::configured(&settings), OpenBao::start());
        let mut roads = Vec::new();
        for mode in Mode::ALL {
            for n in 0..OF_EACH_MODE {
                let name = format!("{}-{n}", mode.as_str());
                let options = json!({"interval_seconds": 3, "on_change": true});
                roads.push(Road::named(&first, &bao, mode, (&name, options)).await);
            }
        }
        let count = number("VAULTTERM_NODES", SERVERS);
        let mut servers = Vec::new();
        for n in 1..count {
            let mut settings = Vec::new();
            if servers.len() == BEHIND_GATEWAY {
                settings.push(("DATABASE_URL".to_owned(), between.seen_through(&url)));
            }
            if n == count - 1 {
                settings.extend(wrong_clock(dice.pick(&CLOCKS)));
            }
            servers.push(first.beside_with(&settings));
        }
        servers.push(first);
        Self { servers, bao, roads, people: People::default(), dice }
    }

    /// Returns the server that was set up first.
    pub(super) fn first(&self) -> &House {
        self.servers.last().expect("there are several servers")
    }

    /// People begin, and each connection runs for the first time.
    pub(super) async fn begin(&mut self) {
        for road in &self.roads {
            self.people.begin(self.first(), &self.bao, road).await;
            road.start(self.first()).await;
        }
        if preload().is_none() {
            eprintln!("all clocks are right, because libfaketime is not installed");
            return;
        }
        let first = self.first();
        let noticed = async || {
            let health = first.owner.get("/health").await.body;
            health.to_string().contains("the clock of its machine is 3").then_some(())
        };
        first.until("the servers notice the clock that is an hour off", noticed).await;
    }

    pub(super) fn any(&mut self, bound: usize) -> usize {
        usize::try_from(self.dice.below(bound as u64)).expect("small")
    }

    /// Picks a server other than this one.
    pub(super) fn another(&mut self, not: Option<usize>) -> usize {
        loop {
            let server = self.any(self.servers.len());
            if Some(server) != not {
                return server;
            }
        }
    }

    /// People make edits through all servers but one.
    pub(super) async fn edits(&mut self, number: u64, not: Option<usize>) {
        for _ in 0..number {
            let server = self.another(not);
            self.edit_at(server).await;
        }
    }

    /// People make an edit through a server.
    pub(super) async fn edit_at(&mut self, server: usize) {
        let road = self.any(self.roads.len());
        let Self { servers, bao, roads, people, dice } = self;
        people.edit(dice, &servers[server], bao, &roads[road]).await;
    }
}

/// Returns the variables of a server whose clock is off. Returns none if libfaketime is not installed.
fn wrong_clock(off: &str) -> Vec<(String, String)> {
    let Some(library) = preload() else { return Vec::new() };
    let library = library.display().to_string();
    // Timeouts go on as before, and the times of files are true: only the clock is off.
    [("LD_PRELOAD", library.as_str()), ("FAKETIME", off), ("FAKETIME_DONT_FAKE_MONOTONIC", "1"), ("NO_FAKE_STAT", "1")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// Returns the library that `cargo xtask` installs from Debian's package libfaketime.
fn preload() -> Option<PathBuf> {
    let inside = |folder: &Path| folder.join("faketime/libfaketimeMT.so.1");
    let folders = fs::read_dir("/usr/lib").ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    folders.map(|folder| inside(&folder)).find(|library| library.exists())
}
