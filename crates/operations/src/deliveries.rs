//! Messages to webhooks: in order, at least once, none left out.
//!
//! A message is up to 100 entries of the audit log. Where it ends is stored before it is sent, and the cursor
//! moves after it was taken, so that a message is sent again as it was, under the same id, until then. One
//! delivery at a time for each webhook, each in a task of its own: none waits for another.
//!
//! What is due, and when to try again, is decided in `due.rs`; `delivery.rs` goes on from there.

pub(crate) mod delivery;
pub(crate) mod due;
mod message;
mod sender;

pub use delivery::Tried;
pub use sender::Sender;
