//! The product from outside: `vaultterm serve` on SQLite and a real OpenBao, driven through HTTP
//! and the command line alone.
//!
//! Each test has a house of its own (`house.rs`): server, data directory, owner; and where Vaults
//! are concerned a town (`town.rs`): a house, an OpenBao, and the role that the printed policy
//! makes. Nothing here knows the inside of the product.

#![allow(clippy::print_stderr, reason = "a failed test shows the server's log")]

mod access;
mod accounts;
mod audit;
mod backup;
mod canary;
mod conflicts;
mod exports;
mod faults;
mod guide;
mod hanging_up;
mod house;
mod kills;
mod license;
mod neighbours;
mod receiver;
mod records;
mod refusals;
mod running;
mod seal;
mod sync;
mod town;
mod webhooks;
