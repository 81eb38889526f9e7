//! What a server does because of the others on the same database: it cancels the runs that somebody cancelled through another
//! server, takes its share of the requests to Vaults, learns the keys that another server made, and forgets what runs told
//! long ago.

use std::time::Duration;

use vaultterm_sealing::SealingError;
use vaultterm_store::StoreError;

use super::job::Job;
use crate::services::Services;

pub(super) fn jobs() -> [Job; 2] {
    let often = Duration::from_secs(1);
    let news = Job::with_database("neighbours", often, "the news of other servers could not be read", news);
    let events = Duration::from_secs(300);
    let forget = Job::with_database("old events", events, "old events of runs could not be removed", forget);
    [news.on_each_server().only_in_company(), forget.only_in_company()]
}

async fn news(services: Services) -> Result<(), StoreError> {
    for id in services.store.asked_to_cancel().await? {
        if let Some(run) = services.runs.find(id) {
            run.cancel.cancel();
        }
    }
    if services.connector.is_limited() {
        let nodes = services.store.nodes().await?;
        services.connector.share_budget_among(nodes.iter().filter(|node| !node.is_gone()).count());
    }
    if services.store.stored_keyring_generation().await? == services.store.keyring_generation() {
        return Ok(());
    }
    match services.store.renew_keyring().await {
        Err(StoreError::Sealing(SealingError::WrongRootKey)) => services.keys.follow(&services.store).await,
        renewed => renewed.map(drop),
    }
}

async fn forget(services: Services) -> Result<(), StoreError> {
    services.store.forget_run_events().await
}
