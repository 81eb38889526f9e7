//! Leases and fencing.

use std::time::Duration;

use vaultterm_reconcile::RecordType;
use vaultterm_sync::{BaseChange, Journal, Lease, LocalChange, Origin, OtherConflicts, Outcome, RunId};

use super::{Desk, TTL, base, base_of, begin, fields, is_lost, live, outcome, value};
use crate::world::at;

async fn take<J: Journal, D: Desk>(journal: &J, desk: &D) -> Option<Lease> {
    journal.acquire_lease(desk.connection_id(), vaultterm_sync::new_id(), TTL).await.expect("the journal answers")
}

/// The lease is free again after it is given back.
pub async fn a_lease_has_one_holder_at_a_time<J: Journal, D: Desk>(journal: &J, desk: &D) {
    let first = take(journal, desk).await.expect("the lease is free");
    assert_eq!(take(journal, desk).await, None);
    journal.renew_lease(first, TTL).await.expect("the holder renews");
    journal.release_lease(first).await.expect("the holder gives it back");
    let second = take(journal, desk).await.expect("the lease is free again");
    assert!(second.fence > first.fence);
    is_lost(&journal.renew_lease(first, TTL).await);
}

/// A dead process therefore does not hold a lease forever.
pub async fn a_lease_runs_out_and_the_next_one_has_a_higher_fence<J: Journal, D: Desk>(journal: &J, desk: &D) {
    let first = take(journal, desk).await.expect("the lease is free");
    desk.let_pass(TTL + Duration::from_secs(1)).await;
    let second = take(journal, desk).await.expect("the lease ran out");
    assert!(second.fence > first.fence);
}

/// This holds as long as the lease is renewed in time.
pub async fn a_renewed_lease_does_not_run_out<J: Journal, D: Desk>(journal: &J, desk: &D) {
    let lease = take(journal, desk).await.expect("the lease is free");
    for _ in 0..3 {
        desk.let_pass(TTL * 2 / 3).await;
        journal.renew_lease(lease, TTL).await.expect("it is renewed in time");
    }
    assert_eq!(take(journal, desk).await, None);
}

/// The later holder wins, even if the earlier one does not know about it.
pub async fn nothing_is_recorded_under_a_lost_lease<J: Journal, D: Desk>(journal: &J, desk: &D) {
    let record_id = desk.save(&at("x"), RecordType::KeyValue, value("1")).await;
    let (lease, run_id) = begin(journal, desk).await;
    desk.let_pass(TTL + Duration::from_secs(1)).await;
    let (_, other_run) = begin(journal, desk).await;
    assert_ne!(other_run, run_id);

    let origin = Origin::Remote(desk.connection_id());
    let (expect, record_type) = (vaultterm_reconcile::Revision(1), RecordType::KeyValue);
    let update = Outcome {
        local: LocalChange::Update { record_id, expect, record_type, fields: fields("2"), origin },
        base: BaseChange::Set(base(record_id, 2)),
        ..outcome("x")
    };
    is_lost(&journal.commit(lease, run_id, vec![update]).await);
    is_lost(&journal.record_conflicts(lease, run_id, &[], &OtherConflicts::Stay).await);
    is_lost(
        &journal
            .begin_run(lease, &super::run(desk, RunId(vaultterm_sync::new_id()), vaultterm_sync::Trigger::Manual))
            .await,
    );
    assert_eq!(live(journal, desk, "x").await, Some((record_id, 1)));
    assert_eq!(base_of(journal, desk, "x").await, None);
}

/// Giving back a lost lease is not an error, and does not free the lease of the next holder.
pub async fn a_lost_lease_takes_nothing_back<J: Journal, D: Desk>(journal: &J, desk: &D) {
    let first = take(journal, desk).await.expect("the lease is free");
    desk.let_pass(TTL + Duration::from_secs(1)).await;
    let second = take(journal, desk).await.expect("the lease ran out");
    journal.release_lease(first).await.expect("nothing happens");
    assert_eq!(take(journal, desk).await, None);
    journal.renew_lease(second, TTL).await.expect("the holder renews");
}
