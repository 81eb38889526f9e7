//! Bitwarden: its JSON (plain, protected by a password, or beside its attachments in an archive) and its CSV.
//!
//! `parts.rs` has the names of both sides, `items.rs` reads an item, `protected.rs` opens a protected file. The writers use
//! the same names.

mod items;
mod json;
pub(crate) mod parts;
mod protected;
pub(crate) mod table;

pub(crate) use json::{is_archive, is_document, read};
