//! Reads any bytes as `Format::Kdbx`.
#![no_main]

use vaultterm_fuzz::{Kind, look};

/// The field of a header of version 3.1 that holds the rounds of its key derivation, with its length.
const ROUNDS: &[u8] = &[6, 8, 0];
/// More take too long for a fuzzer. What a file may ask for at most has a test of its own.
const ROUNDS_MAX: u64 = 10_000;

vaultterm_fuzz::fuzz_target!(|bytes: &[u8]| {
    let is_slow = |window: &[u8]| {
        window.starts_with(ROUNDS)
            && window[ROUNDS.len()..].try_into().is_ok_and(|rounds| u64::from_le_bytes(rounds) > ROUNDS_MAX)
    };
    if !bytes.windows(ROUNDS.len() + 8).any(is_slow) {
        look(Kind::Kdbx, bytes);
    }
});
