//! Conflicts as stored objects, and decisions on them.

use std::collections::BTreeMap;

use serde_json::Value;
use vaultterm_ledger::Actor;
use vaultterm_reconcile::{Conflict, Expect, Side, UnixNanos};

use crate::{ConflictId, ConnectionId, RunId};

/// The status of a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConflictStatus {
    /// A person must decide.
    Open,
    /// A person decided.
    Resolved,
    /// The sides became equal without a decision.
    Converged,
}

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
    /// The time at which it was last seen.
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
    /// `keep_local`, `keep_remote`, `keep_both`, `merge`.
    pub resolution: &'static str,
    /// The source of each field (`given` for a new value), for the audit log.
    pub fields: BTreeMap<String, &'static str>,
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
