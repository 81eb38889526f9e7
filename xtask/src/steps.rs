//! The steps of `cargo xtask test`, each named and timed.

use std::{path::Path, process::Command, time::Instant};

use anyhow::{Context, Result, bail};

use crate::{openbao, tidy};

/// Runs everything that must hold, and stops at the first thing that does not.
pub(crate) fn test(root: &Path) -> Result<()> {
    step("tidiness", || tidy::check(root))?;
    step("formatting", || cargo(root, &["fmt", "--all", "--check"], &[]))?;
    step("lints", || {
        cargo(root, &["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"], &[])
    })?;
    let bao = openbao::install(root)?.display().to_string();
    step("tests", || cargo(root, &["test", "--workspace", "--locked"], &[("VAULTTERM_BAO", &bao)]))?;
    step("documentation", || {
        let arguments = ["doc", "--workspace", "--no-deps", "--locked", "--quiet"];
        cargo(root, &arguments, &[("RUSTDOCFLAGS", "-D warnings")])
    })
}

fn step(name: &str, run: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("── {name}");
    let start = Instant::now();
    run().with_context(|| format!("{name} failed"))?;
    println!("── {name}: ok, {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

fn cargo(root: &Path, arguments: &[&str], env: &[(&str, &str)]) -> Result<()> {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(root).args(arguments).envs(env.iter().copied());
    let status = command.status().context("cannot start cargo")?;
    if !status.success() {
        bail!("cargo {} ended with {status}", arguments.join(" "));
    }
    Ok(())
}
