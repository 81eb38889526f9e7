//! A client that hangs up during a request that talks to Vault. The server completes what it began.

use serde_json::{Value, json};
use vaultterm_testkit::openbao::Between;

use crate::town::Town;

/// Returns a town without a connection, and a gateway to its OpenBao on which a test can hold requests.
async fn held_town() -> (Town, Between, Value) {
    let town = Town::new("push").await;
    town.house.owner.delete(&format!("/connections/{}", town.connection)).await.expect(204);
    let between = Between::new(town.bao.port()).await;
    let mut settings = town.settings("push");
    settings["address"] = json!(between.address());
    settings["options"] = json!({"interval_seconds": 0, "on_change": false});
    (town, between, settings)
}

#[tokio::test]
async fn a_secret_id_is_kept_although_the_client_hung_up_while_it_was_unwrapped() {
    let (town, between, mut settings) = held_town().await;
    let wrapping = town.root().wrap_secret_id("vaultterm").await;
    let auth = settings["auth"].as_object_mut().expect("an object");
    auth.remove("secret_id");
    auth.insert("wrapping_token".to_owned(), json!(wrapping));
    let mut held = between.hold("sys/wrapping/unwrap");
    tokio::select! {
        answer = town.connect(settings) => panic!("it answered {}", answer.status),
        _ = held.reached() => {}
    }
    held.let_through().await;
    // The token is used up, so only a stored SecretID can log in.
    let tested = town.house.until("the connection is made and its SecretID kept", async || {
        let made = town.house.owner.items("/connections").await.pop()?["id"].as_str()?.to_owned();
        let stored = town.house.owner.items("/audit/events?action=HCV_SECRET_ID_ROTATED").await;
        (!stored.is_empty()).then_some(made)
    });
    let made = tested.await;
    let test = town.house.owner.post(&format!("/connections/{made}/test"), json!({})).await.expect(200);
    assert_eq!(test.body["ok"], true, "{:#}", test.body);
}

#[tokio::test]
async fn a_token_is_revoked_although_the_client_hung_up_in_the_middle_of_a_plan() {
    let (town, between, settings) = held_town().await;
    let made = town.connect(settings).await.expect(201).id();
    let plans = format!("/connections/{made}/plans");
    let mut held = between.hold("metadata");
    tokio::select! {
        answer = town.house.owner.post(&plans, json!({})) => {
            panic!("it answered {}", answer.status)
        }
        _ = held.reached() => {}
    }
    held.let_through().await;
    let revoked = town.house.until("the token is revoked", async || {
        let seen = between.seen();
        seen.iter().any(|line| line.contains("auth/token/revoke-self")).then_some(())
    });
    revoked.await;
}
