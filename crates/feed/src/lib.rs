//! Follows the audit log of a Vault (HashiCorp Vault or OpenBao), and tells VaultTerm which secrets changed.
//!
//! What it tells is a hint: a place, the name of the writer, a version and a time. It reads no values and no tokens: the parser
//! (`audit_line.rs`) has no place for them. A hint that is lost costs time, and never a change: whoever loses track of the log says
//! so, and a run looks at everything once.
//!
//! The crate sends nothing itself. The command line gives it a [`Receiver`], which is the HTTP API.
//!
//! Start reading at `audit_line.rs` and `follow.rs`, then `run.rs`.

mod audit_line;
mod follow;
mod lines;
mod pipe;
mod place;
mod run;
mod scopes;
mod state;
mod waiting;

pub use run::{Feed, FeedError, Receiver, Refused, Source};
pub use scopes::Scope;
pub use waiting::{Batch, Hint};
