//! What operations work with.

use std::{sync::Arc, time::Duration};

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use vaultterm_hcv::VaultConnector;
use vaultterm_ledger::Actor;
use vaultterm_store::{Context, Store};
use vaultterm_sync::{Clock as _, Engine, Ids, RandomIds};

use crate::{
    anchors::{Anchors, AuditOptions},
    clock::SystemClock,
    deliveries::Sender,
    denials::Denials,
    hints::beside::StoredHints,
    imports::Parser,
    leases::Leases,
    licensing::{LicenseSettings, Licensing},
    meters::Meters,
    password::Passwords,
    readers::Readers,
    root_key::RootKeys,
    runs::feed::LiveRuns,
    turns::Turns,
};

/// How long the engine works on a plan, a decision or a reveal before it is stopped gently.
pub const WITHIN: Duration = Duration::from_secs(10 * 60);

/// The engine as the server runs it.
pub type ServerEngine = Engine<Store, VaultConnector, SystemClock>;

/// What the operator set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the license is.
    pub license: LicenseSettings,
    /// What is kept of the audit log, and where else.
    pub audit: AuditOptions,
}

/// Everything that operations work with. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct Services {
    /// The database.
    pub store: Store,
    /// Plans, runs and decisions.
    pub engine: Arc<ServerEngine>,
    /// The way to Vaults.
    pub connector: VaultConnector,
    /// The root key in use, and who keeps it.
    pub keys: Arc<RootKeys>,
    /// Runs that go on in this process, and what they tell.
    pub runs: Arc<LiveRuns>,
    /// Whether several servers may work with the database.
    pub is_shared: bool,
    /// What is done by one task at a time, among all servers on the database.
    pub leases: Leases,
    /// The licenses of this server.
    pub license: Arc<Licensing>,
    /// The hashing of passwords.
    pub passwords: Arc<Passwords>,
    /// Attempts at passwords, one at a time for each account.
    pub turns: Arc<Turns>,
    /// What callers were denied lately.
    pub denials: Arc<Denials>,
    /// The anchors of the audit log.
    pub anchors: Arc<Anchors>,
    /// The way to receivers of webhooks.
    pub webhooks: Arc<Sender>,
    /// What parses files for import.
    pub imports: Arc<Parser>,
    /// Where ids come from.
    pub ids: Arc<dyn Ids>,
    /// Whether somebody asks for records at the moment.
    pub(crate) readers: Arc<Readers>,
    /// What this process counts, for the metrics.
    pub meters: Arc<Meters>,
    /// What the operator set.
    pub settings: Arc<Settings>,
    /// Cancelled when the server shuts down.
    pub closing: CancellationToken,
    /// Everything that a shutdown waits for: runs, jobs, and every request that may change something.
    pub tasks: TaskTracker,
}

impl Services {
    /// Puts the services together, of an unlocked database and the keeper of its root key. Hashes one
    /// password, so takes a moment.
    #[must_use]
    pub fn new(store: Store, keys: RootKeys, connector: VaultConnector, settings: Settings) -> Self {
        let license = Arc::new(Licensing::new(settings.license.clone()));
        let closing = CancellationToken::new();
        let readers = Arc::new(Readers::default());
        let engine = Engine::new(store.clone(), connector.clone(), SystemClock, license.clone());
        let engine = engine.beside(readers.clone()).hinted(Arc::new(StoredHints(store.clone())));
        Self {
            engine: Arc::new(engine.bounded(WITHIN, closing.clone())),
            is_shared: store.is_shared(),
            leases: Leases::new(store.clone()),
            store,
            connector,
            keys: Arc::new(keys),
            runs: Arc::default(),
            license,
            passwords: Arc::new(Passwords::new()),
            turns: Arc::default(),
            denials: Arc::default(),
            anchors: Arc::new(Anchors::new(&settings.audit)),
            webhooks: Arc::default(),
            imports: Arc::default(),
            ids: Arc::new(RandomIds),
            readers,
            meters: Arc::default(),
            settings: Arc::new(settings),
            closing,
            tasks: TaskTracker::new(),
        }
    }

    /// Counts with these meters, which may have counted before. The connector that was given to [`Self::new`] tells them
    /// about its requests only if it was made so.
    #[must_use]
    pub fn measured_by(self, meters: Arc<Meters>) -> Self {
        Self { meters, ..self }
    }

    /// Has files for import parsed so. Without it, this server imports none.
    #[must_use]
    pub fn parsing(self, parser: Parser) -> Self {
        Self { imports: Arc::new(parser), ..self }
    }

    /// Returns the time, in microseconds since the Unix epoch.
    #[must_use]
    pub fn now_us(&self) -> i64 {
        SystemClock.now().0 / 1_000
    }

    /// Returns the context of what the server does by itself, at this moment.
    #[must_use]
    pub fn own_context(&self) -> Context {
        Context { actor: Actor::vaultterm(), source_ip: None, request_id: None, now_us: self.now_us() }
    }
}
