//! The data directory of a server with its database, its lock and its root key. `init`, `serve` and `doctor`
//! share this module.

use std::{
    fs::{self, File, TryLockError},
    path::Path,
};

use uuid::Uuid;
use vaultterm_contract::advice;
use vaultterm_ledger::{Actor, ActorKind};
use vaultterm_sealing::ArchiveError;
use vaultterm_server::{SystemClock, UnlockError};
use vaultterm_store::{
    BackupError, Claim, Company, Context, Database, DatabaseUrl, InstanceRole, Page, SCHEMA, Store, StoreError, beside,
};
use vaultterm_sync::Clock as _;

use crate::{failure::Failure, server_config::ServerConfig};

/// The lock of a process that may use the database: alone, or as one of several servers. The system, or the server of the database, frees it when the process
/// ends for any reason.
pub(crate) enum Lock {
    /// A lock of a file.
    File(#[allow(dead_code, reason = "held, not read")] File),
    /// A claim on a database server.
    Claim(Claim),
}

impl Lock {
    /// Holds the lock. Returns when another process has the database for itself, which can happen only on a database server,
    /// after that server restarted.
    pub(crate) async fn keep(self) {
        match self {
            Self::Claim(claim) => claim.keep().await,
            Self::File(_) => std::future::pending().await,
        }
    }
}

/// The result of an attempt to take the lock.
pub(crate) enum Locked {
    /// No other process held the lock, and this process holds it now.
    ByUs(Lock),
    /// Another process holds a lock that does not go with it, so the database is in use.
    ByAnother,
}

/// Tries to take the lock of the database.
pub(crate) async fn lock(config: &ServerConfig) -> Result<Locked, Failure> {
    lock_of(&config.database).await
}

/// Tries to take the lock of a database: of a file beside a file, and a claim on a server.
pub(crate) async fn lock_of(database: &DatabaseUrl) -> Result<Locked, Failure> {
    if let Some(file) = database.file() {
        return take(&beside(file, ".lock"));
    }
    let claim = database.claim(Company::Alone).await.map_err(|error| not_opened(database, &error))?;
    Ok(claim.map_or(Locked::ByAnother, |claim| Locked::ByUs(Lock::Claim(claim))))
}

/// Joins the servers of the database, of which a file has one at most, and opens the database. Returns nothing if another
/// process has the database for itself. The server of a file frees the leases that an earlier one left. On a database server,
/// leases are left to expire.
///
/// A file is locked before it is opened, because opening may migrate it, and a server of an older version may be at work on it.
/// A database server tells itself which servers use the database ([`Database::open`]).
pub(crate) async fn join(config: &ServerConfig) -> Result<Option<(Lock, Database)>, Failure> {
    let failed = |error: &StoreError| not_opened(&config.database, error);
    if config.database.file().is_some() {
        refuse_missing(config)?;
        let Locked::ByUs(lock) = lock(config).await? else { return Ok(None) };
        let database = open_existing(config).await?;
        database.free_leases().await.map_err(|error| failed(&error))?;
        return Ok(Some((lock, database)));
    }
    let database = open_existing(config).await?;
    let claim = config.database.claim(Company::Servers).await.map_err(|error| failed(&error))?;
    Ok(claim.map(|claim| (Lock::Claim(claim), database)))
}

/// Takes the lock of backups and restores, so that only one of them runs at a time. A server may run at the
/// same time.
pub(crate) fn take_turn(config: &ServerConfig) -> Result<Lock, Failure> {
    match take(&beside(&config.beside(), ".backup.lock"))? {
        Locked::ByUs(lock) => Ok(lock),
        Locked::ByAnother => {
            Err(Failure::local("another backup or restore of this database is at work").hint("wait for it to end"))
        }
    }
}

fn take(path: &Path) -> Result<Locked, Failure> {
    let failed = |error: &std::io::Error| Failure::local(format!("cannot write {}", path.display())).because(error);
    let file = File::create(path).map_err(|error| failed(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(Locked::ByUs(Lock::File(file))),
        Err(TryLockError::WouldBlock) => Ok(Locked::ByAnother),
        Err(TryLockError::Error(error)) => Err(failed(&error)),
    }
}

/// Opens the database that `init` created.
pub(crate) async fn open_existing(config: &ServerConfig) -> Result<Database, Failure> {
    refuse_missing(config)?;
    let database = open(config).await?;
    if database.is_initialised().await.map_err(|error| broken(&error))? {
        Ok(database)
    } else {
        Err(uninitialised(config))
    }
}

/// Opens the database after its lock was tried. If another process holds it, perhaps a server of an older version, the database
/// stays as it is.
pub(crate) async fn open_after(config: &ServerConfig, tried: &Result<Locked, Failure>) -> Result<Database, Failure> {
    if matches!(tried, Ok(Locked::ByAnother)) {
        let schema = config.database.schema().await.map_err(|error| not_opened(&config.database, &error))?;
        if (1..SCHEMA).contains(&schema) {
            let what = format!("a server of an older version runs on the database {}", config.database);
            let hint = format!(
                "it has schema {schema}, and this version {SCHEMA}: use the version of the server, or upgrade it"
            );
            return Err(Failure::local(what).hint(hint));
        }
    }
    open_existing(config).await
}

fn refuse_missing(config: &ServerConfig) -> Result<(), Failure> {
    if config.database.file().is_some_and(|file| !file.exists()) { Err(uninitialised(config)) } else { Ok(()) }
}

fn uninitialised(config: &ServerConfig) -> Failure {
    Failure::local(format!("there is no initialised database at {}", config.database))
        .hint("run `vaultterm init` first, or name the right place with VAULTTERM_DATA_DIR")
}

/// Opens the database, or creates an empty one.
pub(crate) async fn open(config: &ServerConfig) -> Result<Database, Failure> {
    Database::open(&config.database).await.map_err(|error| not_opened(&config.database, &error))
}

/// Returns the error for a database that cannot be opened.
fn not_opened(database: &DatabaseUrl, error: &StoreError) -> Failure {
    let failure = Failure::local(format!("cannot open the database {database}")).because(error);
    if database.file().is_some() || matches!(error, StoreError::OlderServers(_) | StoreError::NeedsNewer { .. }) {
        return failure;
    }
    failure.hint("check that the server runs and that DATABASE_URL names it, an existing database, and its user")
}

/// Refuses a database that would be migrated when it is opened, because a server of another version may be
/// running on it.
pub(crate) async fn refuse_older(config: &ServerConfig, hint: &str) -> Result<(), Failure> {
    if config.database.file().is_some_and(|file| !file.exists()) {
        // The code that opens the database reports this.
        return Ok(());
    }
    let schema = config.database.schema().await.map_err(|error| not_opened(&config.database, &error))?;
    // The code that opens a database without any schema reports that it is not initialised.
    if schema == SCHEMA || schema == 0 {
        return Ok(());
    }
    Err(Failure::local(format!("the database has schema {schema}, and this version of VaultTerm schema {SCHEMA}"))
        .hint(hint))
}

/// Opens the keyring with the root key.
pub(crate) async fn unlock(config: &ServerConfig, database: &Database) -> Result<Store, Failure> {
    let keeper = config.keys.keeper()?;
    keeper.unlock(database).await.map(|(store, _)| store).map_err(|error| locked(&error))
}

/// Returns the error for a root key that cannot be obtained or does not open the database.
pub(crate) fn locked(error: &UnlockError) -> Failure {
    if let UnlockError::Store(error) = error {
        return broken(error);
    }
    let failure = match error {
        UnlockError::Vault(_) => Failure::server(error.to_string()),
        error => Failure::local(error.to_string()),
    };
    let failure = match std::error::Error::source(error) {
        Some(cause) => failure.because(cause),
        None => failure,
    };
    what_to_do(error).into_iter().fold(failure, Failure::hint)
}

/// Returns what the operator can do about a root key that cannot be obtained.
pub(crate) fn what_to_do(error: &UnlockError) -> Option<String> {
    match error {
        UnlockError::NeverSealed(_) => Some("seal it first: `vaultterm key seal` with KEY_PROVIDER=local".to_owned()),
        error => error.hint().as_ref().map(advice::worded),
    }
}

/// Returns the error of a backup or restore.
pub(crate) fn not_backed_up(what: &str, error: &BackupError) -> Failure {
    let failure = Failure::local(what).because(error);
    match mend(error) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Returns what the operator can do about a backup or restore that failed.
fn mend(error: &BackupError) -> Option<&'static str> {
    Some(match error {
        BackupError::Archive(ArchiveError::Io(_) | ArchiveError::Sealing(_))
        | BackupError::File { .. }
        | BackupError::Store(_) => return None,
        BackupError::Archive(ArchiveError::NotAnArchive) => "name a file that `vaultterm backup` wrote",
        BackupError::Archive(ArchiveError::Format(_)) | BackupError::Newer { .. } => {
            "restore it with the version that made it, or a newer one"
        }
        BackupError::Archive(_) | BackupError::Header(_) => {
            "take another copy, or an older backup; nothing was changed"
        }
        BackupError::OtherRootKey { .. } => "name the file with that root key: MASTER_KEY_FILE",
        BackupError::OtherInstallation { .. } => "name another place with --data-dir, or move the database there away",
        BackupError::InTheWay(_) => {
            "`--replace` keeps it beside the restored one, or name another place with --data-dir"
        }
        BackupError::NotEmpty(_) => "create an empty database on the server, and name it in DATABASE_URL",
        BackupError::LogInTheWay(_) => "move it away, together with its database, then restore again",
        BackupError::Rotated => "repeat the command",
    })
}

/// Returns the error of the database.
pub(crate) fn broken(error: &StoreError) -> Failure {
    let failure = Failure::local("the database cannot be used").because(error);
    match error {
        StoreError::NotInitialised => failure.hint("run `vaultterm init` first"),
        _ => failure,
    }
}

/// Returns whether a person can log in as owner.
pub(crate) async fn has_owner(store: &Store) -> Result<bool, StoreError> {
    let mut page = Page { limit: 500, cursor: None };
    loop {
        let users = store.users(&page).await?;
        if users.items.iter().any(|user| user.role == InstanceRole::Owner) {
            return Ok(true);
        }
        match users.next_cursor {
            Some(cursor) => page.cursor = Some(cursor),
            None => return Ok(false),
        }
    }
}

/// Returns the context of the operator, who is the person allowed to run this binary on the data directory.
pub(crate) fn operator() -> Context {
    let name = "operator".to_owned();
    Context {
        actor: Actor { kind: ActorKind::System, id: Uuid::nil(), name },
        source_ip: None,
        request_id: None,
        now_us: SystemClock.now().0 / 1_000,
    }
}

/// Returns the mode of the data directory if users other than the owner can read it.
pub(crate) fn open_to_others(config: &ServerConfig) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(&config.data_dir).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}
