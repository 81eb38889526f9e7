//! Recognises a write by a run that was cut off before it could record the write.
//!
//! Usually the record still has the content that was written. Both sides are equal then, and the planner
//! adopts them. If a person edited the record meanwhile, the secret equals an older revision of the record,
//! and looks like a change by another client. It is not such a change: both sides agreed on that revision,
//! and the record changed since. Therefore the base is set to that revision before anything is planned, and
//! the plan is the same as if the write had been recorded.
//!
//! No value is lost by this, even if another client wrote the secret, because its value is a revision of the
//! record.

use std::collections::BTreeMap;

use vaultterm_reconcile::{
    BaseEntry, Content, Link, LocalEntry, LocalSnapshot, Mode, RecordId, RemoteEntry, RemoteHead, RemoteSight,
    Revision, SecretPath,
};

use crate::{
    Clock, Journal, Remote,
    brake::Stopped,
    observe::{Contents, Observation},
    problem::StepError,
    session::Session,
};

/// The maximum number of revisions of a record that are compared, from the newest.
const REVISIONS_MAX: u64 = 32;

/// The revisions of a record that a secret may equal.
struct Candidates {
    record_id: RecordId,
    /// The range of revisions. Its end is exclusive.
    revisions: std::ops::Range<u64>,
}

impl<J: Journal, R: Remote, K: Clock> Session<'_, J, R, K> {
    /// Sets the base of each path to the revision that its secret equals.
    pub(crate) async fn recognise(
        &self,
        observation: &mut Observation,
        contents: &mut Contents,
    ) -> Result<(), Stopped> {
        // A pull writes nothing to Vault.
        if self.connection.options.mode == Mode::Pull {
            return Ok(());
        }
        let changed = contents.remote.iter().filter_map(|(path, content)| Some((path, content.as_ref().ok()?)));
        let mut agreed = BTreeMap::new();
        for (path, secret) in changed {
            let equal = [&contents.base, &contents.local].map(|known| known.get(path));
            if equal.contains(&Some(secret)) {
                continue;
            }
            if let Some(entry) = self.agreed_at(observation, path, secret).await? {
                agreed.insert(path.clone(), (entry, secret.clone()));
            }
        }
        for (path, (entry, content)) in agreed {
            tracing::info!(%path, "a write that was not recorded is recognised");
            observation.base.insert(path.clone(), entry);
            contents.base.insert(path, content);
        }
        Ok(())
    }

    /// Returns the base for the revision that a secret equals.
    async fn agreed_at(
        &self,
        observation: &Observation,
        path: &SecretPath,
        secret: &Content,
    ) -> Result<Option<BaseEntry>, Stopped> {
        let Some(RemoteSight::Seen(remote)) = observation.remote.sights.get(path) else { return Ok(None) };
        let RemoteHead::Live { stamp, expires } = remote.head else { return Ok(None) };
        let base = observation.base.get(path);
        let Some(candidates) = self.candidates(base, &observation.local, path, remote) else { return Ok(None) };
        let record_id = candidates.record_id;
        for revision in candidates.revisions.rev().map(Revision) {
            let stored = match self.local_fields(record_id, revision).await {
                Ok(stored) => stored,
                Err(StepError::Stopped) => return Err(Stopped),
                Err(_) => continue,
            };
            if stored.fields.content(self.journal.digest_key()) == *secret {
                let record_type = stored.record_type;
                return Ok(Some(BaseEntry {
                    record_id,
                    revision,
                    record_type,
                    stamp,
                    expires,
                    link: Link::Linked,
                    held_since: BaseEntry::held_since(base, &stamp, false),
                    accepted: None,
                }));
            }
        }
        Ok(None)
    }

    /// Returns the revisions that a secret may equal, if it can be a write by this connection at all.
    fn candidates(
        &self,
        base: Option<&BaseEntry>,
        local: &LocalSnapshot,
        path: &SecretPath,
        remote: &RemoteEntry,
    ) -> Option<Candidates> {
        let RemoteHead::Live { stamp, .. } = remote.head else { return None };
        let ours = remote.mark.instance.as_ref().is_some_and(|found| *found == self.connection.options.instance);
        let (record_id, since) = match base {
            // With other key metadata, or with a lower number, the secret does not follow the base.
            Some(base) => {
                let follows = base.stamp.key_created == stamp.key_created && base.stamp.version < stamp.version;
                // A secret whose difference a person accepted was not written by this connection.
                (follows && base.link == Link::Linked).then_some((base.record_id, base.local_revision().0))?
            }
            // A secret without a base belongs to another writer, unless its mark names exactly this record.
            None if ours => (remote.mark.record_id?, 0),
            None => return None,
        };
        let (entry, here) = find(local, path, record_id)?;
        // A secret that equals the current revision at its own path is adopted by the planner.
        let end = if here { entry.revision.0 } else { entry.revision.0 + 1 };
        let begin = (since + 1).max(end.saturating_sub(REVISIONS_MAX));
        Some(Candidates { record_id, revisions: begin..end })
    }
}

/// Finds a record, and returns whether it is live at the path. It may also be in the trash, or moved to
/// another path.
fn find<'a>(local: &'a LocalSnapshot, path: &SecretPath, record_id: RecordId) -> Option<(&'a LocalEntry, bool)> {
    let is_it = |entry: &&LocalEntry| entry.record_id == record_id;
    if let Some(entry) = local.live.get(path) {
        return is_it(&entry).then_some((entry, true));
    }
    let moved = || local.live.values().find(is_it);
    local.trashed.get(path).filter(is_it).or_else(moved).map(|entry| (entry, false))
}
