//! New ids, and numbers by chance that no key depends on.

use uuid::Uuid;

/// Draws an id that was never drawn before: a `UUIDv7`, which sorts by the time at which this process drew it. The one place
/// that draws ids, apart from the engine, whose ids come from its caller so that a run can be replayed.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "the one place that draws ids")]
pub fn new_id() -> Uuid {
    Uuid::now_v7()
}

/// Returns a number from 0 up to 1 that differs between machines and moments, to spread what would happen at the same time.
/// It is no secret.
#[must_use]
pub fn chance() -> f64 {
    let [.., random] = new_id().into_bytes();
    f64::from(random) / 256.0
}
