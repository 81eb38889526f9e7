//! Two installations on the same path in Vault.

use serde_json::json;

use crate::{
    house::House,
    town::{Town, did},
};

#[tokio::test]
async fn two_installations_on_one_path_neither_fight_nor_lose_anything() {
    let town = Town::new("bidirectional").await;
    town.house.record(&town.collection, "shared", json!({"v": "first"})).await;
    did(&town.run().await, "succeeded", &[("created_remote", 1)]);

    let other = House::new().await;
    let collection = other.collection("app").await;
    other.record(&collection, "shared", json!({"v": "second"})).await;
    let mut settings = town.settings("bidirectional");
    settings["collection_id"] = json!(collection);
    settings["options"] = json!({"interval_seconds": 0, "on_change": false});
    let connection = other.owner.post("/connections", settings).await.expect(201).id();
    for _ in 0..3 {
        let id = other.owner.post(&format!("/connections/{connection}/runs"), json!({})).await.expect(202).id();
        let run = other
            .until("the run ends", async || {
                let run = other.owner.get(&format!("/runs/{id}")).await.expect(200).body;
                (run["state"] != "running").then_some(run)
            })
            .await;
        did(&run, "succeeded", &[("conflicts", 1)]);
        did(&town.run().await, "succeeded", &[]);
    }
    let conflicts = other.owner.items("/conflicts?status=open").await;
    assert_eq!(conflicts[0]["kind"], "foreign_owner", "{conflicts:?}");
    assert_eq!((town.version("shared").await, town.value("shared").await), (1, Some(json!({"v": "first"}))));
    assert_eq!(other.values(&collection).await["shared"], json!({"v": "second"}));
}
