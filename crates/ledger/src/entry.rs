//! The parts of one audit entry. The module `encoding` turns an entry into bytes and back.

use std::collections::BTreeMap;

use uuid::Uuid;
use vaultterm_names::names;

use crate::{AuditAction, ObjectKind};

names!(
    /// The kinds of actor. An entry stores the place in this list as a byte, so a new kind belongs at the end.
    ActorKind, "kind of actor" {
        /// A person with a login.
        User = "user",
        /// A program with an API token.
        Token = "token",
        /// VaultTerm itself.
        System = "system",
        /// An unknown caller, for example after a failed login.
        Anonymous = "anonymous",
    }
);

/// The person, program or system that performed the action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The kind of actor.
    pub kind: ActorKind,
    /// The id of the user, or of the user who owns the token. Nil for system and anonymous.
    pub id: Uuid,
    /// The name that people read: the e-mail address of a user, the name of a token, or `vaultterm`.
    pub name: String,
}

impl Actor {
    /// Returns VaultTerm itself, the actor of what no caller asked for: runs by schedule, for example.
    #[must_use]
    pub fn vaultterm() -> Self {
        Self { kind: ActorKind::System, id: Uuid::nil(), name: "vaultterm".to_owned() }
    }
}

/// An object that the action applies to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRef {
    /// The kind of object.
    pub kind: ObjectKind,
    /// The id of the object.
    pub id: Uuid,
    /// The path or name that the object had at that time.
    pub name: Option<String>,
}

names!(
    /// The result of an action. An entry stores the place in this list as a byte, so a new result belongs at the end.
    AuditOutcome, "outcome" {
        /// The action was carried out.
        Success = "success",
        /// The caller lacked a right.
        Denied = "denied",
        /// The action was tried and failed.
        Failure = "failure",
    }
);

/// The remote side of a synchronized secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemoteRef {
    /// The cluster id of the server.
    pub cluster: Option<String>,
    /// The full path: the mount, and the path below it.
    pub path: String,
    /// The KV v2 version.
    pub version: Option<u64>,
    /// The request id that the server (HashiCorp Vault or OpenBao) returned.
    pub request_id: Option<String>,
}

/// The part of an entry that the acting code fills in. The store adds the sequence number, the previous
/// hash and the id of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The time of the action, in microseconds since the Unix epoch.
    pub time_us: i64,
    /// Who performed the action.
    pub actor: Actor,
    /// The address from which the request came.
    pub source_ip: Option<String>,
    /// The request id that VaultTerm assigned.
    pub request_id: Option<String>,
    /// The action.
    pub action: AuditAction,
    /// The objects that the action applies to, the main object first.
    pub objects: Vec<ObjectRef>,
    /// The result of the action.
    pub outcome: AuditOutcome,
    /// The remote side, for synchronized secrets.
    pub remote: Option<RemoteRef>,
    /// Further facts, such as direction, revision, counts or reason. Never holds a value of a secret.
    pub detail: BTreeMap<String, String>,
}

/// An entry with its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The id of the log.
    pub log_id: Uuid,
    /// The place in the log, counted from 1 without gaps.
    pub seq: u64,
    /// The hash of the entry before this one, zeros for the first entry.
    pub previous: [u8; 32],
    /// The recorded facts.
    pub draft: Draft,
}

/// The bytes of an entry, as they are stored and hashed, and their leaf hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedEntry {
    /// The deterministic encoding.
    pub bytes: Vec<u8>,
    /// SHA-256(0x00 ‖ bytes), RFC 6962 §2.1.
    pub hash: [u8; 32],
}

impl ActorKind {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }
}

impl AuditOutcome {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }
}
