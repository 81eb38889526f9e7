//! Deletions, restores and a rename, in both directions.

use anyhow::Result;
use serde_json::json;

use crate::demo::world::World;

/// Tells of deletions and restores.
pub(super) fn tell(world: &World) -> Result<()> {
    let shell = &world.shell;
    let (vpn, registry) = (json!({"username": "team", "password": "v2"}), json!({"username": "ci", "password": "r1"}));

    shell.narrator.say("Ann deletes the VPN's record; an administrator deletes the registry's secret in Vault.");
    shell.tell("vaultterm record rm team/vpn")?;
    shell.tell("vault kv delete -mount=secret team/ci/registry")?;
    shell.show("vaultterm sync run team")?;
    world.records().last_run_did("team", &[("deleted_remote", 1), ("deleted_local", 1)])?;
    world.vault().is_deleted("team/vpn", 2)?;
    world.records().trashed("team/ci/registry")?;

    shell.narrator.say("Both were mistakes. Each is taken back on the side where it was made.");
    shell.tell("vaultterm record restore team/vpn")?;
    shell.tell("vault kv undelete -mount=secret -versions=1 team/ci/registry")?;
    shell.show("vaultterm sync run team")?;
    world.vault().holds("team/vpn", 3, &vpn)?;
    world.records().hold("team/ci/registry", "PASSWORD", &registry)?;
    world.vault().holds("team/ci/registry", 1, &registry)
}

/// Tells of a rename.
pub(super) fn tell_of_a_rename(world: &World) -> Result<()> {
    let shell = &world.shell;
    shell.narrator.say("Records keep their history when they move. In Vault the new place is written first.");
    shell.tell("vaultterm record mv team/vpn team/network/vpn")?;
    shell.show("vaultterm sync plan team")?;
    shell.show("vaultterm sync run team")?;
    world.vault().holds("team/network/vpn", 1, &json!({"username": "team", "password": "v2"}))?;
    world.vault().is_deleted("team/vpn", 3)
}
