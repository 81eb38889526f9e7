//! Conflicts as stored objects, and decisions on them.

use std::collections::BTreeMap;

use serde_json::Value;
use vaultterm_ledger::Actor;
use vaultterm_reconcile::{Conflict, Expect, Side, UnixNanos};

use crate::{ConflictId, ConnectionId, RunId};

/// How a conflict stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConflictStatus {
    /// A person has to decide.
    Open,
    /// A person decided.
    Resolved,
    /// The sides converged by themselves.
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
    /// Field by field.
    Merge(BTreeMap<String, FieldChoice>),
}

/// What a person chose for one field.
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
    /// Which side each field came from (`given` for a new value), for the audit.
    pub fields: BTreeMap<String, &'static str>,
    /// Why.
    pub reason: Option<String>,
    /// Who.
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
