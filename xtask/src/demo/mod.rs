//! `cargo xtask demo` starts a real Vault (see `remote.rs`) and `VaultTerm` on this machine, and tells a
//! story in chapters.
//!
//! The demo does everything with the two command lines, as a person would. After each step it checks the
//! other side independently (`check.rs`), and the first difference ends it with an error. No process or file
//! outlives it (`leash.rs`). Start reading at `chapters/mod.rs`.

mod chapters;
mod check;
pub(crate) mod leash;
mod narrator;
mod remote;
pub(crate) mod servers;
mod shell;
mod world;

use std::{path::Path, thread, time::Duration, time::Instant};

use anyhow::{Context, Result};

use narrator::Narrator;
use remote::Binaries;
use world::{OWNER, Tools, World};

/// Runs the demo. With `keep`, both servers stay up afterwards until Ctrl-C.
pub(crate) fn run(root: &Path, keep: bool) -> Result<()> {
    let narrator = Narrator::new();
    narrator.say(
        "Getting ready: the Vault (OpenBao by pinned hash, or what VAULTTERM_VAULT names), and `cargo build`\n\
         of VaultTerm (debug profile).",
    );
    let remote = Binaries::find(root)?;
    let [vaultterm] = servers::build(root, [("vaultterm", "vaultterm")], "dev")?;
    let tools = Tools { remote, vaultterm };

    let began = Instant::now();
    narrator.chapter(1, "Two servers");
    let world = World::start(narrator, &tools)?;
    chapters::tell(&world).with_context(|| {
        let (ours, theirs) = (world.vaultterm.last_words(), world.remote.last_words());
        format!(
            "the demo ends here. VaultTerm's last words:\n{ours}\nThe Vault's last words:\n{theirs}\nWhat went wrong"
        )
    })?;
    narrator.say(&format!("All of it held, in {:.0} seconds.", began.elapsed().as_secs_f64()));
    if keep {
        linger(narrator, &world, &tools)?;
    }
    Ok(())
}

/// Prints how to look around, and waits. Ctrl-C ends this process, and the servers and the folder with it.
fn linger(narrator: Narrator, world: &World, tools: &Tools) -> Result<()> {
    let (server, vaultterm) = (tools.remote.server.display(), tools.vaultterm.display());
    let product = world.remote.product;
    let command = product.command();
    narrator.say(&format!(
        "Both servers stay up until you press Ctrl-C; then they and their files are gone.\n\
         \n\
         Look at the pages: open {}\n\
         and log in as {OWNER} with the password {}\n\
         \n\
         Or go on in another terminal:\n\
         \n\
         export VAULTTERM_ADDR={} {}={}\n\
         export {}_TOKEN={}\n\
         alias vaultterm={vaultterm} {command}={server}\n\
         vaultterm login --email {OWNER}",
        world.vaultterm.address,
        world.password,
        world.vaultterm.address,
        product.address_variable(),
        world.remote.address(),
        command.to_uppercase(),
        world.root_token()?.trim(),
    ));
    loop {
        thread::sleep(Duration::from_secs(3_600));
    }
}
