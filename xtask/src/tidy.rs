//! The rules that no compiler checks.

mod circles;
mod files;
mod lists;
mod pages;
mod surfaces;

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};

use files::files;

/// The crates that each crate may use. No crate may use a crate that is not listed here.
const ROOMS: [(&str, &[&str]); 17] = [
    ("names", &[]),
    ("reconcile", &["names"]),
    ("ledger", &["names"]),
    ("outbound", &[]),
    ("traces", &["names", "outbound"]),
    ("license", &["names"]),
    ("feed", &["reconcile"]),
    ("sealing", &["reconcile"]),
    ("exchange", &["names", "reconcile", "sealing"]),
    ("sync", &["ledger", "reconcile", "sealing"]),
    ("contract", &["exchange", "ledger", "license", "reconcile", "sealing", "sync"]),
    ("hcv", &["outbound", "reconcile", "sealing", "sync"]),
    ("store", &["exchange", "ledger", "reconcile", "sealing", "sync"]),
    (
        "operations",
        &[
            "contract",
            "exchange",
            "hcv",
            "ledger",
            "license",
            "outbound",
            "reconcile",
            "sealing",
            "store",
            "sync",
            "traces",
        ],
    ),
    (
        "server",
        &[
            "contract",
            "exchange",
            "hcv",
            "ledger",
            "license",
            "operations",
            "outbound",
            "reconcile",
            "sealing",
            "store",
            "sync",
            "traces",
        ],
    ),
    // `bench` measures the other crates, and no crate uses it.
    ("bench", &["hcv", "ledger", "reconcile", "sealing", "server", "store", "sync", "testkit"]),
    (
        "vaultterm",
        &[
            "contract",
            "exchange",
            "feed",
            "hcv",
            "ledger",
            "license",
            "reconcile",
            "sealing",
            "server",
            "store",
            "sync",
            "traces",
        ],
    ),
];

/// The libraries that the planner must not use, because a plan depends on its input alone.
const IMPURE: [&str; 5] = ["tokio", "sqlx", "reqwest", "aws-lc-rs", "rand"];

const NAMES_REFUSED: [&str; 5] = ["utils", "helpers", "common", "misc", "manager"];

/// Checks all rules and prints each finding.
///
/// # Errors
/// When there is a finding, or a file cannot be read.
pub(crate) fn check(root: &Path) -> Result<()> {
    let mut findings = Vec::new();
    for (room, allowed) in ROOMS {
        let path = root.join("crates").join(room).join("Cargo.toml");
        if path.exists() {
            manifest(&path, room, allowed, &mut findings)?;
        }
    }
    for folder in ["crates", "xtask"] {
        sources(&root.join(folder), &mut findings)?;
    }
    pages::check(&root.join("crates/server/src/web"), &mut findings)?;
    circles::check(root, &mut findings)?;
    surfaces::check(root, &mut findings)?;
    lists::check(root, &mut findings)?;
    links(root, &root.join("README.md"), &mut findings)?;
    for path in files(&root.join("docs"), "md")? {
        links(root, &path, &mut findings)?;
    }
    if findings.is_empty() {
        return Ok(());
    }
    findings.iter().for_each(|finding| eprintln!("tidy: {finding}"));
    bail!("{} finding(s)", findings.len());
}

fn manifest(path: &Path, room: &str, allowed: &[&str], findings: &mut Vec<String>) -> Result<()> {
    let text = fs::read_to_string(path)?;
    let (mut section, mut before) = ("", "");
    for line in text.lines() {
        let reason = line.contains(" # ") || before.starts_with('#');
        before = line;
        if line.starts_with('[') {
            section = line;
        }
        if section != "[dependencies]" || line.starts_with(['#', '[']) {
            continue;
        }
        let Some((name, _)) = line.split_once(['.', ' ', '=']) else { continue };
        if let Some(ours) = name.strip_prefix("vaultterm-")
            && !allowed.contains(&ours)
        {
            findings.push(format!("crates/{room} must not use {name}"));
        }
        if room == "reconcile" && IMPURE.contains(&name) {
            findings.push(format!("the planner is pure: it must not use {name}"));
        }
        if !name.starts_with("vaultterm-") && !reason {
            findings.push(format!("crates/{room}: write the reason for `{name}` beside it"));
        }
    }
    Ok(())
}

fn sources(folder: &Path, findings: &mut Vec<String>) -> Result<()> {
    for path in files(folder, "rs")? {
        let text = fs::read_to_string(&path)?;
        let shown = path.display();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if NAMES_REFUSED.contains(&stem) {
            findings.push(format!("{shown}: name a module for what it does"));
        }
        if !text.starts_with("//!") && !text.starts_with("#!") {
            findings.push(format!("{shown}: begin the module with a comment (`//!`) about its content"));
        }
        let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("todo", "!("), concat!("unimplemented", "!(")];
        for mark in marks.iter().filter(|mark| text.contains(**mark)) {
            findings.push(format!("{shown}: `{mark}` marks unfinished work"));
        }
    }
    Ok(())
}

/// Checks that the relative links of a page lead to existing files.
fn links(root: &Path, page: &Path, findings: &mut Vec<String>) -> Result<()> {
    let text = fs::read_to_string(page).with_context(|| format!("cannot read {}", page.display()))?;
    for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        let file = target.split('#').next().unwrap_or_default();
        if file.is_empty() || file.contains("://") {
            continue;
        }
        if !page.parent().unwrap_or(root).join(file).exists() {
            findings.push(format!("{}: the link to {file} does not lead to a file", page.display()));
        }
    }
    Ok(())
}
