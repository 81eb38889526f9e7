//! The database engines: SQLite in a file, and PostgreSQL on a server. Only the files in this folder name one.
//!
//! Every statement of this crate has a single SQL text. It is written with `$1` placeholders, and its columns are texts,
//! 64-bit integers and bytes. What the engines name differently is a token in the text (`@BYTES`, `@NOW_US`), for which each
//! engine has its own words.

mod catalog;
mod claim;
mod entry;
mod faults;
mod open;
mod places;
mod pools;
mod postgres;
mod row;
mod sqlite;
mod statements;
mod upgrade;
pub(crate) mod words;

pub(crate) use catalog::{Table, tables};
pub use claim::{Claim, Company};
pub(crate) use entry::AuditEntry;
pub(crate) use open::schema;
pub use open::{DatabaseUrl, NotADatabaseUrl};
pub(crate) use pools::Pools;
pub use pools::{DatabaseUse, PoolUse};
pub(crate) use row::Row;
pub(crate) use sqlite::{fold, log_in_the_way, look_at, write_image};
pub(crate) use statements::Change;
pub(crate) use upgrade::refuse_newer;
