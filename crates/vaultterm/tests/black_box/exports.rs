//! Exports of the audit log, checked by both verifiers without a server.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::json;
use tempfile::TempDir;

use crate::house::House;

/// Returns a house with some history, and a folder for exports.
async fn lived_in() -> (House, TempDir) {
    let house = House::new().await;
    let collection = house.collection("app").await;
    for name in ["one", "two", "three"] {
        house.record(&collection, name, json!({"password": name})).await;
    }
    (house, tempfile::tempdir().expect("a temporary directory"))
}

/// Exports with these flags and returns the file.
fn export(house: &House, folder: &TempDir, flags: &[&str]) -> PathBuf {
    let file = folder.path().join(format!("{}.jsonl", fs::read_dir(folder).expect("listed").count()));
    let output = ["-o", file.to_str().expect("UTF-8")];
    let exported = house.cli(&[["audit", "export"].as_slice(), flags, &output].concat());
    assert!(exported.status.success(), "{exported:?}");
    file
}

fn vkeys(house: &House) -> Vec<String> {
    let keys = house.cli(&["audit", "key"]);
    String::from_utf8(keys.stdout).expect("UTF-8").lines().map(str::to_owned).collect()
}

/// Runs both verifiers, asserts that their exit codes are equal, and returns the code.
fn verify(house: &House, file: &Path, flags: &[&str]) -> i32 {
    let file = file.to_str().expect("UTF-8");
    let first = house.cli(&[["audit", "verify", file].as_slice(), flags].concat());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/verify_audit.py");
    let second = Command::new("python3").arg(script).args(flags).arg(file).output().expect("Python 3 is there");
    assert_eq!(first.status.code(), second.status.code(), "{first:?}\n{second:?}");
    first.status.code().expect("it ended by itself")
}

#[tokio::test]
async fn an_export_verifies_with_the_key_that_was_kept_also_after_the_key_was_replaced() {
    let (house, folder) = lived_in().await;
    let [kept] = vkeys(&house).try_into().expect("one key");
    let before = export(&house, &folder, &[]);
    assert_eq!(verify(&house, &before, &["--vkey", &kept]), 0);
    assert!(house.cli(&["key", "rotate", "audit"]).status.success());
    let [old, new] = vkeys(&house).try_into().expect("two keys");
    assert_eq!(old, kept);
    let after = export(&house, &folder, &[]);
    for vkey in [&old, &new] {
        assert_eq!(verify(&house, &after, &["--vkey", vkey]), 0);
    }
    let verdict = house.cli_json(&["audit", "verify", after.to_str().expect("UTF-8"), "--vkey", &old]);
    assert_eq!((&verdict["ok"], &verdict["trusted"]), (&json!(true), &json!(true)));
    assert_eq!(verdict["signed_to"], verdict["last"], "an export ends with a signature over all of it: {verdict}");
    // A file may hold both, as `vaultterm audit key` prints them.
    let said = |file: &str| {
        let after = after.to_str().expect("UTF-8");
        let output = house.cli(&["audit", "verify", after, "--vkey", &format!("@{file}")]);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(said(&house.file("keys", &format!("{old}\n\n{new}\n"))).0, Some(0));
    for (file, why) in [
        (house.file("empty", "\n"), "the file holds no key"),
        (house.file("other", "hunter2\n"), "copy the whole line of `vaultterm audit key`"),
        ("/nowhere/keys".to_owned(), "--vkey"),
    ] {
        let (code, said) = said(&file);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(why) && !said.contains("hunter2"), "{said}");
    }
    // The earlier export names only the first key, and does not vouch for the new one.
    assert_eq!(verify(&house, &before, &["--vkey", &new]), 27);
}

#[tokio::test]
async fn parts_of_the_log_verify_by_time_and_selections_entry_by_entry() {
    let (house, folder) = lived_in().await;
    let [kept] = vkeys(&house).try_into().expect("one key");
    let whole = export(&house, &folder, &[]);
    let text = fs::read_to_string(&whole).expect("read");
    let middle = text.lines().filter(|line| line.starts_with("{\"bytes\"")).nth(4).expect("an entry");
    let middle: serde_json::Value = serde_json::from_str(middle).expect("JSON");
    let time = middle["time"].as_str().expect("a time");
    for flags in [["--from", time], ["--to", time]] {
        let part = export(&house, &folder, &flags);
        let verdict = house.cli_json(&["audit", "verify", part.to_str().expect("UTF-8")]);
        assert!(
            verdict["ok"] == json!(true) && verdict["entries"].as_u64() < middle["seq"].as_u64().map(|seq| seq + 9)
        );
        assert_eq!(verdict["until"], json!(flags[0] == "--to"));
    }
    let from = export(&house, &folder, &["--from", time]);
    assert_eq!(verify(&house, &from, &["--vkey", &kept]), 0);
    let selection = house.owner.get("/audit/export?action=RECORD_CREATED").await.expect(200).body;
    let file = folder.path().join("selection.jsonl");
    fs::write(&file, selection.as_str().expect("text")).expect("written");
    assert_eq!(verify(&house, &file, &[]), 0);
    let verdict = house.cli(&["audit", "verify", file.to_str().expect("UTF-8")]);
    assert!(String::from_utf8_lossy(&verdict.stderr).contains("left out in between"), "{verdict:?}");
}

#[tokio::test]
async fn what_was_done_to_an_export_or_the_log_is_told_by_the_exit_code() {
    let (house, folder) = lived_in().await;
    let [kept] = vkeys(&house).try_into().expect("one key");
    let file = export(&house, &folder, &[]);
    let text = fs::read_to_string(&file).expect("read");
    let lines: Vec<&str> = text.lines().collect();
    let tamper = |lines: &[&str]| {
        let bent = folder.path().join("bent.jsonl");
        fs::write(&bent, lines.join("\n") + "\n").expect("written");
        verify(&house, &bent, &["--vkey", &kept])
    };
    assert_eq!(tamper(&lines), 0);
    assert_eq!(tamper(&lines[..lines.len() - 1]), 25);
    let entry = lines.iter().position(|line| line.contains("\"RECORD_CREATED\"")).expect("an entry");
    let (before, after) = (&lines[..entry], &lines[entry + 1..]);
    assert_eq!(tamper(&[before, after].concat()), 22);
    let edited = lines[entry].replace("ann@example.com", "eve@example.com");
    assert_eq!(tamper(&[before, &[edited.as_str()], after].concat()), 21);
    // The kept checkpoint is newer than this copy of the log.
    let later = export(&house, &folder, &[]);
    let later = fs::read_to_string(later).expect("read");
    let checkpoint = later.lines().rfind(|line| line.starts_with("{\"checkpoint\"")).expect("one");
    let anchor = folder.path().join("anchor.jsonl");
    fs::write(&anchor, format!("{checkpoint}\n")).expect("written");
    let anchor = anchor.to_str().expect("UTF-8");
    assert_eq!(verify(&house, &file, &["--vkey", &kept, "--anchor", anchor]), 25);
    let missing = house.cli(&["audit", "verify", "/nowhere.jsonl"]);
    assert_eq!(missing.status.code(), Some(1));
}
