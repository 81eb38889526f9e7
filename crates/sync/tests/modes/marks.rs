//! Types and marks of secrets.

use serde_json::json;
use vaultterm_reconcile::{Mode, RecordType};
use vaultterm_testkit::{Operation, World, world::at};

use super::{in_step, nothing_to_do, succeed};

#[test]
fn a_type_that_changed_here_travels_in_the_mark_and_makes_no_version() {
    let world = in_step(Mode::Bidirectional, &["x"]);
    world.retype("x", RecordType::EnvVar);
    succeed(&world);
    assert_eq!(world.marks("x").get("vaultterm-type").map(String::as_str), Some("ENV_VAR"));
    assert_eq!(world.version("x"), 1);
    nothing_to_do(&world, 1);
}

#[test]
fn a_type_that_changed_in_vault_is_taken_on() {
    let world = in_step(Mode::Bidirectional, &["x"]);
    world.kv.mount(|mount, _| {
        mount.patch_custom("team/app/x", [("vaultterm-type".to_owned(), "IDENTITY".to_owned())]);
    });
    succeed(&world);
    assert_eq!(world.record_type("x"), Some(RecordType::Identity));
    nothing_to_do(&world, 1);
}

/// Asserts that every secret in step is marked with its record.
fn marks_name_their_records(world: &World, paths: &[&str]) {
    for path in paths {
        let (record_id, _) = world.journal.live(world.collection_id, &at(path)).expect("the record lives");
        let named = world.marks(path).remove("vaultterm-record");
        assert_eq!(named, Some(record_id.0.to_string()), "{path}");
    }
}

#[test]
fn a_secret_put_where_a_renamed_record_was_is_marked_with_the_record_that_it_becomes() {
    let world = in_step(Mode::Bidirectional, &["old", "other"]);
    world.rename("old", "new");
    succeed(&world);
    world.put("old", json!({"a": "by somebody else"}));
    assert_eq!(succeed(&world).counts.created_local, 1);
    marks_name_their_records(&world, &["old", "new", "other"]);
    nothing_to_do(&world, 3);
}

#[test]
fn a_record_that_takes_over_the_path_of_a_trashed_one_is_named_by_the_mark() {
    for mode in [Mode::Push, Mode::Bidirectional] {
        for fields in [json!({"a": "0", "b": "0"}), json!({"a": "1"})] {
            let world = in_step(mode, &["x", "other"]);
            world.trash("x");
            world.save("x", fields);
            succeed(&world);
            marks_name_their_records(&world, &["x", "other"]);
            nothing_to_do(&world, 2);
        }
    }
}

#[test]
fn an_adopted_secret_is_marked_with_the_record_that_adopts_it_whatever_the_mark_said() {
    let world = in_step(Mode::Push, &["x", "other"]);
    world.trash("x");
    succeed(&world);
    world.save("x", json!({"a": "0", "b": "0"}));
    assert_eq!(succeed(&world).counts.adopted, 1);
    marks_name_their_records(&world, &["x", "other"]);
    nothing_to_do(&world, 2);
}

#[test]
fn a_mark_that_names_another_record_is_put_right_where_both_sides_are_in_step() {
    let world = in_step(Mode::Bidirectional, &["x", "other"]);
    let another = vec![("vaultterm-record".to_owned(), uuid::Uuid::from_u128(9).to_string())];
    world.kv.mount(|mount, _| mount.patch_custom("team/app/x", another));
    assert_eq!(succeed(&world).counts.adopted, 1);
    marks_name_their_records(&world, &["x", "other"]);
    nothing_to_do(&world, 2);
}

#[test]
fn a_record_that_comes_back_under_its_own_mark_is_not_marked_again() {
    let world = in_step(Mode::Bidirectional, &["x", "other"]);
    world.delete("x");
    succeed(&world);
    world.kv.mount(|mount, now| mount.undelete("team/app/x", 1, now));
    drop(world.kv.take_log());
    assert_eq!(succeed(&world).counts.created_local, 1);
    let marked = world.kv.take_log().into_iter().filter(|request| request.operation == Operation::Mark);
    assert_eq!(marked.count(), 0);
    marks_name_their_records(&world, &["x", "other"]);
}
