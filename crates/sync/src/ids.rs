//! Ids, one type each, all `UUIDv7`, and where the engine draws new ones.

use serde::{Deserialize, Serialize};
use uuid::{NoContext, Timestamp, Uuid};
use vaultterm_reconcile::UnixNanos;

/// Where the engine draws new ids from. Tests draw the same ones every time, so that a run can be
/// replayed from its seed.
pub trait Ids: Send + Sync {
    /// Draws an id that nobody drew before: a `UUIDv7` of the moment `now`.
    fn draw(&self, now: UnixNanos) -> Uuid;
}

/// Ids whose time is the engine's and whose rest is random.
#[derive(Clone, Copy, Debug, Default)]
pub struct RandomIds;

impl Ids for RandomIds {
    fn draw(&self, now: UnixNanos) -> Uuid {
        let now = u64::try_from(now.0).unwrap_or(0);
        let nanos = u32::try_from(now % 1_000_000_000).expect("a remainder below 1,000,000,000");
        Uuid::new_v7(Timestamp::from_unix(NoContext, now / 1_000_000_000, nanos))
    }
}

macro_rules! ids {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

ids!(
    /// A collection of records.
    CollectionId,
    /// A connection to a Vault.
    ConnectionId,
    /// A stored plan.
    PlanId,
    /// One execution.
    RunId,
    /// A stored conflict.
    ConflictId,
);
