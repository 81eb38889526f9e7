//! What HashiCorp Vault answers where it differs from OpenBao, and some of what both answer alike:
//! one test per fact. They run on the stand-in, and with `VAULTTERM_VAULT=/path/to/vault` on a real
//! one; what they hold is what the stand-in must play.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod alike;
mod asking;
mod audit;
mod cluster;
mod headers;
mod json;
mod left_out;
mod listing;
mod logins;
mod namespaces;
mod writers;
