//! A house, an OpenBao beside it, and the role that the printed policy creates.

use std::sync::Arc;

use serde_json::{Value, json};
use vaultterm_testkit::openbao::{AppRole, Credentials, OpenBao, Root};

use crate::{guest::Answer, house::House};

pub(crate) const MOUNT: &str = "kv";
pub(crate) const PREFIX: &str = "team/app";

/// Both sides, and the connection between them.
pub(crate) struct Town {
    pub(crate) house: House,
    pub(crate) bao: Arc<OpenBao>,
    pub(crate) collection: String,
    pub(crate) credentials: Credentials,
    /// The id of the connection.
    pub(crate) connection: String,
}

impl Town {
    /// Connects a collection `app` to `kv/team/app`. No run starts by itself.
    pub(crate) async fn new(mode: &str) -> Self {
        Self::with(mode, json!({"interval_seconds": 0, "on_change": false})).await
    }

    /// Does the same on an SQLite file, for a test that puts another file in its place.
    pub(crate) async fn in_a_file(mode: &str) -> Self {
        Self::around(House::in_a_file(), mode, json!({"interval_seconds": 0, "on_change": false})).await
    }

    /// Does the same with other options.
    pub(crate) async fn with(mode: &str, options: Value) -> Self {
        Self::around(House::new(), mode, options).await
    }

    /// Does the same around another kind of house.
    pub(crate) async fn around(house: impl Future<Output = House>, mode: &str, options: Value) -> Self {
        let (house, bao) = tokio::join!(house, OpenBao::start());
        bao.root().mount_kv(MOUNT, 2).await;
        let credentials = role(&house, &bao, mode).await;
        let collection = house.collection("app").await;
        let mut town = Self { house, bao: Arc::new(bao), collection, credentials, connection: String::new() };
        let mut body = town.settings(mode);
        body["options"] = options;
        town.connection = town.connect(body).await.expect(201).id();
        town
    }

    /// Returns the request body that creates the connection.
    pub(crate) fn settings(&self, mode: &str) -> Value {
        json!({
            "name": "prod", "collection_id": self.collection, "address": self.bao.address(),
            "auth": {
                "method": "approle", "role_id": self.credentials.role_id, "secret_id": self.credentials.secret_id,
            },
            "mount": MOUNT, "path": PREFIX, "mode": mode,
        })
    }

    pub(crate) async fn connect(&self, settings: Value) -> Answer {
        self.house.owner.post("/connections", settings).await
    }

    pub(crate) fn root(&self) -> Root<'_> {
        self.bao.root()
    }

    /// Writes a secret below the connection's prefix.
    pub(crate) async fn put(&self, path: &str, data: Value) -> u64 {
        self.root().put(MOUNT, &format!("{PREFIX}/{path}"), data).await
    }

    /// Reads a secret below the connection's prefix.
    pub(crate) async fn value(&self, path: &str) -> Option<Value> {
        self.root().value(MOUNT, &format!("{PREFIX}/{path}")).await
    }

    /// Reads the newest version number of a secret.
    pub(crate) async fn version(&self, path: &str) -> u64 {
        let metadata = self.root().metadata(MOUNT, &format!("{PREFIX}/{path}")).await.expect("the secret exists");
        metadata["current_version"].as_u64().expect("a number")
    }

    /// Deletes the newest version of a secret.
    pub(crate) async fn delete(&self, path: &str) {
        self.root().call("DELETE", &format!("{MOUNT}/data/{PREFIX}/{path}"), None).await;
    }

    /// Starts a run and waits until it has ended.
    pub(crate) async fn run(&self) -> Value {
        self.run_with(json!({})).await
    }

    /// Does the same with a body for the request.
    pub(crate) async fn run_with(&self, body: Value) -> Value {
        let path = format!("/connections/{}/runs", self.connection);
        let id = self.house.owner.post(&path, body).await.expect(202).id();
        self.ended(&id).await
    }

    /// Waits until a run has ended.
    pub(crate) async fn ended(&self, id: &str) -> Value {
        let owner = &self.house.owner;
        self.house
            .until("the run ends", async || {
                let run = owner.get(&format!("/runs/{id}")).await.expect(200).body;
                (run["state"] != "running").then_some(run)
            })
            .await
    }

    /// Makes a plan.
    pub(crate) async fn plan(&self) -> Value {
        self.house.owner.post(&format!("/connections/{}/plans", self.connection), json!({})).await.expect(201).body
    }

    /// Returns the connection.
    pub(crate) async fn standing(&self) -> Value {
        self.house.owner.get(&format!("/connections/{}", self.connection)).await.expect(200).body
    }

    /// Returns the only open conflict.
    pub(crate) async fn conflict(&self) -> Value {
        let open = self.house.owner.items("/conflicts?status=open").await;
        assert_eq!(open.len(), 1, "{open:?}");
        open.into_iter().next().expect("one")
    }
}

/// Creates the role with exactly the policy that the API prints.
pub(crate) async fn role(house: &House, bao: &OpenBao, mode: &str) -> Credentials {
    let body = json!({"mount": MOUNT, "path": PREFIX, "mode": mode, "flavor": bao.flavor()});
    let policy = house.owner.post("/connections/policy", body).await.expect(200);
    let hcl = policy.body["hcl"].as_str().expect("a policy").to_owned();
    bao.root().make_role(AppRole { name: "vaultterm", policy: &hcl, more: Value::Null }).await
}

/// Asserts that a run ended in this state with these counts. Counts that are not named must be zero, except
/// `unchanged`.
pub(crate) fn did(run: &Value, state: &str, counts: &[(&str, u64)]) {
    assert_eq!(run["state"], state, "{run:#}");
    for (name, count) in run["counts"].as_object().expect("counts") {
        let wanted = counts.iter().find(|(wanted, _)| wanted == name).map(|(_, count)| *count);
        match wanted {
            Some(wanted) => assert_eq!(*count, wanted, "{name}: {run:#}"),
            None if name == "unchanged" => {}
            None => assert_eq!(*count, 0, "{name}: {run:#}"),
        }
    }
}
