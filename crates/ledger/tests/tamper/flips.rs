//! Changes each byte of an export and checks that the verifier notices. The fast tests change all
//! bytes of a short log and a sample of a long log. `cargo xtask tamper` changes every byte of the
//! long log.

use std::{env, thread};

use vaultterm_ledger::{Entry, Trust, Verifier, entry_line};

use crate::log::{LENGTH, Log, log, of_length, written};

/// Returns whether a check notices that one line was replaced. The check starts from its state before
/// that line and continues until it finds a fault.
fn noticed(before: &Verifier, bent: &[u8], rest: &[Vec<u8>]) -> bool {
    let mut verifier = before.clone();
    verifier.batch(bent, 1);
    if verifier.found_any() {
        return true;
    }
    for line in rest {
        verifier.batch(line, 1);
        if verifier.found_any() {
            return true;
        }
    }
    verifier.finish().found > 0
}

/// Flips every `step`-th byte of the lines from `from` on and returns how many it flipped.
fn flip(log: &Log, lines: &[Vec<u8>], (from, to): (usize, usize), step: usize) -> u64 {
    let mut verifier = Verifier::new(Trust { vkeys: vec![log.vkey(0)], anchors: Vec::new() });
    for line in &lines[..from] {
        verifier.batch(line, 1);
    }
    let (mut flipped, mut countdown) = (0, 0);
    for (at, line) in lines.iter().enumerate().take(to).skip(from) {
        for byte in 0..line.len() {
            if countdown > 0 {
                countdown -= 1;
                continue;
            }
            countdown = step - 1;
            let mut bent = line.clone();
            // Flip another bit each time, but never make a newline, which would split the line.
            bent[byte] ^= 1 << (byte % 7);
            if bent == *line || (byte + 1 == line.len() && at + 1 == lines.len()) {
                continue;
            }
            flipped += 1;
            let rest = &lines[at + 1..];
            assert!(noticed(&verifier, &bent, rest), "byte {byte} of line {}", at + 1);
        }
        verifier.batch(line, 1);
    }
    flipped
}

/// Does the same on two threads.
fn flip_all(log: &Log, step: usize) -> u64 {
    let lines = log.export();
    let middle = lines.len() / 2;
    thread::scope(|scope| {
        let first = scope.spawn(|| flip(log, &lines, (0, middle), step));
        flip(log, &lines, (middle, lines.len()), step) + first.join().unwrap()
    })
}

#[test]
fn every_changed_byte_of_a_short_export_is_noticed() {
    let log = of_length(24, 14, 8, [1, 2]);
    assert!(flip_all(&log, 1) > 15_000);
}

#[test]
fn changed_bytes_of_a_long_export_are_noticed() {
    let all = env::var_os("VAULTTERM_TESTS_LONG").is_some();
    let flipped = flip_all(&log([1, 2]), if all { 1 } else { 4_001 });
    println!("{flipped} changed bytes were noticed");
    assert!(flipped > 1_500);
}

/// An attacker who edits the database also edits the readable parts, so the bytes alone must betray
/// the change.
#[test]
fn a_changed_byte_of_an_entry_is_noticed_even_when_its_readable_part_was_changed_too() {
    let log = log([1, 2]);
    let lines = log.export();
    let mut verifier = Verifier::new(Trust { vkeys: vec![log.vkey(0)], anchors: Vec::new() });
    verifier.batch(&lines[0], 1);
    let (mut decoded, mut done) = (0, 1);
    for seq in (3..=LENGTH).step_by(487).chain([LENGTH]) {
        let at = log.line_of(seq);
        lines[done..at].iter().for_each(|line| verifier.batch(line, 1));
        done = at;
        let bytes = &log.entries[usize::try_from(seq).unwrap() - 1];
        for byte in 0..bytes.len() {
            let mut bent = bytes.clone();
            bent[byte] ^= 1 << (byte % 8);
            if Entry::decode(&bent).is_err() {
                continue;
            }
            decoded += 1;
            let words = written(|out| entry_line(&bent, out).unwrap());
            assert!(noticed(&verifier, &words, &lines[at + 1..]), "byte {byte} of entry {seq}");
        }
    }
    assert!(decoded > 1_000, "{decoded}");
}
