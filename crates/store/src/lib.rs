//! The only crate that knows SQL: migrations, and one module per table group.
//!
//! A [`Database`] is the file (or server) with its migrations; unlocked with the root key it
//! becomes a [`Store`]. Every change takes a [`Context`] and writes its audit entry in the
//! same transaction. Roles are not checked here: that is the server's one place.
//!
//! Start reading at `database.rs`.

mod audit;
mod collections;
mod conflicts;
mod connections;
mod context;
mod database;
mod error;
mod journal;
mod leases;
mod records;
mod revisions;
mod runs;
mod sql;
mod users;

pub use audit::{AuditEvent, AuditFilter};
pub use collections::Collection;
pub use conflicts::ConflictFilter;
pub use connections::NewConnection;
pub use context::{Context, Page, Paged};
pub use database::{Clock, Database, Initialised, Store};
pub use error::{ErrorClass, StoreError};
pub use records::{NewRecord, Record, RecordFilter, RecordPatch, RecordState, RecordSync, RevisionInfo};
pub use users::{InstanceRole, NewUser, User};
