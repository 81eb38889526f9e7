//! Differences that a person accepted: what is remembered, what ends them, and what is shown after that.
#![allow(clippy::expect_used, clippy::panic, reason = "a test may panic")]

use serde_json::{Value, json};
use vaultterm_reconcile::{ConflictKind, Content, Mode, Plan, RecordType};
use vaultterm_sealing::SecretFields;
use vaultterm_sync::{Journal, Resolution, Run, RunState};
use vaultterm_testkit::{
    World,
    world::{at, data},
};

fn succeed(world: &World) -> Run {
    let run = world.run();
    assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
    run
}

fn planned(world: &World) -> Plan {
    world.clock.drive(world.engine().plan(world.id)).expect("a plan can be made").plan
}

fn login(user: &str, password: &str) -> Value {
    json!({"username": user, "password": password})
}

fn content(world: &World, value: &Value) -> Content {
    let fields = SecretFields::parse(value.to_string().as_bytes()).expect("fields");
    fields.content(world.journal.digest_key())
}

/// Returns a pull in which a person kept the record's own password.
fn kept_local() -> World {
    let world = World::new(Mode::Pull);
    world.put("x", login("ada", "p0"));
    succeed(&world);
    world.save("x", login("ada", "mine"));
    assert_eq!(succeed(&world).counts.conflicts, 1);
    world.resolve(&world.open_conflict(), Resolution::KeepLocal).expect("resolved");
    world
}

/// Returns a push in which a person kept the password that was changed in Vault.
fn kept_remote() -> World {
    let world = World::new(Mode::Push);
    world.save("x", login("ada", "p0"));
    succeed(&world);
    world.put("x", login("ada", "theirs"));
    assert_eq!(succeed(&world).counts.conflicts, 1);
    world.resolve(&world.open_conflict(), Resolution::KeepRemote).expect("resolved");
    world
}

fn differs_as_accepted(world: &World, here: &Value, there: &Value) {
    let run = succeed(world);
    assert_eq!((run.counts.accepted, run.counts.unchanged, run.counts.conflicts), (1, 0, 0), "{run:#?}");
    assert!(world.open_conflicts().is_empty());
    assert_eq!((world.record("x"), world.secret("x")), (Some(data(here.clone())), Some(data(there.clone()))));
    let plan = planned(world);
    assert!(plan.steps.is_empty(), "{plan:#?}");
    let [accepted] = &plan.accepted[..] else { panic!("{plan:#?}") };
    assert_eq!((accepted.path.as_str(), accepted.by.as_str()), ("x", "ada@example.com"));
}

#[test]
fn keep_local_in_a_pull_is_shown_as_a_difference_and_not_as_in_step() {
    let world = kept_local();
    differs_as_accepted(&world, &login("ada", "mine"), &login("ada", "p0"));
    assert_eq!(world.version("x"), 1, "nothing was written to Vault");
}

#[test]
fn keep_remote_in_a_push_leaves_both_sides_as_they_are() {
    let world = kept_remote();
    differs_as_accepted(&world, &login("ada", "p0"), &login("ada", "theirs"));
    assert_eq!(world.version("x"), 2, "nothing was written to Vault");
}

#[test]
fn the_same_values_written_again_do_not_undo_the_decision() {
    let world = kept_local();
    world.put("x", login("ada", "p0"));
    assert_eq!(succeed(&world).counts.adopted, 1);
    differs_as_accepted(&world, &login("ada", "mine"), &login("ada", "p0"));
    world.save("x", login("ada", "mine"));
    world.retype("x", RecordType::Identity);
    assert_eq!(succeed(&world).counts.adopted, 1);
    differs_as_accepted(&world, &login("ada", "mine"), &login("ada", "p0"));

    let world = kept_remote();
    world.put("x", login("ada", "theirs"));
    assert_eq!(succeed(&world).counts.adopted, 1);
    differs_as_accepted(&world, &login("ada", "p0"), &login("ada", "theirs"));
}

#[test]
fn the_next_conflict_shows_what_both_sides_hold_and_every_field_that_differs() {
    let world = kept_local();
    world.put("x", login("grace", "p0"));
    assert_eq!(succeed(&world).counts.conflicts, 1);
    let conflict = world.open_conflict().conflict;
    assert_eq!(
        (conflict.kind, &conflict.diverged[..]),
        (ConflictKind::Drift, &["password".into(), "username".into()][..])
    );
    assert_eq!(conflict.base, Some(content(&world, &login("ada", "p0"))));
    assert_eq!(conflict.local, Some(content(&world, &login("ada", "mine"))));
    assert_eq!(conflict.remote, Some(content(&world, &login("grace", "p0"))));

    // After an edit here, the conflict shows the secret as it is, and not as the record was.
    let world = kept_local();
    world.save("x", login("grace", "mine"));
    assert_eq!(succeed(&world).counts.conflicts, 1);
    let conflict = world.open_conflict().conflict;
    assert_eq!(conflict.remote, Some(content(&world, &login("ada", "p0"))));
    assert_eq!(conflict.diverged, ["password", "username"]);
}

#[test]
fn a_change_of_mode_asks_again_and_replaces_nothing() {
    for (world, here, there) in [
        (kept_local(), login("ada", "mine"), login("ada", "p0")),
        (kept_remote(), login("ada", "p0"), login("ada", "theirs")),
    ] {
        let before = world.version("x");
        world.journal.edit_connection(world.id, |connection| connection.options.mode = Mode::Bidirectional);
        assert_eq!(succeed(&world).counts.conflicts, 1);
        assert_eq!(world.open_conflict().conflict.kind, ConflictKind::BothChanged);
        assert_eq!((world.record("x"), world.secret("x")), (Some(data(here.clone())), Some(data(there))));
        assert_eq!(world.version("x"), before);
        // An edit of another field in Vault does not replace the kept value either.
        world.put("x", json!({"username": "ada", "password": "p9", "note": "new"}));
        assert_eq!(succeed(&world).counts.conflicts, 1);
        assert_eq!(world.record("x"), Some(data(here.clone())));
        world.resolve(&world.open_conflict(), Resolution::KeepLocal).expect("resolved");
        assert_eq!(world.secret("x"), Some(data(here.clone())));
        let run = succeed(&world);
        assert_eq!((run.counts.unchanged, run.counts.accepted), (1, 0), "in step again");
    }
}

#[test]
fn a_difference_that_is_accepted_twice_still_knows_what_both_sides_agreed_on() {
    let world = kept_local();
    world.put("x", login("ada", "p1"));
    succeed(&world);
    world.resolve(&world.open_conflict(), Resolution::KeepLocal).expect("resolved");
    differs_as_accepted(&world, &login("ada", "mine"), &login("ada", "p1"));
    world.put("x", login("ada", "p2"));
    succeed(&world);
    assert_eq!(world.open_conflict().conflict.base, Some(content(&world, &login("ada", "p0"))));
}

#[test]
fn sides_that_were_never_in_step_have_no_base_after_they_were_accepted() {
    let world = World::new(Mode::Pull);
    world.save("x", login("ada", "mine"));
    world.put("x", login("ada", "theirs"));
    succeed(&world);
    world.resolve(&world.open_conflict(), Resolution::KeepLocal).expect("resolved");
    differs_as_accepted(&world, &login("ada", "mine"), &login("ada", "theirs"));
    world.put("x", login("ada", "newer"));
    succeed(&world);
    let conflict = world.open_conflict().conflict;
    assert_eq!((conflict.kind, conflict.base), (ConflictKind::NoBase, None));
}

#[test]
fn sides_that_become_equal_are_in_step_again() {
    let world = kept_local();
    world.put("x", login("ada", "mine"));
    assert_eq!(succeed(&world).counts.adopted, 1);
    let run = succeed(&world);
    assert_eq!((run.counts.unchanged, run.counts.accepted), (1, 0));
    assert!(world.journal.base_rows(world.id)[&at("x")].accepted.is_none());
}

#[test]
fn taking_the_secret_over_in_a_push_is_a_merge_that_names_its_fields() {
    let world = kept_remote();
    world.save("x", login("ada", "newer"));
    assert_eq!(succeed(&world).counts.conflicts, 1);
    let fields = [("password".to_owned(), vaultterm_sync::FieldChoice::Take(vaultterm_reconcile::Side::Remote))];
    world.resolve(&world.open_conflict(), Resolution::Merge(fields.into())).expect("resolved");
    assert_eq!(world.record("x"), Some(data(login("ada", "theirs"))));
    assert_eq!(succeed(&world).counts.unchanged, 1);
}
