//! Engine, SQLite store and Vault client together on a real OpenBao. The tests check what people see on both
//! sides; only the HTTP server is missing.
//!
//! The role of the connection has exactly the policy that the product prints. Tests read the content of Vault
//! as the administrator, and never through the client under test. Start reading at `house.rs`.
#![allow(clippy::print_stderr, clippy::unwrap_used, reason = "a test may panic, and say what it met")]

mod canary;
mod cluster;
mod conflicts;
mod counted;
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
