//! The secrets of a measurement: where they are, and what they hold.

use serde_json::{Value, json};

/// Returns the path of the secret with number `n`. A folder holds a hundred secrets.
pub(crate) fn path(n: usize) -> String {
    format!("app-{}/secret-{n}", n / 100)
}

/// Returns what the secret with number `n` holds after it was changed `generation` times.
pub(crate) fn value(n: usize, generation: u32) -> Value {
    json!({"username": format!("user-{n}"), "password": format!("correct horse battery staple {n}.{generation}")})
}

/// Returns about twenty of these numbers, for a check of what they hold.
pub(crate) fn some(numbers: &[usize]) -> impl Iterator<Item = usize> {
    numbers.iter().copied().step_by((numbers.len() / 20).max(1))
}
