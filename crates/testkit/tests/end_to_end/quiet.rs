//! The cost of a run that finds nothing changed, as OpenBao itself counts it.

use serde_json::json;
use vaultterm_ledger::Action;
use vaultterm_reconcile::Mode;

use crate::{house::House, vault_side::writes};

const SECRETS: u64 = 1_000;
const REQUESTS_MAX: u64 = 10;

/// Returns a house with this many secrets in step, in forty folders.
async fn filled(secrets: u64) -> House {
    let house = House::new(Mode::Bidirectional).await;
    for number in 0..secrets {
        house.save(&format!("service-{:02}/key-{number:04}", number % 40), json!({"value": number})).await;
    }
    assert_eq!(house.succeed().await.counts.created_remote, secrets);
    house
}

#[tokio::test]
async fn a_run_over_a_thousand_secrets_without_a_change_is_a_handful_of_requests_and_no_write() {
    let house = filled(SECRETS).await;
    let (before, entries) = (house.print().await, house.asked());

    let run = house.succeed().await;

    let asked = house.asked_since(entries);
    assert_eq!(run.counts.unchanged, SECRETS);
    assert!(run.requests <= REQUESTS_MAX, "{} requests", run.requests);
    assert!(!asked.is_empty() && asked.len() as u64 <= REQUESTS_MAX, "{asked:#?}");
    assert_eq!(writes(&asked), Vec::<String>::new());
    assert!(asked.iter().any(|request| request.operation == "scan"), "one answer shows all: {asked:#?}");
    assert_eq!(asked.iter().filter(|request| request.path.starts_with("kv/data/")).count(), 0, "no value is read");
    assert_eq!(house.print().await, before, "neither side is written");
    assert_eq!(house.audited(Action::HcvSecretSynced).await as u64, SECRETS);
}

#[tokio::test]
async fn one_change_on_each_side_reads_one_secret_writes_one_and_marks_it() {
    let house = filled(200).await;
    house.put("service-07/key-0007", json!({"value": "there"})).await;
    house.save("service-08/key-0008", json!({"value": "here"})).await;
    let entries = house.asked();

    let run = house.succeed().await;

    assert_eq!((run.counts.updated_local, run.counts.updated_remote, run.counts.unchanged), (1, 1, 198));
    let asked = house.asked_since(entries);
    assert_eq!(
        writes(&asked),
        ["update kv/data/team/app/service-08/key-0008", "patch kv/metadata/team/app/service-08/key-0008"]
    );
    let read: Vec<_> =
        asked.iter().filter(|request| request.path.starts_with("kv/data/") && request.operation == "read").collect();
    assert!(!read.is_empty() && read.iter().all(|request| request.path.ends_with("service-07/key-0007")), "{read:#?}");
}
