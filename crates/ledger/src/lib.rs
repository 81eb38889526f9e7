//! The audit log as bytes: entries, their deterministic encoding, and the chain.
//!
//! No SQL, no network, no clock. An entry never holds a value, a secret or a digest of one.
//! The bytes of an entry are what is stored and hashed; nothing is ever encoded again.

mod action;
mod chain;
mod encoding;
mod entry;

pub use action::{Action, ObjectKind};
pub use chain::{BrokenChain, verify_chain};
pub use encoding::Malformed;
pub use entry::{Actor, ActorKind, Draft, Entry, ObjectRef, Outcome, RemoteRef, SealedEntry};
