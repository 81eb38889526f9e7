//! The policy for all remote requests: which faults are worth repeating, how often, how long to wait, and
//! what a fault means for the run.
//!
//! Start reading at [`Calls::call`]. The policy itself is [`attempts_max`] and [`delay`].

use std::{
    sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

use tokio::sync::SemaphorePermit;
use vaultterm_reconcile::{RemoteSight, RemoteSnapshot, SecretPath, Version};
use vaultterm_sealing::SecretFields;

use crate::{
    Clock, FaultClass, Mark, Nobody, People, Remote, RemoteFault, SecretRead, WriteReceipt,
    attempt::numbered,
    brake::{Brake, Stop, Stopped},
    moment::later,
    pacing::{Pacing, Permit},
    people::Room,
};

/// The first pause. It doubles with each further attempt.
const DELAY_FIRST: Duration = Duration::from_millis(100);
/// The longest pause that the engine chooses by itself.
const DELAY_MAX: Duration = Duration::from_secs(10);
/// The longest pause that a server may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// The effect of repeating a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The request only reads.
    Repeatable,
    /// The request changes something in Vault, and repeating it has no further effect.
    Idempotent,
    /// Each request that arrives makes a version. It is repeated only if it certainly had no effect.
    Once,
    /// The request may use up a `SecretID`, and a person waits for the answer.
    Login,
}

impl Effect {
    /// Returns whether a request may change something in Vault.
    const fn changes_vault(self) -> bool {
        matches!(self, Self::Idempotent | Self::Once)
    }
}

/// Returns how often a request is sent in total before a fault of this class is final.
const fn attempts_max(class: FaultClass, effect: Effect) -> u32 {
    use Effect::{Idempotent, Once, Repeatable};
    use FaultClass::{RateLimited, Sealed, StaleReplica, Unavailable, Unknown};
    match (class, effect) {
        (RateLimited, Repeatable | Idempotent | Once) => 20,
        (Unavailable | StaleReplica | Sealed, Repeatable | Idempotent | Once) | (Unknown, Repeatable | Idempotent) => 8,
        (Unavailable | StaleReplica | Sealed | RateLimited, Effect::Login) => 3,
        _ => 1,
    }
}

/// Returns the pause after the `attempt`-th attempt, counted from 1. `fraction` (0 to 1) spreads requests
/// that failed together. The time that the server asked for is honoured within bounds.
fn delay(attempt: u32, retry_after: Option<Duration>, fraction: f64) -> Duration {
    let doubled = DELAY_FIRST.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(DELAY_MAX);
    doubled.mul_f64(0.5 + fraction / 2.0).max(retry_after.unwrap_or_default().min(RETRY_AFTER_MAX))
}

/// Returns whether a fault means that the server has too much to do, or cannot do anything at the moment.
const fn pushes_back(class: FaultClass) -> bool {
    use FaultClass::{RateLimited, Sealed, StaleReplica, Unavailable};
    matches!(class, RateLimited | Sealed | StaleReplica | Unavailable)
}

/// Returns whether a fault concerns every path.
const fn concerns_every_path(class: FaultClass) -> bool {
    use FaultClass::{LoginRefused, Misconfigured, NamespaceIgnored, WrongMount};
    matches!(class, LoginRefused | Misconfigured | NamespaceIgnored | WrongMount)
}

/// Fractions that differ between runs and calls, but are the same in a replay of a run.
pub(crate) struct Jitter(AtomicU64);

impl Jitter {
    pub(crate) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// Returns the next fraction, from 0 to 1 (`SplitMix64`).
    #[allow(clippy::cast_precision_loss, reason = "53 bits fit exactly")]
    fn fraction(&self) -> f64 {
        let mut z = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Why a call failed.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The server gave a final fault.
    Fault(RemoteFault),
    /// The run was stopped.
    Stopped,
}

impl From<Stopped> for CallError {
    fn from(Stopped: Stopped) -> Self {
        Self::Stopped
    }
}

/// Whether a request takes the place of others while it is in flight.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// One of the requests that may be in flight.
    Place,
    /// A look at everything takes long, and hints are followed beside it.
    NoPlace,
}

/// What to do after a fault.
enum Next {
    Repeat,
    /// The fault is final.
    Final,
    /// The run was stopped or cancelled, so the result of another attempt is unknown.
    Stop,
}

/// Waits before a request is repeated, if it is to be repeated.
async fn wait(
    clock: &impl Clock,
    brake: &Brake,
    jitter: &Jitter,
    effect: Effect,
    attempt: u32,
    fault: &RemoteFault,
) -> Next {
    if attempt >= attempts_max(fault.class, effect) {
        return Next::Final;
    }
    let wait = delay(attempt, fault.retry_after, jitter.fraction());
    tracing::debug!(class = fault.class.as_str(), attempt, wait_ms = wait.as_millis(), "a remote request is repeated");
    match brake.unless_stopped(clock.sleep(wait)).await {
        Ok(()) => Next::Repeat,
        Err(Stopped) => Next::Stop,
    }
}

/// Repeats a login. A login in progress is awaited, because its token must be revoked.
pub(crate) async fn repeat_login<T, F>(
    clock: &impl Clock,
    brake: &Brake,
    jitter: &Jitter,
    attempt: impl Fn() -> F,
) -> Result<T, CallError>
where
    F: Future<Output = Result<T, RemoteFault>>,
{
    let mut attempts = 0;
    loop {
        if !brake.is_free() {
            return Err(CallError::Stopped);
        }
        attempts += 1;
        let fault = match numbered(attempts, attempt()).await {
            Ok(answer) => return Ok(answer),
            Err(fault) => fault,
        };
        match wait(clock, brake, jitter, Effect::Login, attempts, &fault).await {
            Next::Repeat => {}
            Next::Final => return Err(CallError::Fault(fault)),
            Next::Stop => return Err(CallError::Stopped),
        }
    }
}

/// See [`Calls::aside`].
pub(crate) struct Aside<'a>(&'a AtomicU32);

impl Drop for Aside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The remote side with retries. All requests of a session go through it.
pub(crate) struct Calls<'a, R, K> {
    remote: &'a R,
    clock: &'a K,
    brake: &'a Brake,
    pacing: Pacing,
    jitter: Jitter,
    /// The moment before which no request is sent, in nanoseconds. After a server pushed one request back,
    /// the others must not all be sent at once.
    quiet_until: AtomicI64,
    /// The number of guards of [`Self::aside`].
    aside: AtomicU32,
    pub(crate) room: Room<'a>,
}

impl<'a, R: Remote, K: Clock> Calls<'a, R, K> {
    pub(crate) fn new(remote: &'a R, clock: &'a K, brake: &'a Brake, concurrency_max: u32, seed: u64) -> Self {
        let pacing = Pacing::new(usize::try_from(concurrency_max).unwrap_or(usize::MAX));
        let (jitter, quiet_until, aside) = (Jitter::new(seed), AtomicI64::new(0), AtomicU32::new(0));
        Self { remote, clock, brake, pacing, jitter, quiet_until, aside, room: Room::beside(&Nobody) }
    }

    /// Leaves room while people are here.
    pub(crate) fn beside(self, people: &'a dyn People) -> Self {
        Self { room: Room::beside(people), ..self }
    }

    pub(crate) fn requests(&self) -> u64 {
        self.remote.requests()
    }

    pub(crate) fn consistent(&self) -> bool {
        self.remote.freshness().is_known()
    }

    /// Observes the whole scope, of which this many secrets were in step last.
    pub(crate) async fn observe(&self, expected: u64) -> Result<RemoteSnapshot, CallError> {
        self.remote.expect(expected);
        self.repeat(Effect::Repeatable, Takes::NoPlace, || self.remote.observe()).await
    }

    pub(crate) async fn look(&self, path: &SecretPath) -> Result<RemoteSight, CallError> {
        self.call(Effect::Repeatable, || self.remote.look(path)).await
    }

    /// Returns who wrote the newest version of a secret, as far as the server tells.
    pub(crate) async fn writer(&self, path: &SecretPath) -> Option<String> {
        self.remote.writer(path).await
    }

    pub(crate) async fn versions_max(&self) -> Result<Option<u64>, CallError> {
        self.call(Effect::Repeatable, || self.remote.versions_max()).await
    }

    pub(crate) async fn read(&self, path: &SecretPath, version: Version) -> Result<Option<SecretRead>, CallError> {
        self.call(Effect::Repeatable, || self.remote.read(path, version)).await
    }

    pub(crate) async fn write(
        &self,
        path: &SecretPath,
        fields: &SecretFields,
        cas: Version,
    ) -> Result<WriteReceipt, CallError> {
        self.call(Effect::Once, || self.remote.write(path, fields, cas)).await
    }

    pub(crate) async fn mark(&self, path: &SecretPath, mark: &Mark) -> Result<(), CallError> {
        self.call(Effect::Idempotent, || self.remote.mark(path, mark)).await
    }

    pub(crate) async fn delete(&self, path: &SecretPath, version: Version) -> Result<Option<String>, CallError> {
        self.call(Effect::Idempotent, || self.remote.delete(path, version)).await
    }

    async fn call<T, F>(&self, effect: Effect, attempt: impl Fn() -> F) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, RemoteFault>>,
    {
        self.repeat(effect, Takes::Place, attempt).await
    }

    /// Sends a request until it succeeds or its fault is final. A request in flight is never abandoned, but a
    /// pause is.
    async fn repeat<T, F>(&self, effect: Effect, takes: Takes, attempt: impl Fn() -> F) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, RemoteFault>>,
    {
        let mut attempts = 0;
        loop {
            let (permit, room) = self.permit().await?;
            let place = (takes == Takes::Place).then_some((permit, room));
            if effect.changes_vault() && self.brake.lease_ran_out(self.clock.now()) {
                // The database fences commits. This check is the only fence for requests to Vault.
                return Err(self.brake.pull(Stop::LeaseRanOut).into());
            }
            attempts += 1;
            // Nothing is in flight while the next attempt waits, so the room ends with the attempt.
            let (answer, permit) = match place {
                Some((permit, _room)) => (numbered(attempts, attempt()).await, permit),
                None => {
                    let aside = self.aside();
                    let answer = numbered(attempts, attempt()).await;
                    drop(aside);
                    (answer, self.brake.unless_pulled(self.pacing.permit()).await?)
                }
            };
            let fault = match answer {
                Ok(answer) => {
                    self.pacing.answered(permit);
                    return Ok(answer);
                }
                Err(fault) => fault,
            };
            if self.concerns_every_path(&fault, permit) {
                self.brake.pull(Stop::Remote(fault));
                return Err(CallError::Stopped);
            }
            match wait(self.clock, self.brake, &self.jitter, effect, attempts, &fault).await {
                Next::Repeat => {}
                Next::Final => return Err(CallError::Fault(fault)),
                Next::Stop => return Err(CallError::Stopped),
            }
        }
    }

    /// Waits for the right to send a request: that of the server, and while people are here, that of one of few.
    async fn permit(&self) -> Result<(Permit<'_>, Option<SemaphorePermit<'_>>), Stopped> {
        let permit = self.brake.unless_pulled(self.pacing.permit()).await?;
        let room = self.brake.unless_pulled(self.room.permit(self.clock)).await?;
        loop {
            let quiet = self.quiet_until.load(Ordering::Relaxed).saturating_sub(self.clock.now().0);
            match u64::try_from(quiet) {
                Ok(0) | Err(_) => return Ok((permit, room)),
                Ok(nanos) => self.brake.unless_stopped(self.clock.sleep(Duration::from_nanos(nanos))).await?,
            }
        }
    }

    /// Decides whether a fault concerns one path or all of them, and gives the permit back. The run ends if a
    /// fault holds for every path, or if a server answered no request for as long as requests are repeated.
    /// Otherwise path after path would fail in the same way.
    fn concerns_every_path(&self, fault: &RemoteFault, permit: Permit<'_>) -> bool {
        if !pushes_back(fault.class) {
            self.pacing.answered(permit);
            return concerns_every_path(fault.class);
        }
        let silent = self.pacing.pushed_back(permit);
        let quiet = delay(silent, fault.retry_after, self.jitter.fraction());
        self.quiet_until.fetch_max(later(self.clock.now(), quiet).0, Ordering::Relaxed);
        let is_silent = silent >= attempts_max(fault.class, Effect::Repeatable);
        is_silent && self.aside.load(Ordering::Relaxed) == 0
    }

    /// Until the returned guard is dropped, requests that are pushed back fail, and do not stop the run. This holds while a look
    /// at everything is in flight, whose pages are answers that nobody counts here, and while hints are followed beside it.
    pub(crate) fn aside(&self) -> Aside<'_> {
        self.aside.fetch_add(1, Ordering::Relaxed);
        Aside(&self.aside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_are_spread() {
        assert_eq!(delay(1, None, 0.0), Duration::from_millis(50));
        assert_eq!(delay(1, None, 1.0), Duration::from_millis(100));
        assert_eq!(delay(4, None, 1.0), Duration::from_millis(800));
        assert_eq!(delay(40, None, 1.0), DELAY_MAX);
    }

    #[test]
    fn the_wait_that_a_server_asks_for_is_honoured_within_bounds() {
        assert_eq!(delay(1, Some(Duration::from_secs(7)), 0.5), Duration::from_secs(7));
        assert_eq!(delay(1, Some(Duration::from_secs(7_000)), 0.5), RETRY_AFTER_MAX);
    }

    #[test]
    fn a_write_of_unknown_outcome_is_never_blindly_repeated() {
        assert_eq!(attempts_max(FaultClass::Unknown, Effect::Once), 1);
        assert_eq!(attempts_max(FaultClass::Unknown, Effect::Login), 1);
    }

    #[test]
    fn a_refused_login_is_never_repeated() {
        for effect in [Effect::Repeatable, Effect::Idempotent, Effect::Once, Effect::Login] {
            assert_eq!(attempts_max(FaultClass::LoginRefused, effect), 1);
        }
    }

    #[test]
    fn fractions_lie_between_zero_and_one_and_differ() {
        let jitter = Jitter::new(7);
        let drawn: Vec<_> = (0..100).map(|_| jitter.fraction()).collect();
        assert!(drawn.iter().all(|fraction| (0.0..1.0).contains(fraction)));
        assert!(drawn.windows(2).all(|pair| pair[0] != pair[1]));
    }

    /// The first two numbers of `SplitMix64` from 0, as its authors publish them.
    #[test]
    fn fractions_are_those_of_the_generator_that_is_named() {
        let jitter = Jitter::new(0x9E37_79B9_7F4A_7C15);
        for whole in [0xE220_A839_7B1D_CDAF_u64, 0x6E78_9E6A_A1B9_65F4] {
            #[allow(clippy::cast_precision_loss, reason = "53 bits fit exactly")]
            let expected = (whole >> 11) as f64 / 9_007_199_254_740_992.0;
            assert!((jitter.fraction() - expected).abs() < 1e-15);
        }
    }

    /// The columns are the number of attempts for repeatable requests, for those that must not happen twice,
    /// and for a login; whether the server is spared; and whether the run ends.
    #[test]
    fn each_class_of_fault_has_its_own_patience() {
        use FaultClass::{
            Denied, Invalid, LoginRefused, Misconfigured, NamespaceIgnored, Protocol, RateLimited, Redirected, Sealed,
            Stale, StaleReplica, Unavailable, Unknown, WrongMount,
        };
        for class in FaultClass::ALL.iter().copied() {
            let (attempts, spared, ends) = match class {
                RateLimited => ([20, 20, 3], true, false),
                Unavailable | StaleReplica | Sealed => ([8, 8, 3], true, false),
                Unknown => ([8, 1, 1], false, false),
                LoginRefused | Misconfigured | NamespaceIgnored | WrongMount => ([1, 1, 1], false, true),
                Stale | Invalid | Denied | Redirected | Protocol => ([1, 1, 1], false, false),
            };
            let found = [Effect::Repeatable, Effect::Once, Effect::Login].map(|effect| attempts_max(class, effect));
            assert_eq!(attempts_max(class, Effect::Idempotent), found[0], "{class:?}");
            assert_eq!((found, pushes_back(class), concerns_every_path(class)), (attempts, spared, ends), "{class:?}");
        }
    }

    #[test]
    fn each_wait_is_twice_the_one_before() {
        for (attempt, most) in [(1, 100), (2, 200), (3, 400), (4, 800), (7, 6_400), (8, 10_000), (40, 10_000)] {
            let most = Duration::from_millis(most);
            assert_eq!((delay(attempt, None, 1.0), delay(attempt, None, 0.0)), (most, most / 2), "{attempt}");
        }
    }
}
