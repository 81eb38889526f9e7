//! The keeper of the root key between starts of the server: a key file, or Transit. The keeper opens the root key,
//! replaces it, and seals it again under Transit.
//!
//! To replace a key file, the server first writes the new key to a second file, `<file>.next`. Then it wraps the
//! database's keys under the new key in one transaction, and renames the second file to the first. If the server
//! dies in between, one of the two files opens the database, and the next start finishes the renaming.
//! A root key that Transit sealed is kept in the database, so the same transaction stores the new one.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tokio::sync::Mutex;
use vaultterm_contract::KeyProvider;
use vaultterm_hcv::{Binding, Transit, TransitCiphertext};
use vaultterm_sealing::{InstanceId, RootKey, RootKeyError, RootKeyId, SealingError};
use vaultterm_store::{Context, Database, SealedRoot, Store, StoreError, beside, sync_folder};
use vaultterm_sync::{Advice, FaultClass, RemoteFault};

use crate::transit_source::TransitSource;

/// The keeper of the root key between starts of the server.
#[derive(Debug)]
pub enum RootKeeper {
    /// A file of this machine.
    File(PathBuf),
    /// The environment of the process. For tests.
    Given(RootKey),
    /// A Transit key of a Vault.
    Transit {
        /// The key, and the way to it as it is configured now.
        transit: TransitSource,
        /// A ciphertext from the configuration, tried before those in the database.
        configured: Option<String>,
    },
}

/// Why the database could not be unlocked.
#[derive(Debug, thiserror::Error)]
pub enum UnlockError {
    /// There is no key file.
    #[error("there is no master key at {0}")]
    Missing(PathBuf),
    /// The file cannot be read, or holds no key.
    #[error("the master key cannot be used")]
    Key(#[from] RootKeyError),
    /// The key is not the one of this database.
    #[error("the master key does not open this database")]
    Wrong(#[source] SealingError),
    /// The database holds no sealed root key.
    #[error("the root key was never sealed under {0}")]
    NeverSealed(String),
    /// Vault did not open the sealed root key.
    #[error("the root key is sealed, and Vault did not open it: {}", .0.message)]
    Vault(RemoteFault),
    /// The file could not be replaced.
    #[error("cannot replace the master key file {path}")]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Neither key file holds the root key in use.
    #[error("neither {0} nor the file beside it holds the root key in use; nothing was changed")]
    Elsewhere(PathBuf),
    /// A backup or its database needs another root key than the one at hand.
    #[error("the root key {needed} is needed, and {holder} holds {held}", needed = needed.0, held = named(*held))]
    OtherKey {
        /// The key that is needed.
        needed: RootKeyId,
        /// The key at hand, if there is any.
        held: Option<RootKeyId>,
        /// The keeper that should hold the needed key, for people.
        holder: String,
        /// The file `<file>.previous`, if it holds the needed key.
        beside: Option<PathBuf>,
    },
    /// The server cannot replace a root key that its environment holds.
    #[error("the root key is given in the environment: it cannot be replaced from here")]
    NotOurs,
    /// The database failed.
    #[error(transparent)]
    Store(StoreError),
}

fn named(held: Option<RootKeyId>) -> String {
    held.map_or_else(|| "none".to_owned(), |id| id.0.to_string())
}

impl UnlockError {
    /// Returns what to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<Advice> {
        let hint = match self {
            Self::Missing(_) => {
                "put the key file back there, from where you keep it apart from the database and its backups, or name its place: set MASTER_KEY_FILE=/path/to/master.key for this command and for the server. Nothing in the database or a backup opens without it"
            }
            Self::Wrong(_) => "use the key that was made together with it (MASTER_KEY_FILE)",
            Self::Vault(fault) => return fault.hint.clone(),
            Self::OtherKey { beside: Some(path), .. } => {
                let path = path.display();
                return Some(format!("{path} holds it: set MASTER_KEY_FILE to it, here and for the server").into());
            }
            Self::OtherKey { .. } => {
                "name the file with the key that was in use when the backup was made: MASTER_KEY_FILE"
            }
            Self::File { .. } => "the server must be able to write to the folder of the master key",
            Self::Elsewhere(_) => "put the file back that the server was started with, then rotate again",
            Self::NotOurs => "keep the root key in a file (MASTER_KEY_FILE) or under Transit",
            // The operator must seal the key with a command. The command line adds the name of the command.
            Self::NeverSealed(_) | Self::Key(_) | Self::Store(_) => return None,
        };
        Some(hint.into())
    }

    /// Says whether Vault refused the login. If it did, the server must not try again soon, because Vault may then lock
    /// the role, or keep it locked.
    #[must_use]
    pub fn is_refused_login(&self) -> bool {
        matches!(self, Self::Vault(RemoteFault { class: FaultClass::LoginRefused, .. }))
    }

    /// Says whether a later try may succeed, because the reason is a fault of Vault that may pass.
    #[must_use]
    pub fn may_heal(&self) -> bool {
        matches!(self, Self::Vault(_))
    }
}

impl From<StoreError> for UnlockError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Sealing(error) => Self::Wrong(error),
            error => Self::Store(error),
        }
    }
}

impl RootKeeper {
    /// Returns who keeps the root key, as `KEY_PROVIDER` names it.
    #[must_use]
    pub const fn provider(&self) -> KeyProvider {
        match self {
            Self::File(_) | Self::Given(_) => KeyProvider::Local,
            Self::Transit { .. } => KeyProvider::HcvTransit,
        }
    }

    /// Returns where the root key is kept, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Given(_) => "the environment".to_owned(),
            Self::Transit { transit, .. } => transit.current().describe(),
        }
    }

    /// Opens the database with the root key.
    ///
    /// # Errors
    /// [`UnlockError`]. If it [may heal](UnlockError::may_heal), the caller may try again later.
    pub async fn unlock(&self, database: &Database) -> Result<(Store, RootKey), UnlockError> {
        match self {
            Self::File(path) => unlock_with_file(path, database).await,
            Self::Given(key) => {
                let key = key.duplicate();
                Ok((database.unlock(&key).await?, key))
            }
            Self::Transit { transit, configured } => {
                let (instance, in_use) = (database.instance().await?, database.root_id().await?);
                let sealed = database.sealed_roots().await?;
                let key = open_sealed(&transit.fresh().await, configured.as_deref(), instance, in_use, &sealed).await?;
                Ok((database.unlock(&key).await?, key))
            }
        }
    }

    /// Finds the root key with an id, and changes nothing. So a command may call it while a server runs, or before
    /// there is a database. `sealed` holds the root keys that Transit sealed.
    ///
    /// # Errors
    /// [`UnlockError::OtherKey`] when the keeper holds another root key.
    pub async fn find(
        &self,
        instance: InstanceId,
        id: RootKeyId,
        sealed: &[SealedRoot],
    ) -> Result<RootKey, UnlockError> {
        match self {
            Self::File(path) => find_in_files(path, id),
            Self::Given(key) if key.id() == id => Ok(key.duplicate()),
            Self::Given(key) => {
                Err(UnlockError::OtherKey { needed: id, held: Some(key.id()), holder: self.describe(), beside: None })
            }
            Self::Transit { transit, configured } => {
                open_sealed(&transit.fresh().await, configured.as_deref(), instance, Some(id), sealed).await
            }
        }
    }

    /// Draws a new root key, wraps the keyring under it, and keeps it where the old one was.
    async fn replace(&self, store: &Store, context: &Context, old: &RootKey) -> Result<RootKey, UnlockError> {
        let new = RootKey::generate();
        match self {
            Self::Given(_) => return Err(UnlockError::NotOurs),
            Self::File(path) => {
                let in_use = store.keyring_status().await?.root_id;
                settle(path, in_use.ok_or(StoreError::Malformed("root key id"))?)?;
                new.write_new(&beside(path, ".next"))?;
                // After the commit below, only this file opens the database. So its name must be on the disk before.
                sync_folder(path).map_err(|source| UnlockError::File { path: path.clone(), source })?;
                store.rotate_root_key(context, old, &new, None).await?;
                if let Err(error) = promote(path) {
                    // The new key is in use, and `<file>.next` holds it. Only the renaming of that file failed.
                    tracing::error!(%error, "the new master key stays in {}.next until the next start", path.display());
                }
            }
            Self::Transit { transit, .. } => {
                let transit = transit.fresh().await;
                let sealed =
                    seal(&transit, store.instance(), &new, context.now_us).await.map_err(UnlockError::Vault)?;
                store.rotate_root_key(context, old, &new, Some(&sealed)).await?;
            }
        }
        Ok(new)
    }

    /// Seals the root key again, under the newest version of the Transit key.
    async fn reseal(&self, store: &Store, context: &Context, root: &RootKey) -> Result<(), UnlockError> {
        let Self::Transit { transit, .. } = self else {
            let why = "the root key is kept in a file, not sealed under Transit: there is nothing to seal again";
            return Err(UnlockError::Store(StoreError::Refused(why.to_owned())));
        };
        let transit = transit.fresh().await;
        let current = store.keyring_status().await?.sealed.into_iter().find(|sealed| sealed.root_id == root.id());
        let sealed = match current {
            Some(sealed) => {
                let bound = RootKey::sealing_context(store.instance(), root.id());
                let before = ciphertext(&sealed)?;
                let after = transit.reseal(&before, &bound).await.map_err(UnlockError::Vault)?;
                sealed_root(root.id(), after, context.now_us)
            }
            // Until now, only the configuration held the sealed root key.
            None => seal(&transit, store.instance(), root, context.now_us).await.map_err(UnlockError::Vault)?,
        };
        Ok(store.keep_sealed_root(context, &sealed).await?)
    }
}

/// Seals a root key of an installation.
///
/// # Errors
/// [`RemoteFault`] when Vault does not do it.
pub async fn seal(
    transit: &Transit,
    instance: InstanceId,
    root: &RootKey,
    now_us: i64,
) -> Result<SealedRoot, RemoteFault> {
    let bound = RootKey::sealing_context(instance, root.id());
    let sealed = transit.seal(&root.to_sealed_form(instance), &bound).await?;
    Ok(sealed_root(root.id(), sealed, now_us))
}

fn sealed_root(root_id: RootKeyId, sealed: TransitCiphertext, created_us: i64) -> SealedRoot {
    SealedRoot { root_id, binding: sealed.binding.as_str().to_owned(), ciphertext: sealed.text, created_us }
}

fn ciphertext(sealed: &SealedRoot) -> Result<TransitCiphertext, UnlockError> {
    let binding = Binding::ALL.into_iter().find(|binding| binding.as_str() == sealed.binding);
    let binding = binding.ok_or(UnlockError::Store(StoreError::Malformed("binding of a sealed root key")))?;
    Ok(TransitCiphertext { text: sealed.ciphertext.clone(), binding })
}

/// Opens the database with the key file, or with the file `<file>.next` that an unfinished rotation left beside it.
async fn unlock_with_file(path: &Path, database: &Database) -> Result<(Store, RootKey), UnlockError> {
    let next = beside(path, ".next");
    let first = if path.exists() { Some(RootKey::read(path)?) } else { None };
    let refused = match first {
        Some(key) => match database.unlock(&key).await {
            Ok(store) => return Ok((store, key)),
            Err(error) => error.into(),
        },
        None => UnlockError::Missing(path.to_owned()),
    };
    if !matches!(refused, UnlockError::Wrong(_) | UnlockError::Missing(_)) || !next.exists() {
        return Err(refused);
    }
    let key = RootKey::read(&next)?;
    match database.unlock(&key).await {
        Ok(store) => {
            tracing::warn!("a rotation of the root key had been cut off after its end: tidying up");
            promote(path)?;
            Ok((store, key))
        }
        Err(_) => Err(refused),
    }
}

/// Finds a root key in the key file, or in the file `<file>.next` with which a rotation is about to replace it.
fn find_in_files(path: &Path, id: RootKeyId) -> Result<RootKey, UnlockError> {
    let read = |file: &Path| Ok::<_, RootKeyError>(if file.exists() { Some(RootKey::read(file)?) } else { None });
    let first = read(path)?;
    let held = first.as_ref().map(RootKey::id);
    if let Some(key) = first.filter(|key| key.id() == id).or(read(&beside(path, ".next"))?.filter(|key| key.id() == id))
    {
        return Ok(key);
    }
    let previous = beside(path, ".previous");
    let beside = read(&previous)?.filter(|key| key.id() == id).map(|_| previous);
    Err(UnlockError::OtherKey { needed: id, held, holder: path.display().to_string(), beside })
}

/// Opens a root key that Transit sealed: first the ciphertext from the configuration, then those in the database.
async fn open_sealed(
    transit: &Transit,
    configured: Option<&str>,
    instance: InstanceId,
    in_use: Option<RootKeyId>,
    kept: &[SealedRoot],
) -> Result<RootKey, UnlockError> {
    let mut refused = None;
    if let (Some(text), Some(id)) = (configured, in_use) {
        for binding in Binding::ALL {
            let sealed = TransitCiphertext { text: text.to_owned(), binding };
            match open_one(transit, instance, id, &sealed).await {
                Ok(key) => return Ok(key),
                Err(error @ UnlockError::Vault(RemoteFault { class: FaultClass::Misconfigured, .. })) => {
                    refused.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        tracing::warn!("MASTER_KEY_CIPHERTEXT does not open the root key in use; trying what the database keeps");
    }
    for sealed in kept.iter().filter(|sealed| in_use.is_none_or(|id| sealed.root_id == id)) {
        match open_one(transit, instance, sealed.root_id, &ciphertext(sealed)?).await {
            Ok(key) => return Ok(key),
            // If this ciphertext does not open, an older one still may.
            Err(error @ UnlockError::Vault(RemoteFault { class: FaultClass::Misconfigured, .. })) => {
                refused.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    Err(refused.unwrap_or_else(|| UnlockError::NeverSealed(transit.describe())))
}

async fn open_one(
    transit: &Transit,
    instance: InstanceId,
    id: RootKeyId,
    sealed: &TransitCiphertext,
) -> Result<RootKey, UnlockError> {
    let bound = RootKey::sealing_context(instance, id);
    let opened = transit.open(sealed, &bound).await.map_err(UnlockError::Vault)?;
    Ok(RootKey::from_sealed_form(&opened, instance)?)
}

/// Makes sure that the key file holds the root key in use, whose id the database knows. An unfinished rotation may have
/// left `<file>.next`. It is deleted if the key file holds the key in use. If `<file>.next` holds that key instead, it
/// takes the place of the key file.
fn settle(path: &Path, in_use: RootKeyId) -> Result<(), UnlockError> {
    let next = beside(path, ".next");
    let holds = |file: &Path| Ok::<_, RootKeyError>(file.exists() && RootKey::read(file)?.id() == in_use);
    if holds(path)? {
        return match fs::remove_file(&next) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(UnlockError::File { path: next, source }),
            _ => Ok(()),
        };
    }
    if holds(&next)? { promote(path) } else { Err(UnlockError::Elsewhere(path.to_owned())) }
}

/// Puts the new key file in the place of the old one. Keeps the old one as `<file>.previous`, because older backups of
/// the database open only with that key.
fn promote(path: &Path) -> Result<(), UnlockError> {
    let failed = |source| UnlockError::File { path: path.to_owned(), source };
    if path.exists() {
        fs::rename(path, beside(path, ".previous")).map_err(failed)?;
    }
    fs::rename(beside(path, ".next"), path).map_err(failed)?;
    sync_folder(path).map_err(failed)
}

/// The root key in use, and its keeper. A lock allows only one rotation at a time.
pub struct RootKeys {
    /// The keeper.
    pub keeper: RootKeeper,
    root: Mutex<RootKey>,
}

impl RootKeys {
    /// Takes the root key that the database was unlocked with.
    #[must_use]
    pub fn new(keeper: RootKeeper, root: RootKey) -> Self {
        Self { keeper, root: Mutex::new(root) }
    }

    /// Refuses to replace a root key that other servers could not find: a file of this machine, while other servers work
    /// with the database.
    ///
    /// # Errors
    /// [`StoreError::Refused`].
    pub async fn refuse_alone_in_company(&self, store: &Store) -> Result<(), UnlockError> {
        if matches!(self.keeper, RootKeeper::Transit { .. }) {
            return Ok(());
        }
        let own = store.node();
        let nodes = store.nodes().await?;
        let others: Vec<_> = nodes.into_iter().filter(|node| node.id != own && !node.is_gone()).collect();
        if others.is_empty() {
            return Ok(());
        }
        let names = others.iter().map(|node| node.name.as_str()).collect::<Vec<_>>().join(", ");
        let why = format!(
            "the new root key would be in a file of this machine, where other servers do not find it ({names}): stop them, \
             rotate, give them the new file, and start them again; or keep the root key under Transit"
        );
        Err(UnlockError::Store(StoreError::Refused(why)))
    }

    /// Finds the root key with which another server wrapped the keyring, and takes it.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Sealing`] when the keeper does not have that key. What this server knows stays usable.
    pub async fn follow(&self, store: &Store) -> Result<(), StoreError> {
        let status = store.keyring_status().await?;
        let id = status.root_id.ok_or(StoreError::Malformed("root key id"))?;
        let mut root = self.root.lock().await;
        match self.keeper.find(store.instance(), id, &status.sealed).await {
            Ok(found) => {
                store.take_root(&found).await?;
                *root = found;
                tracing::info!(root = %id.0, "another server replaced the root key, and this one found the new one");
                Ok(())
            }
            Err(UnlockError::Store(error)) => Err(error),
            Err(error) => {
                tracing::error!(%error, root = %id.0, "another server replaced the root key, and this one cannot find it");
                Err(StoreError::Sealing(SealingError::WrongRootKey))
            }
        }
    }

    /// Replaces the root key by a new one, and keeps the new one in the same place.
    ///
    /// # Errors
    /// [`UnlockError`]. The old root key then stays in use.
    pub async fn replace(&self, store: &Store, context: &Context) -> Result<(), UnlockError> {
        let mut root = self.root.lock().await;
        *root = self.keeper.replace(store, context, &root).await?;
        Ok(())
    }

    /// Seals the root key again, under the newest version of the Transit key.
    ///
    /// # Errors
    /// [`UnlockError`]. The earlier seal then stays valid.
    pub async fn reseal(&self, store: &Store, context: &Context) -> Result<(), UnlockError> {
        let root = self.root.lock().await;
        self.keeper.reseal(store, context, &root).await
    }

    /// Stores the next key for sealing values, which seals nothing yet. Returns the state of the keyring that a server
    /// needs to know it.
    ///
    /// # Errors
    /// [`UnlockError`].
    pub async fn announce_record_key(&self, store: &Store) -> Result<u64, UnlockError> {
        let root = self.root.lock().await;
        Ok(store.announce_record_key(&root).await?)
    }

    /// Makes a new key for sealing values. Values that are sealed under the old key still have to be moved to the new
    /// key, which a job does later.
    ///
    /// # Errors
    /// [`UnlockError`].
    pub async fn rotate_record_key(&self, store: &Store, context: &Context) -> Result<(), UnlockError> {
        let root = self.root.lock().await;
        Ok(store.rotate_record_key(context, &root).await?)
    }

    /// Rotates the key that the audit log is signed with.
    ///
    /// # Errors
    /// [`UnlockError`].
    pub async fn rotate_audit_key(&self, store: &Store, context: &Context) -> Result<(), UnlockError> {
        let root = self.root.lock().await;
        Ok(store.rotate_audit_key(context, &root).await?)
    }
}

#[cfg(test)]
mod tests;
