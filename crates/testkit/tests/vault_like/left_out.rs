//! The list in `docs/reference/servers.md` of the tests that can pass only on OpenBao, each with its reason.
//! `UPDATE_DOCS=1` rewrites the list.

use std::{
    fs,
    path::{Path, PathBuf},
};

const HEAD: &str = "## Left out on HashiCorp Vault\n\n| test | why |\n|---|---|\n";

/// The call that leaves a test out, as it appears in a source.
const CALL: &str = concat!("if only_on_", "openbao(\"");

/// Returns the sources below a folder, in order.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Returns the rows of a source. Each row names the last function before a call, and the reason.
fn rows(name: &str, text: &str) -> Vec<String> {
    let row = |(at, _): (usize, &str)| {
        let function = text[..at].rsplit("fn ").next()?.split('(').next()?;
        let reason = text[at + CALL.len()..].split('"').next()?;
        Some(format!("| `{name}`: {function} | {reason} |\n"))
    };
    text.match_indices(CALL).filter_map(row).collect()
}

#[test]
fn every_test_that_is_left_out_on_vault_is_listed_with_its_reason() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut wanted = String::new();
    for member in ["hcv", "testkit", "vaultterm"] {
        for path in sources(&crates.join(member).join("tests")) {
            let name = path.strip_prefix(crates).unwrap().display().to_string();
            wanted.extend(rows(&name, &fs::read_to_string(&path).unwrap()));
        }
    }
    let page = crates.parent().unwrap().join("docs/reference/servers.md");
    let text = fs::read_to_string(&page).unwrap();
    let (before, list) = text.split_once(HEAD).expect("the page has the list");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&page, format!("{before}{HEAD}{wanted}")).unwrap();
        return;
    }
    assert_eq!(list, wanted, "rewrite it: UPDATE_DOCS=1 cargo test -p vaultterm-testkit --test vault_like left_out");
}
