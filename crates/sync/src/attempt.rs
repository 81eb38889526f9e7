//! The number of the attempt to which a request belongs. The client of Vault tells it to those who watch its requests; nothing
//! depends on it.

use std::future::Future;

tokio::task_local! {
    static ATTEMPT: u32;
}

/// Numbers the requests of an attempt, from 1.
pub(crate) fn numbered<F: Future>(attempt: u32, requests: F) -> impl Future<Output = F::Output> {
    ATTEMPT.scope(attempt, requests)
}

/// Returns the number of the attempt that the caller's requests belong to: 1, or more where the engine repeats what failed.
#[must_use]
pub fn attempt() -> u32 {
    ATTEMPT.try_with(|attempt| *attempt).unwrap_or(1)
}
