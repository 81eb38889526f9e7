//! Requests that a budget paces, as a server sees them.

#[allow(dead_code, reason = "shared with the other tests")]
mod script;

use std::time::{Duration, Instant};

use vaultterm_reconcile::SecretPath;
use vaultterm_sync::{Connector as _, Remote as _};

use crate::script::{Script, connector, secrets};

/// The pace is a lower bound: a busy machine makes it longer, and never shorter.
#[tokio::test]
async fn a_connection_with_a_budget_sends_its_requests_evenly() {
    let server = Script::start(|_| None).await;
    let mut connection = server.connection();
    connection.schedule.requests_per_second_max = 50;
    let opened = connector().connect(&connection, &secrets()).await.unwrap_or_else(|fault| panic!("{fault:?}"));
    let path = SecretPath::new("a").expect("a good path");
    let (before, began) = (server.asked().len(), Instant::now());
    for _ in 0..10 {
        opened.remote.look(&path).await.unwrap_or_else(|fault| panic!("{fault:?}"));
    }
    let requests = u32::try_from(server.asked().len() - before).expect("a few");
    let at_least = Duration::from_millis(20) * (requests - 1);
    assert!(began.elapsed() >= at_least, "{requests} requests in {:?}", began.elapsed());
}

/// The connections of an installation share its budget, whichever of them asks.
#[tokio::test]
async fn all_connections_together_keep_to_the_budget_of_the_installation() {
    let server = Script::start(|_| None).await;
    let options = vaultterm_hcv::ConnectorOptions { requests_per_second_max: 100, ..Default::default() };
    let connector = vaultterm_hcv::VaultConnector::new(options);
    let one = server.connection();
    let other =
        vaultterm_sync::Connection { id: vaultterm_sync::ConnectionId(uuid::Uuid::from_u128(7)), ..one.clone() };
    let began = Instant::now();
    let (one_secrets, other_secrets) = (secrets(), secrets());
    let both = tokio::join!(connector.connect(&one, &one_secrets), connector.connect(&other, &other_secrets));
    assert!(both.0.is_ok() && both.1.is_ok());
    let requests = u32::try_from(server.asked().len()).expect("a few");
    assert!(requests > 4, "{requests}");
    assert!(began.elapsed() >= Duration::from_millis(10) * (requests - 1), "{requests} in {:?}", began.elapsed());
}
