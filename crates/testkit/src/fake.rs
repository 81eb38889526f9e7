//! The fake Vault: a [`KvMount`] behind the engine's traits, with scripted faults, a back door for the
//! administrator, and a log of all requests.
//!
//! Start reading at [`FakeKv`]. Clones share the same mount. `fake/session.rs` holds the requests of a
//! session.

mod entry;
mod session;

use std::{
    collections::{BTreeMap, BTreeSet},
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use vaultterm_reconcile::{RemoteSight, UnixNanos};
use vaultterm_sync::{Credential, FaultClass, RemoteFault, RemoteIdentity};

pub use self::session::FakeRemote;
use crate::{
    Data, Fuse, KvMount, ManualClock, Mishap,
    fault::{Request, Rule, Verdict, fault},
    mishap::Condition,
};

/// The `SecretID` that a fake accepts, until [`FakeKv::set_secret_id`] changes it.
pub const SECRET_ID: &str = "the-secret-id";

/// A Vault with one KV v2 mount in memory.
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
    /// The unused wrapping tokens with their content.
    wrapped: BTreeMap<String, String>,
    sealed: bool,
    /// Whether the server says that its answers may be stale.
    stale_reads: bool,
    /// The older state that a lagging replica shows in place of the current one.
    old_news: Option<KvMount>,
    /// Whether listings show only names, so that each key needs its own look.
    names_only: bool,
    condition: Condition,
    /// The full paths that the role may not read.
    forbidden: BTreeSet<String>,
    /// The full paths that a filtering policy keeps out of listings.
    hidden: BTreeSet<String>,
    rules: Vec<Rule>,
    hook: Option<Hook>,
    log: Vec<Request>,
    /// The number of scripted faults that took effect, by class.
    faults: BTreeMap<&'static str, u64>,
    sessions_open: u64,
    /// Whether the role may read the configuration of the mount.
    config_readable: bool,
    /// The number of requests that change something, counted when they are sent.
    changes_sent: u64,
    /// The number of requests of sessions that are in progress.
    under_way: u64,
    /// For each request, the number of requests that were in progress when it was sent, including itself.
    crowds: Vec<u64>,
}

impl FakeKv {
    /// Returns an empty fake.
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
            old_news: None,
            names_only: false,
            condition: Condition::default(),
            forbidden: BTreeSet::new(),
            hidden: BTreeSet::new(),
            rules: Vec::new(),
            hook: None,
            log: Vec::new(),
            faults: BTreeMap::new(),
            sessions_open: 0,
            config_readable: true,
            changes_sent: 0,
            under_way: 0,
            crowds: Vec::new(),
        };
        Self { inner: Arc::new(Mutex::new(inner)), clock, fuse }
    }

    /// Returns the same server as another process reaches it, which crashes with its own fuse.
    #[must_use]
    pub fn with_fuse(&self, fuse: Fuse) -> Self {
        Self { fuse, ..self.clone() }
    }

    /// Gives a test access to the mount, to read or change it as an administrator.
    pub fn mount<T>(&self, act: impl FnOnce(&mut KvMount, UnixNanos) -> T) -> T {
        let now = self.clock.tick();
        act(&mut self.inner().mount, now)
    }

    /// Adds a scripted fault. If several apply to a request, the one that was added first counts.
    pub fn script(&self, rule: Rule) {
        self.inner().rules.push(rule);
    }

    /// Removes all scripted faults, scheduled mishaps, the old state and the hook.
    pub fn heal(&self) {
        let mut inner = self.inner();
        inner.rules.clear();
        inner.condition.unschedule();
        inner.old_news = None;
        inner.hook = None;
    }

    /// Lets a mishap happen to the whole server.
    pub fn happen(&self, mishap: Mishap) {
        self.inner().strike(mishap);
    }

    /// Lets a mishap happen to the whole server just before the `request`-th request from now, counted from
    /// 1.
    pub fn happen_at(&self, request: u64, mishap: Mishap) {
        self.inner().condition.schedule(request, mishap);
    }

    /// Returns how often each mishap happened so far, by name.
    #[must_use]
    pub fn mishaps(&self) -> BTreeMap<&'static str, u64> {
        self.inner().condition.happened.clone()
    }

    /// Returns the data of the mounts that were disabled for good.
    #[must_use]
    pub fn thrown_away(&self) -> Vec<Data> {
        self.inner().condition.thrown_away.clone()
    }

    /// Makes listings, looks and reads show an older state of the mount, as a lagging replica does.
    pub fn tell_old_news(&self, mount: KvMount) {
        self.inner().old_news = Some(mount);
    }

    /// Makes the fake a server without `SCAN` and `detailed-metadata`. Its listings show only names, each key
    /// needs its own look, and answers may be stale.
    pub fn set_names_only(&self) {
        let mut inner = self.inner();
        inner.names_only = true;
        inner.stale_reads = true;
    }

    /// Calls a closure just before each request takes effect. The closure plays another client that is
    /// faster.
    pub fn before_each_request(&self, hook: impl FnMut(&Request, &mut KvMount) + Send + 'static) {
        self.inner().hook = Some(Box::new(hook));
    }

    /// Seals or unseals the fake.
    pub fn set_sealed(&self, sealed: bool) {
        self.inner().sealed = sealed;
    }

    /// Sets whether the fake says that its answers may be stale.
    pub fn set_stale_reads(&self, stale_reads: bool) {
        let mut inner = self.inner();
        inner.stale_reads = stale_reads || inner.names_only;
    }

    /// Returns whether the fake says that its answers are never stale.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        !self.inner().stale_reads
    }

    /// Makes the fake answer as another cluster, mount or version.
    pub fn set_identity(&self, change: impl FnOnce(&mut RemoteIdentity)) {
        change(&mut self.inner().identity);
    }

    /// Changes the accepted `SecretID`.
    pub fn set_secret_id(&self, secret_id: &str) {
        secret_id.clone_into(&mut self.inner().secret_id);
    }

    /// Wraps the accepted `SecretID` in a token that works once.
    pub fn wrap_secret_id(&self, token: &str) {
        let mut inner = self.inner();
        let secret_id = inner.secret_id.clone();
        inner.wrapped.insert(token.to_owned(), secret_id);
    }

    /// Takes from the role the right to read a full path.
    pub fn forbid(&self, path: &str) {
        self.inner().forbidden.insert(path.to_owned());
    }

    /// Gives this right back to the role.
    pub fn permit(&self, path: &str) {
        self.inner().forbidden.remove(path);
    }

    /// Takes from the role the right to read the configuration of the mount.
    pub fn forbid_config(&self) {
        self.inner().config_readable = false;
    }

    /// Keeps a full path out of listings.
    pub fn hide(&self, path: &str) {
        self.inner().hidden.insert(path.to_owned());
    }

    /// Returns the requests since the last call, and clears the log.
    #[must_use]
    pub fn take_log(&self) -> Vec<Request> {
        std::mem::take(&mut self.inner().log)
    }

    /// Returns the number of scripted faults that took effect so far.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.inner().faults.values().sum()
    }

    /// Returns the number of faults by the name of their class and whether the request took effect all the
    /// same.
    #[must_use]
    pub fn faults_by_class(&self) -> BTreeMap<&'static str, u64> {
        self.inner().faults.clone()
    }

    /// Returns the number of sessions that were opened and not closed.
    #[must_use]
    pub fn sessions_open(&self) -> u64 {
        self.inner().sessions_open
    }

    /// Returns the number of requests that change something in Vault, counted when they are sent. A request
    /// without an answer yet is counted already, and a request that is repeated after a new login is counted
    /// once.
    #[must_use]
    pub fn changes_sent(&self) -> u64 {
        self.inner().changes_sent
    }

    /// Returns the number of requests in progress, including itself, for each request of a session since the
    /// last call. Clears the list.
    #[must_use]
    pub fn take_crowds(&self) -> Vec<u64> {
        std::mem::take(&mut self.inner().crowds)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out a request: scripted faults and the hook first, then the effect, then the answer. `token`
    /// is the token of the request, if it needs one.
    async fn request<T>(
        &self,
        request: Request,
        token: Option<u64>,
        effect: impl Fn(&mut Inner, UnixNanos) -> Result<T, RemoteFault>,
    ) -> Result<T, Refused> {
        self.fuse.burn().await;
        let now = self.clock.tick();
        let (verdict, answer) = self.inner().serve(request, token, now, effect);
        if matches!(verdict, Some(Verdict::Hang)) {
            pending::<()>().await;
        }
        self.fuse.burn().await;
        match verdict {
            Some(Verdict::FailBefore(fault) | Verdict::FailAfter(fault)) => Err(Refused::Fault(fault)),
            _ => answer.expect("a request that does not fail was carried out"),
        }
    }
}

/// Why a request failed.
enum Refused {
    Fault(RemoteFault),
    /// The token has ended. A session then logs in again.
    TokenDead,
}

impl From<Refused> for RemoteFault {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Fault(fault) => fault,
            Refused::TokenDead => fault(FaultClass::Denied),
        }
    }
}

impl Inner {
    fn serve<T>(
        &mut self,
        request: Request,
        token: Option<u64>,
        now: UnixNanos,
        effect: impl Fn(&mut Self, UnixNanos) -> Result<T, RemoteFault>,
    ) -> (Option<Verdict>, Option<Result<T, Refused>>) {
        if let Some(hook) = &mut self.hook {
            hook(&request, &mut self.mount);
        }
        for mishap in self.condition.due() {
            self.strike(mishap);
        }
        let rule = self.rules.iter_mut().find(|rule| rule.applies(&request));
        let verdict = rule.map(|rule| {
            rule.times -= 1;
            rule.verdict.clone()
        });
        if let Some(verdict) = &verdict {
            *self.faults.entry(verdict.as_str()).or_default() += 1;
        }
        let operation = request.operation;
        self.log.push(request);
        let answer = match verdict {
            Some(Verdict::FailBefore(_) | Verdict::Hang) => None,
            _ if self.sealed => Some(Err(Refused::Fault(fault(FaultClass::Sealed)))),
            _ if token.is_some_and(|token| token < self.condition.tokens_ended) => Some(Err(Refused::TokenDead)),
            Some(Verdict::FailAfter(_)) | None => {
                let admitted = self.condition.admits(operation);
                Some(admitted.and_then(|()| effect(self, now)).map_err(Refused::Fault))
            }
        };
        (verdict, answer)
    }

    fn strike(&mut self, mishap: Mishap) {
        if mishap == Mishap::MountRecreated {
            // A mount that was just created has no older state.
            self.old_news = None;
        }
        let Self { condition, mount, identity, .. } = self;
        condition.strike(mishap, mount, identity);
    }

    /// Returns the mount as readers see it.
    fn shown(&self) -> &KvMount {
        self.old_news.as_ref().unwrap_or(&self.mount)
    }

    fn permitted(&self, path: &str) -> Result<(), RemoteFault> {
        if self.forbidden.contains(path) { Err(fault(FaultClass::Denied)) } else { Ok(()) }
    }

    fn sight(&self, path: &str, now: UnixNanos) -> RemoteSight {
        if self.forbidden.contains(path) {
            return RemoteSight::Unreadable("permission denied".to_owned());
        }
        self.shown().key(path).map_or(RemoteSight::ProvenAbsent, |key| RemoteSight::Seen(entry::entry(key, now)))
    }

    fn accepts(&self, credential: &Credential) -> bool {
        matches!(credential, Credential::SecretId(secret_id) if secret_id.expose() == self.secret_id)
    }
}
