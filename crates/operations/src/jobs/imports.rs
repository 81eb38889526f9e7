//! Removes what is kept of files whose week is over.

use std::time::Duration;

use vaultterm_store::StoreError;

use super::job::Job;
use crate::services::Services;

pub(super) fn job() -> Job {
    Job::with_database("imports", Duration::from_secs(60 * 60), "old imports could not be removed", tick).at_once()
}

async fn tick(services: Services) -> Result<(), StoreError> {
    let removed = services.store.remove_expired_imports(services.now_us()).await?;
    if removed > 0 {
        tracing::info!(removed, "what was kept of files for import was removed after a week");
    }
    Ok(())
}
