//! Whole runs on a cluster of two nodes, whose standby answers the reads. A run must decide on what was
//! written to the active node a moment before, and nothing that the standby lacks may count as deleted.

use serde_json::json;
use vaultterm_reconcile::{Counts, Mode};
use vaultterm_testkit::openbao::only_on_openbao;

use crate::house::{House, MOUNT, PREFIX};

const ROUNDS: u64 = 20;

#[tokio::test]
async fn runs_that_read_from_a_standby_decide_on_nothing_old_and_delete_nothing() {
    if only_on_openbao("a standby of Vault Community answers no read by itself") {
        return;
    }
    let (house, standby) = House::balanced(Mode::Bidirectional).await;
    let mut stale = 0;
    for round in 0..ROUNDS {
        house.save(&format!("here-{round}"), json!({"value": round})).await;
        house.put(&format!("there-{round}"), json!({"value": round})).await;
        if let Some(before) = round.checked_sub(1) {
            house.save(&format!("here-{before}"), json!({"value": "edited"})).await;
            house.put(&format!("there-{before}"), json!({"value": "edited"})).await;
        }
        if let Some(before) = round.checked_sub(2) {
            house.trash(&format!("here-{before}")).await;
            house.delete(&format!("there-{before}")).await;
        }
        // A client that does not say how fresh the answer must be may get an old one from the standby.
        let asked = format!("{MOUNT}/data/{PREFIX}/there-{round}");
        stale += u64::from(!standby.root().try_call("GET", &asked, None).await.0.is_success());

        let counts = house.succeed().await.counts;
        let (edited, deleted) = (u64::from(round > 0), u64::from(round > 1));
        let expected = Counts {
            created_remote: 1,
            created_local: 1,
            updated_remote: edited,
            updated_local: edited,
            deleted_remote: deleted,
            deleted_local: deleted,
            ..Counts::default()
        };
        assert_eq!(Counts { unchanged: 0, ..counts }, expected, "round {round}");
        // The run's own writes are just as fresh.
        house.rests().await;
    }
    eprintln!("{stale} of {ROUNDS} reads of the standby by itself were old");
    for side in ["here", "there"] {
        house.in_step(&format!("{side}-{}", ROUNDS - 1), json!({"value": ROUNDS - 1})).await;
        house.in_step(&format!("{side}-{}", ROUNDS - 2), json!({"value": "edited"})).await;
        for round in 0..ROUNDS - 2 {
            let path = format!("{side}-{round}");
            assert_eq!((house.record(&path).await, house.secret(&path).await), (None, None), "{path}");
        }
    }
}
