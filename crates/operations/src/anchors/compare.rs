//! Compares an anchored checkpoint with the log.

use vaultterm_store::{Comparison, StoreError};

use super::kinds::{Anchor, AnchorError};
use crate::services::Services;

/// Compares an anchored checkpoint with the log, and raises the guard where the two differ.
pub(super) async fn compare(services: &Services, anchor: &Anchor, note: &str) -> Result<(), AnchorError> {
    match services.store.compare_anchored(note).await? {
        Comparison::Agrees => {}
        Comparison::Unknown => {
            tracing::warn!(anchor = anchor.target, "what is anchored is older than the entries that are kept");
        }
        Comparison::Differs(why) => {
            // The next delivery may replace the anchored checkpoint, so the server's log keeps it.
            tracing::error!(
                anchor = anchor.target,
                why,
                anchored = note,
                "the database is not the one that was anchored"
            );
            raise_guard(services, &format!("{} ({}): {why}", anchor.name, anchor.target)).await?;
        }
    }
    Ok(())
}

/// Stops every connection from writing until a person has looked.
async fn raise_guard(services: &Services, reason: &str) -> Result<(), StoreError> {
    services.store.raise_restore_guard(&services.own_context(), reason).await.map(drop)
}
