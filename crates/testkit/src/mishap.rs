//! What happens to a server as a whole: tokens that end, rights that are taken away and given back,
//! a mount that is disabled, comes back, or is made anew.
//!
//! A mishap happens at once, or just before a chosen request, in the middle of a run. What single
//! requests meet is elsewhere (`fault.rs`).

use std::collections::{BTreeMap, BTreeSet};

use vaultterm_sync::{FaultClass, RemoteFault, RemoteIdentity};

use crate::{
    Data, KvMount,
    fault::{Operation, fault},
};

/// Something that happens to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// Every token that was issued so far ends. A session logs in again.
    TokensExpire,
    /// The role's policy loses what an operation needs, at every path.
    Loses(Operation),
    /// The policy is again as it was.
    Regains,
    /// The mount is disabled.
    MountRemoved,
    /// The mount is there again, with the same data under the same accessor.
    MountReturns,
    /// The mount was disabled and enabled again: empty, under another accessor.
    MountRecreated,
}

impl Mishap {
    /// Returns its name, for counting.
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

/// How the server as a whole is, and what is going to happen to it.
#[derive(Default)]
pub(crate) struct Condition {
    /// How often all tokens ended: a token of an earlier count is dead.
    pub(crate) tokens_ended: u64,
    /// Operations that the policy no longer allows.
    lost: BTreeSet<Operation>,
    mount_removed: bool,
    /// What is going to happen, and before which request from now.
    due: Vec<(u64, Mishap)>,
    /// What happened, counted.
    pub(crate) happened: BTreeMap<&'static str, u64>,
    /// What lived in mounts that were disabled for good: whoever did that lost it.
    pub(crate) thrown_away: Vec<Data>,
    recreated: u64,
}

impl Condition {
    /// Lets something happen before the `request`-th request from now (from 1).
    pub(crate) fn schedule(&mut self, request: u64, mishap: Mishap) {
        self.due.push((request, mishap));
    }

    /// Forgets what was going to happen.
    pub(crate) fn unschedule(&mut self) {
        self.due.clear();
    }

    /// Counts a request, and answers what happens just before it.
    pub(crate) fn due(&mut self) -> Vec<Mishap> {
        let now = self.due.iter().filter(|(left, _)| *left <= 1).map(|(_, mishap)| *mishap).collect();
        self.due.retain_mut(|(left, _)| {
            *left -= 1;
            *left > 0
        });
        now
    }

    /// Lets something happen, unless it is so already.
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

    /// Refuses what the policy no longer allows, and what has no mount to go to.
    pub(crate) fn admits(&self, operation: Operation) -> Result<(), RemoteFault> {
        if matches!(operation, Operation::Unwrap | Operation::Login | Operation::Close) {
            return Ok(());
        }
        // A login looks around first: what it lacks is found then.
        let lacks = if operation == Operation::Connect { self.lost.first() } else { self.lost.get(&operation) };
        if let Some(lacking) = lacks {
            let message = format!("the role lacks what it needs to {lacking:?}").to_lowercase();
            return Err(RemoteFault { message, ..fault(FaultClass::Denied) });
        }
        if self.mount_removed { Err(fault(FaultClass::WrongMount)) } else { Ok(()) }
    }
}
