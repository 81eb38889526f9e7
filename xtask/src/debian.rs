//! Installs packages of the system where that needs no question: as root on a system with apt.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result};

/// Installs a package if that is possible. The caller looks whether it is there now.
pub(crate) fn install(package: &str) -> Result<()> {
    if !is_root() || !Path::new("/usr/bin/apt-get").exists() {
        return Ok(());
    }
    for arguments in [&["update", "--quiet"][..], &["install", "--yes", "--no-install-recommends", package]] {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").status().context("cannot start apt-get")?;
    }
    Ok(())
}

/// Installs the library that gives a program a wrong clock, and returns whether it is there. The tests find it where Debian
/// puts it.
pub(crate) fn has_wrong_clocks() -> Result<bool> {
    let is_there = || {
        let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
        folders.into_iter().any(|folder| folder.path().join("faketime/libfaketimeMT.so.1").exists())
    };
    if !is_there() {
        install("libfaketime")?;
    }
    Ok(is_there())
}

/// Returns whether this process runs as root.
pub(crate) fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}
