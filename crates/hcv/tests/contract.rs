//! The client keeps the contract that the engine relies on, on a real OpenBao and with each way of listing.

#[path = "openbao/world.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod world;

use vaultterm_hcv::{Listing, VaultRemote};
use vaultterm_reconcile::Mode;
use vaultterm_testkit::openbao::OpenBaoBackdoor;
use world::{MOUNT, PREFIX, World};

/// Returns a session that lists in this way, and its back door. HashiCorp Vault knows only the listing key by
/// key, so every module below uses that one there.
async fn real_world(listing: Listing) -> (VaultRemote, OpenBaoBackdoor) {
    let listing = world::known(&[listing]).first().copied().unwrap_or(Listing::PerKey);
    let world = World::new(Mode::Bidirectional).await;
    if listing == Listing::PerKey {
        // The policy for HashiCorp Vault grants only this way.
        world.set_policy(&world::vault_hcl(Mode::Bidirectional)).await;
    }
    (world.connect_listing(listing, 7).await, world.server.backdoor(MOUNT, PREFIX))
}

mod as_openbao_allows {
    vaultterm_testkit::contract!(super::real_world(vaultterm_hcv::Listing::Auto).await);
}

/// The way for scopes that are too large for a single `SCAN`.
mod folder_by_folder {
    vaultterm_testkit::contract!(super::real_world(vaultterm_hcv::Listing::DetailedList).await);
}

/// The way for servers without `SCAN` and `detailed-metadata`.
mod key_by_key {
    vaultterm_testkit::contract!(super::real_world(vaultterm_hcv::Listing::PerKey).await);
}
