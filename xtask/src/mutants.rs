//! Checks with cargo-mutants that the tests notice mutants, which are small changes to the sources.
//!
//! A mutant that no test notices is a survivor. `docs/reference/mutants.md` explains the survivors that are
//! accepted, and any other survivor is an error. cargo-mutants reads its settings from `.cargo/mutants.toml`.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use crate::tools;

/// The page with the table that explains the accepted survivors.
const EXPLAINED: &str = "docs/reference/mutants.md";

/// The exit codes of cargo-mutants when it tried all mutants: the tests noticed all of them, missed some, or
/// some mutants made a test wait for too long.
const TRIED: [i32; 3] = [0, 2, 3];

/// The mutants to try.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    /// Those in the lines that differ from this revision.
    Since(String),
    /// All of one crate, by its name without `vaultterm-`.
    Crate(String),
}

/// Tries mutants with the tests of the crates that they are in.
pub(crate) fn check(root: &Path, wanted: &Wanted) -> Result<()> {
    let tool = tools::install_mutants(root)?;
    let out = root.join("target/mutants");
    fs::create_dir_all(&out)?;
    let mut command = Command::new(tool);
    command.current_dir(root).args(["mutants", "--output"]).arg(&out);
    match wanted {
        Wanted::Since(revision) => {
            command.arg("--in-diff").arg(difference(root, revision, &out)?);
        }
        Wanted::Crate(name) => {
            command.arg("--package").arg(format!("vaultterm-{name}"));
        }
    }
    let status = command.status().context("cannot start cargo-mutants")?;
    ensure!(status.code().is_some_and(|code| TRIED.contains(&code)), "cargo-mutants ended with {status}");
    judge(root, &out.join("mutants.out"))
}

/// Writes what changed in Rust sources since a revision to a file, and returns its path.
fn difference(root: &Path, revision: &str, out: &Path) -> Result<PathBuf> {
    let arguments = ["diff", "--merge-base", revision, "--", "*.rs"];
    let output = Command::new("git").current_dir(root).args(arguments).output().context("cannot start git")?;
    ensure!(output.status.success(), "git knows no revision `{revision}`");
    let file = out.join("since.diff");
    fs::write(&file, output.stdout)?;
    Ok(file)
}

/// Fails if a mutant survived that the page does not explain.
fn judge(root: &Path, out: &Path) -> Result<()> {
    // cargo-mutants writes no list where it found nothing to try.
    let missed = fs::read_to_string(out.join("missed.txt")).unwrap_or_default();
    let page = fs::read_to_string(root.join(EXPLAINED)).with_context(|| format!("cannot read {EXPLAINED}"))?;
    let unknown = unexplained(&missed, &page);
    if unknown.is_empty() {
        return Ok(());
    }
    unknown.iter().for_each(|mutant| println!("survived: {mutant}"));
    bail!("{} mutant(s) survived: test what they change, or explain them in {EXPLAINED}", unknown.len());
}

/// Returns the survivors that the page does not explain, as cargo-mutants names them. The page names them
/// without line and column, because these change with every edit.
fn unexplained<'a>(missed: &'a str, page: &str) -> Vec<&'a str> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let explained: BTreeSet<String> = rows.map(|(name, _)| name.replace("\\|", "|")).collect();
    missed.lines().filter(|name| !explained.contains(&without_place(name))).collect()
}

/// Removes line and column from the name of a mutant.
fn without_place(name: &str) -> String {
    let parts: Vec<_> = name.splitn(4, ':').collect();
    match parts[..] {
        [file, _, _, what] => format!("{file}:{what}"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::unexplained;

    const PAGE: &str =
        "| mutant | why |\n|---|---|\n| `a/src/b.rs: replace f -> bool with a \\|\\| b` | no difference |\n";

    #[test]
    fn a_survivor_is_accepted_only_where_the_page_explains_it_whatever_its_line() {
        let explained = "a/src/b.rs:10:5: replace f -> bool with a || b";
        let other = "a/src/b.rs:10:5: replace g -> bool with true";
        assert_eq!(unexplained(&format!("{explained}\n{other}\n"), PAGE), [other]);
        assert!(unexplained("", PAGE).is_empty());
    }
}
