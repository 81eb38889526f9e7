//! The audit log as bytes: entries, their deterministic encoding, the hash chain, the Merkle tree
//! over the entries, signed checkpoints, exports, and the offline check of an export.
//!
//! This crate uses no SQL, no network and no clock. An entry never holds a value, a secret or a
//! digest of one. An entry is encoded once. The server stores and hashes these bytes and never
//! encodes the entry a second time.

mod action;
mod chain;
mod checkpoint;
mod encoding;
mod entry;
mod export;
mod finding;
mod note;
mod tree;
mod verify;

pub use action::{AuditAction, ObjectKind, OtherName};
pub use chain::{BrokenChain, verify_chain};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use encoding::Malformed;
pub use entry::{Actor, ActorKind, AuditOutcome, Draft, Entry, ObjectRef, RemoteRef, SealedEntry};
pub use export::{FORMAT, Header, checkpoint_line, end_line, entry_line, header_line};
pub use finding::{Class, Finding, Report};
pub use note::{NoteError, NoteSigner, VerifierKey, open_note, sign_note};
pub use tree::{Frontier, Hash, MalformedFrontier};
pub use verify::{Trust, Verifier, verify};
