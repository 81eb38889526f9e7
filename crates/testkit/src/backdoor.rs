//! The back door of a scope: what an administrator does there without VaultTerm.

use std::{collections::BTreeMap, future::Future, time::Duration};

use vaultterm_sync::Clock;

use crate::{Data, FakeKv, Fuse, ManualClock};

/// Direct access to the scope of a remote. Paths are relative to its prefix, which is not empty. Every method
/// panics if the server does not do what it should, because a test cannot go on then.
pub trait Backdoor {
    /// Writes a version without check-and-set. Returns its number.
    fn put(&self, path: &str, data: Data) -> impl Future<Output = u64>;

    /// Writes a version at the prefix extended by `suffix`, as in `team/app` + `lication/x`, which lies
    /// outside of the scope.
    fn put_beside(&self, suffix: &str, data: Data) -> impl Future<Output = u64>;

    /// Reads a version. Returns `None` if it is not live.
    fn get(&self, path: &str, version: u64) -> impl Future<Output = Option<Data>>;

    /// Soft-deletes a version.
    fn delete(&self, path: &str, version: u64) -> impl Future<Output = ()>;

    /// Undeletes a version.
    fn undelete(&self, path: &str, version: u64) -> impl Future<Output = ()>;

    /// Destroys a version.
    fn destroy(&self, path: &str, version: u64) -> impl Future<Output = ()>;

    /// Removes a key with all its versions.
    fn delete_metadata(&self, path: &str) -> impl Future<Output = ()>;

    /// Sets the metadata of a key. Creates the key without a version if it does not exist.
    fn put_metadata(&self, path: &str, metadata: Metadata) -> impl Future<Output = ()>;

    /// Reads the `custom_metadata` of a key.
    fn custom_metadata(&self, path: &str) -> impl Future<Output = BTreeMap<String, String>>;

    /// Lets time pass at the server.
    fn let_pass(&self, duration: Duration) -> impl Future<Output = ()>;
}

/// The settings that `POST metadata/<path>` changes.
#[derive(Clone, Debug, Default)]
pub struct Metadata {
    /// `custom_metadata`, replaced as a whole.
    pub custom: BTreeMap<String, String>,
    /// `delete_version_after`.
    pub delete_version_after: Option<Duration>,
    /// `max_versions`. 0 means that it is not set.
    pub versions_max: u64,
}

/// The back door of a [`FakeKv`] for one prefix.
#[derive(Clone)]
pub struct FakeBackdoor {
    kv: FakeKv,
    clock: ManualClock,
    prefix: String,
}

impl FakeBackdoor {
    /// Opens the back door. `clock` is the clock of the fake.
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
        // Nothing else waits for this clock during a contract test, so it is enough to move it. The await
        // lets the runtime poll other tasks once.
        self.clock.advance(duration);
        self.clock.sleep(Duration::ZERO).await;
    }
}

/// Returns a session on a new fake, and the back door of the fake. The contract suite runs on them.
#[must_use]
pub fn fake_world() -> (crate::FakeRemote, FakeBackdoor) {
    let clock = ManualClock::new();
    let kv = FakeKv::new(clock.clone(), Fuse::new());
    (kv.session("team/app", "instance-1"), FakeBackdoor::new(kv, clock, "team/app"))
}
