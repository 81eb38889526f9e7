//! Black-box tests of the product: `vaultterm serve` on SQLite with a real OpenBao, used only through HTTP
//! and the command line.
//!
//! Each test has its own house (`house.rs`) with a server, a data directory and an owner. Tests with a Vault
//! have a town (`town.rs`): a house, an OpenBao, and the role that the printed policy creates. The tests do
//! not use the inside of the product.

#![allow(clippy::print_stderr, reason = "a failed test shows the server's log")]

mod access;
mod accounts;
mod audit;
mod backup;
mod canary;
mod conflicts;
mod database;
mod exports;
mod faults;
mod feed;
mod guest;
mod guide;
mod hanging_up;
mod hostile;
mod house;
mod imports;
mod kills;
mod license;
mod measured;
mod neighbours;
mod nodes;
mod pages;
mod receiver;
mod records;
mod refusals;
mod running;
mod seal;
mod sync;
mod town;
mod traced;
mod upgrade;
mod webhooks;
