//! The audit log as bytes: entries, their deterministic encoding, the chain, the tree over them,
//! signed checkpoints, exports, and their check.
//!
//! No SQL, no network, no clock. An entry never holds a value, a secret or a digest of one.
//! The bytes of an entry are what is stored and hashed; nothing is ever encoded again.

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

pub use action::{Action, ObjectKind};
pub use chain::{BrokenChain, verify_chain};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use encoding::Malformed;
pub use entry::{Actor, ActorKind, Draft, Entry, ObjectRef, Outcome, RemoteRef, SealedEntry};
pub use export::{FORMAT, Header, checkpoint_line, end_line, entry_line, header_line};
pub use finding::{Class, Finding, Report};
pub use note::{NoteError, NoteSigner, VerifierKey, open_note, sign_note};
pub use tree::{Frontier, Hash, MalformedFrontier};
pub use verify::{Trust, Verifier, verify};
