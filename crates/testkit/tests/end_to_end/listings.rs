//! All ways to list a scope have the same results: a single `SCAN`, pages of `LIST detailed-metadata`, and
//! `LIST` with a look at each key, which every server offers.

use serde_json::json;
use vaultterm_hcv::{ConnectorOptions, Listing};
use vaultterm_reconcile::Mode;
use vaultterm_testkit::{openbao::only_on_openbao, world::data};

use crate::house::House;

/// Returns the grants of the policy for OpenBao, together with those for HashiCorp Vault (`LIST metadata`).
fn grants() -> String {
    let list = "path \"kv/metadata/team/app/*\" { capabilities = [\"list\", \"read\", \"patch\"] }";
    let printed = House::printed_policy(Mode::Bidirectional);
    let (before, rest) = printed.split_once("path \"kv/metadata/team/app/*\"").expect("the policy reads metadata");
    let (_, after) = rest.split_once('}').expect("a block ends");
    format!("{before}{list}{after}")
}

#[tokio::test]
async fn every_way_of_listing_leads_to_the_same_sync() {
    if only_on_openbao("SCAN and detailed-metadata are OpenBao's; every other test lists as Vault does") {
        return;
    }
    for listing in [Listing::Scan, Listing::DetailedList, Listing::PerKey] {
        let ways = ConnectorOptions { listing, page_size: 3, ..ConnectorOptions::default() };
        let house = House::listing(Mode::Bidirectional, ways).await;
        house.make_role(&grants(), json!({})).await;
        for number in 0..10 {
            house.save(&format!("a/b/here-{number}"), json!({"value": number})).await;
            house.put(&format!("a/there-{number}"), json!({"value": number})).await;
        }
        house.put("a", json!({"value": "a secret beside its folder"})).await;
        let run = house.succeed().await;
        assert_eq!((run.counts.created_remote, run.counts.created_local), (10, 11), "{listing:?}");
        house.rests().await;

        house.save("a/there-1", json!({"value": "here", "more": 1})).await;
        house.put("a/b/here-1", json!({"value": "there"})).await;
        house.trash("a/there-2").await;
        house.delete("a/b/here-2").await;
        house.rename("a/b/here-3", "moved").await;
        let run = house.succeed().await;
        let counts = run.counts;
        assert_eq!((counts.updated_remote, counts.updated_local), (2, 1), "{listing:?}: {counts:?}");
        assert_eq!((counts.deleted_remote, counts.deleted_local), (1, 1), "{listing:?}: {counts:?}");
        house.in_step("a/there-1", json!({"value": "here", "more": 1})).await;
        house.in_step("a/b/here-1", json!({"value": "there"})).await;
        house.in_step("moved", json!({"value": 3})).await;
        assert_eq!(house.secret("a").await, Some(data(json!({"value": "a secret beside its folder"}))));
        assert_eq!((house.secret("a/there-2").await, house.record("a/b/here-2").await), (None, None));
        house.rests().await;
    }
}
