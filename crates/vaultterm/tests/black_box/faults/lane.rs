//! The parts that a row of the table has for itself: a collection, a connection, a mount, a role, and a
//! gateway that a test controls. All rows share the house and the OpenBao.
//!
//! Every value in a lane begins with [`MARK`], so that a test notices it in a wrong place.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Output,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use vaultterm_testkit::openbao::{AppRole, Authority, Between, Credentials, Held, Leaf, OpenBao, Root};

use crate::{
    house::{House, PATIENCE},
    town::PREFIX,
};

/// The beginning of every value.
pub(crate) const MARK: &str = "not-to-be-seen";

/// The pause between questions whether a run has ended.
const POLL: Duration = Duration::from_millis(100);

/// Both sides of a row, and the gateway between them.
pub(crate) struct Lane {
    pub(crate) house: Arc<House>,
    pub(crate) bao: Arc<OpenBao>,
    pub(crate) between: Between,
    /// The name of the connection, the collection and the role.
    pub(crate) name: String,
    pub(crate) mount: String,
    pub(crate) credentials: Credentials,
    authority: Authority,
    connection: String,
    collection: String,
    /// The policy that the API prints for the connection.
    policy: String,
    /// The ids of the records, by path.
    ids: BTreeMap<&'static str, String>,
}

/// Returns the mount of a lane.
pub(crate) fn mount(number: usize) -> String {
    format!("kv-{number:02}")
}

impl Lane {
    /// Creates a collection and a mount, and connects them bidirectionally. With `tls`, the connection uses
    /// TLS.
    pub(crate) async fn new(house: Arc<House>, bao: Arc<OpenBao>, number: usize, tls: bool) -> Self {
        let (name, mount) = (format!("lane-{number:02}"), mount(number));
        bao.root().mount_kv(&mount, 2).await;
        let authority = Authority::new("The CA");
        let between = if tls {
            Between::with_tls(bao.port(), authority.server(&["127.0.0.1"])).await
        } else {
            Between::new(bao.port()).await
        };
        let scope = json!({"mount": mount, "path": PREFIX, "mode": "bidirectional", "flavor": bao.flavor()});
        let policy = house.owner.post("/connections/policy", scope).await.expect(200);
        let policy = policy.body["hcl"].as_str().expect("a policy").to_owned();
        let credentials = bao.root().make_role(AppRole { name: &name, policy: &policy, more: Value::Null }).await;
        let collection = house.collection(&name).await;
        let settings = json!({
            "name": name, "collection_id": collection, "address": between.address(),
            "tls": {"ca_pem": if tls { json!(authority.certificate_pem()) } else { Value::Null }},
            "auth": {"role_id": credentials.role_id, "secret_id": credentials.secret_id},
            "mount": mount, "path": PREFIX, "mode": "bidirectional",
            "options": {"interval_seconds": 0, "on_change": false},
        });
        let connection = house.owner.post("/connections", settings).await.expect(201).id();
        let ids = BTreeMap::new();
        Self { house, bao, between, name, mount, credentials, authority, connection, collection, policy, ids }
    }

    // ---- the local side --------------------------------------------------------------------

    /// Saves a new record.
    pub(crate) async fn save(&mut self, path: &'static str, fields: Value) {
        let id = self.house.record(&self.collection, path, fields).await;
        self.ids.insert(path, id);
    }

    /// Changes a record.
    pub(crate) async fn change(&self, path: &str, fields: Value) {
        self.house.change(&self.ids[path], fields).await;
    }

    /// Removes fields from a record.
    pub(crate) async fn remove(&self, path: &str, fields: &[String]) {
        let record = format!("/records/{}", self.ids[path]);
        let revision = self.house.owner.get(&record).await.body["revision"].clone();
        self.house.owner.patch(&record, &revision, json!({"remove_fields": fields})).await.expect(200);
    }

    /// Moves a record to the trash.
    pub(crate) async fn trash(&self, path: &str) {
        self.house.trash(&self.ids[path]).await;
    }

    /// Returns the fields of every live record, by path.
    pub(crate) async fn local(&self) -> BTreeMap<String, Value> {
        self.house.values(&self.collection).await.into_iter().collect()
    }

    /// Returns the revision of every live record, by path.
    pub(crate) async fn revisions(&self) -> BTreeMap<String, u64> {
        let records = self.house.owner.items(&format!("/collections/{}/records?limit=500", self.collection)).await;
        let revision = |record: &Value| {
            let path = record["path"].as_str().expect("a path").to_owned();
            (path, record["revision"].as_u64().expect("a number"))
        };
        records.iter().map(revision).collect()
    }

    // ---- the remote side -------------------------------------------------------------------

    pub(crate) fn root(&self) -> Root<'_> {
        self.bao.root()
    }

    /// Writes a secret.
    pub(crate) async fn put(&self, path: &str, data: Value) {
        self.root().put(&self.mount, &format!("{PREFIX}/{path}"), data).await;
    }

    /// Reads a secret.
    pub(crate) async fn value(&self, path: &str) -> Option<Value> {
        self.root().value(&self.mount, &format!("{PREFIX}/{path}")).await
    }

    /// Deletes (`delete`) or undeletes (`undelete`) the newest version of a secret.
    pub(crate) async fn turn(&self, how: &str, path: &str) {
        let (version, _) = self.heads().await[path];
        let body = json!({"versions": [version]});
        self.root().call("POST", &format!("{}/{how}/{PREFIX}/{path}", self.mount), Some(body)).await;
    }

    /// Returns for every secret its newest version, and whether it is live.
    pub(crate) async fn heads(&self) -> BTreeMap<String, (u64, bool)> {
        let head = |(path, info): (String, Value)| {
            let version = info["current_version"].as_u64().expect("a number");
            let live = info["versions"][version.to_string()]["deletion_time"] == "";
            (path, (version, live))
        };
        self.root().metadata_below(&self.mount, PREFIX).await.into_iter().map(head).collect()
    }

    /// Returns the data of every live secret, by path.
    pub(crate) async fn remote(&self) -> BTreeMap<String, Value> {
        let mut values = BTreeMap::new();
        for path in self.heads().await.into_keys() {
            if let Some(value) = self.value(&path).await {
                values.insert(path, value);
            }
        }
        values
    }

    // ---- the gateway -----------------------------------------------------------------------

    /// Returns the text of a first line for the pattern of a row, in which `{kv}` is the mount.
    pub(crate) fn line(&self, at: &str) -> String {
        at.replace("{kv}", &format!("/v1/{}", self.mount))
    }

    pub(crate) fn hold(&self, at: &str) -> Held {
        self.between.hold(self.line(at))
    }

    /// Returns a certificate by the lane's own CA.
    pub(crate) fn certificate(&self, name: &str) -> Leaf {
        self.authority.server(&[name])
    }

    /// Returns an expired certificate.
    pub(crate) fn expired_certificate(&self) -> Leaf {
        self.authority.expired_server(&["127.0.0.1"])
    }

    // ---- the connection --------------------------------------------------------------------

    /// Runs the connection on the command line.
    pub(crate) async fn run_on_command_line(&self) -> (Ran, Option<i32>) {
        let (house, name) = (Arc::clone(&self.house), self.name.clone());
        let command = move || house.cli(&["--format", "json", "sync", "run", &name]);
        let output: Output = tokio::task::spawn_blocking(command).await.expect("no panic");
        let run: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no run: {output:?}"));
        let ran = self.ran(run).await;
        let said = format!("{}{}{}", ran.run, ran.connection, String::from_utf8_lossy(&output.stderr));
        assert!(!said.contains(MARK) && !said.contains(&self.credentials.secret_id), "a secret is told: {said}");
        (ran, output.status.code())
    }

    /// Runs the connection.
    pub(crate) async fn run(&self) -> Ran {
        let owner = &self.house.owner;
        let id = owner.post(&format!("/connections/{}/runs", self.connection), json!({})).await.expect(202).id();
        let began = Instant::now();
        loop {
            let run = owner.get(&format!("/runs/{id}")).await.expect(200).body;
            if run["state"] != "running" {
                return self.ran(run).await;
            }
            assert!(began.elapsed() < PATIENCE, "the run does not end: {run:#}");
            tokio::time::sleep(POLL).await;
        }
    }

    async fn ran(&self, run: Value) -> Ran {
        let connection = self.house.owner.get(&format!("/connections/{}", self.connection)).await.expect(200).body;
        Ran { run, connection }
    }

    /// Gives the connection another `SecretID`.
    pub(crate) async fn rotate_secret_id(&self) {
        let secret_id = self.root().issue_secret_id(&self.name).await;
        let path = format!("/connections/{}/secret-id", self.connection);
        let answer = self.house.owner.put(&path, json!({"secret_id": secret_id})).await;
        assert!(answer.status < 300, "{answer:?}");
    }

    /// Returns the conflicts that wait for a person.
    pub(crate) async fn conflicts(&self) -> Vec<Value> {
        let path = format!("/conflicts?status=open&connection_id={}", self.connection);
        self.house.owner.items(&path).await
    }

    // ---- the role and the mount ------------------------------------------------------------

    /// Changes the printed policy and writes it.
    pub(crate) async fn edit_policy(&self, edit: impl FnOnce(String) -> String) {
        self.root().write_policy(&self.name, &edit(self.policy.clone())).await;
    }

    /// Destroys every `SecretID` of the role.
    pub(crate) async fn destroy_secret_ids(&self) {
        let path = format!("auth/approle/role/{}/secret-id", self.name);
        self.root()
            .call("POST", &format!("{path}/destroy"), Some(json!({"secret_id": self.credentials.secret_id})))
            .await;
    }

    /// Moves a mount with its content. It keeps its identity.
    pub(crate) async fn move_mount(&self, from: &str, to: &str) {
        let moving = self.root().call("POST", "sys/remount", Some(json!({"from": from, "to": to}))).await;
        let status = format!("sys/remount/status/{}", moving["migration_id"].as_str().expect("an id"));
        let began = Instant::now();
        loop {
            let moved = self.root().call("GET", &status, None).await;
            if moved["migration_info"]["status"] == "success" {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "the mount does not move: {moved}");
            tokio::task::yield_now().await;
        }
    }
}

/// A run as the API or the command line reports it.
pub(crate) struct Ran {
    pub(crate) run: Value,
    /// The connection after the run.
    pub(crate) connection: Value,
}

impl Ran {
    pub(crate) fn state(&self) -> &str {
        self.run["state"].as_str().expect("a state")
    }

    /// Returns the number of changes of all kinds.
    pub(crate) fn changes(&self) -> u64 {
        const IDLE: [&str; 5] = ["unchanged", "conflicts", "skipped", "failed", "stale"];
        let counts = self.run["counts"].as_object().expect("counts");
        let changes = counts.iter().filter(|(name, _)| !IDLE.contains(&name.as_str()));
        changes.map(|(_, count)| count.as_u64().expect("a number")).sum()
    }

    /// Returns the paths with a problem.
    pub(crate) fn paths(&self) -> BTreeSet<&str> {
        let problems = self.run["problems"].as_array().expect("problems");
        problems.iter().map(|problem| problem["path"].as_str().expect("a path")).collect()
    }
}
