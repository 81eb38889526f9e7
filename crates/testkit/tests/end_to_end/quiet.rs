//! The cost of a run that finds nothing changed, as the server itself counts it.

use serde_json::json;
use vaultterm_ledger::AuditAction;
use vaultterm_reconcile::Mode;
use vaultterm_testkit::openbao::Product;

use crate::{house::House, vault_side::writes};

const SECRETS: u64 = 1_000;
const FOLDERS: u64 = 40;

/// Returns the maximum number of requests of a run over all secrets. OpenBao shows them in one answer. HashiCorp Vault
/// needs a listing per folder, and a request per secret.
fn requests_max(server: Product) -> u64 {
    if server.is_vault() { SECRETS + FOLDERS + 20 } else { 10 }
}

/// Returns a house with this many secrets in step, in [`FOLDERS`] folders.
async fn filled(secrets: u64) -> House {
    let house = House::new(Mode::Bidirectional).await;
    for number in 0..secrets {
        house.save(&format!("service-{:02}/key-{number:04}", number % FOLDERS), json!({"value": number})).await;
    }
    assert_eq!(house.succeed().await.counts.created_remote, secrets);
    house
}

#[tokio::test]
async fn a_run_over_a_thousand_secrets_without_a_change_is_as_few_requests_as_the_server_allows_and_no_write() {
    let house = filled(SECRETS).await;
    let (before, entries) = (house.print().await, house.asked());

    let run = house.succeed().await;

    let server = Product::chosen();
    let asked = house.asked_since(entries);
    assert_eq!(run.counts.unchanged, SECRETS);
    assert!(run.requests <= requests_max(server), "{} requests", run.requests);
    assert!(!asked.is_empty() && asked.len() as u64 <= requests_max(server), "{asked:#?}");
    assert_eq!(writes(&asked), Vec::<String>::new());
    let scanned = asked.iter().any(|request| request.operation == "scan");
    assert!(scanned || server.is_vault(), "one answer shows all: {asked:#?}");
    assert_eq!(asked.iter().filter(|request| request.path.starts_with("kv/data/")).count(), 0, "no value is read");
    assert_eq!(house.print().await, before, "neither side is written");
    assert_eq!(house.audited(AuditAction::HcvSecretSynced).await as u64, SECRETS);
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
