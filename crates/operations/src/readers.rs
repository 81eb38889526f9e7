//! When somebody last asked to read or change records, so that runs leave room.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use vaultterm_sync::People;

/// When somebody last asked for records.
#[derive(Debug)]
pub(crate) struct Readers {
    began: Instant,
    /// Microseconds from `began` to the last request, and one. 0 before the first.
    last: AtomicU64,
}

impl Default for Readers {
    fn default() -> Self {
        Self { began: Instant::now(), last: AtomicU64::new(0) }
    }
}

impl Readers {
    /// Notes that somebody asks for records.
    pub(crate) fn note(&self) {
        self.last.store(self.elapsed_us(Instant::now()) + 1, Relaxed);
    }

    fn elapsed_us(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.began).as_micros()).unwrap_or(u64::MAX - 1)
    }

    fn asked_before(&self, now: Instant) -> Option<Duration> {
        let last = self.last.load(Relaxed).checked_sub(1)?;
        Some(Duration::from_micros(self.elapsed_us(now).saturating_sub(last)))
    }
}

impl People for Readers {
    fn asked_ago(&self) -> Option<Duration> {
        self.asked_before(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use vaultterm_store::Scope;

    use super::*;
    use crate::{access, part::Part, refusal::RefusalKind, runs, testing::House};

    #[tokio::test]
    async fn who_asks_for_records_is_noted_and_who_watches_a_run_is_not() {
        let house = House::new().await;
        let (services, owner) = (&house.services, &house.owner);
        runs::recent(services, owner, runs::Search::default()).await.unwrap();
        let unknown = runs::show(services, owner, vaultterm_sync::new_id()).await.err().map(|refusal| refusal.kind);
        assert_eq!(unknown, Some(RefusalKind::NotFound));
        crate::connections::list(services, owner, Part::default()).await.unwrap();
        assert_eq!(services.readers.asked_ago(), None);
        access::scope(services, owner, Scope::RecordsReveal).await.unwrap();
        assert!(services.readers.asked_ago().is_some());
    }

    #[tokio::test]
    async fn who_may_not_ask_for_records_slows_no_run() {
        let house = House::new().await;
        let caller = house.with_scopes(&house.owner, &[Scope::SyncRun]).await;
        access::scope(&house.services, &caller, Scope::RecordsRead).await.unwrap_err();
        assert_eq!(house.services.readers.asked_ago(), None);
    }

    #[test]
    fn the_time_since_the_last_request_is_told() {
        let readers = Readers::default();
        assert_eq!(readers.asked_ago(), None, "nobody asked");
        readers.note();
        let (now, later) = (Instant::now(), Duration::from_millis(250));
        let ago = readers.asked_before(now + later).unwrap();
        assert!(ago >= later && ago < later + Duration::from_secs(60), "{ago:?}");
        readers.last.fetch_add(250_000, Relaxed);
        assert_eq!(readers.asked_before(now + later).unwrap() + later, ago, "a newer request counts");
    }
}
