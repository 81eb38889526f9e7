//! The back door: what an administrator does to a scope without VaultTerm.

use std::{collections::BTreeMap, future::Future, time::Duration};

use vaultterm_sync::Clock;

use crate::{Data, FakeKv, Fuse, ManualClock};

/// Direct access to the scope of a remote. Paths are below its prefix, which is not empty.
/// Everything panics when the server does not do as it is told: a test cannot go on then.
pub trait Backdoor {
    /// Writes a version, whatever is there. Answers its number.
    fn put(&self, path: &str, data: Data) -> impl Future<Output = u64>;

    /// Writes a version at the prefix extended by `suffix`, as in `team/app` + `lication/x`:
    /// outside of the scope.
    fn put_beside(&self, suffix: &str, data: Data) -> impl Future<Output = u64>;

    /// Reads one version; `None` when it is not live.
    fn get(&self, path: &str, version: u64) -> impl Future<Output = Option<Data>>;

    /// Soft-deletes one version.
    fn delete(&self, path: &str, version: u64) -> impl Future<Output = ()>;

    /// Brings one version back.
    fn undelete(&self, path: &str, version: u64) -> impl Future<Output = ()>;

    /// Destroys one version.
    fn destroy(&self, path: &str, version: u64) -> impl Future<Output = ()>;

    /// Removes the key with all its versions.
    fn delete_metadata(&self, path: &str) -> impl Future<Output = ()>;

    /// Sets a key's metadata; makes the key, without a version, if there is none.
    fn put_metadata(&self, path: &str, metadata: Metadata) -> impl Future<Output = ()>;

    /// Reads a key's `custom_metadata`.
    fn custom_metadata(&self, path: &str) -> impl Future<Output = BTreeMap<String, String>>;

    /// Lets time pass at the server.
    fn let_pass(&self, duration: Duration) -> impl Future<Output = ()>;
}

/// What `POST metadata/<path>` sets.
#[derive(Clone, Debug, Default)]
pub struct Metadata {
    /// `custom_metadata`, replaced as a whole.
    pub custom: BTreeMap<String, String>,
    /// `delete_version_after`.
    pub delete_version_after: Option<Duration>,
    /// `max_versions`; 0 for none.
    pub versions_max: u64,
}

/// The back door of a [`FakeKv`] at one prefix.
#[derive(Clone)]
pub struct FakeBackdoor {
    kv: FakeKv,
    clock: ManualClock,
    prefix: String,
}

impl FakeBackdoor {
    /// Opens the back door. `clock` is the fake's.
    #[must_use]
    pub fn new(kv: FakeKv, clock: ManualClock, prefix: &str) -> Self {
        Self { kv, clock, prefix: prefix.to_owned() }
    }

    fn full(&self, path: &str) -> String {
        format!("{}/{path}", self.prefix)
    }
}

impl Backdoor for FakeBackdoor {
    async fn put(&self, path: &str, data: Data) -> u64 {
        self.kv.mount(|mount, now| mount.put(&self.full(path), data, None, now)).expect("a write without cas")
    }

    async fn put_beside(&self, suffix: &str, data: Data) -> u64 {
        let path = format!("{}{suffix}", self.prefix);
        self.kv.mount(|mount, now| mount.put(&path, data, None, now)).expect("a write without cas")
    }

    async fn get(&self, path: &str, version: u64) -> Option<Data> {
        self.kv.mount(|mount, now| mount.read(&self.full(path), version, now).map(|version| version.data.clone()))
    }

    async fn delete(&self, path: &str, version: u64) {
        self.kv.mount(|mount, now| mount.delete(&self.full(path), version, now));
    }

    async fn undelete(&self, path: &str, version: u64) {
        self.kv.mount(|mount, now| mount.undelete(&self.full(path), version, now));
    }

    async fn destroy(&self, path: &str, version: u64) {
        self.kv.mount(|mount, _| mount.destroy(&self.full(path), version));
    }

    async fn delete_metadata(&self, path: &str) {
        self.kv.mount(|mount, _| mount.delete_metadata(&self.full(path)));
    }

    async fn put_metadata(&self, path: &str, metadata: Metadata) {
        let Metadata { custom, delete_version_after, versions_max } = metadata;
        self.kv.mount(|mount, now| {
            mount.put_metadata(&self.full(path), custom, delete_version_after, versions_max, now);
        });
    }

    async fn custom_metadata(&self, path: &str) -> BTreeMap<String, String> {
        self.kv.mount(|mount, _| mount.key(&self.full(path)).map(|key| key.custom.clone())).unwrap_or_default()
    }

    async fn let_pass(&self, duration: Duration) {
        // Nobody else waits for this clock while a contract test runs, so moving it is enough;
        // the await lets the runtime go round once.
        self.clock.advance(duration);
        self.clock.sleep(Duration::ZERO).await;
    }
}

/// Makes a fake, a session on it and its back door: what the contract suite runs on.
#[must_use]
pub fn fake_world() -> (crate::FakeRemote, FakeBackdoor) {
    let clock = ManualClock::new();
    let kv = FakeKv::new(clock.clone(), Fuse::new());
    (kv.session("team/app", "instance-1"), FakeBackdoor::new(kv, clock, "team/app"))
}
