//! The server on which the tests run: a real OpenBao, a real HashiCorp Vault that the developer has, or the
//! stand-in for it.
//!
//! `VAULTTERM_VAULT` chooses the server. Unset, it is OpenBao. The path of a `vault` binary chooses that
//! Vault, and `stand-in` chooses [`VaultLike`](crate::vault_like::VaultLike).

use std::path::{Path, PathBuf};

/// The kind of a test server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// OpenBao: the pinned one, or `VAULTTERM_BAO`.
    OpenBao,
    /// HashiCorp Vault: the binary that `VAULTTERM_VAULT` names.
    Vault,
    /// An OpenBao behind the stand-in for HashiCorp Vault.
    StandIn,
}

impl Product {
    /// Returns the server that the environment chooses.
    #[must_use]
    pub fn chosen() -> Self {
        match std::env::var_os("VAULTTERM_VAULT") {
            None => Self::OpenBao,
            Some(name) if name.is_empty() => Self::OpenBao,
            Some(name) if name == "stand-in" => Self::StandIn,
            Some(_) => Self::Vault,
        }
    }

    /// Returns the server for a test about HashiCorp Vault: a real one if the environment names it, else the
    /// stand-in.
    #[must_use]
    pub fn vault() -> Self {
        if Self::chosen() == Self::Vault { Self::Vault } else { Self::StandIn }
    }

    /// Returns the binary that is both the server and the command line. Behind the stand-in it is that of
    /// OpenBao.
    ///
    /// # Panics
    /// If there is no binary. The message says how to get it.
    #[must_use]
    pub fn binary(self) -> PathBuf {
        if self == Self::Vault {
            let path = PathBuf::from(std::env::var_os("VAULTTERM_VAULT").unwrap_or_default());
            assert!(path.is_file(), "VAULTTERM_VAULT names no file: {}", path.display());
            return path;
        }
        if let Some(path) = std::env::var_os("VAULTTERM_BAO") {
            return path.into();
        }
        let workspace =
            Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates/testkit is two levels down");
        let path = workspace.join("target/tools/openbao-2.7.2/bao");
        assert!(path.exists(), "there is no OpenBao at {}: run `cargo xtask setup`", path.display());
        path
    }

    /// Returns whether the server answers as HashiCorp Vault does.
    #[must_use]
    pub fn is_vault(self) -> bool {
        self != Self::OpenBao
    }
}

/// Returns the binary of the chosen server, which is also its command line.
///
/// # Panics
/// If there is no binary. The message says how to get it.
#[must_use]
pub fn binary() -> PathBuf {
    Product::chosen().binary()
}

/// Returns whether a test must be left out because it can pass only on OpenBao, and prints the reason. Such a
/// test begins with `if only_on_openbao("…") { return; }`.
///
/// `docs/reference/servers.md` lists the reasons.
#[allow(clippy::print_stderr, reason = "the person who runs the tests must learn what was left out")]
#[must_use]
pub fn only_on_openbao(reason: &str) -> bool {
    let skipped = Product::chosen().is_vault();
    if skipped {
        let thread = std::thread::current();
        eprintln!("left out on HashiCorp Vault: {}: {reason}", thread.name().unwrap_or("a test"));
    }
    skipped
}
