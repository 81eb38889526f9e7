//! Implements the engine's `Remote` on a logged-in session, for one KV v2 scope.

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError, atomic::AtomicBool},
    time::{Duration, Instant},
};

use reqwest::StatusCode;
use vaultterm_reconcile::{RemoteSight, RemoteSnapshot, SecretPath, Version};
use vaultterm_sealing::SecretFields;
use vaultterm_sync::{FaultClass, Freshness, Mark, Remote, RemoteFault, SecretRead, WriteReceipt};

use crate::{
    fault::{self, Absence},
    freshness,
    kv2::{self, Seen},
    needs::Ways,
    pages::KnownScopes,
    route::Scope,
    session::Session,
    sys::Mount,
    writers::Writers,
};

/// A logged-in session on one KV v2 scope of a Vault or OpenBao server.
#[derive(Debug)]
pub struct VaultRemote {
    pub(crate) session: Session,
    pub(crate) scope: Scope,
    /// The mount as it was at the beginning of the session.
    pub(crate) mount: Mount,
    /// The text that is written to `vaultterm-instance`.
    pub(crate) instance: String,
    pub(crate) ways: Ways,
    /// The number of names per page of a listing. `None` on a server without pages.
    pub(crate) page_size: Option<usize>,
    /// Whether the policy limits pages to fewer names, as far as a folder showed it.
    pub(crate) pages_are_limited: AtomicBool,
    /// The time limit of a request.
    pub(crate) request_timeout: Duration,
    pub(crate) listing_concurrency: usize,
    pub(crate) known: Arc<KnownScopes>,
    /// The key of this scope, as the role sees it, in `known`.
    pub(crate) scope_key: String,
    /// How many secrets of the scope were in step last, if the engine said so.
    pub(crate) expected: OnceLock<u64>,
    /// The freshness of answers that was found last.
    pub(crate) freshness: Mutex<Freshness>,
    /// Who wrote what the session has looked at.
    pub(crate) writers: Writers,
    /// The beginning of the newest successful look at the mount.
    pub(crate) mount_proven: tokio::sync::Mutex<Option<Instant>>,
}

impl VaultRemote {
    /// Asks for the metadata of a key. With `proof`, a missing key must be proven to be missing from the very
    /// mount with which the session began.
    pub(crate) async fn look_at(&self, path: &SecretPath, proof: bool) -> Result<RemoteSight, RemoteFault> {
        let request = kv2::look_request(&self.scope, path);
        let answer = match self.session.call(&request).await {
            Ok(answer) => answer,
            Err(fault) if fault.class == FaultClass::Denied => return Ok(RemoteSight::Unreadable(fault.message)),
            Err(fault) => return Err(fault),
        };
        if answer.status != StatusCode::NOT_FOUND {
            let seen = kv2::read_look(&request, &answer)?;
            self.writers.note(path, seen.writer.clone());
            return self.settle(path, &seen).await;
        }
        match fault::absence(&answer) {
            Absence::Nothing => {
                if proof {
                    self.prove_mount().await?;
                }
                Ok(RemoteSight::ProvenAbsent)
            }
            _ => Err(fault::not_found(&request, &answer, self.scope.mount())),
        }
    }

    /// Reads the newest version if the metadata cannot tell whether it is live. The value is discarded.
    pub(crate) async fn settle(&self, path: &SecretPath, seen: &Seen) -> Result<RemoteSight, RemoteFault> {
        let Some(version) = seen.doubtful else { return Ok(seen.sight.clone()) };
        let request = kv2::read_request(&self.scope, path, version);
        let answer = match self.session.call(&request).await {
            Ok(answer) => answer,
            Err(fault) if fault.class == FaultClass::Denied => return Ok(RemoteSight::Unreadable(fault.message)),
            Err(fault) => return Err(fault),
        };
        if answer.status != StatusCode::NOT_FOUND {
            return Ok(seen.sight.clone());
        }
        match fault::absence(&answer) {
            Absence::Deleted => Ok(seen.deleted()),
            Absence::Nothing => Ok(RemoteSight::Unreadable("it went away while it was looked at".to_owned())),
            _ => Err(fault::not_found(&request, &answer, self.scope.mount())),
        }
    }

    /// Checks that the KV v2 engine with which the session began still answers at the mount. A KV v1 engine
    /// in its place would answer for every path that nothing is there, in the same words.
    ///
    /// A look proves something only if it began after the answer that the caller wants to confirm. Callers
    /// that wait for the same look share it.
    pub(crate) async fn prove_mount(&self) -> Result<(), RemoteFault> {
        let since = Instant::now();
        let mut proven = self.mount_proven.lock().await;
        if proven.is_some_and(|began| began >= since) {
            return Ok(());
        }
        let began = Instant::now();
        let request = Mount::request(&self.scope);
        let gone = || {
            fault::hinted(
                FaultClass::WrongMount,
                format!("the secrets engine at `{}/` is not the one the run began with", self.scope.mount()),
                "it was disabled or replaced meanwhile, or the role lost its grants",
            )
        };
        let answer = match self.session.call(&request).await {
            Ok(answer) if answer.status == StatusCode::OK => answer,
            Ok(_) => return Err(gone()),
            Err(fault) if fault.class == FaultClass::Denied => return Err(gone()),
            Err(fault) => return Err(fault),
        };
        let mount = Mount::read(&request, &answer)?;
        mount.kv_version(&self.scope)?;
        if (&mount.accessor, &mount.uuid) != (&self.mount.accessor, &self.mount.uuid) {
            return Err(gone());
        }
        *proven = Some(began);
        Ok(())
    }
}

impl Remote for VaultRemote {
    fn expect(&self, secrets: u64) {
        // A session observes one scope, and what was said first is as good as what is said later.
        let _ = self.expected.set(secrets);
    }

    async fn observe(&self) -> Result<RemoteSnapshot, RemoteFault> {
        let snapshot = self.observe_scope().await?;
        // Another node than those that listed may have answered at the login.
        let found = self.freshness();
        let confirmed = freshness::confirm(&self.session, &self.scope, found).await;
        *self.freshness.lock().unwrap_or_else(PoisonError::into_inner) = confirmed;
        Ok(snapshot)
    }

    async fn look(&self, path: &SecretPath) -> Result<RemoteSight, RemoteFault> {
        self.look_at(path, true).await
    }

    async fn versions_max(&self) -> Result<Option<u64>, RemoteFault> {
        let request = kv2::config_request(&self.scope);
        match self.session.call(&request).await {
            Ok(answer) if answer.status == StatusCode::OK => kv2::read_config(&request, &answer).map(Some),
            Ok(_) => Ok(None),
            Err(fault) if fault.class == FaultClass::Denied => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    async fn read(&self, path: &SecretPath, version: Version) -> Result<Option<SecretRead>, RemoteFault> {
        if version == Version::NONE {
            // The server takes 0 as the newest version.
            return Ok(None);
        }
        let request = kv2::read_request(&self.scope, path, version);
        let answer = self.session.call(&request).await?;
        kv2::read_version(&request, &answer, version, self.scope.mount())
    }

    async fn write(&self, path: &SecretPath, fields: &SecretFields, cas: Version) -> Result<WriteReceipt, RemoteFault> {
        let request = kv2::write_request(&self.scope, path, fields, cas);
        let answer = self.session.call(&request).await?;
        kv2::read_write(&request, &answer, cas, self.scope.mount())
    }

    async fn mark(&self, path: &SecretPath, mark: &Mark) -> Result<(), RemoteFault> {
        let request = kv2::mark_request(&self.scope, path, &self.instance, mark);
        let answer = self.session.call(&request).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Err(kv2::vanished(&request, &answer, self.scope.mount()));
        }
        kv2::read_change(&request, &answer).map(drop)
    }

    async fn delete(&self, path: &SecretPath, version: Version) -> Result<Option<String>, RemoteFault> {
        let request = kv2::delete_request(&self.scope, path, version);
        let answer = self.session.call(&request).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Err(kv2::vanished(&request, &answer, self.scope.mount()));
        }
        kv2::read_change(&request, &answer)
    }

    async fn writer(&self, path: &SecretPath) -> Option<String> {
        self.writers.named(&self.session, path).await
    }

    fn requests(&self) -> u64 {
        self.session.transport.requests()
    }

    fn freshness(&self) -> Freshness {
        *self.freshness.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn close(&self) -> Result<(), RemoteFault> {
        self.session.close().await
    }
}
