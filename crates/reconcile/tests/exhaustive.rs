//! Tests every small state of one path × every mode × every option.
//!
//! For each of them: the plan has no findings of the linter, carrying it out once converges, a crash between
//! the remote write and the record converges too, no value is lost, and a pull writes nothing to Vault.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod world;

use std::collections::BTreeSet;

use vaultterm_reconcile::{
    Accepted, Action, BaseEntry, Content, DeletionPolicy, DriftPolicy, ExpiryPolicy, HaltKind, InitialPolicy, Link,
    MergePolicy, Mode, Options, Plan, RecordType, RemoteHead, RemoteStamp, Revision, SeenMark, UnixNanos, Version,
};
use world::{ELSEWHERE, HERE, Key, Veil, World, content, id, path};

const EXPIRY: UnixNanos = UnixNanos(50);
const BASE_STAMP: RemoteStamp =
    RemoteStamp { key_created: UnixNanos(1), version: Version(2), version_created: UnixNanos(2) };

fn options() -> Vec<Options> {
    let mut all = Vec::new();
    for mode in Mode::ALL {
        for merge in MergePolicy::ALL {
            for deletions in DeletionPolicy::ALL {
                for expired in ExpiryPolicy::ALL {
                    for initial in InitialPolicy::ALL {
                        for on_drift in DriftPolicy::ALL {
                            for annotate in [true, false] {
                                let mut options = Options::defaults(*mode, HERE);
                                options.merge = *merge;
                                options.deletions = *deletions;
                                options.expired = *expired;
                                options.initial = *initial;
                                options.on_drift = *on_drift;
                                options.annotate = annotate;
                                all.push(options);
                            }
                        }
                    }
                }
            }
        }
    }
    all
}

/// Returns the bases. They also determine what history must contain.
fn bases() -> Vec<Option<(Link, Option<UnixNanos>)>> {
    vec![
        None,
        Some((Link::Linked, None)),
        Some((Link::Linked, Some(EXPIRY))),
        Some((Link::LocalGone, None)),
        Some((Link::RemoteGone, None)),
    ]
}

#[derive(Clone, Copy, Debug)]
enum Local {
    Missing,
    Trashed,
    Live { edits: &'static [(u8, u8)], retyped: bool },
    Replaced,
}

const LOCALS: [Local; 8] = [
    Local::Missing,
    Local::Trashed,
    Local::Live { edits: &[], retyped: false },
    Local::Live { edits: &[(0, 0)], retyped: false },
    Local::Live { edits: &[(0, 0)], retyped: true },
    Local::Live { edits: &[(1, 0)], retyped: false },
    Local::Live { edits: &[(2, 0), (1, 1)], retyped: true },
    Local::Replaced,
];

fn stamp(key_created: i64, version: u64, version_created: i64) -> RemoteStamp {
    RemoteStamp {
        key_created: UnixNanos(key_created),
        version: Version(version),
        version_created: UnixNanos(version_created),
    }
}

/// The head, its value, and how the path is seen.
type Remote = (Option<RemoteHead>, Option<(u8, u8)>, Option<Veil>);

fn remotes() -> Vec<Remote> {
    let live = |stamp, expires| Some(RemoteHead::Live { stamp, expires });
    let dead = |stamp, deleted, destroyed| Some(RemoteHead::Deleted { stamp, deleted, destroyed });
    let changed = stamp(1, 3, 3);
    vec![
        (None, None, None),
        (None, None, Some(Veil::Unlisted)),
        (live(BASE_STAMP, None), Some((0, 0)), Some(Veil::Unlisted)),
        (live(BASE_STAMP, None), Some((0, 0)), Some(Veil::Unreadable)),
        (Some(RemoteHead::Empty { key_created: UnixNanos(9) }), None, None),
        (live(BASE_STAMP, None), Some((0, 0)), None),
        (live(BASE_STAMP, Some(EXPIRY)), Some((0, 0)), None),
        (live(changed, None), Some((0, 0)), None),
        (live(changed, None), Some((1, 0)), None),
        (live(changed, None), Some((2, 0)), None),
        (live(changed, None), Some((0, 1)), None),
        (live(stamp(9, 1, 9), None), Some((0, 0)), None),
        (live(stamp(9, 2, 10), None), Some((0, 1)), None),
        (live(stamp(1, 1, 1), None), Some((0, 1)), None),
        (live(stamp(1, 2, 7), None), Some((2, 2)), None),
        (dead(BASE_STAMP, Some(UnixNanos(20)), false), Some((0, 0)), None),
        (dead(BASE_STAMP, Some(EXPIRY), false), Some((0, 0)), None),
        (dead(BASE_STAMP, None, true), None, None),
        (dead(changed, Some(UnixNanos(20)), false), Some((0, 1)), None),
        (dead(changed, Some(UnixNanos(30_000_000_003)), false), Some((0, 1)), None),
    ]
}

fn marks() -> Vec<SeenMark> {
    let of = |instance: &str, record_type| SeenMark {
        instance: Some(instance.to_owned()),
        record_id: Some(id(1)),
        record_type: Some(record_type),
        run: None,
    };
    vec![
        SeenMark::default(),
        of(HERE, RecordType::KeyValue),
        of(HERE, RecordType::ApiKey),
        of(ELSEWHERE, RecordType::KeyValue),
    ]
}

fn worlds() -> Vec<World> {
    let at = path("p");
    let mut all = Vec::new();
    for base in bases() {
        for local in LOCALS {
            for (head, value, veil) in remotes() {
                for mark in marks() {
                    let mut world = World { clock: 1_000, ..World::default() };
                    set_local(&mut world, local);
                    // A base names a record whose history contains its revision.
                    if let Some((link, expires)) = base {
                        if matches!(local, Local::Missing | Local::Replaced) {
                            world.add(id(1), &at, RecordType::KeyValue, content(0, 0));
                            world.records.get_mut(&id(1)).unwrap().trashed = true;
                        }
                        let entry = BaseEntry {
                            record_id: id(1),
                            revision: Revision::FIRST,
                            record_type: RecordType::KeyValue,
                            stamp: BASE_STAMP,
                            expires,
                            link,
                            held_since: Version(1),
                            accepted: None,
                        };
                        world.base.insert(at.clone(), entry);
                    }
                    if let Some(head) = head {
                        let key = Key { head, content: value.map(|(a, b)| content(a, b)), mark };
                        world.keys.insert(at.clone(), key);
                    }
                    if let Some(veil) = veil {
                        world.veils.insert(at.clone(), veil);
                    }
                    all.push(world);
                }
            }
        }
    }
    all
}

fn set_local(world: &mut World, local: Local) {
    let at = path("p");
    match local {
        Local::Missing => {}
        Local::Trashed => {
            world.add(id(1), &at, RecordType::KeyValue, content(0, 0));
            world.records.get_mut(&id(1)).unwrap().trashed = true;
        }
        Local::Live { edits, retyped } => {
            world.add(id(1), &at, RecordType::KeyValue, content(0, 0));
            for (a, b) in edits {
                world.edit(id(1), content(*a, *b));
            }
            if retyped {
                world.records.get_mut(&id(1)).unwrap().record_type = RecordType::SecureNote;
            }
        }
        Local::Replaced => world.add(id(2), &at, RecordType::KeyValue, content(1, 0)),
    }
}

/// The contents of the two sides when a person accepted that they differ.
const ACCEPTED: [(u8, u8); 2] = [(1, 0), (2, 0)];

/// The changes of a record whose difference was accepted.
const LOCALS_SINCE: [Local; 8] = [
    Local::Trashed,
    Local::Live { edits: &[], retyped: false },
    Local::Live { edits: &[(1, 0)], retyped: false },
    Local::Live { edits: &[(1, 0)], retyped: true },
    Local::Live { edits: &[(5, 5)], retyped: false },
    Local::Live { edits: &[(2, 0)], retyped: false },
    Local::Live { edits: &[(0, 0)], retyped: false },
    Local::Replaced,
];

fn remotes_since() -> Vec<Remote> {
    let live = |stamp, expires| Some(RemoteHead::Live { stamp, expires });
    let dead = |stamp, deleted| Some(RemoteHead::Deleted { stamp, deleted: Some(deleted), destroyed: false });
    let changed = stamp(1, 3, 3);
    vec![
        (None, None, None),
        (None, None, Some(Veil::Unlisted)),
        (live(BASE_STAMP, None), Some((2, 0)), Some(Veil::Unreadable)),
        (live(BASE_STAMP, None), Some((2, 0)), None),
        (live(BASE_STAMP, Some(EXPIRY)), Some((2, 0)), None),
        (live(changed, None), Some((2, 0)), None),
        (live(changed, None), Some((3, 0)), None),
        (live(changed, None), Some((1, 0)), None),
        (live(changed, None), Some((0, 0)), None),
        (live(stamp(9, 1, 9), None), Some((2, 0)), None),
        (live(stamp(1, 1, 1), None), Some((7, 7)), None),
        (dead(BASE_STAMP, UnixNanos(20)), Some((2, 0)), None),
        (dead(BASE_STAMP, UnixNanos(30_000_000_002)), Some((2, 0)), None),
        (dead(changed, UnixNanos(20)), Some((3, 0)), None),
    ]
}

/// Returns every small state of a path with an accepted difference.
fn accepted_worlds() -> Vec<World> {
    let at = path("p");
    let mut all = Vec::new();
    let pull = [(true, Mode::Pull, false), (false, Mode::Pull, false), (true, Mode::Pull, true)];
    let push = [(true, Mode::Push, false), (false, Mode::Push, false), (false, Mode::Push, true)];
    for (agreed, mode, reopened) in pull.into_iter().chain(push) {
        for local in LOCALS_SINCE {
            for (head, value, veil) in remotes_since() {
                for mark in marks() {
                    let mut world = World { clock: 1_000, ..World::default() };
                    world.add(id(1), &at, RecordType::KeyValue, content(0, 0));
                    let [(mine, _), (theirs, _)] = ACCEPTED;
                    world.edit(id(1), content(theirs, 0));
                    world.edit(id(1), content(mine, 0));
                    let entry = BaseEntry {
                        record_id: id(1),
                        revision: if agreed { Revision::FIRST } else { Revision(2) },
                        record_type: RecordType::KeyValue,
                        stamp: BASE_STAMP,
                        expires: None,
                        link: Link::Linked,
                        held_since: Version(1),
                        accepted: Some(Accepted {
                            local: Revision(3),
                            remote: Revision(2),
                            agreed,
                            mode,
                            reopened,
                            by: "ada".to_owned(),
                            at: UnixNanos(2),
                        }),
                    };
                    world.base.insert(at.clone(), entry);
                    set_local_since(&mut world, local);
                    if let Some(head) = head {
                        let key = Key { head, content: value.map(|(a, b)| content(a, b)), mark };
                        world.keys.insert(at.clone(), key);
                    }
                    world.veils.extend(veil.map(|veil| (at.clone(), veil)));
                    all.push(world);
                }
            }
        }
    }
    all
}

fn set_local_since(world: &mut World, local: Local) {
    if let Local::Live { edits, .. } = local {
        edits.iter().for_each(|(a, b)| world.edit(id(1), content(*a, *b)));
    }
    let record = world.records.get_mut(&id(1)).unwrap();
    match local {
        Local::Live { retyped: true, .. } => record.record_type = RecordType::SecureNote,
        Local::Trashed | Local::Replaced => record.trashed = true,
        Local::Missing | Local::Live { .. } => {}
    }
    if matches!(local, Local::Replaced) {
        world.add(id(2), &path("p"), RecordType::KeyValue, content(1, 0));
    }
}

/// Returns what is left to do, without the contents of conflicts.
fn open(plan: &Plan) -> (usize, BTreeSet<String>) {
    (plan.steps.len(), plan.conflicts.iter().map(|conflict| conflict.kind.as_str().to_owned()).collect())
}

fn check(world: &World, options: &Options) {
    let plan = world.plan_all(options);
    let told = || format!("{options:?}\n{world:?}\n{plan:?}");
    let missed = world.veils.get(&path("p")) == Some(&Veil::Unlisted) && world.keys.contains_key(&path("p"));
    if missed && plan.steps.iter().any(|step| step.action.writes_remote()) {
        // The listing missed a key. The write carries `cas` 0, and the server refuses it. The path is stale
        // and waits for a better listing.
        assert!(matches!(plan.steps[0].action, Action::CreateRemote { cas: Version::NONE, .. }), "{}", told());
        return;
    }

    let mut done = world.clone();
    done.apply(&plan, options, true);
    let again = done.plan_all(options);
    let (steps, conflicts) = open(&again);
    assert_eq!(steps, 0, "one application converges\n{}\nthen {again:?}", told());
    assert_eq!(conflicts, open(&plan).1, "conflicts stay as they are\n{}", told());

    for (name, after) in [("carried out", &done), ("crashed", &crashed(world, &plan, options))] {
        let lost: Vec<_> = world.reachable().difference(&after.reachable()).cloned().collect();
        assert!(lost.is_empty(), "{name}: lost {lost:?}\n{}", told());
        let mixed = after.mixed_since(world);
        assert!(options.merge == MergePolicy::Field || mixed.is_empty(), "{name}: nobody wrote {mixed:?}\n{}", told());
    }

    let mut healed = crashed(world, &plan, options);
    let written = healed.written;
    let next = healed.plan_all(options);
    let new: Vec<_> =
        next.conflicts.iter().filter(|one| !plan.conflicts.iter().any(|old| old.kind == one.kind)).collect();
    assert!(new.is_empty(), "a crash makes no conflict\n{}\nthen {next:?}", told());
    healed.apply(&next, options, true);
    let wrote_before = written > world.written;
    assert!(!(wrote_before && healed.written > written), "a crash makes no second version\n{}", told());
    assert_eq!(healed.plan_all(options).steps.len(), 0, "a crash heals in one run\n{}", told());

    if options.mode == Mode::Pull {
        assert_eq!(done.written, world.written, "a pull writes nothing to Vault");
    }
    let deleting =
        plan.steps.iter().any(|step| matches!(step.action, Action::DeleteLocal | Action::DeleteRemote { .. }));
    assert!(!(deleting && options.deletions == DeletionPolicy::Retain), "retain deletes nothing\n{}", told());
}

fn crashed(world: &World, plan: &Plan, options: &Options) -> World {
    let mut crashed = world.clone();
    crashed.apply(plan, options, false);
    crashed
}

#[test]
fn every_small_state_is_safe_and_converges_under_every_option() {
    let options = options();
    let worlds: Vec<_> = worlds().into_iter().chain(accepted_worlds()).collect();
    let half = worlds.len() / 2;
    let cases: usize = std::thread::scope(|scope| {
        let work = |part: Vec<World>| {
            let options = &options;
            scope.spawn(move || {
                for world in &part {
                    for choice in options {
                        check(world, choice);
                    }
                }
                part.len() * options.len()
            })
        };
        let (first, second) = (work(worlds[..half].to_vec()), work(worlds[half..].to_vec()));
        first.join().unwrap() + second.join().unwrap()
    });
    assert!(cases > 1_500_000, "{cases} cases");
}

/// Returns the contents of both sides, if both are live and readable, no other instance manages the secret,
/// and Vault did not go back.
fn both_stand(world: &World, options: &Options) -> Option<(Content, Content)> {
    let local = world.local().live.get(&path("p")).map(|entry| world.records[&entry.record_id].content().clone())?;
    let key = world.keys.get(&path("p")).filter(|_| world.veils.is_empty())?;
    let RemoteHead::Live { stamp, .. } = key.head else { return None };
    let foreign = options.mode != Mode::Pull && key.mark.instance.as_deref() == Some(ELSEWHERE);
    (!foreign && stamp != stamp_of_rewound()).then(|| (local, key.content.clone().unwrap()))
}

#[test]
fn an_accepted_difference_goes_on_exactly_while_both_sides_hold_what_was_accepted_in_the_same_mode_and_not_reopened() {
    let (mut kept, mut ended) = (0, 0);
    let options = options();
    for world in accepted_worlds() {
        let accepted = world.base[&path("p")].accepted.clone().unwrap();
        for options in &options {
            let Some((local, remote)) = both_stand(&world, options) else { continue };
            let plan = world.plan_all(options);
            let told = || format!("{options:?}\n{world:?}\n{plan:?}");
            let holds = !accepted.reopened && accepted.mode == options.mode;
            let keeps = plan.steps.iter().filter(|step| step.action == Action::KeepAccepted).count();
            let as_accepted = [&local, &remote] == [&content(1, 0), &content(2, 0)]
                && world.local().live[&path("p")].record_id == id(1);
            if as_accepted && holds {
                assert_eq!((keeps + plan.accepted.len(), plan.conflicts.len()), (1, 0), "{}", told());
                assert_eq!(plan.steps.len(), keeps, "{}", told());
                let mut done = world.clone();
                done.apply(&plan, options, true);
                assert_eq!(both_stand(&done, options), Some((local, remote)), "{}", told());
                assert!(done.base[&path("p")].accepted.is_some(), "{}", told());
                kept += 1;
            } else {
                assert_eq!(keeps + plan.accepted.len(), 0, "{}", told());
                let asked = local == remote || holds || plan.conflicts.len() == 1;
                assert!(asked, "in another mode, and where it was reopened, a person decides again\n{}", told());
                for conflict in &plan.conflicts {
                    let shown = (conflict.local.as_ref(), conflict.remote.as_ref());
                    assert_eq!(shown, (Some(&local), Some(&remote)), "what the sides hold is shown\n{}", told());
                    let agreed = accepted.agreed.then(|| content(0, 0));
                    assert_eq!(conflict.base, agreed, "and what they agreed on\n{}", told());
                }
                ended += 1;
            }
        }
    }
    assert!(kept > 10_000 && ended > 100_000, "{kept} {ended}");
}

#[test]
fn nothing_is_written_while_a_halt_is_not_acknowledged() {
    let rewound = worlds().into_iter().filter(|world| {
        world.base.values().any(|base| base.link == Link::Linked)
            && world.veils.is_empty()
            && world
                .keys
                .values()
                .any(|key| matches!(key.head, RemoteHead::Live { stamp, .. } if stamp == stamp_of_rewound()))
    });
    let mut seen = 0;
    for world in rewound {
        let plan = world.plan(&Options::defaults(Mode::Bidirectional, HERE), &BTreeSet::new());
        assert!(plan.halts.iter().any(|halt| halt.kind == HaltKind::Rewound), "{plan:#?}");
        seen += 1;
    }
    assert!(seen > 0);
}

fn stamp_of_rewound() -> RemoteStamp {
    stamp(1, 1, 1)
}
