//! No run makes a credential that no person wrote. The tests use arbitrary field names and every small pair
//! of edits.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod world;

use std::collections::BTreeMap;

use proptest::{
    prelude::*,
    sample::select,
    test_runner::{Config, TestRunner},
};
use vaultterm_reconcile::{
    Content, FieldDigest, MergePolicy, Merged, Mode, Options, RecordType, Side, Sides, Version, merge,
};
use world::{HERE, World, id, path};

/// The number of random pairs of edits.
const CASES: u32 = 50_000;

/// The descriptive names as the specification lists them. The planner has a separate list.
const LISTED: [&str; 12] = [
    "notes",
    "note",
    "comment",
    "description",
    "title",
    "label",
    "tags",
    "owner",
    "contact",
    "team",
    "expires",
    "rotate_by",
];

/// Names of parts of credentials, and of fields that often stand beside them.
const PARTS: [&str; 14] = [
    "username",
    "password",
    "user",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "client_id",
    "client_secret",
    "tls.crt",
    "tls.key",
    "url",
    "host",
    "port",
    "note2",
    "owner id",
];

/// Returns whether a field only describes, by the words of the specification.
fn describes(name: &str) -> bool {
    let plain = |text: &str| text.replace(['-', '_'], "").to_ascii_lowercase();
    LISTED.iter().any(|listed| plain(listed) == plain(name))
}

fn changed(from: &Content, to: &Content) -> Vec<String> {
    let names = from.keys().chain(to.keys());
    names.filter(|name| from.get(*name) != to.get(*name)).cloned().collect()
}

/// Returns a listed name in any spelling.
fn spelled() -> impl Strategy<Value = String> {
    (select(&LISTED[..]), any::<[bool; 4]>()).prop_map(|(name, [upper, dash, bare, tail])| {
        let name = if upper { name.to_uppercase() } else { name.to_owned() };
        let name = if dash { name.replace('_', "-") } else { name };
        let name = if bare { name.replace('_', "") } else { name };
        if tail { format!("{name}_") } else { name }
    })
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![3 => select(&PARTS[..]).prop_map(str::to_owned), 3 => spelled(), 1 => "\\PC{1,6}", 1 => "[a-z_-]{1,5}"]
}

/// Returns up to five fields, each with its values in base, local and remote.
fn edits() -> impl Strategy<Value = [Content; 3]> {
    let value = || prop::option::weighted(0.9, 0_u8..3);
    prop::collection::btree_map(name(), (value(), value(), value()), 1..6).prop_map(|fields| {
        let mut sides = [Content::new(), Content::new(), Content::new()];
        for (name, (base, local, remote)) in fields {
            for (side, value) in sides.iter_mut().zip([base, local, remote]) {
                side.extend(value.map(|value| (name.clone(), FieldDigest { digest: [value; 32], length: 1 })));
            }
        }
        sides
    })
}

/// Lets two people edit a secret, and then runs the connection.
fn run([base, local, remote]: [&Content; 3], record_type: RecordType, options: &Options) -> World {
    let mut world = World { clock: 1_000, ..World::default() };
    world.add(id(1), &path("p"), record_type, base.clone());
    world.write_content(&path("p"), base.clone(), Version::NONE);
    world.set_base(&path("p"));
    world.edit(id(1), local.clone());
    world.write_content(&path("p"), remote.clone(), Version(1));
    let plan = world.plan_all(options);
    world.apply(&plan, options, true);
    world
}

#[test]
fn no_side_ever_holds_a_combination_that_nobody_wrote_unless_one_side_only_described_or_any_fields_are_merged() {
    let cases = (edits(), select(MergePolicy::ALL), select(RecordType::ALL));
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let held = TestRunner::new(config).run(&cases, |([base, local, remote], merge, record_type)| {
        let options = Options { merge, ..Options::defaults(Mode::Bidirectional, HERE) };
        let world = run([&base, &local, &remote], record_type, &options);
        let written = [&base, &local, &remote];
        let held = [world.records[&id(1)].content(), world.keys[&path("p")].content.as_ref().unwrap()];
        let only_described = |side: &Content| changed(&base, side).iter().all(|name| describes(name));
        let allowed = match merge {
            MergePolicy::Field => true,
            MergePolicy::Descriptive => only_described(&local) || only_described(&remote),
            MergePolicy::Secret => false,
        };
        for content in held {
            prop_assert!(allowed || written.contains(&content), "nobody wrote {:?}", content.keys());
            if merge != MergePolicy::Field {
                let credential = |content: &Content| -> Content {
                    let fields = content.iter().filter(|(name, _)| !describes(name));
                    fields.map(|(name, value)| (name.clone(), *value)).collect()
                };
                let whole = written.iter().any(|side| credential(side) == credential(content));
                prop_assert!(whole, "halves of two credentials: {:?}", content.keys());
            }
        }
        Ok(())
    });
    held.unwrap_or_else(|broken| panic!("{broken}"));
}

/// The test covers all contents of base, local and remote with a user name, a password and a note, each with
/// three values or missing.
#[test]
fn every_small_pair_of_edits_is_merged_exactly_where_the_rule_allows_it() {
    let contents: Vec<Content> = (0..64_u8)
        .map(|number| {
            let fields = [("user", number % 4), ("password", number / 4 % 4), ("Note", number / 16)];
            let held = fields.into_iter().filter(|(_, value)| *value < 3);
            held.map(|(name, value)| (name.to_owned(), FieldDigest { digest: [value; 32], length: 1 })).collect()
        })
        .collect();
    let mut merges = 0;
    for base in &contents {
        for local in &contents {
            for remote in &contents {
                let sides = Sides { base, local, remote };
                let same_field = changed(base, local)
                    .iter()
                    .any(|name| changed(base, remote).contains(name) && local.get(name) != remote.get(name));
                let described = [local, remote].map(|side| changed(base, side).iter().all(|name| describes(name)));
                for policy in MergePolicy::ALL {
                    let found = merge(sides, RecordType::KeyValue, *policy);
                    let told = || format!("{policy:?} {base:?} {local:?} {remote:?}: {found:?}");
                    let makes = |fields: &BTreeMap<String, Side>| -> Content {
                        let value = |(name, side): (&String, &Side)| {
                            (name.clone(), if *side == Side::Remote { remote[name] } else { local[name] })
                        };
                        fields.iter().map(value).collect()
                    };
                    match &found {
                        Err(_) => {
                            let forbidden = match policy {
                                MergePolicy::Secret => local != remote,
                                MergePolicy::Descriptive => described == [false, false],
                                MergePolicy::Field => false,
                            };
                            assert!(same_field || forbidden, "{}", told());
                        }
                        Ok(Merged::Local | Merged::Remote) => assert!(!same_field, "{}", told()),
                        Ok(Merged::Fields(fields)) => {
                            let content = makes(fields);
                            assert!(content != *local && content != *remote && !same_field, "{}", told());
                            let rule = *policy == MergePolicy::Field
                                || *policy == MergePolicy::Descriptive && described != [false, false];
                            assert!(rule, "{}", told());
                            for name in ["user", "password", "Note"] {
                                let edited = if base.get(name) == local.get(name) { remote } else { local };
                                assert_eq!(content.get(name), edited.get(name), "{name}: {}", told());
                            }
                            merges += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(merges > 1_000, "{merges} merges");
}
