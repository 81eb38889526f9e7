//! The accounts at the end of a chapter: where every value is, what was written twice, and whether both sides
//! are in step.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::{Value, json};
use vaultterm_testkit::openbao::OpenBao;

use super::{
    people::texts,
    road::{Mode, Road},
};
use crate::house::House;

/// The time that everything may take to come to rest: leases must expire, and runs must heal what was cut off.
const REST_WITHIN: Duration = Duration::from_secs(180);

/// The values that can be read from any revision of a record, and from any live version of a secret.
#[derive(Default)]
pub(crate) struct Found {
    values: BTreeSet<String>,
    /// The secrets that have two consecutive live versions with the same content.
    pub(crate) twice: Vec<String>,
    pub(crate) versions: u64,
}

impl Found {
    pub(crate) fn has(&self, value: &str) -> bool {
        self.values.contains(value)
    }

    pub(crate) async fn look_through(&mut self, house: &House, bao: &OpenBao, road: &Road) {
        for state in ["live", "trash"] {
            for record in road.records(house, state).await {
                self.look_through_record(house, record["id"].as_str().expect("an id")).await;
            }
        }
        for (path, info) in road.keys(bao).await {
            let newest = info["current_version"].as_u64().expect("a number");
            let mut before = None;
            for version in 1..=newest {
                let data = road.version(bao, &path, version).await;
                if data.is_some() && data == before {
                    self.twice.push(format!("{}/{path} v{version}", road.mount));
                }
                data.iter().for_each(|data| texts(data, &mut self.values));
                before = data;
                self.versions += 1;
            }
        }
    }

    async fn look_through_record(&mut self, house: &House, id: &str) {
        for revision in house.owner.items(&format!("/records/{id}/revisions?limit=500")).await {
            let body = json!({"revision": revision["revision"]});
            let revealed = house.owner.post(&format!("/records/{id}/reveal"), body).await.expect(200).body;
            texts(&revealed, &mut self.values);
        }
    }
}

/// Waits until two runs in a row of each connection found nothing to do, and returns all runs.
pub(crate) async fn come_to_rest(house: &House, roads: &[Road]) -> Vec<Value> {
    let idle = |name: &str| matches!(name, "unchanged" | "conflicts" | "skipped");
    let rests = |run: &Value| {
        let counts = run["counts"].as_object().expect("counts");
        run["state"] == "succeeded" && counts.iter().all(|(name, count)| idle(name) || *count == 0)
    };
    let began = Timestamp::from_nanosecond(vaultterm_sync::system_time().0.into()).expect("a moment");
    let waits = Instant::now();
    let mut all = Vec::new();
    for road in roads {
        let path = format!("/connections/{}/runs?limit=500", road.connection);
        loop {
            let runs = house.owner.items(&path).await;
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

/// Asserts that both sides are equal as far as the mode demands it, or that a conflict is open.
pub(crate) async fn in_step(house: &House, bao: &OpenBao, road: &Road) {
    let open = format!("/conflicts?status=open&limit=500&connection_id={}", road.connection);
    let open = house.owner.items(&open).await;
    let listed: BTreeSet<_> = open.iter().map(|conflict| conflict["path"].as_str().expect("a path")).collect();
    let local: BTreeMap<String, Value> = house.values(&road.collection).await.into_iter().collect();
    let mut remote = BTreeMap::new();
    for (path, info) in road.keys(bao).await {
        let newest = info["current_version"].as_u64().expect("a number");
        if let Some(data) = road.version(bao, &path, newest).await {
            remote.insert(path, data);
        }
    }
    let paths: BTreeSet<_> = match road.mode {
        Mode::Push => local.keys().collect(),
        Mode::Pull => remote.keys().collect(),
        Mode::Bidirectional => local.keys().chain(remote.keys()).collect(),
    };
    for path in paths {
        if !listed.contains(path.as_str()) {
            let mode = road.mode.as_str();
            assert_eq!(local.get(path), remote.get(path), "{mode}: {path} is in step, or listed");
        }
    }
}
