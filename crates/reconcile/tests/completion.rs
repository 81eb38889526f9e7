//! Tests which fields a person may leave out of a decision by field.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod world;

use std::collections::BTreeMap;

use vaultterm_reconcile::{
    Action, Choice, Conflict, ConflictKind, Content, Expect, FieldDigest, LocalExpect, MergePolicy, Mode,
    NotResolvable, Options, RecordType, RemoteExpect, RemoteStamp, Resolving, Revision, Side, UnixNanos, Version,
    resolution,
};
use world::{HERE, id, path};

const STAMP: RemoteStamp =
    RemoteStamp { key_created: UnixNanos(1), version: Version(3), version_created: UnixNanos(3) };

fn content(fields: &[(&str, u8)]) -> Content {
    let field = |(name, value): &(&str, u8)| ((*name).to_owned(), FieldDigest { digest: [*value; 32], length: 1 });
    fields.iter().map(field).collect()
}

fn conflict(base: Option<Content>, local: Content, remote: Content) -> Conflict {
    Conflict {
        path: path("p"),
        kind: ConflictKind::BothChanged,
        expect: Expect {
            local: LocalExpect::Live { record_id: id(1), revision: Revision(4) },
            remote: RemoteExpect::Live { stamp: STAMP, expires: None },
        },
        record_id: Some(id(1)),
        base,
        local: Some(local),
        remote: Some(remote),
        diverged: Vec::new(),
        remote_writer: None,
    }
}

/// Returns the source of each field of the result, or the missing fields.
fn decided(
    conflict: &Conflict,
    record_type: RecordType,
    policy: MergePolicy,
    chosen: &[(&str, Side)],
) -> Result<BTreeMap<String, Side>, Vec<String>> {
    let options = Options { merge: policy, ..Options::defaults(Mode::Bidirectional, HERE) };
    let chosen = chosen.iter().map(|(name, side)| ((*name).to_owned(), *side)).collect();
    let resolving = Resolving { conflict, options: &options, record_type, remote_type: None };
    match resolution(&resolving, &Choice::Merge(chosen)) {
        Ok(steps) => match steps.into_iter().next().unwrap().action {
            Action::Merge { fields, .. } => Ok(fields),
            other => panic!("{other:?}"),
        },
        Err(NotResolvable::FieldsMissing(names)) => Err(names),
        Err(other) => panic!("{other:?}"),
    }
}

fn sides(named: &[(&str, Side)]) -> Result<BTreeMap<String, Side>, Vec<String>> {
    Ok(named.iter().map(|(name, side)| ((*name).to_owned(), *side)).collect())
}

fn missing(names: &[&str]) -> Result<BTreeMap<String, Side>, Vec<String>> {
    Err(names.iter().map(|name| (*name).to_owned()).collect())
}

/// Returns a conflict in which the password changed on both sides, and the user name only in Vault.
fn login() -> Conflict {
    conflict(
        Some(content(&[("password", 0), ("username", 0)])),
        content(&[("password", 1), ("username", 0)]),
        content(&[("password", 2), ("username", 2)]),
    )
}

#[test]
fn a_decision_on_a_password_does_not_take_the_user_name_from_vault_silently() {
    for record_type in [RecordType::Password, RecordType::KeyValue] {
        for policy in MergePolicy::ALL {
            let found = decided(&login(), record_type, *policy, &[("password", Side::Local)]);
            assert_eq!(found, missing(&["username"]), "{record_type:?} {policy:?}");
            let both = [("password", Side::Local), ("username", Side::Local)];
            assert_eq!(decided(&login(), record_type, *policy, &both), sides(&both));
        }
    }
}

#[test]
fn every_missing_field_is_named_at_once() {
    let found = decided(&login(), RecordType::Password, MergePolicy::Descriptive, &[]);
    assert_eq!(found, missing(&["password", "username"]));
}

#[test]
fn what_describes_may_be_left_out_where_one_side_alone_changed_it() {
    let torn = conflict(
        Some(content(&[("note", 0), ("owner", 0), ("password", 0), ("team", 0)])),
        content(&[("note", 1), ("owner", 0), ("password", 1), ("team", 1)]),
        content(&[("note", 0), ("owner", 2), ("password", 2), ("team", 2)]),
    );
    let found = decided(&torn, RecordType::Password, MergePolicy::Descriptive, &[("password", Side::Remote)]);
    assert_eq!(found, missing(&["team"]), "both sides changed it");
    let chosen = [("password", Side::Remote), ("team", Side::Given)];
    let found = decided(&torn, RecordType::Password, MergePolicy::Descriptive, &chosen);
    let whole = [("note", Side::Local), ("owner", Side::Remote), ("password", Side::Remote), ("team", Side::Given)];
    assert_eq!(found, sides(&whole));
}

#[test]
fn what_describes_belongs_to_a_group_that_holds_everything() {
    let torn = conflict(
        Some(content(&[("card_number", 0), ("note", 0)])),
        content(&[("card_number", 1), ("note", 0)]),
        content(&[("card_number", 2), ("note", 2)]),
    );
    let found = decided(&torn, RecordType::PaymentCard, MergePolicy::Field, &[("card_number", Side::Local)]);
    assert_eq!(found, missing(&["note"]));
}

#[test]
fn a_field_that_one_side_removed_or_added_must_be_named() {
    let torn = conflict(
        Some(content(&[("a", 0), ("gone", 0)])),
        content(&[("a", 1)]),
        content(&[("a", 2), ("gone", 0), ("new", 2)]),
    );
    let found = decided(&torn, RecordType::KeyValue, MergePolicy::Field, &[("a", Side::Local)]);
    assert_eq!(found, missing(&["gone", "new"]));
}

#[test]
fn without_a_base_everything_that_differs_must_be_named() {
    let torn = conflict(None, content(&[("note", 1), ("same", 0)]), content(&[("note", 2), ("same", 0)]));
    assert_eq!(decided(&torn, RecordType::KeyValue, MergePolicy::Descriptive, &[]), missing(&["note"]));
    let found = decided(&torn, RecordType::KeyValue, MergePolicy::Descriptive, &[("note", Side::Remote)]);
    assert_eq!(found, sides(&[("note", Side::Remote), ("same", Side::Local)]));
}

/// The test covers every conflict over a user name, a password and a note, × every choice of sides that a
/// person may make. The result has the sides that the person named, and the other fields cannot mix
/// credentials.
#[test]
fn no_decision_makes_a_credential_of_which_a_person_did_not_name_every_part() {
    const NAMES: [&str; 3] = ["password", "username", "note"];
    let contents: Vec<Content> = (0..27_u8)
        .map(|number| {
            let values = [number % 3, number / 3 % 3, number / 9];
            let held: Vec<_> = NAMES.into_iter().zip(values).filter(|(_, value)| *value < 2).collect();
            content(&held)
        })
        .collect();
    let choices: Vec<Vec<(&str, Side)>> = (0..27_u8)
        .map(|number| {
            let picks = NAMES.into_iter().zip([number % 3, number / 3 % 3, number / 9]);
            let named = picks.filter(|(_, pick)| *pick < 2);
            named.map(|(name, pick)| (name, if pick == 0 { Side::Local } else { Side::Remote })).collect()
        })
        .collect();
    let mut carried_out = 0;
    for base in contents.iter().map(Some).chain([None]) {
        for local in &contents {
            for remote in &contents {
                if local.is_empty() && remote.is_empty() {
                    continue;
                }
                let torn = conflict(base.cloned(), local.clone(), remote.clone());
                for chosen in &choices {
                    for record_type in [RecordType::Password, RecordType::KeyValue] {
                        let found = decided(&torn, record_type, MergePolicy::Field, chosen);
                        let is_named = |name: &str| chosen.iter().any(|(named, _)| *named == name);
                        let open: Vec<_> = ["password", "username"]
                            .into_iter()
                            .filter(|name| local.get(*name) != remote.get(*name) && !is_named(name))
                            .collect();
                        let told = || format!("{torn:?} {chosen:?}: {found:?}");
                        match &found {
                            Err(names) => {
                                assert!(names.iter().all(|name| !is_named(name)), "{}", told());
                                assert!(open.iter().all(|name| names.iter().any(|open| open == name)), "{}", told());
                            }
                            Ok(fields) => {
                                assert!(open.is_empty(), "{}", told());
                                assert!(
                                    chosen.iter().all(|(name, side)| fields.get(*name) == Some(side)),
                                    "{}",
                                    told()
                                );
                                carried_out += 1;
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(carried_out > 10_000, "{carried_out}");
}
