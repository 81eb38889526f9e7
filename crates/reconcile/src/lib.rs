//! VaultTerm's planner, which decides in one pure function what should happen.
//!
//! [`plan()`] takes the base (the state on which both sides agreed last), the local and the remote snapshot,
//! and the options of a connection. It returns a [`Plan`] with steps, conflicts, skips and halts, all sorted.
//! It cannot fail: everything that is wrong is data in the plan.
//!
//! This crate does no IO, reads no clock, draws no random number, and never sees a value in plaintext.
//! Contents are keyed digests per field ([`Content`]).
//!
//! Start reading at `planner.rs`. `decide.rs` is the table of the three modes, and `tests/exhaustive.rs`
//! tests it in every small state.

mod accepted;
mod base;
mod case;
mod classify;
mod completion;
mod content;
mod counts;
mod decide;
mod descriptive;
mod eviction;
mod guard;
mod halt;
mod input;
mod inquiry;
mod lint;
mod merge;
mod moves;
mod named;
mod options;
mod part;
mod path;
mod plan;
mod planner;
mod record_type;
mod resolution;
mod run_mark;
mod snapshot;
mod stamp;
mod visible;

pub use base::{Accepted, AcceptedContents, BaseEntry, Link};
pub use content::{Content, FieldDigest};
pub use counts::Counts;
pub use descriptive::is_descriptive;
pub use eviction::{KEPT_MAX, asks_for_the_mount, evicted, foresee, too_many};
pub use halt::{Halt, HaltKind};
pub use input::Input;
pub use inquiry::{Inquiries, inquiries};
pub use lint::lint;
pub use merge::{Merged, Side, Sides, merge};
pub use named::{Beyond, Deleted, together};
pub use options::{DeletionPolicy, DriftPolicy, ExpiryPolicy, InitialPolicy, MergePolicy, Mode, Options};
pub use part::Around;
pub use path::{PathError, SecretPath};
pub use plan::{
    AcceptedDifference, Action, ActionName, Change, Conflict, ConflictKind, Expect, FieldChange, LocalExpect, Plan,
    Reason, RemoteExpect, Restricted, Skip, SkipKind, Step,
};
pub use planner::plan;
pub use record_type::{Group, RecordType};
pub use resolution::{Choice, NotResolvable, Resolving, resolution};
pub use run_mark::{NoRunMark, RunMark};
pub use snapshot::{
    LocalEntry, LocalSnapshot, OlderVersion, OlderVersions, RecordId, RemoteEntry, RemoteHead, RemoteSight,
    RemoteSnapshot, SeenMark,
};
pub use stamp::{RemoteStamp, Revision, UnixNanos, Version};
pub use vaultterm_names::{UnknownName, names};
pub use visible::{is_invisible, visible};
