//! The audit log as bytes: entries, their deterministic encoding, and the chain.
//!
//! No SQL, no network, no clock. An entry never holds a value, a secret or a digest of one.

mod action;
mod entry;

pub use action::Action;
pub use entry::{Actor, ActorKind, Draft, Entry, ObjectRef, Outcome, RemoteRef, SealedEntry};
