//! The surroundings of the story: a private folder, both servers, and the shell of a person.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde_json::json;

use super::{
    check::{Records, Vault, same},
    leash::Folder,
    narrator::Narrator,
    remote::{Binaries, Remote},
    servers::{self, Running},
    shell::{Shell, word},
};

/// The person whom the story is about.
pub(super) const OWNER: &str = "ann@example.com";

/// The binaries of both sides.
#[derive(Debug)]
pub(super) struct Tools {
    pub(super) remote: Binaries,
    pub(super) vaultterm: PathBuf,
}

/// The world. Its parts are dropped in this order: the servers before their folder.
#[derive(Debug)]
pub(super) struct World {
    pub(super) shell: Shell,
    pub(super) remote: Remote,
    pub(super) vaultterm: Running,
    pub(super) password: String,
    /// The data directory of `VaultTerm`.
    pub(super) data: PathBuf,
    home: PathBuf,
    _folder: Folder,
}

impl World {
    /// Starts both servers, sets `VaultTerm` up, logs its owner in, and tells each step.
    pub(super) fn start(narrator: Narrator, tools: &Tools) -> Result<Self> {
        let folder = Folder::make()?;
        let home = folder.path().join("home");
        fs::create_dir(&home).context("the folder can be written to")?;
        let remote = Remote::start(&tools.remote, folder.path(), &home)?;
        let narrator = narrator.speaking_of(remote.product);
        let mut shell = Shell::new(narrator, &home, [parent(&tools.vaultterm)?, &remote.tools])?;
        narrator.say(&format!(
            "{} runs in memory at {}. It is the Vault that your\n\
             organisation has; programs read their secrets there. Ann administers it with `vault`.",
            remote.description(),
            remote.address()
        ));
        shell.export(remote.product.address_variable(), remote.address());
        shell.show("vault secrets list")?;

        narrator.say("VaultTerm is where people keep credentials. Setting it up is two commands.");
        let data = folder.path().join("data");
        let password = shell.quietly("vaultterm record generate --no-symbols --no-ambiguous")?.trim().to_owned();
        write_private(&home.join("password.txt"), &password)?;
        shell.export("VAULTTERM_DATA_DIR", &data);
        shell.show(&format!("vaultterm init --owner-email {OWNER} --owner-password-file password.txt"))?;
        narrator.command("vaultterm serve &", None);
        let vaultterm = servers::start_vaultterm(&tools.vaultterm, folder.path(), &data)?;
        narrator.output(&vaultterm.address);
        shell.export("VAULTTERM_ADDR", &vaultterm.address);
        shell.show(&format!("vaultterm login --email {OWNER} --password-file password.txt"))?;
        narrator.say(
            "Synchronization with Vault needs a license; everything else works without. An installation can\n\
             begin an evaluation of 30 days, once. It issues it to itself, and asks nobody.",
        );
        shell.show("vaultterm license evaluate")?;
        let license = shell.json("vaultterm license show --format json")?;
        same("what the license lets synchronization do", &json!("full"), &license["sync"])?;
        narrator.checked("synchronization is included for 30 days, without a vendor and without a restart");
        Ok(Self { shell, remote, vaultterm, password, data, home, _folder: folder })
    }

    /// Returns the view of Vault.
    pub(super) fn vault(&self) -> Vault<'_> {
        Vault::new(&self.shell)
    }

    /// Returns the view of `VaultTerm`.
    pub(super) fn records(&self) -> Records<'_> {
        Records::new(&self.shell)
    }

    /// Connects a collection to the folder of the same name in Vault, with exactly the role that `connection
    /// policy --script` prints. The connection does not run by itself, because the story shows every step.
    pub(super) fn connect(&self, name: &str, mode: &str) -> Result<()> {
        let place = format!("--mount secret --path {name} --mode {mode}");
        let policy =
            format!("vaultterm connection policy {place} --role {name} --flavor {}", self.remote.product.flavor());
        let shell = &self.shell;
        shell.tell(&format!("{policy} --script >{name}.sh"))?;
        shell.tell(&format!("sh {name}.sh >{name}.role"))?;
        self.vault().has_policy(name, &shell.quietly(&policy)?)?;
        shell.tell(&format!("sed -n 's/^secret_id: //p' {name}.role >{name}.secret-id"))?;
        shell.tell(&format!(
            "vaultterm connection create {name} --collection {name} --address $VAULT_ADDR {place} \
             --role-id $(sed -n 's/^role_id: //p' {name}.role) --secret-id-file {name}.secret-id \
             --option interval_seconds=0 --option on_change=false"
        ))?;
        Ok(())
    }

    /// Writes a secret as Vault's administrator.
    pub(super) fn put(&self, path: &str, fields: &str) -> Result<()> {
        self.shell.tell_with(&format!("vault kv put -mount=secret {} -", word(path)), fields)
    }

    /// Returns the root token of the Vault. The development mode of Vault stores it for the command line.
    pub(super) fn root_token(&self) -> Result<String> {
        let path = self.home.join(".vault-token");
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }
}

fn parent(path: &Path) -> Result<&Path> {
    path.parent().with_context(|| format!("{} is in no folder", path.display()))
}

fn write_private(path: &Path, text: &str) -> Result<()> {
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}
