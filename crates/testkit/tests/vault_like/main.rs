//! Answers in which HashiCorp Vault differs from OpenBao, and some in which the two agree, with one test per
//! fact. The tests run on the stand-in, and with `VAULTTERM_VAULT=/path/to/vault` on a real Vault. The
//! stand-in must behave as these tests require.
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
