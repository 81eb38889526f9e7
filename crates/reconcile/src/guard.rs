//! What stops a whole run until a person has looked.

use serde::{Deserialize, Serialize};

/// A reason to write nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    /// Which guard.
    pub kind: HaltKind,
    /// What was found, with numbers, and what acknowledging will do.
    pub detail: String,
}

/// The guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HaltKind {
    /// One side would lose too much of its base.
    MassDeletion,
    /// A side with at least two base paths shows none.
    SideEmptied,
    /// A version went backwards.
    Rewound,
    /// Another cluster or mount answers at the address.
    RemoteReplaced,
    /// Mount, path, namespace or address was edited.
    ScopeChanged,
}
