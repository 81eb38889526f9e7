//! The client for HashiCorp Vault and OpenBao. Only this crate knows their wire format.
//!
//! [`VaultConnector`] opens sessions on one KV v2 scope (the engine's `Connector` and `Remote`) and runs the
//! checks behind `connection test`. [`policy()`] writes the least-privilege policy for a mode. [`Transit`]
//! seals a root key, and [`AnchorSession`] keeps a checkpoint of the audit log. Each call makes a single
//! attempt, because the engine decides about waiting and repeating. This crate does not read the environment,
//! and puts no value, `SecretID` or token into a message or a URL.
//!
//! Start reading at `connector.rs` (how a session is opened), then `kv2.rs` and `observe.rs`.

mod address;
mod anchor;
mod approle;
mod budget;
mod check;
mod connector;
mod deadline;
mod fault;
mod freshness;
mod helping;
mod http;
mod index;
mod kv2;
mod namespaces;
mod needs;
mod observe;
mod options;
mod pages;
mod policy;
mod preflight;
mod redaction;
mod remote;
mod remote_fault;
mod route;
mod session;
mod sys;
mod tls;
mod traffic;
mod transit;
mod transport;
mod wire;
mod writers;

pub use address::VaultAddress;
pub use anchor::{AnchorSession, Anchored, anchor_policy};
pub use check::{Check, Server, TestReport};
pub use connector::VaultConnector;
pub use options::{ConnectorOptions, Listing};
pub use policy::{Flavor, PolicyRequest, PolicyText, policy};
pub use remote::VaultRemote;
pub use traffic::{Exchange, RequestKind, Traffic};
pub use transit::{Binding, Transit, TransitAuth, TransitCiphertext, TransitKeyFacts, TransitReport, TransitSettings};
