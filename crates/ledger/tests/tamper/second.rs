//! The second verifier, in Python, must find the same faults as the first verifier.

use std::{fs, path::Path, process::Command, thread};

use crate::{
    log::{of_length, written},
    structure::{Attack, attacks},
};

fn script() -> Command {
    let mut command = Command::new("python3");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/verify_audit.py"));
    command
}

/// Runs the second verifier and returns its exit code and its output.
fn run(folder: &Path, attack: &Attack) -> (i32, String) {
    let (export, anchors) = (folder.join("export.jsonl"), folder.join("anchors.jsonl"));
    fs::write(&export, &attack.export).unwrap();
    let lines: Vec<u8> =
        attack.anchors.iter().flat_map(|note| written(|out| vaultterm_ledger::checkpoint_line(note, out))).collect();
    fs::write(&anchors, lines).unwrap();
    let mut command = script();
    command.arg("--anchor").arg(&anchors);
    for vkey in &attack.vkeys {
        command.arg("--vkey").arg(vkey.to_string());
    }
    let output = command.arg(&export).output().expect("Python 3 is there");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), said)
}

#[test]
fn the_second_verifier_finds_the_same_in_every_attack() {
    let attacks = attacks();
    thread::scope(|scope| {
        for part in attacks.chunks(attacks.len().div_ceil(2)) {
            scope.spawn(move || {
                let folder = tempfile::tempdir().unwrap();
                for attack in part {
                    let (code, said) = run(folder.path(), attack);
                    let expected = attack.expected.map_or(0, |class| i32::from(class.exit_code()));
                    assert_eq!(code, expected, "{}: {said}", attack.name);
                }
            });
        }
    });
}

#[test]
fn the_second_verifier_finds_changed_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let log = of_length(24, 14, 8, [1, 2]);
    let export = log.export().concat();
    let mut command = script();
    command.arg("--vkey").arg(log.vkeys[0].clone());
    let mut flipped = 0;
    for at in (0..export.len() - 1).step_by(61) {
        let mut bent = export.clone();
        bent[at] ^= 1 << (at % 7);
        let file = folder.path().join(at.to_string());
        fs::write(&file, bent).unwrap();
        command.arg(file);
        flipped += 1;
    }
    let said = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert_eq!(said.lines().count(), flipped);
    let unnoticed: Vec<_> = said.lines().filter(|line| line.contains(": ok: ")).collect();
    assert!(flipped > 300 && unnoticed.is_empty(), "{unnoticed:?}");
}
