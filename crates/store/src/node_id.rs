//! The id of a process that uses the database.

use uuid::Uuid;

/// A process that uses the database. Each start of a server is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(pub Uuid);
