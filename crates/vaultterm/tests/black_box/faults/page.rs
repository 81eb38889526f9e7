//! The table as a page of the documentation.

use std::{fmt::Write as _, fs, path::PathBuf};

use super::{
    exit_code,
    row::{Section, Sees},
};

const INTRODUCTION: &str = "# When Vault fails

Generated from the tests: `UPDATE_DOCS=1 cargo test -p vaultterm --test black_box faults` rewrites it, and the
same command without the variable fails when a row does not hold or this page differs.

Each row is one fault, met by a run of a real server with a real OpenBao, where records and secrets were
created, changed and deleted on both sides before. *Problem* is what the run tells: the class, the path where
it is about one, what happened, and what to do. *Run* is how it ended and the exit code of `vaultterm sync run`.
*State* is the connection's afterwards. Where the fault ends with °, the answer was made up or shortened on
the wire; else a real server answered so, or a real connection broke.

For every row it is checked that a run that was stopped wrote nothing, that no other host was asked, that
neither value nor SecretID stands in anything that is told, and that **the next run after the fault leaves both
sides equal**: no second version in Vault, no conflict, each change in the audit log once.
";

/// Compares the page with its expected content, or rewrites it.
pub(super) fn hold(sections: &[&Section]) {
    let wanted = page(sections);
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/faults.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, wanted).expect("written");
        return;
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "docs/reference/faults.md is not up to date: run UPDATE_DOCS=1 cargo test -p vaultterm --test black_box faults"
    );
}

fn page(sections: &[&Section]) -> String {
    let mut page = INTRODUCTION.to_owned();
    for section in sections {
        let _ = write!(page, "\n## {}\n\n", section.title);
        if !section.text.is_empty() {
            let _ = write!(page, "{}\n\n", section.text);
        }
        let _ = writeln!(page, "| fault | problem | run | state |\n|---|---|---|---|");
        for row in section.rows {
            let Sees { run, state, .. } = row.sees;
            let problem = problem(&row.sees);
            let injected = if row.fault.is_injected() { " °" } else { "" };
            let _ = writeln!(page, "| {}{injected} | {problem} | {run}, {} | `{state}` |", row.name, exit_code(run));
        }
    }
    page
}

fn problem(sees: &Sees) -> String {
    let Sees { class, path, message, hint, .. } = *sees;
    if class.is_empty() {
        return "none: it passes within the run".to_owned();
    }
    let at = if path.is_empty() { String::new() } else { format!(" at `{path}`") };
    let hint = if hint.is_empty() { String::new() } else { format!("; *hint:* {hint}") };
    format!("`{class}`{at}: {message}{hint}")
}
