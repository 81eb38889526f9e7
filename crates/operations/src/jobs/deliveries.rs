//! Deliveries to webhooks that are due.

use std::time::Duration;

use vaultterm_store::StoreError;

use super::job::Job;
use crate::{
    deliveries::{delivery, due},
    services::Services,
};

pub(super) fn job() -> Job {
    Job::with_database("deliveries", Duration::from_secs(1), "the webhooks could not be read from the database", tick)
}

/// Begins every delivery that is due.
async fn tick(services: Services) -> Result<(), StoreError> {
    let webhooks = services.store.every_webhook().await?;
    if webhooks.is_empty() {
        return Ok(());
    }
    let (now_us, end) = (services.now_us(), services.store.log_end().await?);
    if webhooks.iter().any(|webhook| webhook.old_until_us.is_some_and(|until| until <= now_us)) {
        services.store.forget_old_webhook_secrets(now_us).await?;
        services.store.forget_generated(now_us).await?;
    }
    for webhook in webhooks.into_iter().filter(|webhook| due::is_due(webhook, end.seq, now_us)) {
        let Some(lease) = services.leases.take(&format!("webhook {}", webhook.id)).await else { continue };
        let services = services.clone();
        services.tasks.clone().spawn(async move {
            let work = async {
                tokio::select! {
                    // The next start of the server sends the message again.
                    () = services.closing.cancelled() => {}
                    () = delivery::deliver(&services, webhook.id) => {}
                }
            };
            if let Some((lease, ())) = lease.during(work).await {
                lease.give_back().await;
            }
        });
    }
    Ok(())
}
