//! One entry: what is recorded. Its bytes are in `encoding.rs`.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::{Action, ObjectKind};

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActorKind {
    /// A person with a login.
    User = 0,
    /// A program with an API token.
    Token = 1,
    /// VaultTerm itself (the scheduler).
    System = 2,
    /// Nobody known (a failed login).
    Anonymous = 3,
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// What kind of actor.
    pub kind: ActorKind,
    /// The user behind it, nil for system and anonymous.
    pub id: Uuid,
    /// A name for people: the e-mail address, the token's name, `scheduler`.
    pub name: String,
}

/// What it was done to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRef {
    /// What kind of object.
    pub kind: ObjectKind,
    /// Its id.
    pub id: Uuid,
    /// Its path or name at that time.
    pub name: Option<String>,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Success = 0,
    /// Refused for want of a right.
    Denied = 1,
    /// Tried and failed.
    Failure = 2,
}

/// The remote side of a synchronized secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemoteRef {
    /// Cluster id.
    pub cluster: Option<String>,
    /// Full path: mount and path below it.
    pub path: String,
    /// KV v2 version.
    pub version: Option<u64>,
    /// Vault's request id.
    pub request_id: Option<String>,
}

/// What the code that acts says about it; the store adds sequence, previous hash and log id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Microseconds since the Unix epoch.
    pub time_us: i64,
    /// Who.
    pub actor: Actor,
    /// Where the request came from.
    pub source_ip: Option<String>,
    /// VaultTerm's own request id.
    pub request_id: Option<String>,
    /// What.
    pub action: Action,
    /// To what; the first is the main one.
    pub objects: Vec<ObjectRef>,
    /// How it ended.
    pub outcome: Outcome,
    /// The remote side, for synchronized secrets.
    pub remote: Option<RemoteRef>,
    /// Further facts (direction, revision, counts, reason): never a value.
    pub detail: BTreeMap<String, String>,
}

/// An entry in its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The log.
    pub log_id: Uuid,
    /// Place, from 1, without gaps.
    pub seq: u64,
    /// Hash of the entry before, zeros for the first.
    pub previous: [u8; 32],
    /// What happened.
    pub draft: Draft,
}

/// An entry's bytes, as stored and hashed, and their leaf hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedEntry {
    /// The deterministic encoding.
    pub bytes: Vec<u8>,
    /// SHA-256(0x00 ‖ bytes), RFC 6962 §2.1.
    pub hash: [u8; 32],
}

impl ActorKind {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        [Self::User, Self::Token, Self::System, Self::Anonymous].into_iter().find(|kind| *kind as u8 == byte)
    }
}

impl Outcome {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        [Self::Success, Self::Denied, Self::Failure].into_iter().find(|outcome| *outcome as u8 == byte)
    }
}
