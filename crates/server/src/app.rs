//! What every handler shares.

use std::sync::Arc;

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use vaultterm_hcv::VaultConnector;
use vaultterm_sealing::RootKey;
use vaultterm_store::Store;
use vaultterm_sync::{Clock as _, Engine};

use crate::{
    AuditOptions, LicenseSettings, RootKeeper,
    anchors::Anchors,
    carry_out,
    clock::SystemClock,
    denials::Denials,
    keys::Keys,
    license::Licensing,
    live::LiveRuns,
    password::Passwords,
    throttle::{Throttle, Turns},
    webhooks::Sender,
};

/// The engine as the server runs it.
pub(crate) type ServerEngine = Engine<Store, VaultConnector, SystemClock>;

/// How the server behaves.
#[derive(Clone, Debug)]
pub struct AppOptions {
    /// Plain HTTP to a Vault on another machine is allowed.
    pub allow_plaintext_vault: bool,
    /// Where the license is.
    pub license: LicenseSettings,
    /// What is kept of the audit log, and where else.
    pub audit: AuditOptions,
}

/// The state of the server. Cheap to clone.
#[derive(Clone)]
pub struct App {
    pub(crate) store: Store,
    pub(crate) engine: Arc<ServerEngine>,
    pub(crate) connector: VaultConnector,
    pub(crate) keys: Arc<Keys>,
    pub(crate) license: Arc<Licensing>,
    pub(crate) options: AppOptions,
    pub(crate) anchors: Arc<Anchors>,
    pub(crate) live: Arc<LiveRuns>,
    pub(crate) passwords: Arc<Passwords>,
    pub(crate) throttle: Arc<Throttle>,
    /// Attempts at passwords, one at a time for each account.
    pub(crate) turns: Arc<Turns>,
    /// What callers were denied lately.
    pub(crate) denials: Arc<Denials>,
    /// The way to receivers of webhooks.
    pub(crate) webhooks: Arc<Sender>,
    /// Cancelled when the server shuts down.
    pub(crate) closing: CancellationToken,
    /// Runs, the scheduler, deliveries to webhooks, and every request that may change something: a shutdown
    /// waits for them.
    pub(crate) tasks: TaskTracker,
}

impl App {
    /// Puts the server together, of an unlocked database and whoever keeps its root key. Hashes
    /// one password, so takes a moment.
    #[must_use]
    pub fn new(
        (store, root): (Store, RootKey),
        keeper: RootKeeper,
        connector: VaultConnector,
        options: AppOptions,
    ) -> Self {
        let license = Arc::new(Licensing::new(options.license.clone()));
        let closing = CancellationToken::new();
        let engine = Engine::new(store.clone(), connector.clone(), SystemClock, license.clone());
        Self {
            engine: Arc::new(engine.bounded(carry_out::WITHIN, closing.clone())),
            store,
            connector,
            keys: Arc::new(Keys::new(keeper, root)),
            license,
            anchors: Arc::new(Anchors::new(&options.audit)),
            options,
            live: Arc::default(),
            passwords: Arc::new(Passwords::new()),
            throttle: Arc::new(Throttle::new()),
            turns: Arc::default(),
            denials: Arc::default(),
            webhooks: Arc::default(),
            closing,
            tasks: TaskTracker::new(),
        }
    }

    /// Has the license read again by the next tick of the scheduler, whether it looks changed or not.
    pub fn read_license_again(&self) {
        self.license.read_again();
    }

    /// Tells the time, in microseconds since the Unix epoch.
    pub(crate) fn now_us(&self) -> i64 {
        SystemClock.now().0 / 1_000
    }
}
