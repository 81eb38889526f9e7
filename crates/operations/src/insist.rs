//! Storing what cannot be had again.

/// How often it is tried while the database is busy. Each attempt waits for its turn.
const ATTEMPTS: u32 = 5;

/// Stores something that cannot be had again. While the database is busy, it tries again.
///
/// # Errors
/// The last error of the store.
pub async fn insist<T, E, F: Future<Output = Result<T, E>>>(
    is_busy: impl Fn(&E) -> bool,
    mut store: impl FnMut() -> F,
) -> Result<T, E> {
    for _ in 1..ATTEMPTS {
        match store().await {
            Err(error) if is_busy(&error) => tracing::warn!("the database is busy: storing is tried again"),
            stored => return stored,
        }
    }
    store().await
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::insist;

    #[tokio::test]
    async fn what_cannot_be_had_again_is_stored_although_the_database_is_busy_at_first() {
        for (busy, stored, asked) in [(0, true, 1), (4, true, 5), (5, false, 5)] {
            let attempts = AtomicU32::new(0);
            let answer = insist(
                |error: &&str| *error == "busy",
                || {
                    let attempt = attempts.fetch_add(1, Ordering::SeqCst);
                    async move { if attempt < busy { Err("busy") } else { Ok(()) } }
                },
            );
            assert_eq!((answer.await.is_ok(), attempts.load(Ordering::SeqCst)), (stored, asked));
        }
        let attempts = AtomicU32::new(0);
        let broken = insist(
            |error: &&str| *error == "busy",
            || {
                attempts.fetch_add(1, Ordering::SeqCst);
                async { Err::<(), _>("broken") }
            },
        );
        assert_eq!((broken.await, attempts.load(Ordering::SeqCst)), (Err("broken"), 1));
    }
}
