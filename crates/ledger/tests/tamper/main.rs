//! Tampers with a log of 10,000 entries in all known ways and checks that the verifier notices.
//!
//! The tests give the same exports to the second verifier, `tools/verify_audit.py`, which was written
//! from the description of the format alone. Both must report the same class of finding.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "tests, which say how much they tried")]

mod flips;
mod log;
mod second;
mod structure;
