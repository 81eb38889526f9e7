//! An opened database, and the store that is its unlocked form.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicU64},
};

use vaultterm_reconcile::UnixNanos;
use vaultterm_sealing::{InstanceId, Keyring};

use crate::{
    Context, StoreError,
    known_facts::KnownFacts,
    last_uses::LastUses,
    live_counts::LiveCounts,
    node_id::NodeId,
    shelves::Paths,
    sql::{Db, args},
};

/// Returns the time where there is no [`Context`], as in a run.
pub type Clock = Arc<dyn Fn() -> UnixNanos + Send + Sync>;

/// An opened and migrated database whose keyring is still locked.
#[derive(Clone)]
pub struct Database {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    /// Whether a test handed the clock in. Leases then follow it, and not the clock of the database.
    pub(crate) is_clock_given: bool,
    /// This process, among all that use the database.
    pub(crate) node: NodeId,
}

/// An unlocked database. It is cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(crate) db: Db,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) clock: Clock,
    pub(crate) is_clock_given: bool,
    pub(crate) node: NodeId,
    /// The state of the keyring in memory, as counted in the database.
    pub(crate) keyring_generation: Arc<AtomicU64>,
    pub(crate) last_uses: Arc<LastUses>,
    pub(crate) known_facts: Arc<KnownFacts>,
    pub(crate) paths: Arc<Paths>,
    pub(crate) live_counts: Arc<LiveCounts>,
}

impl Store {
    /// Returns the installation's id.
    #[must_use]
    pub fn instance(&self) -> InstanceId {
        self.keyring.instance()
    }

    /// Returns the keyring.
    #[must_use]
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// Checks that the database answers (for `/readyz`).
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.db.one("SELECT id FROM instance", args![]).await.map(drop)
    }

    /// Returns the context of an action that VaultTerm takes by itself at this moment.
    pub(crate) fn context(&self, actor: &vaultterm_ledger::Actor) -> Context {
        Context { actor: actor.clone(), source_ip: None, request_id: None, now_us: self.now_us() }
    }

    pub(crate) fn now(&self) -> UnixNanos {
        (self.clock)()
    }

    pub(crate) fn now_us(&self) -> i64 {
        self.now().0 / 1_000
    }

    /// Returns the moment that counts for leases if a test handed a clock in. Otherwise the database's own clock counts.
    pub(crate) fn given_now(&self) -> Option<i64> {
        self.is_clock_given.then(|| self.now().0)
    }

    /// Returns whether several servers may work with the database at the same time.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.db.0.is_shared()
    }

    /// Returns this process, among all that use the database.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.node
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Database")
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}
