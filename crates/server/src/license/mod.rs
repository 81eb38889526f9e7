//! The license of this server: where it is, how it stands at this moment, what that lets the engine do.
//!
//! A license takes effect only once the database and the state file remember its counter. A file that
//! changed is noticed by the scheduler's tick ([`Licensing::refresh`]); the API's way in is
//! [`Licensing::install`]. Time is the later of the clock and the last moment of the audit log.

mod files;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError, RwLock,
        atomic::{AtomicI64, Ordering},
    },
};

use jiff::Timestamp;
use vaultterm_license::{Feature, License, LicenseError, Standing, TrustedKeys, standing, verify};
use vaultterm_store::{Context, LicenseMemory, NewLicense, Store, StoreError};
use vaultterm_sync::{Clock as _, Entitlement, Unlicensed};

use crate::{clock::SystemClock, scheduler};

pub(crate) use files::FileError;

/// Where the license is, and whose are accepted.
#[derive(Clone, Debug)]
pub struct LicenseSettings {
    /// The license file; it need not exist.
    pub path: PathBuf,
    /// The file with the highest counter that was ever seen; made when it is needed.
    pub state_path: PathBuf,
    /// The keys whose licenses are accepted.
    pub trusted: TrustedKeys,
}

impl LicenseSettings {
    /// The usual files in a data directory, and nobody whose licenses are accepted.
    #[must_use]
    pub fn of_nobody(data_dir: &Path) -> Self {
        let trusted = TrustedKeys::default();
        Self { path: data_dir.join("license.vtlic"), state_path: data_dir.join("license.state"), trusted }
    }
}

/// Why a license is not accepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
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
    /// A file failed.
    #[error("the license cannot be used: {0}")]
    File(#[from] FileError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Refused {
    /// What to do about it.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::License(LicenseError::NoKey) => {
                "set LICENSE_PUBLIC_KEY (or LICENSE_PUBLIC_KEY_FILE) to the vendor's public key and restart the server"
            }
            Self::License(LicenseError::UnknownKey(_)) => {
                "ask the vendor for a license under a key of LICENSE_PUBLIC_KEY, or add their public key there"
            }
            Self::License(LicenseError::UnknownCritical(_)) => "update VaultTerm, or ask for a license of this version",
            Self::License(_) => "take the file as the vendor sent it, byte for byte",
            Self::RolledBack { .. } => "install the newest license, or ask the vendor for a new one",
            Self::File(FileError::State(_)) => {
                "remove it if it cannot be restored: the database remembers the counter too"
            }
            Self::File(_) => "let the server read and write LICENSE_PATH and LICENSE_STATE_PATH",
            Self::Store(_) => "see the server's log",
        }
    }
}

/// Says in a sentence how the license stands, changing nothing; and whether that is as it should be: none
/// is no fault, one that does not count is.
///
/// # Errors
/// When the database fails.
pub async fn examine(settings: &LicenseSettings, store: &Store) -> Result<(bool, String), StoreError> {
    let licensing = Licensing::new(settings.clone());
    let memory = store.license_memory().await?;
    licensing.latest_us.store(store.latest_audit_us().await?.unwrap_or(i64::MIN), Ordering::Relaxed);
    let held = match files::read(&settings.path).map_err(Refused::from) {
        Ok(None) => Held::Nothing,
        Ok(Some(text)) => match licensing.judge(&text, &memory) {
            Ok((license, highest)) => Held::License(Box::new(license), highest),
            Err(refused) => Held::Refused(format!("{refused}; {}", refused.hint())),
        },
        Err(refused) => Held::Refused(format!("{refused}; {}", refused.hint())),
    };
    let report = Report::of(held, licensing.now());
    let counts = matches!(report.standing, Some(Standing::Valid | Standing::Grace { .. }));
    let ok = counts || matches!(report.held, Held::Nothing);
    let sentence = match (&report.missing, report.sentence()) {
        (Some(why), _) => format!("synchronization is plan-only: {why}"),
        (None, Some(sentence)) => sentence,
        (None, None) => "it includes synchronization".to_owned(),
    };
    Ok((ok, sentence))
}

/// What the server holds.
#[derive(Clone, Debug)]
pub(crate) enum Held {
    /// No license.
    Nothing,
    /// A file that is not accepted, and why.
    Refused(String),
    /// A license, and the highest counter that was seen.
    License(Box<License>, u64),
}

/// The license of this server.
pub(crate) struct Licensing {
    settings: LicenseSettings,
    held: RwLock<Held>,
    /// The last moment of the audit log that was seen, in microseconds.
    latest_us: AtomicI64,
    /// What the file looked like when it was read. Held while a license is put in effect.
    turn: tokio::sync::Mutex<Option<files::Look>>,
    /// How it stood when it was last logged.
    told: Mutex<&'static str>,
}

/// How the license stands: a word for programs, a sentence for people.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) held: Held,
    /// Of a license.
    pub(crate) standing: Option<Standing>,
    /// The moment it was judged at.
    pub(crate) now: Timestamp,
    /// Why synchronization is not included, if it is not.
    pub(crate) missing: Option<String>,
}

impl Licensing {
    pub(crate) fn new(settings: LicenseSettings) -> Self {
        Self {
            settings,
            held: RwLock::new(Held::Nothing),
            latest_us: AtomicI64::new(i64::MIN),
            turn: tokio::sync::Mutex::new(None),
            told: Mutex::new(""),
        }
    }

    /// Takes a license file that changed, catches up with the audit log's time, and tells what there is
    /// to tell. Costs two small queries when nothing changed.
    ///
    /// # Errors
    /// When the database fails: everything is tried again by the next call.
    pub(crate) async fn refresh(&self, store: &Store) -> Result<(), StoreError> {
        let mut turn = self.turn.lock().await;
        if let Some(latest) = store.latest_audit_us().await? {
            self.latest_us.fetch_max(latest, Ordering::Relaxed);
        }
        let memory = store.license_memory().await?;
        let look = files::look(&self.settings.path);
        if turn.as_ref() != Some(&look) {
            *turn = self.take_file(store, &memory).await?.then_some(look);
        }
        let report = self.report();
        self.tell(&report);
        self.tell_end(store, &report, &memory).await
    }

    /// Reads the file and holds what it is; answers whether that is settled.
    async fn take_file(&self, store: &Store, memory: &LicenseMemory) -> Result<bool, StoreError> {
        let held = match files::read(&self.settings.path) {
            Ok(None) => Ok(Held::Nothing),
            Ok(Some(text)) => self.take(&text, store, memory).await,
            Err(error) => Err(error.into()),
        };
        let (held, settled) = match held {
            Ok(held) => (held, true),
            Err(Refused::Store(error)) => return Err(error),
            // What is wrong with a file system may be mended without the license file being touched.
            Err(refused) => {
                (Held::Refused(format!("{refused}; {}", refused.hint())), !matches!(refused, Refused::File(_)))
            }
        };
        self.hold(held);
        Ok(settled)
    }

    /// Judges a license that lies in its place, and lets it take effect unless it went back.
    async fn take(&self, text: &[u8], store: &Store, memory: &LicenseMemory) -> Result<Held, Refused> {
        let (license, highest) = self.judge(text, memory)?;
        if license.counter >= highest && (memory.id != Some(license.id) || memory.counter < highest) {
            let actor = scheduler::system();
            let now_us = SystemClock.now().0 / 1_000;
            let context = Context { actor, source_ip: None, request_id: None, now_us };
            store.install_license(&context, &new_license(&license, "file")).await?;
        }
        files::remember(&self.settings.state_path, highest.max(license.counter))?;
        Ok(Held::License(Box::new(license), highest))
    }

    /// Verifies a license, and finds the highest counter that was seen before it.
    fn judge(&self, text: &[u8], memory: &LicenseMemory) -> Result<(License, u64), Refused> {
        let license = verify(text, &self.settings.trusted)?;
        let highest = memory.counter.max(files::highest_counter(&self.settings.state_path)?);
        Ok((license, highest))
    }

    /// Installs a license: verifies it, puts it in its place and lets it take effect.
    ///
    /// # Errors
    /// [`Refused`]; what was there before stays, unless the database failed after the file was replaced:
    /// then the next tick completes it.
    pub(crate) async fn install(&self, text: &[u8], store: &Store, context: &Context) -> Result<(), Refused> {
        let mut turn = self.turn.lock().await;
        let memory = store.license_memory().await?;
        let (license, highest) = self.judge(text, &memory)?;
        if license.counter < highest {
            return Err(Refused::RolledBack { counter: license.counter, highest });
        }
        // The file first: a license that was remembered and is not there would forbid the one before.
        files::replace(&self.settings.path, text)?;
        *turn = None;
        store.install_license(context, &new_license(&license, "api")).await?;
        files::remember(&self.settings.state_path, license.counter)?;
        let highest = license.counter;
        self.hold(Held::License(Box::new(license), highest));
        *turn = Some(files::look(&self.settings.path));
        let report = self.report();
        self.tell(&report);
        Ok(())
    }

    fn hold(&self, held: Held) {
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = held;
    }

    /// Returns the time that counts for licenses: the later of the clock and the audit log's.
    fn now(&self) -> Timestamp {
        let now_us = (SystemClock.now().0 / 1_000).max(self.latest_us.load(Ordering::Relaxed));
        Timestamp::from_microsecond(now_us).unwrap_or(Timestamp::MAX)
    }

    /// Says how the license stands now.
    pub(crate) fn report(&self) -> Report {
        Report::of(self.held.read().unwrap_or_else(PoisonError::into_inner).clone(), self.now())
    }

    /// Logs how the license stands, when that changed.
    fn tell(&self, report: &Report) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let word = report.word();
        if *told == word {
            return;
        }
        *told = word;
        match (&report.missing, &report.held) {
            (Some(why), _) => tracing::warn!(standing = word, why, "synchronization is plan-only"),
            (None, Held::License(license, _)) if word == "grace" => {
                let until = license.grace_end();
                tracing::warn!(standing = word, %until, "the license has run out: install a renewal before its grace ends");
            }
            (None, Held::License(license, _)) => {
                tracing::info!(standing = word, licensee = license.licensee, expires = %license.expires, "licensed");
            }
            (None, _) => {}
        }
    }

    /// Writes into the audit log that the license has run out, once.
    async fn tell_end(&self, store: &Store, report: &Report, memory: &LicenseMemory) -> Result<(), StoreError> {
        let (Held::License(license, _), Some(Standing::Expired { since })) = (&report.held, report.standing) else {
            return Ok(());
        };
        if memory.id != Some(license.id) || memory.end_told {
            return Ok(());
        }
        let now_us = SystemClock.now().0 / 1_000;
        let context = Context { actor: scheduler::system(), source_ip: None, request_id: None, now_us };
        store.tell_license_end(&context, license.id, &since.to_string()).await.map(drop)
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

fn new_license(license: &License, from: &str) -> NewLicense {
    NewLicense {
        id: license.id,
        counter: license.counter,
        facts: vec![
            ("licensee", license.licensee.clone()),
            ("tier", license.tier.as_str().to_owned()),
            ("expires", license.expires.to_string()),
            ("from", from.to_owned()),
        ],
    }
}

impl Report {
    fn of(held: Held, now: Timestamp) -> Self {
        let (standing, missing) = match &held {
            Held::Nothing => (None, Some("no license is installed".to_owned())),
            Held::Refused(why) => (None, Some(why.clone())),
            Held::License(license, highest) => {
                let standing = standing(license, now, *highest);
                let missing = (!license.entitles(standing, Feature::HcvSync)).then(|| why_missing(license, standing));
                (Some(standing), missing)
            }
        };
        Self { held, standing, now, missing }
    }

    /// The standing in one word.
    pub(crate) fn word(&self) -> &'static str {
        match (&self.held, self.standing) {
            (Held::Nothing, _) => "none",
            (Held::Refused(_), _) | (Held::License(..), None) => "refused",
            (_, Some(Standing::Valid)) => "valid",
            (_, Some(Standing::Grace { .. })) => "grace",
            (_, Some(Standing::NotYetValid { .. })) => "not_yet_valid",
            (_, Some(Standing::Expired { .. })) => "expired",
            (_, Some(Standing::RolledBack { .. })) => "rolled_back",
        }
    }

    /// A sentence for people, where the word alone does not say it.
    pub(crate) fn sentence(&self) -> Option<String> {
        match self.standing {
            Some(Standing::Grace { until }) => {
                Some(format!("it has run out; everything goes on until {until}: install a renewal"))
            }
            _ => self.missing.clone(),
        }
    }
}

fn why_missing(license: &License, standing: Standing) -> String {
    match standing {
        Standing::NotYetValid { from } => format!("it is valid from {from} on"),
        Standing::Expired { since } => format!("it expired on {}, its grace ended on {since}", license.expires),
        Standing::RolledBack { highest } => {
            format!("its counter went back: it is {}, and {highest} was seen here", license.counter)
        }
        Standing::Valid | Standing::Grace { .. } if license.features.is_some() => {
            format!("it is of the tier `{}`, and does not name `hcv_sync`", license.tier.as_str())
        }
        Standing::Valid | Standing::Grace { .. } => {
            format!("it is of the tier `{}`, and synchronization needs `enterprise`", license.tier.as_str())
        }
    }
}

#[cfg(test)]
mod tests;
