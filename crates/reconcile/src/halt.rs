//! The reasons that stop a whole run until a person has looked.

use serde::{Deserialize, Serialize};

use crate::names;

/// A reason for a run to write nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    /// The guard that stopped the run.
    pub kind: HaltKind,
    /// The finding with its numbers, and the effect of an acknowledgement.
    pub detail: String,
}

names!(
    /// The guards.
    HaltKind, "halt" {
        /// One side would lose too much of its base.
        MassDeletion = "mass_deletion",
        /// A side is empty, although the base has at least two paths.
        SideEmptied = "side_emptied",
        /// Vault or the database went back to an earlier state.
        Rewound = "rewound",
        /// Another cluster or mount answers at the address.
        RemoteReplaced = "remote_replaced",
        /// The mount, path, namespace or address of the connection was edited.
        ScopeChanged = "scope_changed",
        /// The license does not include synchronization. The planner never finds this. The engine raises it when
        /// a run is about to write.
        License = "license",
        /// A namespace is configured, and the server ignores it. The planner never finds this. The engine raises
        /// it before it logs in.
        NamespaceIgnored = "namespace_ignored",
    }
);

impl HaltKind {
    /// Returns whether a person may acknowledge the halt, so that a run can go on.
    #[must_use]
    pub const fn can_be_acknowledged(self) -> bool {
        !matches!(self, Self::License | Self::NamespaceIgnored)
    }
}
