//! Tests of the standing of a connection.

use uuid::Uuid;
use vaultterm_ledger::Actor;
use vaultterm_reconcile::{Counts, Mode, Options};
use vaultterm_sync::{CollectionId, Connection, ConnectionId, RunId, RunPart, Schedule, Tls, Trigger};

use super::*;

/// A started connection.
fn connection() -> Connection {
    Connection {
        id: ConnectionId(Uuid::nil()),
        name: "prod".to_owned(),
        collection_id: CollectionId(Uuid::nil()),
        address: "https://vault.example.com:8200".to_owned(),
        namespace: None,
        tls: Tls::default(),
        auth_namespace: None,
        auth_mount: "approle".to_owned(),
        role_id: "role".to_owned(),
        mount: "secret".to_owned(),
        path: String::new(),
        options: Options::defaults(Mode::Push, "instance"),
        schedule: Schedule { interval_seconds: 300, on_change: true, requests_per_second_max: 0 },
        concurrency_max: 8,
        paused: false,
        started: true,
        scope_changed: false,
        guarded: None,
        identity: None,
        revision: 1,
    }
}

#[test]
fn a_connection_from_whose_last_run_a_person_left_something_out_is_not_in_step() {
    let mut summary = stopped(FaultClass::Stale, 0);
    let run = summary.last_run.as_mut().expect("a run");
    (run.state, run.problems) = (RunState::Succeeded, Vec::new());
    assert_eq!(of(&summary, None).0, Standing::Ready);
    summary.last_run.as_mut().expect("a run").part.left_out =
        vec![vaultterm_reconcile::SecretPath::new("a").expect("a path")];
    let (standing, why) = of(&summary, None);
    assert_eq!(standing, Standing::Partial);
    assert!(why.is_some_and(|why| why.contains("left 1 path out")));
}

/// A connection whose last run ended at the Unix epoch for a reason.
fn stopped(class: FaultClass, logins_refused: u32) -> ConnectionSummary {
    let problem = RunProblem { path: String::new(), class: class.into(), detail: "so it was".to_owned(), hint: None };
    let run = Run {
        id: RunId(Uuid::nil()),
        connection_id: ConnectionId(Uuid::nil()),
        plan_id: None,
        state: RunState::Failed,
        trigger: Trigger::Interval,
        actor: Actor::vaultterm(),
        counts: Counts::default(),
        halts: Vec::new(),
        problems: vec![problem],
        started: UnixNanos(0),
        finished: Some(UnixNanos(0)),
        requests: 1,
        part: RunPart::default(),
    };
    ConnectionSummary {
        connection: connection(),
        last_run: Some(run),
        running: false,
        open_conflicts: 0,
        accepted_paths: 0,
        hints_waiting: 0,
        hinted_everything: false,
        last_verified_us: None,
        secret_id_expires_us: None,
        logins_refused,
        created_us: 0,
        updated_us: 0,
    }
}

#[test]
fn a_refused_login_shows_when_the_schedule_tries_again_and_that_vault_may_have_locked_the_role() {
    for (refused, next) in [(1, "1970-01-01T00:30:00Z"), (2, "1970-01-01T01:00:00Z")] {
        let summary = stopped(FaultClass::LoginRefused, refused);
        let (standing, why) = of(&summary, None);
        let told = next_login(&summary).map(|moment| Timestamp::from_nanosecond(moment.0.into()).unwrap().to_string());
        assert_eq!((standing, told.as_deref()), (Standing::AuthFailed, Some(next)));
        let detail = why.expect("a reason");
        for part in [next, "may have done so", "a new SecretID", ": so it was"] {
            assert!(detail.contains(part), "{detail}");
        }
    }
}

#[test]
fn what_does_not_hold_back_the_schedule_shows_no_moment() {
    for (class, refused) in [(FaultClass::LoginRefused, 0), (FaultClass::Denied, 0)] {
        let summary = stopped(class, refused);
        assert_eq!(next_login(&summary), None);
        assert_eq!(of(&summary, None), (Standing::AuthFailed, Some("so it was".to_owned())));
    }
}
