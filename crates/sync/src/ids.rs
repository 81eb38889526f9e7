//! Ids, with one type for each kind of object. All are `UUIDv7`. Also the source of new ids for the engine.

use serde::{Deserialize, Serialize};
use uuid::{NoContext, Timestamp, Uuid};
use vaultterm_reconcile::UnixNanos;

/// The source of new ids for the engine. Tests draw the same ids every time, so that a run can be replayed
/// from its seed.
pub trait Ids: Send + Sync {
    /// Draws an id that was never drawn before: a `UUIDv7` for the moment `now`.
    fn draw(&self, now: UnixNanos) -> Uuid;
}

/// Ids with the time of the engine and random other bits.
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
    /// A run.
    RunId,
    /// A stored conflict.
    ConflictId,
);
