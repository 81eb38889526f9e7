//! The list of other programs: what each does, and with which command.

use crate::works::Work;

/// The scope from which programs copy or read.
pub(super) const SOURCE: &str = "source";

/// A program.
pub(super) struct Program {
    pub(super) name: &'static str,
    /// What it does, one after another.
    pub(super) runs: &'static [Run],
    /// Whether its first run writes to Vault.
    pub(super) writes: bool,
}

/// One thing that a program does.
pub(super) struct Run {
    pub(super) what: &'static str,
    /// The works of the engine that do the same. A copy from Vault to Vault is a pull and a push.
    pub(super) works: &'static [Work],
    /// The command. `{…}` stands for what `peers.rs` puts in.
    pub(super) program: &'static [&'static str],
}

const PUSH: &[Work] = &[Work::InitialPush];
const PULL: &[Work] = &[Work::InitialPull];
const COPY: &[Work] = &[Work::InitialPull, Work::InitialPush];
const QUIET: &[Work] = &[Work::NoChange];

const fn script(what: &'static str, works: &'static [Work], program: &'static [&'static str]) -> Run {
    Run { what, works, program }
}

/// Fills the mount from which vault-sync copies, because it copies whole mounts.
pub(super) const FILL: Run = script(
    "fill",
    PUSH,
    &["{python}/peers/bin/python", "{scripts}/hvac_pool.py", "push", "peer-from", "all", "{secrets}"],
);

const CONFIG_TO_VAULT: &[&str] = &[
    "{python}/peers/bin/config-to-vault",
    "--profile",
    "prod",
    "--vault-base",
    "{mount}/peer-config",
    "--source-dir",
    "{work}/config",
    "--workers",
    "8",
    "--apply",
];
const VAULT_SYNC: &[&str] = &["{python}/peers/bin/vault-sync", "--config", "{work}/vault-sync.json"];
const VAULT_EXODUS: &[&str] = &[
    "{python}/peers/bin/exodus",
    "--rate-limit",
    "0",
    "--vault-a-addr",
    "{address}",
    "--vault-a-token",
    "{token}",
    "--vault-a-mount",
    "{mount}",
    "--vault-a-path-root",
    SOURCE,
    "--vault-b-addr",
    "{address}",
    "--vault-b-token",
    "{token}",
    "--vault-b-mount",
    "{mount}",
    "--vault-b-path-root",
    "peer-exodus",
];

/// All programs.
pub(super) const PROGRAMS: &[Program] = &[
    Program {
        name: "hvac",
        writes: true,
        runs: &[
            script(
                "push",
                PUSH,
                &["{python}/peers/bin/python", "{scripts}/hvac_pool.py", "push", "{mount}", "peer-hvac", "{secrets}"],
            ),
            script(
                "no_change",
                QUIET,
                &[
                    "{python}/peers/bin/python",
                    "{scripts}/hvac_pool.py",
                    "no_change",
                    "{mount}",
                    "peer-hvac",
                    "{secrets}",
                ],
            ),
            script(
                "pull",
                PULL,
                &["{python}/peers/bin/python", "{scripts}/hvac_pool.py", "pull", "{mount}", SOURCE, "{secrets}"],
            ),
        ],
    },
    Program {
        name: "config_to_vault",
        writes: true,
        runs: &[script("push", PUSH, CONFIG_TO_VAULT), script("no_change", QUIET, CONFIG_TO_VAULT)],
    },
    Program {
        name: "vault_sync",
        writes: true,
        runs: &[script("copy", COPY, VAULT_SYNC), script("no_change", QUIET, VAULT_SYNC)],
    },
    Program {
        name: "vault_exodus",
        writes: true,
        runs: &[script("copy", COPY, VAULT_EXODUS), script("no_change", QUIET, VAULT_EXODUS)],
    },
    Program {
        name: "vault_dump_restore",
        writes: false,
        runs: &[script(
            "pull",
            PULL,
            &["{python}/dump/bin/vault-dump", "--path", "{mount}/source/", "--output", "json"],
        )],
    },
];
