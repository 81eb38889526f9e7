//! Files of other programs: what they hold in VaultTerm's terms, what is lost on the way, and our own files for others.
//!
//! The crate is pure. It reads bytes and returns [`Found`]; it opens no file, stores nothing and asks nobody. Files come
//! from strangers, so [`read`] runs in a process of its own with little memory and time (the binary's hidden verb), and what
//! it found comes back over a pipe (`pipe.rs`).
//!
//! Rule zero: nothing is expanded, guessed or renamed silently. What does not come over is a [`Loss`] of the item; an item
//! that cannot come over is [`Refused`] with its place in the file; a file that cannot be read is a [`FileError`]. No value
//! stands in any of them.
//!
//! Start with `item.rs`, then `read.rs`, which knows the module of each format.

mod archive;
mod bitwarden;
mod browsers;
mod collect;
mod cxf;
mod document;
mod env;
mod errand;
mod format;
mod item;
mod kdbx;
mod keepassxc;
mod lastpass;
pub mod limits;
mod loss;
mod node;
mod nordpass;
mod onepassword;
mod options;
mod outgoing;
mod pipe;
mod place;
mod placing;
mod read;
mod refused;
mod sealed;
mod table;
#[cfg(test)]
mod testing;
mod text;
mod usual;
mod vault;
mod vaultterm;
mod write;

pub use collect::Collector;
pub use env::lines as env_file;
pub use errand::{Errand, serve};
pub use format::{Format, WRITTEN};
pub use item::{Found, Item, Past, Question};
pub use limits::{FILE_BYTES_MAX, ITEMS_MAX, Limit, LimitMet};
pub use loss::{Effect, Loss, Lost};
pub use options::Options;
pub use outgoing::{Outgoing, RecordLoss, WriteError, Written};
pub use pipe::{PipeError, from_pipe, to_pipe};
pub use place::{Place, Unit};
pub use placing::{
    Duplicates, Fate, Held, ImportState, SkipReason, World, fates, is_elsewhere, is_notable, plan_digest, source_key,
    wanted_path,
};
pub use read::{read, recognise};
pub use refused::{FileError, Refused};
pub use sealed::{PASSPHRASE_CHARS_MIN, SealError, Sealer};
pub use write::{losses, write};
