//! A log of 10,000 entries is tampered with in every way there is, and its check must notice.
//!
//! The same exports go to the second verifier, `tools/verify_audit.py`, which was written from the
//! description of the form alone and must come to the same class of finding.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "tests, which say how much they tried")]

mod flips;
mod log;
mod second;
mod structure;
