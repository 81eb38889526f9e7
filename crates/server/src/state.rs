//! The state of the server.

use std::{ops::Deref, sync::Arc};

use axum::extract::FromRef;
use vaultterm_hcv::VaultConnector;
use vaultterm_operations::{Meters, RootKeeper, RootKeys, Services, Settings, imports::Parser};
use vaultterm_sealing::RootKey;
use vaultterm_store::Store;

/// The state of the server: what operations work with. Cheap to clone.
#[derive(Clone)]
pub struct ServerState {
    pub(crate) services: Services,
}

impl ServerState {
    /// Puts the server together, of an unlocked database and the keeper of its root key. Hashes one password, so takes
    /// a moment.
    #[must_use]
    pub fn new(store: Store, root: RootKey, keeper: RootKeeper, connector: VaultConnector, settings: Settings) -> Self {
        let keys = RootKeys::new(keeper, root);
        Self { services: Services::new(store, keys, connector, settings) }
    }

    /// Counts with these meters, which may have counted before.
    #[must_use]
    pub fn measured_by(self, meters: Arc<Meters>) -> Self {
        Self { services: self.services.measured_by(meters) }
    }

    /// Has files for import parsed so. Without it, this server imports none.
    #[must_use]
    pub fn parsing(self, parser: Parser) -> Self {
        Self { services: self.services.parsing(parser) }
    }

    /// Has the license read again by the next look at what is due, whether it looks changed or not.
    pub fn read_license_again(&self) {
        self.services.license.read_again();
    }
}

/// A page passes `&app` to operations.
impl Deref for ServerState {
    type Target = Services;

    fn deref(&self) -> &Services {
        &self.services
    }
}

impl FromRef<ServerState> for Services {
    fn from_ref(app: &ServerState) -> Self {
        app.services.clone()
    }
}
