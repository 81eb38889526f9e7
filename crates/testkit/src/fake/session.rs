//! A session on a [`FakeKv`]: the engine's `Remote` with one path prefix and one token.

use std::sync::atomic::{AtomicU64, Ordering};

use vaultterm_reconcile::{RemoteSight, RemoteSnapshot, SecretPath, UnixNanos, Version};
use vaultterm_sealing::{SecretFields, SecretText};
use vaultterm_sync::{
    Connected, Connection, ConnectionSecrets, Connector, Credential, FaultClass, Freshness, Mark, Remote, RemoteFault,
    SecretRead, WriteReceipt,
};

use super::{FakeKv, Inner, Refused, entry};
use crate::fault::{Operation, Request, fault};

/// A session on a path prefix of a [`FakeKv`].
pub struct FakeRemote {
    kv: FakeKv,
    prefix: String,
    instance: String,
    /// The `SecretID` for a new login when the token has ended.
    secret_id: String,
    token: AtomicU64,
    /// The accessor of the mount at the beginning of the session.
    accessor: String,
    requests: AtomicU64,
}

/// A request in progress. It ends when this value is dropped.
struct UnderWay<'a>(&'a FakeKv);

impl<'a> UnderWay<'a> {
    fn begin(kv: &'a FakeKv) -> Self {
        let mut inner = kv.inner();
        inner.under_way += 1;
        let crowd = inner.under_way;
        inner.crowds.push(crowd);
        Self(kv)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.inner().under_way -= 1;
    }
}

impl FakeKv {
    /// Opens a session on a path prefix without a login.
    #[must_use]
    pub fn session(&self, prefix: &str, instance: &str) -> FakeRemote {
        let mut inner = self.inner();
        inner.sessions_open += 1;
        let (token, secret_id, accessor) =
            (inner.condition.tokens_ended, inner.secret_id.clone(), inner.identity.mount_accessor.clone());
        drop(inner);
        FakeRemote {
            kv: self.clone(),
            prefix: prefix.to_owned(),
            instance: instance.to_owned(),
            secret_id,
            token: AtomicU64::new(token),
            accessor,
            requests: AtomicU64::new(0),
        }
    }
}

impl FakeRemote {
    fn full(&self, path: &str) -> String {
        if self.prefix.is_empty() { path.to_owned() } else { format!("{}/{path}", self.prefix) }
    }

    /// Sends a request, and repeats it once after a new login if the token had ended. The first request had
    /// no effect in that case.
    async fn ask<T>(
        &self,
        operation: Operation,
        path: &str,
        version: Option<Version>,
        effect: impl Fn(&mut Inner, &str, UnixNanos) -> Result<T, RemoteFault>,
    ) -> Result<T, RemoteFault> {
        let full = self.full(path);
        let request = Request { operation, path: path.to_owned(), version: version.map(|version| version.0) };
        let effect = |inner: &mut Inner, now: UnixNanos| effect(inner, &full, now);
        if matches!(operation, Operation::Write | Operation::Mark | Operation::Delete) {
            self.kv.inner().changes_sent += 1;
        }
        let _under_way = UnderWay::begin(&self.kv);
        self.requests.fetch_add(1, Ordering::Relaxed);
        let token = Some(self.token.load(Ordering::Relaxed));
        match self.kv.request(request.clone(), token, effect).await {
            Err(Refused::TokenDead) => {}
            answer => return Ok(answer?),
        }
        self.log_in_again().await?;
        self.requests.fetch_add(1, Ordering::Relaxed);
        let token = Some(self.token.load(Ordering::Relaxed));
        Ok(self.kv.request(request, token, effect).await?)
    }

    async fn log_in_again(&self) -> Result<(), RemoteFault> {
        let request = Request { operation: Operation::Login, path: String::new(), version: None };
        self.requests.fetch_add(1, Ordering::Relaxed);
        let login = |inner: &mut Inner, _| {
            if inner.secret_id != self.secret_id {
                return Err(fault(FaultClass::LoginRefused));
            }
            *inner.condition.happened.entry("login_again").or_default() += 1;
            Ok(inner.condition.tokens_ended)
        };
        let token = self.kv.request(request, None, login).await?;
        self.token.store(token, Ordering::Relaxed);
        Ok(())
    }

    /// Lists the names and looks at each. A key that was removed in between counts as absent.
    async fn observe_one_by_one(&self) -> Result<RemoteSnapshot, RemoteFault> {
        let (names, refused) =
            self.ask(Operation::Observe, "", None, |inner, prefix, _| Ok(names(inner, prefix))).await?;
        let mut snapshot = RemoteSnapshot { refused, ..RemoteSnapshot::default() };
        for path in names {
            let sight = self.ask(Operation::Look, path.as_str(), None, |inner, full, now| Ok(inner.sight(full, now)));
            let sight = match sight.await {
                Ok(sight) => sight,
                Err(fault) if fault.class == FaultClass::Denied => RemoteSight::Unreadable(fault.message),
                Err(fault) => return Err(fault),
            };
            if sight != RemoteSight::ProvenAbsent {
                snapshot.sights.insert(path, sight);
            }
        }
        Ok(snapshot)
    }
}

/// Returns what a listing shows below a prefix: paths, and names that are not valid paths.
fn names(inner: &Inner, prefix: &str) -> (Vec<SecretPath>, Vec<(String, String)>) {
    let (mut paths, mut refused) = (Vec::new(), Vec::new());
    for (full, _) in inner.shown().keys() {
        let Some(path) = full.strip_prefix(prefix) else { continue };
        if inner.hidden.contains(full) {
            continue;
        }
        match SecretPath::new(path) {
            Ok(path) => paths.push(path),
            Err(error) => refused.push((path.to_owned(), error.to_string())),
        }
    }
    (paths, refused)
}

impl Remote for FakeRemote {
    async fn observe(&self) -> Result<RemoteSnapshot, RemoteFault> {
        if self.kv.inner().names_only {
            return self.observe_one_by_one().await;
        }
        self.ask(Operation::Observe, "", None, |inner, prefix, now| {
            let (names, refused) = names(inner, prefix);
            let sights = names.into_iter().map(|path| {
                let sight = inner.sight(&format!("{prefix}{}", path.as_str()), now);
                (path, sight)
            });
            Ok(RemoteSnapshot { sights: sights.collect(), refused })
        })
        .await
    }

    async fn look(&self, path: &SecretPath) -> Result<RemoteSight, RemoteFault> {
        let looked = self.ask(Operation::Look, path.as_str(), None, |inner, full, now| {
            let sight = inner.sight(full, now);
            // An absence proves something only for the mount with which the session began.
            if sight == RemoteSight::ProvenAbsent && inner.identity.mount_accessor != self.accessor {
                return Err(fault(FaultClass::WrongMount));
            }
            Ok(sight)
        });
        match looked.await {
            Err(fault) if fault.class == FaultClass::Denied && fault.message.contains("lacks") => {
                Ok(RemoteSight::Unreadable(fault.message))
            }
            looked => looked,
        }
    }

    async fn versions_max(&self) -> Result<Option<u64>, RemoteFault> {
        let ask = |inner: &mut Inner, _: &str, _| Ok(inner.config_readable.then_some(inner.mount.versions_max));
        match self.ask(Operation::Config, "", None, ask).await {
            Err(fault) if fault.class == FaultClass::Denied => Ok(None),
            answer => answer,
        }
    }

    async fn read(&self, path: &SecretPath, version: Version) -> Result<Option<SecretRead>, RemoteFault> {
        self.ask(Operation::Read, path.as_str(), Some(version), |inner, full, now| {
            inner.permitted(full)?;
            let Some(read) = inner.shown().read(full, version.0, now) else { return Ok(None) };
            let key = inner.shown().key(full).expect("a version that was read has a key");
            Ok(Some(SecretRead {
                fields: SecretFields::from_trusted(read.data.clone()),
                version_created: read.created,
                mark: entry::mark(key),
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

    async fn mark(&self, path: &SecretPath, mark: &Mark) -> Result<(), RemoteFault> {
        self.ask(Operation::Mark, path.as_str(), None, |inner, full, _| {
            inner.permitted(full)?;
            let mut marks = vec![("vaultterm-run", mark.run.to_string())];
            if let Some((record_id, record_type)) = mark.record {
                marks.extend([
                    ("managed-by", "vaultterm".to_owned()),
                    ("vaultterm-instance", self.instance.clone()),
                    ("vaultterm-record", record_id.0.to_string()),
                    ("vaultterm-type", record_type.to_string()),
                ]);
            }
            if inner.mount.patch_custom(full, marks.into_iter().map(|(name, value)| (name.to_owned(), value))) {
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

    fn freshness(&self) -> Freshness {
        if self.kv.inner().stale_reads { Freshness::Unknown } else { Freshness::Active }
    }

    fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    async fn close(&self) -> Result<(), RemoteFault> {
        let request = Request { operation: Operation::Close, path: String::new(), version: None };
        let close = |inner: &mut Inner, _| {
            inner.sessions_open = inner.sessions_open.saturating_sub(1);
            Ok(())
        };
        match self.kv.request(request, None, close).await {
            // A token that has ended needs no revocation.
            Ok(()) | Err(Refused::TokenDead) => Ok(()),
            Err(Refused::Fault(fault)) => Err(fault),
        }
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
        let unwrap = |inner: &mut Inner, _| match inner.wrapped.remove(token.expose()) {
            Some(held) => Ok(Some(SecretText::new(held))),
            None => Err(fault(FaultClass::LoginRefused)),
        };
        Ok(self.request(request, None, unwrap).await?)
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
        let identity = self.request(request, None, login).await?;
        let remote = self.session(&connection.path, &connection.options.instance);
        Ok(Connected { remote, identity, secret_id_expires: None })
    }
}
