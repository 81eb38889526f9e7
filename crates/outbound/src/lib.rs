//! The rules about the addresses that VaultTerm connects to, and the HTTP client that obeys them.
//!
//! Users enter these addresses: those of Vault servers and of webhook receivers. This crate refuses
//! link-local, multicast, unspecified and cloud metadata addresses as text and again after DNS. The
//! client never follows a redirect and bounds each request in time. The crate does not know what its
//! callers send.
//!
//! Start reading at `address.rs`, then `resolver.rs`.

mod address;
mod client;
mod resolver;

pub use address::{Address, AddressError};
pub use client::{ClientError, Limits, client, system_roots, trusting};
pub use resolver::Resolver;
