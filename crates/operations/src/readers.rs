//! Whether somebody reads or changes records at the moment, so that runs leave room.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use vaultterm_sync::People;

/// How long somebody counts as here after a request. A person who reads on asks again within this time only by a program, so a
/// run is slow for little more than the requests themselves.
const STAYS: Duration = Duration::from_millis(250);

/// When somebody last asked for records.
#[derive(Debug)]
pub(crate) struct Readers {
    began: Instant,
    /// Milliseconds from `began` to the last request, and one. 0 before the first.
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
        self.last.store(self.elapsed_ms(Instant::now()) + 1, Relaxed);
    }

    fn elapsed_ms(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.began).as_millis()).unwrap_or(u64::MAX - 1)
    }

    fn is_recent(&self, now: Instant) -> bool {
        let stays = STAYS.as_millis() as u64;
        self.last.load(Relaxed).checked_sub(1).is_some_and(|last| self.elapsed_ms(now) < last + stays)
    }
}

impl People for Readers {
    fn are_here(&self) -> bool {
        self.is_recent(Instant::now())
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
        assert!(!services.readers.are_here());
        access::scope(services, owner, Scope::RecordsReveal).await.unwrap();
        assert!(services.readers.are_here());
    }

    #[tokio::test]
    async fn who_may_not_ask_for_records_slows_no_run() {
        let house = House::new().await;
        let caller = house.with_scopes(&house.owner, &[Scope::SyncRun]).await;
        access::scope(&house.services, &caller, Scope::RecordsRead).await.unwrap_err();
        assert!(!house.services.readers.are_here());
    }

    #[test]
    fn somebody_who_asks_is_here_for_a_moment() {
        let readers = Readers::default();
        assert!(!readers.are_here(), "nobody asked");
        readers.note();
        let now = Instant::now();
        assert!(readers.is_recent(now));
        assert!(!readers.is_recent(now + STAYS), "the moment is over");
        readers.note();
        assert!(readers.is_recent(Instant::now()));
    }
}
