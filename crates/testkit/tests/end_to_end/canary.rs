//! Values that are easy to find, and that may be found only where they belong.

use serde_json::json;
use vaultterm_reconcile::Mode;
use vaultterm_store::AuditFilter;
use vaultterm_sync::Resolution;
use vaultterm_testkit::openbao::Meddling;

use crate::house::House;

const CANARY: &str = "canary-7f3d2a";

/// Searches for the canary and its usual encodings.
fn finds(bytes: &[u8]) -> bool {
    let reversed: String = CANARY.chars().rev().collect();
    let hex: String = CANARY.bytes().map(|byte| format!("{byte:02x}")).collect();
    [CANARY, &reversed, &hex].iter().any(|text| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
}

#[tokio::test]
async fn no_value_is_told_by_plans_runs_conflicts_faults_audit_or_files() {
    assert!(finds(format!("x{CANARY}y").as_bytes()));
    let mut told = String::new();
    for mode in Mode::ALL {
        let house = House::meddled(*mode).await;
        let value = |name: &str| json!({"value": format!("{CANARY}-{name}"), "nested": {"deep": [CANARY]}});
        for path in ["x", "y", "z"] {
            house.save(path, value("0")).await;
            house.put(path, value("0")).await;
        }
        house.save("here", value("here")).await;
        house.put("there", value("there")).await;
        told += &format!("{:?}{:?}", house.plan().await, house.run(&[]).await);
        house.save("x", value("here")).await;
        house.put("x", value("there")).await;
        house.save("y", value("here")).await;
        house.put("z", value("there")).await;
        let stored = house.plan().await;
        told += &serde_json::to_string(&stored).unwrap();
        told += &format!("{:?}", house.apply(stored.id).await);
        for conflict in house.conflicts().await {
            told += &format!("{conflict:?}{:?}", house.resolve(&conflict, Resolution::KeepRemote).await);
        }
        house.put("y", value("read but cut off")).await;
        house.between.meddle("GET /v1/kv/data/", Meddling::Cut(80));
        house.save("y", value("again")).await;
        told += &format!("{:?}", house.plan_or_fault().await);
        for event in house.audit(&AuditFilter::default()).await {
            told += &format!("{event:?}");
            assert!(!finds(&event.bytes), "{event:?}");
        }
        for (file, bytes) in house.files() {
            assert!(!finds(&bytes), "{file}");
        }
        // A database on a server has no files here.
        let is_seen = vaultterm_testkit::on_postgres() || house.files().iter().any(|(_, bytes)| bytes.len() > 10_000);
        assert!(is_seen, "there are files to look at");
    }
    assert!(!finds(told.as_bytes()), "{told}");
}
