//! Engine, SQLite store and Vault client together, on a real OpenBao: what people see on both
//! sides, with only the HTTP server missing.
//!
//! The connection's role has exactly the policy that the product prints. What stands in Vault is
//! always read by the administrator, never through the client under test. Start at `house.rs`.
#![allow(clippy::print_stderr, clippy::unwrap_used, reason = "a test may panic, and say what it met")]

mod canary;
mod cluster;
mod conflicts;
mod deletions;
mod faults;
mod histories;
mod house;
mod listings;
mod modes;
mod odd;
mod plans;
mod quiet;
mod vault_side;
