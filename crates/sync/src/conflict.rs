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
    /// Its id.
    pub id: ConflictId,
    /// Its connection.
    pub connection_id: ConnectionId,
    /// What the planner found, last time it was seen.
    pub conflict: Conflict,
    /// How it stands.
    pub status: ConflictStatus,
    /// When it was first seen.
    pub first_seen: UnixNanos,
    /// When it was last seen.
    pub last_seen: UnixNanos,
}

/// What a person chose.
#[derive(Debug)]
pub enum Resolution {
    /// The record wins.
    KeepLocal,
    /// The secret wins.
    KeepRemote,
    /// The remote copy becomes a new record with a suffix, then the record wins.
    KeepBoth,
    /// Field by field.
    Merge(BTreeMap<String, FieldChoice>),
}

/// What a person chose for one field.
#[derive(Debug)]
pub enum FieldChoice {
    /// Take it from one side; a field that this side lacks is left out.
    Take(Side),
    /// A new value (already parsed by `SecretFields::parse`).
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
    /// The states it was taken on.
    pub expect: Expect,
    /// The run that carried it out.
    pub run_id: RunId,
    /// VaultTerm's request id.
    pub request_id: Option<String>,
    /// Where the request came from.
    pub source_ip: Option<String>,
}
