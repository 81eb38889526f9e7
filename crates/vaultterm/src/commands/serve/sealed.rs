//! The server while its root key is sealed. It asks Vault repeatedly to open the key.

use std::time::Duration;

use tokio::sync::Notify;
use vaultterm_sealing::{RootKey, chance};
use vaultterm_server::{RootKeeper, UnlockError};
use vaultterm_store::{Database, Store};
use vaultterm_sync::schedule::login_rest;

use crate::{
    failure::Failure,
    installation::{broken, locked, what_to_do},
};

/// The maximum time by which the first attempt delays the start.
const AT_START: Duration = Duration::from_secs(5);
/// The time before the second attempt, and the maximum time between attempts.
const REST: Duration = Duration::from_secs(1);
const REST_MAX: Duration = Duration::from_secs(60);
/// The time between checks for a renewed credential.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Tries once to open the root key, before the server listens. Returns why it stays sealed if a later try may succeed: the
/// error of Vault, or nothing if Vault did not answer in time.
///
/// # Errors
/// An error in the configuration, or of the database, ends the process at once. An error of a Vault may go away while the
/// server is up.
pub(super) async fn first_try(
    keeper: &RootKeeper,
    database: &Database,
) -> Result<Result<(Store, RootKey), Option<UnlockError>>, Failure> {
    match tokio::time::timeout(AT_START, keeper.unlock(database)).await {
        Ok(Ok((store, root))) => {
            prepare(&store).await?;
            Ok(Ok((store, root)))
        }
        Ok(Err(error)) if !error.may_heal() => Err(locked(&error)),
        Ok(Err(error)) => Ok(Err(Some(error))),
        // A program that waits for the address on stdout must not wait for a Vault that does not answer.
        Err(_) => {
            tracing::error!("Vault does not answer: every request is refused until the root key is open");
            Ok(Err(None))
        }
    }
}

/// Looks at the store that the root key opened, and tells the log which connections wait for a person.
async fn prepare(store: &Store) -> Result<(), Failure> {
    for (connection, reason) in store.guarded_connections().await.map_err(|error| broken(&error))? {
        tracing::warn!(connection, reason, "plan-only until a person acknowledges `rewound`");
    }
    Ok(())
}

/// Computes the time between attempts.
pub(super) struct Patience {
    rest: Duration,
    logins_refused: u32,
}

impl Patience {
    pub(super) const fn new() -> Self {
        Self { rest: REST, logins_refused: 0 }
    }

    /// Returns the time to wait after a failed attempt, before a random spread. It doubles each time, up to a
    /// minute. After a refused login it is longer than the window in which Vault counts refused logins, so
    /// that this server never keeps the role locked.
    pub(super) fn after(&mut self, error: Option<&UnlockError>) -> Duration {
        if error.is_some_and(UnlockError::is_refused_login) {
            self.logins_refused = self.logins_refused.saturating_add(1);
            return login_rest(self.logins_refused);
        }
        let rest = self.rest;
        self.rest = (rest * 2).min(REST_MAX);
        rest
    }
}

/// Tries to unseal the root key until it succeeds, with growing pauses. Tries at once when the credential was
/// renewed or `again` notifies it. `error` is the error of the first attempt, if Vault answered it.
pub(super) async fn unsealed(
    keeper: &RootKeeper,
    database: &Database,
    again: &Notify,
    mut error: Option<UnlockError>,
) -> (Store, RootKey) {
    let mut patience = Patience::new();
    for attempt in 2_u64.. {
        let rest = patience.after(error.as_ref());
        if let Some(error) = &error {
            tell(error, attempt - 1, rest);
        }
        // The pause is random, so that servers do not all try at the same time after a Vault came back.
        let rest = rest.mul_f64(0.75 + 0.5 * chance());
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            () = again.notified() => patience = Patience::new(),
            () = renewed(keeper) => patience = Patience::new(),
        }
        error = match keeper.unlock(database).await {
            Ok((store, root)) => match prepare(&store).await {
                Ok(()) => {
                    tracing::info!(attempt, "the root key is open");
                    return (store, root);
                }
                Err(failure) => {
                    tracing::error!(why = failure.causes.join(": "), "the database cannot be used");
                    None
                }
            },
            Err(error) => Some(error),
        };
    }
    unreachable!("the attempts never end");
}

/// Waits until the credential was renewed. Waits forever if there is none.
async fn renewed(keeper: &RootKeeper) {
    match keeper {
        RootKeeper::Transit { transit, .. } => transit.renewed(LOOK_EVERY).await,
        RootKeeper::File(_) | RootKeeper::Given(_) => std::future::pending().await,
    }
}

fn tell(error: &UnlockError, attempt: u64, rest: Duration) {
    let hint = what_to_do(error).unwrap_or_default();
    let again_in_s = rest.as_secs();
    tracing::error!(attempt, %error, hint, again_in_s, "the root key is still sealed: every request is refused until it is open");
    if error.is_refused_login() {
        tracing::error!(
            "Vault locks a role after several refused logins, and may have done so: the next try waits that out; \
             a renewed credential (KEY_HCV_SECRET_ID_FILE) or SIGHUP ends the wait"
        );
    }
}

#[cfg(test)]
mod tests {
    use vaultterm_sync::{FaultClass, RemoteFault};

    use super::*;

    fn vault(class: FaultClass) -> UnlockError {
        UnlockError::Vault(RemoteFault { class, message: "no".to_owned(), hint: None, retry_after: None })
    }

    #[test]
    fn a_sealed_server_asks_ever_more_rarely_and_after_a_refused_login_beyond_vaults_lockout() {
        let mut patience = Patience::new();
        let unavailable = vault(FaultClass::Unavailable);
        let waits: Vec<_> = (0..8).map(|_| patience.after(Some(&unavailable)).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        let refused = vault(FaultClass::LoginRefused);
        let waits: Vec<_> = (0..4).map(|_| patience.after(Some(&refused)).as_secs() / 60).collect();
        assert_eq!(waits, [30, 60, 120, 240]);
        // Vault's window is 15 minutes, and the wait is spread by a quarter in both directions.
        assert!(login_rest(1).mul_f64(0.75) > Duration::from_secs(15 * 60));
        assert_eq!(patience.after(None).as_secs(), 60);
    }
}
