//! A connection of a chapter: a collection, a mount, and the gateway between them. The gateway shows what a
//! run was doing when it was killed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use vaultterm_testkit::openbao::{AppRole, Between, Exchange, OpenBao};

use crate::{house::House, town::PREFIX};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mode {
    Push,
    Pull,
    Bidirectional,
}

impl Mode {
    pub(crate) const ALL: [Self; 3] = [Self::Push, Self::Pull, Self::Bidirectional];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Pull => "pull",
            Self::Bidirectional => "bidirectional",
        }
    }
}

/// What a run was doing when it was killed, as far as its requests show. Its writes to its own database are
/// not visible, and in a pull those are its only writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Moment {
    BeforeLogin,
    LookingAround,
    Observing,
    Applying,
    /// A write was answered but not recorded.
    Unrecorded,
    Closing,
    Ended,
}

impl Moment {
    pub(crate) const ALL: [Self; 7] = [
        Self::BeforeLogin,
        Self::LookingAround,
        Self::Observing,
        Self::Applying,
        Self::Unrecorded,
        Self::Closing,
        Self::Ended,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::BeforeLogin => "before the login",
            Self::LookingAround => "between login and listing",
            Self::Observing => "observing",
            Self::Applying => "applying",
            Self::Unrecorded => "between a write and its record",
            Self::Closing => "closing",
            Self::Ended => "after its end",
        }
    }
}

/// A connection.
pub(crate) struct Road {
    pub(crate) mode: Mode,
    pub(crate) between: Between,
    pub(crate) mount: String,
    pub(crate) collection: String,
    pub(crate) connection: String,
}

/// A number of versions that no chapter reaches, because Vault would otherwise evict versions that the test
/// must account for.
const VERSIONS_MAX: u32 = 10_000;

impl Road {
    /// Connects a new collection and a new mount, both named after the mode. No run starts by itself.
    pub(crate) async fn new(house: &House, bao: &OpenBao, mode: Mode) -> Self {
        Self::named(house, bao, mode, (mode.as_str(), json!({"interval_seconds": 0, "on_change": false}))).await
    }

    /// Does the same with another name and with options.
    pub(crate) async fn named(house: &House, bao: &OpenBao, mode: Mode, (name, options): (&str, Value)) -> Self {
        let mount = format!("kv-{name}");
        bao.root().mount_kv(&mount, 2).await;
        bao.root().call("POST", &format!("{mount}/config"), Some(json!({"max_versions": VERSIONS_MAX}))).await;
        let between = Between::new(bao.port()).await;
        let scope = json!({"mount": mount, "path": PREFIX, "mode": mode.as_str(), "flavor": bao.flavor()});
        let policy = house.owner.post("/connections/policy", scope).await.expect(200);
        let policy = policy.body["hcl"].as_str().expect("a policy").to_owned();
        let credentials = bao.root().make_role(AppRole { name: &mount, policy: &policy, more: Value::Null }).await;
        let collection = house.collection(name).await;
        let settings = json!({
            "name": name, "collection_id": collection, "address": between.address(),
            "auth": {"role_id": credentials.role_id, "secret_id": credentials.secret_id},
            "mount": mount, "path": PREFIX, "mode": mode.as_str(),
            "options": options,
        });
        let connection = house.owner.post("/connections", settings).await.expect(201).id();
        Self { mode, between, mount, collection, connection }
    }

    /// Starts a run and returns its id.
    pub(crate) async fn start(&self, house: &House) -> String {
        house.owner.post(&format!("/connections/{}/runs", self.connection), json!({})).await.expect(202).id()
    }

    /// Returns what a run was doing, from its requests and from the state that was recorded before it.
    pub(crate) async fn moment(&self, house: &House, run: &str, before: &Before) -> Moment {
        let state = house.owner.get(&format!("/runs/{run}")).await.expect(200).body["state"].clone();
        if matches!(state.as_str(), Some("succeeded" | "partial" | "halted")) {
            return Moment::Ended;
        }
        let exchanges = self.between.exchanges().split_off(before.requests);
        let asked = |text: &str| exchanges.iter().any(|exchange| exchange.line.contains(text));
        if asked("/v1/auth/token/revoke-self") {
            return Moment::Closing;
        }
        let recorded = self.recorded(house).await;
        if written(&self.mount, &exchanges).iter().any(|path| recorded.get(path) == before.recorded.get(path)) {
            return Moment::Unrecorded;
        }
        if asked("PATCH ") || asked(&format!("POST /v1/{}/", self.mount)) {
            return Moment::Applying;
        }
        if asked("metadata/") {
            return Moment::Observing;
        }
        if asked("/v1/auth/approle/login") { Moment::LookingAround } else { Moment::BeforeLogin }
    }

    /// Returns the state before a run.
    pub(crate) async fn before(&self, house: &House) -> Before {
        Before { requests: self.between.seen().len(), recorded: self.recorded(house).await }
    }

    /// Returns the version with which each live record was last in step.
    async fn recorded(&self, house: &House) -> BTreeMap<String, u64> {
        let version = |record: Value| {
            let sync = record["sync"].as_array()?.first()?.clone();
            Some((record["path"].as_str()?.to_owned(), sync["remote_version"].as_u64()?))
        };
        self.records(house, "live").await.into_iter().filter_map(version).collect()
    }

    pub(crate) async fn records(&self, house: &House, state: &str) -> Vec<Value> {
        house.owner.items(&format!("/collections/{}/records?limit=500&state={state}", self.collection)).await
    }

    /// Returns all keys with their metadata.
    pub(crate) async fn keys(&self, bao: &OpenBao) -> BTreeMap<String, Value> {
        bao.root().metadata_below(&self.mount, PREFIX).await
    }

    /// Reads a version. Returns `None` if it is not live.
    pub(crate) async fn version(&self, bao: &OpenBao, path: &str, version: u64) -> Option<Value> {
        let path = format!("{}/data/{PREFIX}/{path}?version={version}", self.mount);
        let (status, answer) = bao.root().try_call("GET", &path, None).await;
        status.is_success().then(|| answer["data"]["data"].clone())
    }
}

/// The state before a run.
pub(crate) struct Before {
    requests: usize,
    /// The version with which each record is in step.
    recorded: BTreeMap<String, u64>,
}

/// Returns the paths with a successful write.
fn written(mount: &str, exchanges: &[Exchange]) -> BTreeSet<String> {
    let api = format!("POST /v1/{mount}/data/{PREFIX}/");
    let path = |exchange: &Exchange| {
        let rest = exchange.line.strip_prefix(&api).filter(|_| exchange.status == Some(200))?;
        rest.split(' ').next().map(str::to_owned)
    };
    exchanges.iter().filter_map(path).collect()
}
