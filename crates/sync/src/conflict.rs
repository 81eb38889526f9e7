//! Conflicts as stored objects, and decisions on them.

use std::collections::BTreeMap;

use serde_json::Value;
use vaultterm_ledger::Actor;
use vaultterm_reconcile::{Conflict, Expect, Side, UnixNanos, names};

use crate::{ConflictId, ConnectionId, RunId};

names!(
    /// The status of a conflict.
    ConflictStatus, "conflict status" {
        /// A person must decide.
        Open = "open",
        /// A person decided.
        Resolved = "resolved",
        /// The sides became equal without a decision.
        Converged = "converged",
    }
);

/// A conflict in the database.
#[derive(Clone, Debug)]
pub struct StoredConflict {
    /// The id.
    pub id: ConflictId,
    /// The connection.
    pub connection_id: ConnectionId,
    /// The conflict as the planner found it last.
    pub conflict: Conflict,
    /// The status.
    pub status: ConflictStatus,
    /// The time at which it was first seen.
    pub first_seen: UnixNanos,
    /// The time at which a run last verified it. A run that skips the path does not change it.
    pub last_seen: UnixNanos,
}

/// The choice of a person.
#[derive(Debug)]
pub enum Resolution {
    /// The record wins.
    KeepLocal,
    /// The secret wins.
    KeepRemote,
    /// The remote copy becomes a new record with a suffix, and then the record wins.
    KeepBoth,
    /// Each field comes from the source that the person chose.
    Merge(BTreeMap<String, FieldChoice>),
}

names!(
    /// How a person decides a conflict, without the choices for each field.
    #[allow(missing_docs, reason = "each is described at `Resolution`")]
    ResolutionName, "resolution" {
        KeepLocal = "keep_local",
        KeepRemote = "keep_remote",
        KeepBoth = "keep_both",
        Merge = "merge",
    }
);

impl Resolution {
    /// Returns what was chosen, without the choices for each field.
    #[must_use]
    pub const fn name(&self) -> ResolutionName {
        match self {
            Self::KeepLocal => ResolutionName::KeepLocal,
            Self::KeepRemote => ResolutionName::KeepRemote,
            Self::KeepBoth => ResolutionName::KeepBoth,
            Self::Merge(_) => ResolutionName::Merge,
        }
    }
}

/// The choice of a person for one field.
#[derive(Debug)]
pub enum FieldChoice {
    /// The field comes from one side. If that side does not have it, it is left out.
    Take(Side),
    /// The field gets a new value, which `SecretFields::parse` has parsed.
    Value(Value),
}

/// A decision as it is recorded.
#[derive(Clone, Debug)]
pub struct Decision {
    /// What was chosen.
    pub resolution: ResolutionName,
    /// The source of each field, for the audit log.
    pub fields: BTreeMap<String, Side>,
    /// The reason of the person.
    pub reason: Option<String>,
    /// The person who decided.
    pub actor: Actor,
    /// The states on which the decision is based.
    pub expect: Expect,
    /// The run that carried it out.
    pub run_id: RunId,
    /// The request id of VaultTerm.
    pub request_id: Option<String>,
    /// The IP address of the client.
    pub source_ip: Option<String>,
}
