//! Classifies what happened on either side of a path since the base.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Accepted, BaseEntry, Link, LocalEntry, LocalExpect, LocalSnapshot, Mode, Options, RecordId, RemoteEntry,
    RemoteExpect, RemoteHead, RemoteSight, RemoteSnapshot, RemoteStamp, SecretPath, UnixNanos, Version,
};

/// What happened on the local side of a path since the base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LocalSince {
    /// There is no record, and there was none.
    Absent,
    /// There is a record without a base.
    New,
    /// The record and its revision are those of the base, or the accepted ones.
    Same,
    /// The revision or the record is another one.
    Changed,
    /// There is no record, although the base names one.
    Deleted,
}

/// What happened on the remote side of a path since the base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RemoteSince<'a> {
    /// There is no live version, and there was none.
    Vacant,
    /// There is a live version without a base.
    New,
    /// The version is that of the base.
    Same,
    /// The version is another one.
    Changed,
    /// The version cannot follow that of the base, because numbers went backwards.
    Rewound,
    /// There is no live version, although the base names one. This is proven, and not only a gap in the
    /// listing.
    Deleted,
    /// The version of the base passed the `deletion_time` that the base recorded, or a version expired before
    /// it was ever seen.
    Expired,
    /// The path is missing from the listing, and its absence is not proven.
    Unlisted,
    /// The path could not be read. The text says why.
    Unreadable(&'a str),
}

/// All facts about a path that are known without its contents.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) path: &'a SecretPath,
    /// The base, while the link holds.
    pub(crate) base: Option<&'a BaseEntry>,
    /// The rest of a dropped link.
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

    /// Returns the live remote version, if there is one.
    pub(crate) fn remote_live(&self) -> Option<(RemoteStamp, Option<UnixNanos>)> {
        match self.remote?.head {
            RemoteHead::Live { stamp, expires } => Some((stamp, expires)),
            RemoteHead::Empty { .. } | RemoteHead::Deleted { .. } => None,
        }
    }

    /// Returns the `cas` for a write.
    pub(crate) fn cas(&self) -> Version {
        self.remote.map_or(Version::NONE, |entry| entry.head.cas())
    }

    /// Returns `created_time` of the key's metadata, if the key has metadata.
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

    /// Returns the record of the path: the live one, or else that of the base.
    pub(crate) fn record_id(&self) -> Option<RecordId> {
        self.local.map(|entry| entry.record_id).or(self.base.map(|entry| entry.record_id))
    }

    /// Returns whether the secret is marked as managed by another instance, in a mode in which that matters.
    pub(crate) fn is_foreign(&self, options: &Options) -> bool {
        options.mode != Mode::Pull
            && self
                .remote
                .and_then(|entry| entry.mark.instance.as_deref())
                .is_some_and(|instance| instance != options.instance)
    }

    /// Returns whether a foreign mark matters to this connection, because it holds the path or wants it.
    pub(crate) fn foreign_matters(&self, options: &Options) -> bool {
        self.is_foreign(options)
            && (self.local.is_some()
                || self.base.is_some()
                || (options.mode == Mode::Bidirectional && self.remote_live().is_some() && !self.is_left_alone()))
    }

    /// Returns whether the secret is left alone because its record was deleted with `retain`.
    fn is_left_alone(&self) -> bool {
        self.local.is_none() && self.marker.is_some_and(|marker| marker.link == Link::LocalGone)
    }

    /// Returns whether both sides are exactly as the base says. The contents need not be compared then.
    ///
    /// A difference that was accepted in another mode, or that a person reopened, counts as touched.
    pub(crate) fn is_untouched(&self, options: &Options) -> bool {
        let holds = self.accepted().is_none_or(|accepted| accepted.holds_in(options.mode));
        holds && self.local_since == LocalSince::Same && self.remote_since == RemoteSince::Same
    }

    /// Returns the difference that a person accepted here.
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
        // Without a base, an unlisted path counts as vacant. A write carries `cas` 0, so it cannot overwrite
        // a key that the listing missed. If the secret was left alone, its absence must be proven, because
        // otherwise the record that was deleted here would come back.
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

/// Returns whether `now` cannot follow `then` under the same key metadata. This is so if its number is lower,
/// or if the same number was created at another time. Both mean that the mount went back in time. With other
/// key metadata the key was deleted and created again, which is an ordinary change.
fn is_rewound(then: &RemoteStamp, now: &RemoteStamp) -> bool {
    then.key_created == now.key_created
        && (now.version < then.version || (now.version == then.version && now.version_created != then.version_created))
}

/// Returns all paths that either side or the base knows.
pub(crate) fn paths<'a>(
    base: &'a BTreeMap<SecretPath, BaseEntry>,
    local: &'a LocalSnapshot,
    remote: &'a RemoteSnapshot,
) -> BTreeSet<&'a SecretPath> {
    base.keys().chain(local.live.keys()).chain(remote.sights.keys()).collect()
}
