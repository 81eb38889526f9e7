//! Which addresses may be spoken to, and the HTTP client that speaks to no others.
//!
//! Addresses come from users: of Vaults, of receivers of webhooks. Link-local, multicast,
//! unspecified and cloud metadata addresses are refused as text and again after DNS, redirects
//! are never followed, times are bounded. What is said to whoever answers is not known here.
//!
//! Start reading at `address.rs`, then `resolver.rs`.

mod address;
mod client;
mod resolver;

pub use address::{Address, AddressError};
pub use client::{ClientError, Limits, client, system_roots, trusting};
pub use resolver::Resolver;
