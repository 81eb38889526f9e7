//! Mishaps of a whole server: tokens that end, rights that are taken away and given back, a mount that is
//! disabled, returns, or is created again.
//!
//! A mishap happens at once, or just before a chosen request in the middle of a run. `fault.rs` holds the
//! faults of single requests.

use std::collections::{BTreeMap, BTreeSet};

use vaultterm_sync::{FaultClass, RemoteFault, RemoteIdentity};

use crate::{
    Data, KvMount,
    fault::{Operation, fault},
};

/// An event that happens to the whole server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// All tokens issued so far end. A session then logs in again.
    TokensExpire,
    /// The policy of the role loses the capabilities for an operation, on every path.
    Loses(Operation),
    /// The policy is as it was at first.
    Regains,
    /// The mount is disabled.
    MountRemoved,
    /// The mount is back with the same data and the same accessor.
    MountReturns,
    /// The mount was disabled and enabled again. It is empty and has another accessor.
    MountRecreated,
}

impl Mishap {
    /// Returns the name under which the mishap is counted.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TokensExpire => "tokens_expire",
            Self::Loses(_) => "capability_lost",
            Self::Regains => "capability_regained",
            Self::MountRemoved => "mount_removed",
            Self::MountReturns => "mount_returned",
            Self::MountRecreated => "mount_recreated",
        }
    }
}

/// The condition of the whole server, and the scheduled mishaps.
#[derive(Default)]
pub(crate) struct Condition {
    /// How often all tokens have ended. A token from an earlier count is dead.
    pub(crate) tokens_ended: u64,
    /// The operations that the policy no longer allows.
    lost: BTreeSet<Operation>,
    mount_removed: bool,
    /// The scheduled mishaps. Each comes with the number of the request, counted from now, before which it
    /// happens.
    due: Vec<(u64, Mishap)>,
    /// How often each mishap has happened.
    pub(crate) happened: BTreeMap<&'static str, u64>,
    /// The data of mounts that were disabled for good. The administrator who disabled them lost these data.
    pub(crate) thrown_away: Vec<Data>,
    recreated: u64,
}

impl Condition {
    /// Schedules a mishap just before the `request`-th request from now, counted from 1.
    pub(crate) fn schedule(&mut self, request: u64, mishap: Mishap) {
        self.due.push((request, mishap));
    }

    /// Removes all scheduled mishaps.
    pub(crate) fn unschedule(&mut self) {
        self.due.clear();
    }

    /// Counts a request and returns the mishaps that happen just before it.
    pub(crate) fn due(&mut self) -> Vec<Mishap> {
        let now = self.due.iter().filter(|(left, _)| *left <= 1).map(|(_, mishap)| *mishap).collect();
        self.due.retain_mut(|(left, _)| {
            *left -= 1;
            *left > 0
        });
        now
    }

    /// Lets a mishap happen, unless the server is in that condition already.
    pub(crate) fn strike(&mut self, mishap: Mishap, mount: &mut KvMount, identity: &mut RemoteIdentity) {
        let news = match mishap {
            Mishap::TokensExpire => {
                self.tokens_ended += 1;
                true
            }
            Mishap::Loses(operation) => self.lost.insert(operation),
            Mishap::Regains => !std::mem::take(&mut self.lost).is_empty(),
            Mishap::MountRemoved => !std::mem::replace(&mut self.mount_removed, true),
            Mishap::MountReturns => std::mem::take(&mut self.mount_removed),
            Mishap::MountRecreated => {
                let versions = mount.keys().flat_map(|(_, key)| key.versions.values());
                self.thrown_away.extend(versions.map(|version| version.data.clone()));
                let versions_max = mount.versions_max;
                *mount = KvMount::new();
                mount.versions_max = versions_max;
                self.recreated += 1;
                identity.mount_accessor = format!("kv_again_{}", self.recreated);
                identity.mount_uuid = Some(format!("uuid-again-{}", self.recreated));
                self.mount_removed = false;
                true
            }
        };
        *self.happened.entry(mishap.as_str()).or_default() += u64::from(news);
    }

    /// Refuses an operation that the policy no longer allows, or that needs the missing mount.
    pub(crate) fn admits(&self, operation: Operation) -> Result<(), RemoteFault> {
        if matches!(operation, Operation::Unwrap | Operation::Login | Operation::Close) {
            return Ok(());
        }
        // A login checks all capabilities first, so it finds any missing one.
        let lacks = if operation == Operation::Connect { self.lost.first() } else { self.lost.get(&operation) };
        if let Some(lacking) = lacks {
            let message = format!("the role lacks what it needs to {lacking:?}").to_lowercase();
            return Err(RemoteFault { message, ..fault(FaultClass::Denied) });
        }
        if self.mount_removed { Err(fault(FaultClass::WrongMount)) } else { Ok(()) }
    }
}
