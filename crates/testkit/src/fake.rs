//! The fake Vault: a [`KvMount`] behind the engine's traits, with scripted faults, an
//! administrator's back door and a log of every request.
//!
//! Start reading at [`FakeKv`]. Clones share the same mount.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::pending,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use vaultterm_reconcile::{
    Annotation, RecordId, RecordType, RemoteEntry, RemoteHead, RemoteSight, RemoteSnapshot, RemoteStamp, SecretPath,
    UnixNanos, Version,
};
use vaultterm_sealing::{SecretFields, SecretText};
use vaultterm_sync::{
    Connected, Connection, ConnectionSecrets, Connector, Credential, FaultClass, Remote, RemoteFault, RemoteIdentity,
    SecretRead, WriteReceipt,
};

use crate::{
    Fuse, KvKey, KvMount, ManualClock,
    fault::{Operation, Request, Rule, Verdict, fault},
};

/// The `SecretID` that a fake accepts until [`FakeKv::set_secret_id`] changes it.
pub const SECRET_ID: &str = "the-secret-id";

/// A Vault with one KV v2 mount, in memory.
#[derive(Clone)]
pub struct FakeKv {
    inner: Arc<Mutex<Inner>>,
    clock: ManualClock,
    fuse: Fuse,
}

type Hook = Box<dyn FnMut(&Request, &mut KvMount) + Send>;

struct Inner {
    mount: KvMount,
    identity: RemoteIdentity,
    secret_id: String,
    /// Wrapping tokens that were not used yet, with what they hold.
    wrapped: BTreeMap<String, String>,
    sealed: bool,
    /// Whether answers may be stale, as far as the server tells.
    stale_reads: bool,
    /// Full paths that this role may not read.
    forbidden: BTreeSet<String>,
    /// Full paths that a filtering policy keeps out of listings.
    hidden: BTreeSet<String>,
    rules: Vec<Rule>,
    hook: Option<Hook>,
    log: Vec<Request>,
    /// Scripted faults that struck.
    faults: u64,
    sessions_open: u64,
}

impl FakeKv {
    /// Makes an empty fake.
    #[must_use]
    pub fn new(clock: ManualClock, fuse: Fuse) -> Self {
        let inner = Inner {
            mount: KvMount::new(),
            identity: RemoteIdentity {
                product: "Fake".to_owned(),
                version: "1.0.0".to_owned(),
                cluster_id: Some("cluster-1".to_owned()),
                mount_accessor: "kv_1".to_owned(),
                mount_uuid: Some("uuid-1".to_owned()),
                kv_version: 2,
            },
            secret_id: SECRET_ID.to_owned(),
            wrapped: BTreeMap::new(),
            sealed: false,
            stale_reads: false,
            forbidden: BTreeSet::new(),
            hidden: BTreeSet::new(),
            rules: Vec::new(),
            hook: None,
            log: Vec::new(),
            faults: 0,
            sessions_open: 0,
        };
        Self { inner: Arc::new(Mutex::new(inner)), clock, fuse }
    }

    /// Opens a session on a path prefix without logging in.
    #[must_use]
    pub fn session(&self, prefix: &str, instance: &str) -> FakeRemote {
        self.inner().sessions_open += 1;
        FakeRemote {
            kv: self.clone(),
            prefix: prefix.to_owned(),
            instance: instance.to_owned(),
            requests: AtomicU64::new(0),
        }
    }

    /// Shows the mount to a test, which may change it: what an administrator does.
    pub fn mount<T>(&self, act: impl FnOnce(&mut KvMount, UnixNanos) -> T) -> T {
        let now = self.clock.tick();
        act(&mut self.inner().mount, now)
    }

    /// Adds a scripted fault. Of several that apply the first added counts.
    pub fn script(&self, rule: Rule) {
        self.inner().rules.push(rule);
    }

    /// Removes all scripted faults and the hook.
    pub fn heal(&self) {
        let mut inner = self.inner();
        inner.rules.clear();
        inner.hook = None;
    }

    /// Calls a closure just before each request has its effect: somebody else who is faster.
    pub fn before_each_request(&self, hook: impl FnMut(&Request, &mut KvMount) + Send + 'static) {
        self.inner().hook = Some(Box::new(hook));
    }

    /// Seals or unseals the fake.
    pub fn set_sealed(&self, sealed: bool) {
        self.inner().sealed = sealed;
    }

    /// Makes the fake one whose answers may be stale, as far as it tells.
    pub fn set_stale_reads(&self, stale_reads: bool) {
        self.inner().stale_reads = stale_reads;
    }

    /// Makes the fake answer as another cluster, mount or version.
    pub fn set_identity(&self, change: impl FnOnce(&mut RemoteIdentity)) {
        change(&mut self.inner().identity);
    }

    /// Changes the `SecretID` that is accepted.
    pub fn set_secret_id(&self, secret_id: &str) {
        secret_id.clone_into(&mut self.inner().secret_id);
    }

    /// Wraps the accepted `SecretID` in a single-use token.
    pub fn wrap_secret_id(&self, token: &str) {
        let mut inner = self.inner();
        let secret_id = inner.secret_id.clone();
        inner.wrapped.insert(token.to_owned(), secret_id);
    }

    /// Takes the right to read one full path from the role.
    pub fn forbid(&self, path: &str) {
        self.inner().forbidden.insert(path.to_owned());
    }

    /// Gives the right back.
    pub fn permit(&self, path: &str) {
        self.inner().forbidden.remove(path);
    }

    /// Keeps one full path out of listings.
    pub fn hide(&self, path: &str) {
        self.inner().hidden.insert(path.to_owned());
    }

    /// Takes what was asked since the last call.
    #[must_use]
    pub fn take_log(&self) -> Vec<Request> {
        std::mem::take(&mut self.inner().log)
    }

    /// Counts the scripted faults that struck so far.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.inner().faults
    }

    /// Counts the sessions that were opened and not closed.
    #[must_use]
    pub fn sessions_open(&self) -> u64 {
        self.inner().sessions_open
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out one request: faults and the hook first, then the effect, then the answer.
    async fn request<T>(
        &self,
        request: Request,
        effect: impl FnOnce(&mut Inner, UnixNanos) -> Result<T, RemoteFault>,
    ) -> Result<T, RemoteFault> {
        self.fuse.burn().await;
        let now = self.clock.tick();
        let (verdict, answer) = self.inner().serve(request, now, effect);
        if matches!(verdict, Some(Verdict::Hang)) {
            pending::<()>().await;
        }
        self.fuse.burn().await;
        match verdict {
            Some(Verdict::FailBefore(fault) | Verdict::FailAfter(fault)) => Err(fault),
            _ => answer.expect("a request that does not fail was carried out"),
        }
    }
}

impl Inner {
    fn serve<T>(
        &mut self,
        request: Request,
        now: UnixNanos,
        effect: impl FnOnce(&mut Self, UnixNanos) -> Result<T, RemoteFault>,
    ) -> (Option<Verdict>, Option<Result<T, RemoteFault>>) {
        if let Some(hook) = &mut self.hook {
            hook(&request, &mut self.mount);
        }
        let rule = self.rules.iter_mut().find(|rule| rule.applies(&request));
        let verdict = rule.map(|rule| {
            rule.times -= 1;
            rule.verdict.clone()
        });
        self.faults += u64::from(verdict.is_some());
        self.log.push(request);
        let answer = match verdict {
            Some(Verdict::FailBefore(_) | Verdict::Hang) => None,
            _ if self.sealed => Some(Err(fault(FaultClass::Sealed))),
            Some(Verdict::FailAfter(_)) | None => Some(effect(self, now)),
        };
        (verdict, answer)
    }

    fn permitted(&self, path: &str) -> Result<(), RemoteFault> {
        if self.forbidden.contains(path) { Err(fault(FaultClass::Denied)) } else { Ok(()) }
    }

    fn sight(&self, path: &str, now: UnixNanos) -> RemoteSight {
        if self.forbidden.contains(path) {
            return RemoteSight::Unreadable("permission denied".to_owned());
        }
        self.mount.key(path).map_or(RemoteSight::ProvenAbsent, |key| RemoteSight::Seen(entry(key, now)))
    }

    fn accepts(&self, credential: &Credential) -> bool {
        matches!(credential, Credential::SecretId(secret_id) if secret_id.expose() == self.secret_id)
    }
}

impl Connector for FakeKv {
    type Remote = FakeRemote;

    async fn unwrap_secret_id(
        &self,
        _: &Connection,
        secrets: &ConnectionSecrets,
    ) -> Result<Option<SecretText>, RemoteFault> {
        let Credential::WrappingToken(token) = &secrets.credential else { return Ok(None) };
        let request = Request { operation: Operation::Unwrap, path: String::new(), version: None };
        self.request(request, |inner, _| match inner.wrapped.remove(token.expose()) {
            Some(held) => Ok(Some(SecretText::new(held))),
            None => Err(fault(FaultClass::LoginRefused)),
        })
        .await
    }

    async fn connect(
        &self,
        connection: &Connection,
        secrets: &ConnectionSecrets,
    ) -> Result<Connected<FakeRemote>, RemoteFault> {
        let request = Request { operation: Operation::Connect, path: String::new(), version: None };
        let login = |inner: &mut Inner, _| match inner.accepts(&secrets.credential) {
            true => Ok(inner.identity.clone()),
            false => Err(fault(FaultClass::LoginRefused)),
        };
        let identity = self.request(request, login).await?;
        let remote = self.session(&connection.path, &connection.options.instance);
        Ok(Connected { remote, identity, secret_id_expires: None })
    }
}

/// A session on one path prefix of a [`FakeKv`].
pub struct FakeRemote {
    kv: FakeKv,
    prefix: String,
    instance: String,
    requests: AtomicU64,
}

impl FakeRemote {
    fn full(&self, path: &str) -> String {
        if self.prefix.is_empty() { path.to_owned() } else { format!("{}/{path}", self.prefix) }
    }

    async fn ask<T>(
        &self,
        operation: Operation,
        path: &str,
        version: Option<Version>,
        effect: impl FnOnce(&mut Inner, &str, UnixNanos) -> Result<T, RemoteFault>,
    ) -> Result<T, RemoteFault> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let full = self.full(path);
        let request = Request { operation, path: path.to_owned(), version: version.map(|version| version.0) };
        self.kv.request(request, |inner, now| effect(inner, &full, now)).await
    }
}

impl Remote for FakeRemote {
    async fn observe(&self) -> Result<RemoteSnapshot, RemoteFault> {
        self.ask(Operation::Observe, "", None, |inner, prefix, now| {
            let mut snapshot = RemoteSnapshot::default();
            for (full, _) in inner.mount.keys() {
                let Some(path) = full.strip_prefix(prefix) else { continue };
                if inner.hidden.contains(full) {
                    continue;
                }
                match SecretPath::new(path) {
                    Ok(path) => drop(snapshot.sights.insert(path, inner.sight(full, now))),
                    Err(error) => snapshot.refused.push((path.to_owned(), error.to_string())),
                }
            }
            Ok(snapshot)
        })
        .await
    }

    async fn look(&self, path: &SecretPath) -> Result<RemoteSight, RemoteFault> {
        self.ask(Operation::Look, path.as_str(), None, |inner, full, now| Ok(inner.sight(full, now))).await
    }

    async fn read(&self, path: &SecretPath, version: Version) -> Result<Option<SecretRead>, RemoteFault> {
        self.ask(Operation::Read, path.as_str(), Some(version), |inner, full, now| {
            inner.permitted(full)?;
            let Some(read) = inner.mount.read(full, version.0, now) else { return Ok(None) };
            let key = inner.mount.key(full).expect("a version that was read has a key");
            Ok(Some(SecretRead {
                fields: SecretFields::from_trusted(read.data.clone()),
                version_created: read.created,
                annotation: annotation(key),
            }))
        })
        .await
    }

    async fn write(&self, path: &SecretPath, fields: &SecretFields, cas: Version) -> Result<WriteReceipt, RemoteFault> {
        self.ask(Operation::Write, path.as_str(), Some(cas), |inner, full, now| {
            inner.permitted(full)?;
            let version = inner
                .mount
                .put(full, fields.expose().clone(), Some(cas.0), now)
                .map_err(|mismatch| RemoteFault { message: mismatch.to_string(), ..fault(FaultClass::Stale) })?;
            let written = inner.mount.key(full).and_then(|key| key.head()).expect("what was written is the head");
            Ok(WriteReceipt {
                version: Version(version),
                version_created: written.created,
                expires: written.deletion,
                request_id: Some(format!("request-{}", inner.log.len())),
            })
        })
        .await
    }

    async fn annotate(
        &self,
        path: &SecretPath,
        record_id: RecordId,
        record_type: RecordType,
    ) -> Result<(), RemoteFault> {
        self.ask(Operation::Annotate, path.as_str(), None, |inner, full, _| {
            inner.permitted(full)?;
            let marks = [
                ("managed-by", "vaultterm".to_owned()),
                ("vaultterm-instance", self.instance.clone()),
                ("vaultterm-record", record_id.0.to_string()),
                ("vaultterm-type", record_type.to_string()),
            ];
            if inner.mount.patch_custom(full, marks.map(|(name, value)| (name.to_owned(), value))) {
                Ok(())
            } else {
                Err(fault(FaultClass::Invalid))
            }
        })
        .await
    }

    async fn delete(&self, path: &SecretPath, version: Version) -> Result<Option<String>, RemoteFault> {
        self.ask(Operation::Delete, path.as_str(), Some(version), |inner, full, now| {
            inner.permitted(full)?;
            inner.mount.delete(full, version.0, now);
            Ok(Some(format!("request-{}", inner.log.len())))
        })
        .await
    }

    fn consistent(&self) -> bool {
        !self.kv.inner().stale_reads
    }

    fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    async fn close(&self) {
        let request = Request { operation: Operation::Close, path: String::new(), version: None };
        let close = |inner: &mut Inner, _| {
            inner.sessions_open = inner.sessions_open.saturating_sub(1);
            Ok(())
        };
        // Best effort, as the trait says: a sealed server cannot revoke.
        let _ = self.kv.request(request, close).await;
    }
}

fn entry(key: &KvKey, now: UnixNanos) -> RemoteEntry {
    let head = match key.head() {
        None => RemoteHead::Empty { key_created: key.created },
        Some(version) => {
            let stamp = RemoteStamp {
                key_created: key.created,
                version: Version(key.current),
                version_created: version.created,
            };
            if version.is_live(now) {
                RemoteHead::Live { stamp, expires: version.deletion }
            } else {
                RemoteHead::Deleted { stamp, deleted: version.deletion, destroyed: version.destroyed }
            }
        }
    };
    RemoteEntry { head, annotation: annotation(key) }
}

fn annotation(key: &KvKey) -> Annotation {
    Annotation {
        instance: key.custom.get("vaultterm-instance").cloned(),
        record_id: key.custom.get("vaultterm-record").and_then(|id| id.parse().ok()).map(RecordId),
        record_type: key.custom.get("vaultterm-type").and_then(|name| name.parse().ok()),
    }
}
