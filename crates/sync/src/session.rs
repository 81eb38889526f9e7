//! The parts that a plan, a run and a resolution share: the connection, the remote, the journal, and the
//! values that were read.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
};

use tokio::sync::OnceCell;
use vaultterm_reconcile::{Content, RecordId, RemoteStamp, Revision, SecretPath};
use vaultterm_sealing::SecretText;

use crate::{
    Clock, Connected, Connection, ConnectionId, ConnectionSecrets, Connector, Credential, FaultClass, Hints, Ids,
    Journal, JournalError, People, Remote, RemoteFault, RemoteIdentity, SecretRead, StoredFields,
    brake::Brake,
    problem::StepError,
    retry::{CallError, Calls, Jitter, repeat_login},
};

/// The maximum number of bytes of remote values that are kept between planning and applying. Only their
/// content counts, without overhead. Other values are read again.
const VALUES_BYTES_MAX: u64 = 64 << 20;

/// The parts with which the engine works: the database, the connector, the clock and the source of ids.
pub(crate) struct Shell<'a, J, C, K> {
    pub(crate) journal: &'a J,
    pub(crate) connector: &'a C,
    pub(crate) clock: &'a K,
    pub(crate) ids: &'a dyn Ids,
    pub(crate) people: &'a dyn People,
    pub(crate) hints: &'a dyn Hints,
}

impl<J, C, K> Clone for Shell<'_, J, C, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<J, C, K> Copy for Shell<'_, J, C, K> {}

/// A logged-in session, with everything that its work needs.
pub(crate) struct Session<'a, J, R, K> {
    pub(crate) journal: &'a J,
    pub(crate) clock: &'a K,
    pub(crate) ids: &'a dyn Ids,
    pub(crate) brake: &'a Brake,
    pub(crate) connection: &'a Connection,
    /// The identity of the server.
    pub(crate) identity: &'a RemoteIdentity,
    pub(crate) calls: Calls<'a, R, K>,
    pub(crate) hints: &'a dyn Hints,
    pub(crate) values: Values,
    pub(crate) ahead: Ahead,
    /// Whether this session has the lease of the connection, so that nobody else changes its bases.
    pub(crate) has_lease: bool,
    /// `max_versions` of the mount, after it was requested.
    versions_max: OnceCell<Option<u64>>,
    /// The faults of requests that failed for good during planning, by path.
    faults: Mutex<BTreeMap<String, RemoteFault>>,
}

impl<'a, J: Journal, R: Remote, K: Clock> Session<'a, J, R, K> {
    pub(crate) fn new<C>(
        shell: Shell<'a, J, C, K>,
        brake: &'a Brake,
        connection: &'a Connection,
        connected: &'a Connected<R>,
        seed: u64,
    ) -> Self {
        let Shell { journal, clock, ids, people, hints, .. } = shell;
        let calls = Calls::new(&connected.remote, clock, brake, connection.concurrency_max, seed).beside(people);
        let (values, ahead) = (Values::default(), Ahead::default());
        let identity = &connected.identity;
        let (versions_max, faults, has_lease) = (OnceCell::new(), Mutex::default(), false);
        Self {
            journal,
            clock,
            ids,
            brake,
            connection,
            identity,
            calls,
            hints,
            values,
            ahead,
            has_lease,
            versions_max,
            faults,
        }
    }

    /// Notes that this session has the lease of the connection.
    pub(crate) fn under_lease(self) -> Self {
        Self { has_lease: true, ..self }
    }

    /// Returns `max_versions` of the mount (0: not set), or `None` if the role may not read it. Requests it
    /// only once.
    pub(crate) async fn versions_max(&self) -> Result<Option<u64>, CallError> {
        self.versions_max.get_or_try_init(|| self.calls.versions_max()).await.copied()
    }

    /// Remembers why a path could not be looked at or read. A denial is not a fault: such a path is left
    /// alone as long as the role may not see it.
    pub(crate) fn note(&self, path: &SecretPath, fault: &RemoteFault) {
        if fault.class != FaultClass::Denied {
            self.faults.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_string(), fault.clone());
        }
    }

    /// Forgets why a path could not be looked at, because it was looked at since.
    pub(crate) fn forget_fault(&self, path: &SecretPath) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).remove(path.as_str());
    }

    /// Returns why a path could not be looked at or read.
    pub(crate) fn fault_at(&self, path: &str) -> Option<RemoteFault> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
    }

    /// Reads a revision of a record. A value that does not open fails only its own path.
    pub(crate) async fn local_fields(
        &self,
        record_id: RecordId,
        revision: Revision,
    ) -> Result<StoredFields, StepError> {
        if let Some(stored) = self.ahead.take((record_id, revision)) {
            return Ok(stored);
        }
        match self.journal.fields(record_id, revision).await {
            Ok(Some(stored)) => Ok(stored),
            Ok(None) => Err(StepError::Stale(format!("revision {} of the record is gone", revision.0))),
            Err(JournalError::Unreadable(reason)) => Err(StepError::Unreadable(reason)),
            Err(error) => Err(self.brake.journal_failed(error).into()),
        }
    }

    /// Reads exactly the version that a stamp names. Another version with the same number is stale.
    pub(crate) async fn remote_fields(&self, path: &SecretPath, stamp: &RemoteStamp) -> Result<SecretRead, StepError> {
        let kept = self.values.take(path, stamp);
        let read = match kept {
            Some(read) => Some(read),
            None => self.calls.read(path, stamp.version).await?,
        };
        match read {
            Some(read) if read.version_created == stamp.version_created => Ok(read),
            Some(_) => Err(StepError::Stale("the secret was replaced since it was listed".to_owned())),
            None => Err(StepError::Stale("the version that was listed cannot be read any more".to_owned())),
        }
    }
}

/// The remote values that were read during planning, so that they are not read again.
#[derive(Default)]
pub(crate) struct Values(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    bytes: u64,
    /// The values, each with its size.
    reads: HashMap<(SecretPath, RemoteStamp), (u64, SecretRead)>,
}

impl Values {
    /// Keeps a value if there is room.
    pub(crate) fn keep(&self, path: SecretPath, stamp: RemoteStamp, read: SecretRead, content: &Content) {
        let bytes: u64 = content.iter().map(|(name, field)| name.len() as u64 + field.length).sum();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.bytes + bytes <= VALUES_BYTES_MAX {
            kept.bytes += bytes;
            if let Some((before, _)) = kept.reads.insert((path, stamp), (bytes, read)) {
                kept.bytes -= before;
            }
        }
    }

    fn take(&self, path: &SecretPath, stamp: &RemoteStamp) -> Option<SecretRead> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (bytes, read) = kept.reads.remove(&(path.clone(), *stamp))?;
        kept.bytes -= bytes;
        Some(read)
    }
}

/// Logs in. A wrapped `SecretID` is unwrapped first and stored at once, because its token is used up and a
/// later failure must not lose it.
pub(crate) async fn connect<J: Journal, C: Connector, K: Clock>(
    shell: Shell<'_, J, C, K>,
    brake: &Brake,
    connection: &Connection,
    mut secrets: ConnectionSecrets,
    seed: u64,
) -> Result<Connected<C::Remote>, CallError> {
    let Shell { journal, connector, clock, .. } = shell;
    let jitter = Jitter::new(seed);
    if let Credential::WrappingToken(token) = &secrets.credential {
        let unwrap = || connector.unwrap_secret_id(connection, &secrets);
        if let Some(secret_id) = repeat_login(clock, brake, &jitter, unwrap).await? {
            store_unwrapped(journal, brake, connection.id, token, &secret_id).await?;
            secrets.credential = Credential::SecretId(secret_id);
        }
    }
    repeat_login(clock, brake, &jitter, || connector.connect(connection, &secrets)).await
}

async fn store_unwrapped<J: Journal>(
    journal: &J,
    brake: &Brake,
    id: ConnectionId,
    spent: &SecretText,
    secret_id: &SecretText,
) -> Result<(), CallError> {
    let stored = journal.store_unwrapped(id, spent, secret_id).await;
    stored.map_err(|error| brake.journal_failed(error).into())
}

/// Compares the server with the one that answered before, and returns how they differ. An upgrade is not a
/// difference.
pub(crate) fn replaced(recorded: &RemoteIdentity, found: &RemoteIdentity) -> Option<String> {
    let differ = |one: &Option<String>, other: &Option<String>| one.is_some() && other.is_some() && one != other;
    let changed = [
        ("cluster id", differ(&recorded.cluster_id, &found.cluster_id)),
        ("mount accessor", recorded.mount_accessor != found.mount_accessor),
        ("mount uuid", differ(&recorded.mount_uuid, &found.mount_uuid)),
        ("KV version", recorded.kv_version != found.kv_version),
    ];
    let names: Vec<_> = changed.into_iter().filter_map(|(name, changed)| changed.then_some(name)).collect();
    (!names.is_empty()).then(|| format!("another remote answers: different {}", names.join(", ")))
}

/// Revisions that were read for steps that begin soon. A revision never changes.
#[derive(Default)]
pub(crate) struct Ahead(Mutex<BTreeMap<(RecordId, Revision), StoredFields>>);

impl Ahead {
    pub(crate) fn keep(&self, read: BTreeMap<(RecordId, Revision), StoredFields>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(read);
    }

    /// Drops what a step left that ended before it needed it.
    pub(crate) fn forget(&self, revision: (RecordId, Revision)) {
        drop(self.take(revision));
    }

    fn take(&self, revision: (RecordId, Revision)) -> Option<StoredFields> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&revision)
    }
}

#[cfg(test)]
mod tests {
    use vaultterm_reconcile::{FieldDigest, SeenMark, UnixNanos, Version};
    use vaultterm_sealing::SecretFields;

    use super::*;

    fn identity() -> RemoteIdentity {
        RemoteIdentity {
            product: "OpenBao".to_owned(),
            version: "2.7.2".to_owned(),
            cluster_id: Some("a".to_owned()),
            mount_accessor: "kv_1".to_owned(),
            mount_uuid: None,
            kv_version: 2,
        }
    }

    #[test]
    fn an_upgrade_is_the_same_remote() {
        let upgraded = RemoteIdentity { version: "2.8.0".to_owned(), ..identity() };
        assert_eq!(replaced(&identity(), &upgraded), None);
    }

    #[test]
    fn what_one_side_does_not_tell_is_no_difference() {
        let told = RemoteIdentity { mount_uuid: Some("u".to_owned()), cluster_id: None, ..identity() };
        assert_eq!(replaced(&identity(), &told), None);
    }

    #[test]
    fn another_cluster_or_mount_is_named() {
        let other =
            RemoteIdentity { cluster_id: Some("b".to_owned()), mount_accessor: "kv_2".to_owned(), ..identity() };
        let found = replaced(&identity(), &other).expect("it differs");
        assert!(found.contains("cluster id, mount accessor"), "{found}");
    }

    fn read() -> SecretRead {
        let (version_created, mark) = (UnixNanos(1), SeenMark::default());
        SecretRead { fields: SecretFields::new(), version_created, mark }
    }

    fn stamp() -> RemoteStamp {
        RemoteStamp { key_created: UnixNanos(1), version: Version(1), version_created: UnixNanos(1) }
    }

    #[test]
    fn values_are_kept_while_their_names_and_contents_have_room() {
        let values = Values::default();
        let path = |text: &str| SecretPath::new(text).expect("a good path");
        let field = |length| FieldDigest { digest: [0; 32], length };
        let keep = |name: &str, fields: &[(&str, u64)]| {
            let content = fields.iter().map(|(name, length)| ((*name).to_owned(), field(*length))).collect();
            values.keep(path(name), stamp(), read(), &content);
        };
        let all = VALUES_BYTES_MAX;
        keep("half", &[("ab", all / 4 - 2), ("c", all / 4 - 1)]);
        keep("too-much", &[("abc", all / 2 - 2)]);
        keep("rest", &[("abc", all / 2 - 4)]);
        keep("one-more", &[("", 1)]);
        keep("too-much-again", &[("", 1)]);
        let kept = |name: &str| values.take(&path(name), &stamp()).is_some();
        let names = ["half", "too-much", "rest", "one-more", "too-much-again"];
        assert_eq!(names.map(kept), [true, false, true, true, false]);
        assert_eq!(names.map(kept), [false; 5], "each is handed out once");
    }
}
