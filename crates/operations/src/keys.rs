//! The keys: how they are, and their rotation. Each rotation runs in a task of its own: a caller who goes
//! away does not cut one off.

use std::{error::Error as _, time::Duration};

use vaultterm_contract::{KeyProvider, KeyRotation};
use vaultterm_store::{InstanceRole, KeyringStatus, Node, Scope, StoreError};

use crate::{
    access,
    caller::Caller,
    fresh::{Act, fresh},
    refusal::{Next, Refusal, RefusalKind},
    root_key::UnlockError,
    services::Services,
};

/// Data keys that a rotation wraps again in one transaction.
const REWRAPPED_AT_ONCE: u32 = 500;
/// How long a rotation waits after the database failed.
const REST: Duration = Duration::from_secs(10);
/// How often a rotation asks whether the other servers know the new key.
const ASKED_EVERY: Duration = Duration::from_millis(250);
/// How long the other servers may take to learn it.
const KNOWN_WITHIN: Duration = Duration::from_secs(30);

/// How the keys are. Never a key.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The name of the provider: `local` or `hcv-transit`.
    pub provider: KeyProvider,
    /// Where the root key is kept: a file, or a Transit key.
    pub kept_at: String,
    /// The keys below the root key.
    pub keyring: KeyringStatus,
}

/// Tells how the keys are.
///
/// # Errors
/// [`Refusal`].
pub async fn show(services: &Services, caller: &Caller) -> Result<Keys, Refusal> {
    access::scope(services, caller, Scope::Admin).await?;
    access::instance(services, caller, InstanceRole::Admin).await?;
    keys(services).await
}

/// Rotates a key: `root`, `record`, `audit` or `transit` (which seals the root key again under the newest
/// version). The values under a record key are moved afterwards: [`KeyringStatus::rewrap_pending`] counts
/// down.
///
/// # Errors
/// [`Refusal`].
pub async fn rotate(services: &Services, caller: &Caller, key: &str) -> Result<Keys, Refusal> {
    access::scope(services, caller, Scope::Admin).await?;
    access::instance(services, caller, InstanceRole::Owner).await?;
    fresh(services, caller, Act::RotateKey).await?;
    let what: KeyRotation =
        key.parse().map_err(|_| Refusal::field("key", "is `root`, `record`, `audit` or `transit`"))?;
    let (context, own) = (caller.context(services), services.clone());
    let rotation = services.tasks.spawn(async move {
        match what {
            KeyRotation::Root => {
                own.keys.refuse_alone_in_company(&own.store).await?;
                own.keys.replace(&own.store, &context).await?;
            }
            KeyRotation::Transit => own.keys.reseal(&own.store, &context).await?,
            KeyRotation::Record => {
                let announced = own.keys.announce_record_key(&own.store).await?;
                known_everywhere(&own, announced).await?;
                own.keys.rotate_record_key(&own.store, &context).await?;
            }
            KeyRotation::Audit => own.keys.rotate_audit_key(&own.store, &context).await?,
        }
        Ok(())
    });
    rotation.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())).map_err(refused)?;
    keys(services).await
}

async fn keys(services: &Services) -> Result<Keys, Refusal> {
    let keeper = &services.keys.keeper;
    let keyring = services.store.keyring_status().await?;
    Ok(Keys { provider: keeper.provider(), kept_at: keeper.describe(), keyring })
}

fn refused(error: UnlockError) -> Refusal {
    let hint = error.hint();
    let refusal = match error {
        UnlockError::Store(error) => return error.into(),
        UnlockError::Vault(fault) => return fault.into(),
        // What to do about these is on the machine; an owner may know which file it is.
        UnlockError::NotOurs | UnlockError::Elsewhere(_) | UnlockError::File { .. } | UnlockError::Key(_) => {
            tracing::error!(%error, cause = error.source().map(ToString::to_string), "a key could not be rotated");
            Refusal::new(RefusalKind::Refused, error.to_string())
        }
        error => Refusal::internal(&error),
    };
    match hint {
        Some(hint) => refusal.then(Next::Follow(hint)),
        None => refusal,
    }
}

/// Waits until every server that works with the database knows a state of the keyring. A server that reports nothing for a
/// while counts as gone: it learns the keys before it answers the next request.
async fn known_everywhere(services: &Services, generation: u64) -> Result<(), StoreError> {
    let knows = |node: &Node| {
        node.is_gone()
            || node.id == services.store.node()
            || node.keyring_generation.is_none_or(|known| known >= generation)
    };
    let asked = async {
        while !services.store.nodes().await?.iter().all(knows) {
            tokio::time::sleep(ASKED_EVERY).await;
        }
        Ok(())
    };
    tokio::time::timeout(KNOWN_WITHIN, asked).await.unwrap_or_else(|_| {
        let why = "another server does not learn the new key; its log says why. Nothing was rotated";
        Err(StoreError::Refused(why.to_owned()))
    })
}

/// Moves what is sealed under a retired record key, batch by batch, until nothing is left or the
/// server closes; the next start goes on. One task at a time does it.
pub(crate) async fn rewrap_all(services: &Services) {
    let mut batches = 0_u64;
    while !services.closing.is_cancelled() {
        match services.store.rewrap_some(&services.own_context(), REWRAPPED_AT_ONCE).await {
            Ok(true) if batches == 0 => return,
            Ok(true) => return tracing::info!(batches, "the rotation of the record key has ended"),
            Ok(false) => batches += 1,
            Err(error) => {
                tracing::error!(%error, "the rotation of the record key rests");
                tokio::select! {
                    () = services.closing.cancelled() => {}
                    () = tokio::time::sleep(REST) => {}
                }
            }
        }
    }
}
