//! What happened to one path since the base, on either side.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Accepted, BaseEntry, Link, LocalEntry, LocalExpect, LocalSnapshot, Mode, Options, RecordId, RemoteEntry,
    RemoteExpect, RemoteHead, RemoteSight, RemoteSnapshot, RemoteStamp, SecretPath, UnixNanos, Version,
};

/// The local side of one path since the base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LocalSince {
    /// No record, and there was none.
    Absent,
    /// A record without a base.
    New,
    /// The base's record at the base's revision (or at the one that was accepted).
    Same,
    /// Another revision, or another record.
    Changed,
    /// No record where the base names one.
    Deleted,
}

/// The remote side of one path since the base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RemoteSince<'a> {
    /// No live version, and there was none.
    Vacant,
    /// A live version without a base.
    New,
    /// The base's version.
    Same,
    /// Another version.
    Changed,
    /// A version that the past cannot explain: numbers went backwards.
    Rewound,
    /// No live version where the base names one: proven, not merely unlisted.
    Deleted,
    /// The base's version passed the `deletion_time` that the base recorded, or a version ran out
    /// before it was ever seen.
    Expired,
    /// Not listed, and not proven absent.
    Unlisted,
    /// It could not be read; says why.
    Unreadable(&'a str),
}

/// Everything known about one path before contents are looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) path: &'a SecretPath,
    /// The base, while the link holds.
    pub(crate) base: Option<&'a BaseEntry>,
    /// What is left of a dropped link.
    pub(crate) marker: Option<&'a BaseEntry>,
    pub(crate) local: Option<&'a LocalEntry>,
    pub(crate) trashed: Option<&'a LocalEntry>,
    pub(crate) remote: Option<&'a RemoteEntry>,
    pub(crate) local_since: LocalSince,
    pub(crate) remote_since: RemoteSince<'a>,
}

impl<'a> Facts<'a> {
    pub(crate) fn of(
        path: &'a SecretPath,
        base: &'a BTreeMap<SecretPath, BaseEntry>,
        local: &'a LocalSnapshot,
        remote: &'a RemoteSnapshot,
    ) -> Self {
        let entry = base.get(path);
        let linked = entry.filter(|entry| entry.link == Link::Linked);
        let marker = entry.filter(|entry| entry.link != Link::Linked);
        let live = local.live.get(path);
        let sight = remote.sights.get(path);
        Self {
            path,
            base: linked,
            marker,
            local: live,
            trashed: local.trashed.get(path),
            remote: match sight {
                Some(RemoteSight::Seen(entry)) => Some(entry),
                _ => None,
            },
            local_since: local_since(linked, live),
            remote_since: remote_since(linked, marker, sight),
        }
    }

    /// The live remote version, when there is one.
    pub(crate) fn remote_live(&self) -> Option<(RemoteStamp, Option<UnixNanos>)> {
        match self.remote?.head {
            RemoteHead::Live { stamp, expires } => Some((stamp, expires)),
            RemoteHead::Empty { .. } | RemoteHead::Deleted { .. } => None,
        }
    }

    /// The `cas` a write needs.
    pub(crate) fn cas(&self) -> Version {
        self.remote.map_or(Version::NONE, |entry| entry.head.cas())
    }

    /// `created_time` of the key's metadata, when it has metadata.
    pub(crate) fn key_created(&self) -> Option<UnixNanos> {
        self.remote.map(|entry| entry.head.key_created())
    }

    pub(crate) fn expect_local(&self) -> LocalExpect {
        self.local.map_or(LocalExpect::Absent, |entry| LocalExpect::Live {
            record_id: entry.record_id,
            revision: entry.revision,
        })
    }

    pub(crate) fn expect_remote(&self) -> RemoteExpect {
        match self.remote.map(|entry| entry.head) {
            None | Some(RemoteHead::Empty { .. }) => RemoteExpect::Absent,
            Some(RemoteHead::Live { stamp, expires }) => RemoteExpect::Live { stamp, expires },
            Some(RemoteHead::Deleted { stamp, .. }) => RemoteExpect::Deleted { stamp },
        }
    }

    /// The record the path is about: the live one, else the base's.
    pub(crate) fn record_id(&self) -> Option<RecordId> {
        self.local.map(|entry| entry.record_id).or(self.base.map(|entry| entry.record_id))
    }

    /// Whether the secret is marked as managed by another instance, in a mode that cares.
    pub(crate) fn is_foreign(&self, options: &Options) -> bool {
        options.mode != Mode::Pull
            && self
                .remote
                .and_then(|entry| entry.annotation.instance.as_deref())
                .is_some_and(|instance| instance != options.instance)
    }

    /// Whether a foreign mark is this connection's business: it holds or wants this path.
    pub(crate) fn foreign_matters(&self, options: &Options) -> bool {
        self.is_foreign(options)
            && (self.local.is_some()
                || self.base.is_some()
                || (options.mode == Mode::Bidirectional && self.remote_live().is_some() && !self.is_left_alone()))
    }

    /// Whether the secret stays untouched because its record was deleted with `retain`.
    fn is_left_alone(&self) -> bool {
        self.local.is_none() && self.marker.is_some_and(|marker| marker.link == Link::LocalGone)
    }

    /// Whether both sides are exactly as the base says (contents need not be looked at).
    ///
    /// A difference that was accepted in another mode, or that a person reopened, is examined again.
    pub(crate) fn is_untouched(&self, options: &Options) -> bool {
        let holds = self.accepted().is_none_or(|accepted| accepted.holds_in(options.mode));
        holds && self.local_since == LocalSince::Same && self.remote_since == RemoteSince::Same
    }

    /// The difference that a person accepted here.
    pub(crate) fn accepted(&self) -> Option<&'a Accepted> {
        self.base?.accepted.as_ref()
    }
}

fn local_since(base: Option<&BaseEntry>, live: Option<&LocalEntry>) -> LocalSince {
    match (base, live) {
        (None, None) => LocalSince::Absent,
        (None, Some(_)) => LocalSince::New,
        (Some(_), None) => LocalSince::Deleted,
        (Some(base), Some(live)) if base.record_id == live.record_id && base.local_revision() == live.revision => {
            LocalSince::Same
        }
        (Some(_), Some(_)) => LocalSince::Changed,
    }
}

fn remote_since<'a>(
    base: Option<&BaseEntry>,
    marker: Option<&BaseEntry>,
    sight: Option<&'a RemoteSight>,
) -> RemoteSince<'a> {
    let head = match sight {
        Some(RemoteSight::Unreadable(reason)) => return RemoteSince::Unreadable(reason),
        // Without a base an unlisted path is vacant: a write carries `cas` 0, so a key that
        // the listing missed cannot be overwritten. A secret that was left alone must be proven
        // absent, or the record deleted here would come back.
        None if base.is_none() && marker.is_none_or(|marker| marker.link == Link::RemoteGone) => {
            return RemoteSince::Vacant;
        }
        None => return RemoteSince::Unlisted,
        Some(RemoteSight::ProvenAbsent) => None,
        Some(RemoteSight::Seen(entry)) => Some(entry.head),
    };
    match (base, head) {
        (None, Some(RemoteHead::Live { .. })) => RemoteSince::New,
        (None, _) => RemoteSince::Vacant,
        (Some(_), None | Some(RemoteHead::Empty { .. })) => RemoteSince::Deleted,
        (Some(base), Some(RemoteHead::Live { stamp, .. } | RemoteHead::Deleted { stamp, .. }))
            if is_rewound(&base.stamp, &stamp) =>
        {
            RemoteSince::Rewound
        }
        (Some(base), Some(RemoteHead::Live { stamp, .. })) => {
            if stamp == base.stamp {
                RemoteSince::Same
            } else {
                RemoteSince::Changed
            }
        }
        (Some(base), Some(RemoteHead::Deleted { stamp, deleted, destroyed })) => {
            let expired =
                deleted.is_some_and(|at| (stamp == base.stamp && deleted == base.expires) || stamp.runs_out_at(at));
            if expired && !destroyed { RemoteSince::Expired } else { RemoteSince::Deleted }
        }
    }
}

/// Whether `now` cannot follow `then` under the same key metadata: a lower number, or the same
/// number made at another time. Both mean that the mount went back in time. Under other key
/// metadata the key was deleted and made again, which is an ordinary change.
fn is_rewound(then: &RemoteStamp, now: &RemoteStamp) -> bool {
    then.key_created == now.key_created
        && (now.version < then.version || (now.version == then.version && now.version_created != then.version_created))
}

/// Every path that either side or the base knows.
pub(crate) fn paths<'a>(
    base: &'a BTreeMap<SecretPath, BaseEntry>,
    local: &'a LocalSnapshot,
    remote: &'a RemoteSnapshot,
) -> BTreeSet<&'a SecretPath> {
    base.keys().chain(local.live.keys()).chain(remote.sights.keys()).collect()
}
