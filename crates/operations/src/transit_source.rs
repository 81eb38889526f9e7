//! How the server reaches a Transit key. It reads the token or SecretID again before each use, so that it
//! needs no restart when the operator renews the credential.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use vaultterm_hcv::Transit;
use vaultterm_sync::{FaultClass, schedule};

/// How long an answer about the seal is good for.
const GOOD_FOR: Duration = Duration::from_secs(60);

/// Reads the configuration again; the error says what is wrong with it, and holds no secret.
type Reload = dyn Fn() -> Result<Transit, String> + Send + Sync;

/// A Transit key and the way to it. Cheap to clone; clones share what was read last.
#[derive(Clone)]
pub struct TransitSource(Arc<Source>);

struct Source {
    reload: Option<Box<Reload>>,
    current: Mutex<Transit>,
    checked: tokio::sync::Mutex<Option<Checked>>,
}

/// What the last look at the seal found.
struct Checked {
    at: Instant,
    by: Transit,
    logins_refused: u32,
    found: Result<(), String>,
}

impl From<Transit> for TransitSource {
    fn from(transit: Transit) -> Self {
        Self::of(transit, None)
    }
}

impl TransitSource {
    /// Makes a source that calls `reload` before each use. `reload` may block while it reads files.
    #[must_use]
    pub fn renewed_by(transit: Transit, reload: impl Fn() -> Result<Transit, String> + Send + Sync + 'static) -> Self {
        Self::of(transit, Some(Box::new(reload)))
    }

    fn of(transit: Transit, reload: Option<Box<Reload>>) -> Self {
        Self(Arc::new(Source { reload, current: Mutex::new(transit), checked: tokio::sync::Mutex::default() }))
    }

    /// Returns the way to the key that was read last.
    #[must_use]
    pub fn current(&self) -> Transit {
        self.0.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the configuration again. If that fails, it logs the failure and keeps the configuration from before.
    pub async fn fresh(&self) -> Transit {
        let source = self.clone();
        let read = tokio::task::spawn_blocking(move || source.0.reload.as_ref().map(|reload| reload())).await;
        match read {
            Ok(Some(Ok(transit))) => {
                let mut current = self.0.current.lock().unwrap_or_else(PoisonError::into_inner);
                if !current.logs_in_like(&transit) {
                    tracing::info!("the credential for the Transit key was renewed");
                }
                *current = transit;
            }
            Ok(Some(Err(why))) => {
                tracing::error!(why, "the credential for the Transit key cannot be read again: the one before is used");
            }
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "the credential for the Transit key could not be read again"),
        }
        self.current()
    }

    /// Waits until the configured credential is another one, reading it again from time to time.
    pub async fn renewed(&self, every: Duration) {
        let before = self.current();
        loop {
            tokio::time::sleep(every).await;
            if !self.fresh().await.logs_in_like(&before) {
                return;
            }
        }
    }

    /// Asks Vault whether the key can still be used, with the credential that is configured now; an answer is
    /// good for a minute, and after a refused login for as long as it takes not to get the role locked.
    ///
    /// # Errors
    /// What Vault said.
    pub async fn check(&self) -> Result<(), String> {
        let mut checked = self.0.checked.lock().await;
        let transit = self.fresh().await;
        let mut logins_refused = 0;
        if let Some(last) = checked.as_ref().filter(|last| last.by.logs_in_like(&transit)) {
            if last.at.elapsed() < GOOD_FOR.max(schedule::login_rest(last.logins_refused)) {
                return last.found.clone();
            }
            logins_refused = last.logins_refused;
        }
        let found = transit.examine().await;
        let refused = matches!(&found, Err(fault) if fault.class == FaultClass::LoginRefused);
        let found = found.map(drop).map_err(|fault| fault.message);
        let logins_refused = if refused { logins_refused.saturating_add(1) } else { 0 };
        *checked = Some(Checked { at: Instant::now(), by: transit, logins_refused, found: found.clone() });
        found
    }
}

impl fmt::Debug for TransitSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TransitSource").field(&self.current().describe()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use vaultterm_hcv::{ConnectorOptions, TransitAuth, TransitSettings};
    use vaultterm_sealing::SecretText;

    use super::*;

    fn with_token(token: &str) -> Transit {
        let settings = TransitSettings {
            address: "https://127.0.0.1:1".to_owned(),
            namespace: None,
            ca_pem: None,
            auth: TransitAuth::Token(SecretText::new(token.to_owned())),
            mount: "transit".to_owned(),
            key: "vaultterm".to_owned(),
        };
        Transit::new(settings, ConnectorOptions::default())
    }

    #[tokio::test]
    async fn a_renewed_token_is_used_and_one_that_cannot_be_read_leaves_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        fs::write(&file, "one").unwrap();
        let reload = {
            let file = file.clone();
            move || fs::read_to_string(&file).map(|token| with_token(&token)).map_err(|error| error.to_string())
        };
        let source = TransitSource::renewed_by(with_token("one"), reload);
        assert!(source.fresh().await.logs_in_like(&with_token("one")));
        fs::write(&file, "two").unwrap();
        assert!(source.fresh().await.logs_in_like(&with_token("two")));
        fs::remove_file(&file).unwrap();
        assert!(source.fresh().await.logs_in_like(&with_token("two")));
        let wait = source.renewed(Duration::from_millis(5));
        let renew = async { fs::write(&file, "three").unwrap() };
        tokio::join!(wait, renew);
        assert!(source.current().logs_in_like(&with_token("three")));
        assert!(!format!("{source:?}").contains("three"));
    }
}
