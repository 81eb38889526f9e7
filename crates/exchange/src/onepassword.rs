//! 1Password: its archive (1PUX) and its CSV.
//!
//! `archive.rs` reads the document around the items, `items.rs` an item, `values.rs` the values of its sections.

pub(crate) mod archive;
mod items;
pub(crate) mod table;
mod values;
