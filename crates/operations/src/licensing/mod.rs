//! The licenses of this server: where they are, how they stand at this moment, and whether the engine may write.
//!
//! Licenses stand side by side: those that were installed over the API, and the file that an operator lays at
//! `LICENSE_PATH`. All that were accepted are kept in the database, so that next year's license takes nothing
//! from this year's. Of those that hold, the best one counts (`vaultterm_license::best`).
//!
//! A new license whose counter is below the highest counter that has begun is a rollback, and is refused. A
//! license that was accepted before may be installed again, because the database and the state file remember
//! it. The job of due runs notices a file that changed ([`Licensing::refresh`]); callers install one with
//! [`Licensing::install`]. The time that counts is the later of the clock and the last entry of the audit
//! log. Threads that may block read the files.

mod evaluation;
mod files;
mod report;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use jiff::Timestamp;
use uuid::Uuid;
use vaultterm_ledger::Actor;
use vaultterm_license::{License, LicenseError, TrustedKeys, Validity, canonical, verify};
use vaultterm_store::{Context, KeptLicense, NewLicense, Store, StoreError};
use vaultterm_sync::{Clock as _, Entitlement, Unlicensed};

use crate::clock::SystemClock;
use files::State;
use report::{Kept, Shelf};
use vaultterm_contract::LicenseStanding;

pub(crate) use files::FileError;
pub use report::{Entry, Report};

/// Where the license is, and whose are accepted.
#[derive(Clone, Debug)]
pub struct LicenseSettings {
    /// The license file that an operator may lay there; it need not exist, and is never written.
    pub path: PathBuf,
    /// The file with the highest counter and the licenses that were accepted; made when it is needed.
    pub state_path: PathBuf,
    /// The keys whose licenses are accepted.
    pub trusted: TrustedKeys,
}

impl LicenseSettings {
    /// Returns the usual files in a data directory, with no key whose licenses are accepted.
    #[must_use]
    pub fn of_nobody(data_dir: &Path) -> Self {
        let trusted = TrustedKeys::default();
        Self { path: data_dir.join("license.vtlic"), state_path: data_dir.join("license.state"), trusted }
    }
}

/// Why a license is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It does not count.
    #[error("the license is refused: {0}")]
    License(#[from] LicenseError),
    /// It is older than one that was seen.
    #[error(
        "the license is refused: its counter went back, from {highest} to {counter}: a newer license was installed here"
    )]
    RolledBack {
        /// Its counter.
        counter: u64,
        /// The highest that was seen.
        highest: u64,
    },
    /// The installation had its evaluation.
    #[error("the evaluation of this installation was begun before: there is one for each installation")]
    EvaluatedBefore,
    /// The installation is or was licensed.
    #[error("a license that includes synchronization was installed here: there is nothing to evaluate")]
    NothingToEvaluate,
    /// The evaluation cannot be written.
    #[error("the evaluation cannot begin: {0}")]
    Evaluation(#[from] vaultterm_license::Invalid),
    /// A file failed.
    #[error("the license cannot be used: {0}")]
    File(#[from] FileError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Refused {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::License(LicenseError::NoKey) => {
                "set LICENSE_PUBLIC_KEY (or LICENSE_PUBLIC_KEY_FILE) to the vendor's public key and restart the server"
            }
            Self::License(LicenseError::UnknownKey(_)) => {
                "ask the vendor for a license under a key of LICENSE_PUBLIC_KEY, or add their public key there"
            }
            Self::License(LicenseError::UnknownCritical(_)) => "update VaultTerm, or ask for a license of this version",
            Self::License(_) => {
                "take the file as the vendor sent it: only line ends, a byte order mark and space around the text may differ"
            }
            Self::EvaluatedBefore | Self::NothingToEvaluate => "install a license of the vendor",
            Self::Evaluation(_) => "set the clock of this machine",
            Self::RolledBack { .. } => "install the newest license, or ask the vendor for a new one",
            Self::File(FileError::State(_)) => {
                "remove it if it cannot be restored: the database remembers the counter too"
            }
            Self::File(_) => "let the server read and write LICENSE_PATH and LICENSE_STATE_PATH",
            Self::Store(_) => "see the server's log",
        }
    }
}

/// Returns whether the licenses are as they should be, and a sentence about them. Changes nothing. An
/// installation without any license is as it should be; one whose licenses all do not count is not.
///
/// # Errors
/// When the database fails.
pub async fn examine(settings: &LicenseSettings, store: &Store) -> Result<(bool, String), StoreError> {
    let licensing = Licensing::new(settings.clone());
    licensing.latest_us.store(store.latest_audit_us().await?.unwrap_or(i64::MIN), Ordering::Relaxed);
    let rows = store.licenses().await?;
    let found = licensing.found(&rows).await;
    licensing.hold(store, &rows, &found);
    let report = licensing.report();
    let counts = report.best().is_some_and(|entry| entry.validity.holds());
    let ok = (counts || report.best().is_none()) && report.refused.is_empty();
    let sentence = match (&report.missing, report.sentence()) {
        (Some(_), Some(why)) => format!("synchronization is plan-only: {why}"),
        (_, Some(sentence)) => sentence,
        (_, None) => "it includes synchronization".to_owned(),
    };
    Ok((ok, sentence))
}

/// The licenses of this server.
pub struct Licensing {
    settings: LicenseSettings,
    shelf: RwLock<Shelf>,
    /// The last moment of the audit log that was seen, in microseconds.
    latest_us: AtomicI64,
    /// What was seen last. Held while a license is put in effect.
    turn: tokio::sync::Mutex<Turn>,
    /// The files are to be read again, whether they look changed or not.
    again: AtomicBool,
    /// How it stood when it was last logged, and which license that was.
    told: Mutex<Option<(LicenseStanding, Option<Uuid>)>>,
}

/// What was seen last: nothing is read again while it stays so.
#[derive(Default)]
struct Turn {
    looks: Option<[files::Look; 2]>,
    rows: Vec<KeptLicense>,
    found: Found,
}

/// What lies at `LICENSE_PATH`.
#[derive(Default)]
enum Found {
    /// No file.
    #[default]
    Nothing,
    /// A license, with its text, and the counter that it must not be below.
    License(Box<License>, String, u64),
    /// Something that cannot be used, why, and whether only a change of the file can mend that.
    Refused(String, bool),
}

impl Licensing {
    pub fn new(settings: LicenseSettings) -> Self {
        Self {
            settings,
            shelf: RwLock::default(),
            latest_us: AtomicI64::new(i64::MIN),
            turn: tokio::sync::Mutex::default(),
            again: AtomicBool::new(false),
            told: Mutex::default(),
        }
    }

    /// Takes a license file that changed, lets a license begin whose day has come, catches up with the audit
    /// log's time, and tells what there is to tell. Costs two small queries and a look at two files when
    /// nothing changed.
    ///
    /// # Errors
    /// When the database fails: everything is tried again by the next call.
    pub async fn refresh(&self, store: &Store) -> Result<(), StoreError> {
        let mut turn = self.turn.lock().await;
        if let Some(latest) = store.latest_audit_us().await? {
            self.latest_us.fetch_max(latest, Ordering::Relaxed);
        }
        let mut rows = store.licenses().await?;
        let looks = self.look().await;
        let changed = self.again.swap(false, Ordering::Relaxed) || turn.looks.as_ref() != Some(&looks);
        if changed {
            turn.looks = None;
            // On a database that servers share, another machine may have the file.
            let is_known_here = !store.is_shared() || matches!(turn.found, Found::License(..));
            turn.found = self.take_file(store, &rows, is_known_here).await?;
            rows = store.licenses().await?;
        }
        self.begin(store, &mut rows).await?;
        if changed || turn.rows != rows {
            if let Err(error) = self.remember(&rows, None).await {
                tracing::error!(%error, "what is known of licenses could not be kept beside the database");
            }
            self.hold(store, &rows, &turn.found);
            // A fault of the file system can be mended without a change of the license file.
            let settled = !matches!(turn.found, Found::Refused(_, false));
            // The state file may just have been written here; the license file was not.
            let [file, _] = looks;
            let [_, state] = self.look().await;
            turn.looks = settled.then_some([file, state]);
            turn.rows.clone_from(&rows);
        }
        let report = self.report();
        self.tell(&report);
        self.tell_ends(store, &report, &rows).await
    }

    /// Has the files read again by the next refresh.
    pub fn read_again(&self) {
        self.again.store(true, Ordering::Relaxed);
    }

    /// Looks at both files from outside.
    async fn look(&self) -> [files::Look; 2] {
        let LicenseSettings { path, state_path, .. } = self.settings.clone();
        aside(move || [files::look(&path), files::look(&state_path)]).await
    }

    /// Reads the file and judges it, changing nothing.
    async fn found(&self, rows: &[KeptLicense]) -> Found {
        let LicenseSettings { path, state_path, trusted } = self.settings.clone();
        let read = aside(move || Ok((files::read(&path)?, files::state(&state_path)?))).await;
        let refused = |refused: Refused| {
            let for_good = !matches!(refused, Refused::File(_));
            Found::Refused(format!("{refused}; {}", refused.hint()), for_good)
        };
        match read {
            Err(error) => refused(Refused::File(error)),
            Ok((None, _)) => Found::Nothing,
            Ok((Some(text), state)) => match verify(&text, &trusted) {
                Ok(license) => {
                    let bar = bar(&license, rows, &state);
                    Found::License(Box::new(license), text_of(&text), bar)
                }
                Err(error) => refused(error.into()),
            },
        }
    }

    /// Reads the file, and keeps the license in it unless it is kept already or went back.
    /// `is_known_here` says whether a missing file means that it was taken away.
    async fn take_file(&self, store: &Store, rows: &[KeptLicense], is_known_here: bool) -> Result<Found, StoreError> {
        let found = self.found(rows).await;
        match &found {
            Found::Nothing if is_known_here && rows.iter().any(|row| row.by_file && row.body.is_some()) => {
                store.let_go_of_file_licenses().await?;
                tracing::warn!(path = %self.settings.path.display(), "the license file was taken away");
            }
            Found::License(license, text, bar) if license.counter >= *bar && !held(rows, license.id) => {
                if let Err(error) = self.remember(rows, Some(license)).await {
                    let refused = Refused::File(error);
                    return Ok(Found::Refused(format!("{refused}; {}", refused.hint()), false));
                }
                let now_us = SystemClock.now().0 / 1_000;
                let context = Context { actor: Actor::vaultterm(), source_ip: None, request_id: None, now_us };
                store.keep_license(&context, &self.new_license(license, text.clone(), true, *bar)).await?;
            }
            Found::Nothing | Found::License(..) | Found::Refused(..) => {}
        }
        Ok(found)
    }

    /// Lets licenses begin whose first day has come: from now on their counters forbid older ones.
    async fn begin(&self, store: &Store, rows: &mut [KeptLicense]) -> Result<(), StoreError> {
        let now = self.now();
        for row in rows.iter_mut().filter(|row| !row.begun) {
            let text = row.body.as_deref().unwrap_or_default();
            let license = self.read(store, text).ok();
            if license.is_some_and(|license| license.not_before <= now) {
                store.begin_license(row.id).await?;
                row.begun = true;
            }
        }
        Ok(())
    }

    /// Keeps beside the database what it knows of licenses, and of one that is about to be accepted.
    async fn remember(&self, rows: &[KeptLicense], new: Option<&License>) -> Result<(), FileError> {
        let begun = new.filter(|license| license.not_before <= self.now()).map_or(0, |license| license.counter);
        let state = State {
            highest_counter: highest(rows).max(begun),
            accepted: rows.iter().map(|row| row.id).chain(new.map(|license| license.id)).collect(),
        };
        if state == State::default() {
            return Ok(());
        }
        let path = self.settings.state_path.clone();
        aside(move || files::remember(&path, &state)).await
    }

    /// Installs a license beside those that are there. Answers its id.
    ///
    /// # Errors
    /// [`Refused`]: nothing was changed.
    pub async fn install(&self, text: &[u8], store: &Store, context: &Context) -> Result<Uuid, Refused> {
        let mut turn = self.turn.lock().await;
        let license = verify(text, &self.settings.trusted)?;
        let rows = store.licenses().await?;
        let path = self.settings.state_path.clone();
        let state = aside(move || files::state(&path)).await?;
        let highest = bar(&license, &rows, &state);
        if license.counter < highest {
            return Err(Refused::RolledBack { counter: license.counter, highest });
        }
        // The state file first: what it remembers forbids nothing that the database has.
        self.remember(&rows, Some(&license)).await?;
        store.keep_license(context, &self.new_license(&license, text_of(text), false, highest)).await?;
        let rows = store.licenses().await?;
        self.hold(store, &rows, &turn.found);
        turn.rows = rows;
        self.tell(&self.report());
        Ok(license.id)
    }

    /// Puts the licenses of the database and of the file on the shelf. A license whose key is no longer
    /// trusted becomes a refused one.
    fn hold(&self, store: &Store, rows: &[KeptLicense], found: &Found) {
        let mut shelf = Shelf { may_evaluate: self.may_evaluate(store, rows), ..Shelf::default() };
        for row in rows {
            let Some(text) = &row.body else { continue };
            match self.read(store, text) {
                Ok(license) => shelf.kept.push(Kept { license, by_file: row.by_file, bar: 0 }),
                Err(error) => {
                    let refused = Refused::License(error);
                    shelf.refused.push(format!("{refused}; {}", refused.hint()));
                }
            }
        }
        match found {
            Found::License(license, _, bar) if !held(rows, license.id) => {
                shelf.kept.push(Kept { license: (**license).clone(), by_file: true, bar: *bar });
            }
            Found::Refused(why, _) => shelf.refused.insert(0, why.clone()),
            Found::Nothing | Found::License(..) => {}
        }
        *self.shelf.write().unwrap_or_else(PoisonError::into_inner) = shelf;
    }

    /// Returns the time that counts for licenses: the later of the clock and the audit log's.
    fn now(&self) -> Timestamp {
        let now_us = (SystemClock.now().0 / 1_000).max(self.latest_us.load(Ordering::Relaxed));
        Timestamp::from_microsecond(now_us).unwrap_or(Timestamp::MAX)
    }

    /// Says how the licenses stand now.
    pub fn report(&self) -> Report {
        Report::of(&self.shelf.read().unwrap_or_else(PoisonError::into_inner), self.now())
    }

    /// Logs how the licenses stand, when that changed.
    fn tell(&self, report: &Report) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let word = report.word();
        let now = Some((word, report.best().map(|entry| entry.license.id)));
        if *told == now {
            return;
        }
        *told = now;
        match (&report.missing, report.best()) {
            (Some(why), _) => tracing::warn!(standing = word.as_str(), why, "synchronization is plan-only"),
            (None, Some(Entry { license, validity: Validity::Grace { until }, .. })) => {
                tracing::warn!(standing = word.as_str(), id = %license.id, %until, "the license has run out: install a renewal before its grace ends");
            }
            (None, Some(Entry { license, .. })) => {
                tracing::info!(standing = word.as_str(), id = %license.id, licensee = license.licensee, expires = %license.expires, "licensed");
            }
            (None, None) => {}
        }
    }

    /// Writes into the audit log that a license has run out, once for each.
    async fn tell_ends(&self, store: &Store, report: &Report, rows: &[KeptLicense]) -> Result<(), StoreError> {
        for entry in &report.entries {
            let Validity::Expired { since } = entry.validity else { continue };
            if !rows.iter().any(|row| row.id == entry.license.id && !row.end_told) {
                continue;
            }
            let now_us = SystemClock.now().0 / 1_000;
            let context = Context { actor: Actor::vaultterm(), source_ip: None, request_id: None, now_us };
            store.tell_license_end(&context, entry.license.id, &since.to_string()).await?;
        }
        Ok(())
    }

    fn new_license(&self, license: &License, body: String, by_file: bool, bar: u64) -> NewLicense {
        NewLicense {
            id: license.id,
            counter: license.counter,
            body,
            by_file,
            begun: license.not_before <= self.now(),
            known: bar == 0,
            facts: vec![
                ("licensee", license.licensee.clone()),
                ("tier", license.tier.as_str().to_owned()),
                ("expires", license.expires.to_string()),
                ("from", if by_file { "file" } else { "api" }.to_owned()),
            ],
        }
    }
}

impl Entitlement for Licensing {
    fn missing(&self) -> Option<Unlicensed> {
        self.report().missing.map(Unlicensed::because)
    }
}

impl fmt::Debug for Licensing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Licensing")
    }
}

/// Reads or writes files on a thread that may block.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// Says whether the database holds the text of a license.
fn held(rows: &[KeptLicense], id: Uuid) -> bool {
    rows.iter().any(|row| row.id == id && row.body.is_some())
}

/// The highest counter of a license that has begun.
fn highest(rows: &[KeptLicense]) -> u64 {
    rows.iter().filter(|row| row.begun).map(|row| row.counter).max().unwrap_or(0)
}

/// Returns the counter that a license must not be below: 0 if the license was accepted here before.
fn bar(license: &License, rows: &[KeptLicense], state: &State) -> u64 {
    let known = rows.iter().any(|row| row.id == license.id) || state.accepted.contains(&license.id);
    if known { 0 } else { highest(rows).max(state.highest_counter) }
}

/// The text of a license that verified, as it is kept.
fn text_of(text: &[u8]) -> String {
    String::from_utf8_lossy(&canonical(text)).into_owned()
}

#[cfg(test)]
mod tests;
