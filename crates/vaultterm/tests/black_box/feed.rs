//! The audit log of a real server as hints. The connection is new, so that no run takes the hints.

use std::fs;

use serde_json::{Value, json};
use vaultterm_testkit::openbao::Between;

use crate::{
    house::{InBackground, binary},
    town::{PREFIX, Town, did},
};

const VALUE: &str = "a-value-that-must-stay-in-vault";

/// A town with a feed on the audit log of its Vault.
struct Watched {
    town: Town,
    token: String,
    log: String,
    state: String,
}

impl Watched {
    async fn new() -> Self {
        Self::of(Town::new("bidirectional").await).await
    }

    async fn of(town: Town) -> Self {
        let body = json!({"name": "feed", "scopes": ["sync:hint"]});
        let made = town.house.owner.post("/tokens", body).await.expect(201);
        let token = made.body["token"].as_str().expect("a token").to_owned();
        let (log, state) = (town.house.file("feed.log", ""), town.house.file("feed.state", ""));
        Self { town, token, log, state }
    }

    fn start(&self) -> InBackground {
        let audit_log = self.town.bao.audit_log().to_str().expect("UTF-8");
        let arguments = ["feed", "--audit-log", audit_log, "--state", &self.state];
        self.town.house.in_background(&self.token, &self.log, &arguments)
    }

    /// Waits until this many paths wait.
    async fn until(&self, waiting: u64) -> Value {
        let what = format!("{waiting} hints wait; the feed says:\n{}", self.said());
        let standing = async || Some(self.town.standing().await).filter(|found| found["hints_waiting"] == waiting);
        self.town.house.until(&what, standing).await
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

#[tokio::test]
async fn a_change_in_vault_waits_here_as_a_hint_and_a_restart_of_the_feed_loses_none() {
    let mut watched = Watched::new().await;
    let before = watched.town.standing().await;
    assert_eq!((&before["hints_waiting"], &before["hinted_everything"]), (&json!(0), &json!(false)));
    let feed = watched.start();
    let everything = async || Some(watched.town.standing().await).filter(|found| found["hinted_everything"] == true);
    watched.town.house.until("the feed asks for a look at everything, because it begins", everything).await;

    watched.town.put("db/main", json!({"password": VALUE})).await;
    watched.until(1).await;
    watched.town.put("db/main", json!({"password": VALUE})).await;
    watched.town.put("other", json!({"password": VALUE})).await;
    watched.until(2).await;
    // Outside of the connection, and nothing but a look.
    watched.town.root().put("kv", "elsewhere", json!({"password": VALUE})).await;
    watched.town.value("unread").await;
    watched.town.delete("third").await;
    watched.until(3).await;

    assert_eq!(feed.end("term"), Some(0), "{}", watched.said());
    watched.town.put("while/nobody/looks", json!({"password": VALUE})).await;
    let feed = watched.start();
    watched.until(4).await;
    // A server that does not answer for a while gets its hints later.
    watched.town.house.freeze();
    watched.town.put("while/it/sleeps", json!({"password": VALUE})).await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    watched.town.house.thaw();
    watched.until(5).await;
    assert_eq!(feed.end("kill"), Some(137));

    let said = watched.said();
    assert_eq!(said.matches("look at everything once").count(), 1, "only the first start was a gap: {said}");
    let kept = said + &fs::read_to_string(&watched.state).expect("the state") + &watched.town.house.log();
    for secret in [VALUE, watched.token.as_str(), watched.town.bao.root_token(), "db/main", PREFIX] {
        assert!(!kept.contains(secret), "{kept}");
    }
}

#[tokio::test]
async fn a_change_in_vault_is_here_at_once_although_the_next_look_at_everything_is_an_hour_away() {
    let town = Town::with("bidirectional", json!({"interval_seconds": 3_600, "on_change": false})).await;
    for n in 0..30 {
        town.put(&format!("other/{n}"), json!({"value": n})).await;
    }
    town.put("db/main", json!({"password": "before"})).await;
    assert_eq!(town.run().await["counts"]["created_local"], 31);
    let watched = Watched::of(town).await;
    let feed = watched.start();
    let runs = format!("/connections/{}/runs", watched.town.connection);
    let newest = async || watched.town.house.owner.items(&runs).await.into_iter().next().expect("a run");
    let ended = async |only: Value| {
        let run = newest().await;
        let is_it = run["trigger"] == "hint" && run["state"] != "running" && run["only"] == only;
        is_it.then_some(run)
    };
    // The feed does not know what it missed before it began.
    let whole = watched.town.house.until("a look at everything", async || ended(Value::Null).await).await;
    assert_eq!((&whole["state"], &whole["counts"]["unchanged"]), (&json!("succeeded"), &json!(31)), "{whole}");

    watched.town.put("db/main", json!({"password": VALUE})).await;
    let run = watched.town.house.until("a look at the secret", async || ended(json!(["db/main"])).await).await;
    did(&run, "succeeded", &[("updated_local", 1)]);
    assert!(run["requests"].as_u64().expect("a number") <= 12, "{run}");
    watched.until(0).await;
    assert_eq!(feed.end("term"), Some(0), "{}", watched.said());
}

#[tokio::test]
async fn a_hinted_change_is_here_while_a_look_at_everything_goes_on() {
    let town = Town::with("bidirectional", json!({"interval_seconds": 0, "on_change": true})).await;
    let (owner, connection) = (&town.house.owner, format!("/connections/{}", town.connection));
    let between = Between::new(town.bao.port()).await;
    owner.patch(&connection, &json!(1), json!({"address": between.address()})).await.expect(200);
    for name in ["changed", "deleted", "same"] {
        town.put(name, json!({"value": "before"})).await;
    }
    did(&town.run().await, "succeeded", &[("created_local", 3)]);

    // Every server lists the scope with a request for this folder.
    let mut held = between.hold("metadata/team/app/?");
    town.house.record(&town.collection, "here", json!({"value": "a change that begins a run"})).await;
    held.reached().await;
    let runs = owner.items(&format!("{connection}/runs")).await;
    let id = runs[0]["id"].as_str().expect("an id").to_owned();
    town.put("changed", json!({"value": "after"})).await;
    town.delete("deleted").await;
    owner.post(&format!("{connection}/hints"), json!({"paths": ["changed", "deleted"]})).await.expect(202);
    let is_here = async || (town.house.values(&town.collection).await["changed"]["value"] == "after").then_some(());
    town.house.until("the change is here", is_here).await;
    let run = owner.get(&format!("/runs/{id}")).await.expect(200).body;
    assert_eq!(run["state"], "running", "the look at everything has not ended: {run}");
    assert!(town.house.values(&town.collection).await.contains_key("deleted"), "deletions are judged together");
    drop(held);
    let counts = [("updated_local", 1), ("deleted_local", 1), ("created_remote", 1)];
    did(&town.ended(&id).await, "succeeded", &counts);
}

#[tokio::test]
async fn the_token_of_a_feed_may_do_nothing_else_and_a_wrong_one_is_refused_at_the_start() {
    let watched = Watched::new().await;
    let (house, id) = (&watched.town.house, &watched.town.connection);
    let feed = house.owner.with_token(&watched.token);
    let scopes = feed.get("/hints/scopes").await.expect(200).body;
    assert_eq!((&scopes["items"][0]["connection_id"], &scopes["items"][0]["path"]), (&json!(id), &json!(PREFIX)));
    // The form that a program of one's own may use.
    let plain = json!({"paths": ["a/b", "c"], "writer": "jenkins"});
    let taken = feed.post(&format!("/connections/{id}/hints"), plain).await.expect(202).body;
    assert_eq!(taken, json!({"accepted": 2, "waiting": 2, "everything": false}));
    for path in ["/connections", &format!("/connections/{id}"), "/records", "/collections", "/runs", "/auth/me"] {
        let status = feed.get(path).await.status;
        assert_eq!(status, if path == "/auth/me" { 200 } else { 403 }, "{path}");
    }
    feed.post(&format!("/connections/{id}/runs"), json!({})).await.expect(403);

    let shown = house.cli(&["connection", "show", "prod"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("2 paths changed in Vault"), "{shown}");
    let audit_log = watched.town.bao.audit_log().to_str().expect("UTF-8");
    let said = std::process::Command::new(binary())
        .args(["feed", "--audit-log", audit_log, "--addr", &house.address])
        .env("VAULTTERM_TOKEN", "vtt_0000")
        .output()
        .expect("it runs");
    assert_eq!(said.status.code(), Some(2), "{said:?}");
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("--scope sync:hint"), "{said}");
}
