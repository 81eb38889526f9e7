//! Measures how many entries a check of an export verifies per second.
//!
//! Run it with `cargo run --profile measure -p vaultterm-ledger --example verify_speed [ENTRIES]`.
//! `cargo xtask bench` runs it, too.

#![allow(clippy::print_stdout, clippy::unwrap_used, dead_code, reason = "a measurement prints its numbers")]

#[path = "../tests/tamper/log.rs"]
mod log;

use std::{env, time::Instant};

use vaultterm_ledger::{Trust, verify};

/// The number of measurements. Their median is reported.
const ROUNDS: usize = 5;

fn main() {
    let entries = env::args().nth(1).map_or(200_000, |text| text.parse().unwrap());
    let log = log::of_length(entries, entries / 2, 1_000, [1, 2]);
    let export = log.export().concat();
    let mut rates: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            let report = verify(export.as_slice(), Trust { vkeys: vec![log.vkey(0)], anchors: Vec::new() }).unwrap();
            assert!(report.found == 0 && report.entries == entries && report.signed_to == entries, "{report:?}");
            f64::from(u32::try_from(entries).unwrap()) / began.elapsed().as_secs_f64()
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    let bytes = export.len() as u64 / entries;
    let [least, median, most] = [rates[0], rates[ROUNDS / 2], rates[ROUNDS - 1]].map(|rate| rate / 1_000.0);
    println!(
        "offline verify: {median:.0} thousand entries/s ({least:.0}–{most:.0}), {entries} entries of {bytes} bytes a line"
    );
}
