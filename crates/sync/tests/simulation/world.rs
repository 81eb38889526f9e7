//! A world from its beginning to its rest.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio_util::sync::CancellationToken;
use vaultterm_reconcile::{
    DeletionPolicy, DriftPolicy, ExpiryPolicy, HaltKind, InitialPolicy, MergePolicy, Mode, SecretPath, Side,
};
use vaultterm_sync::{FieldChoice, Resolution, RunRequest, StoredConflict, Trigger};
use vaultterm_testkit::{Operation, World, world::Ask, world::at};

use crate::{
    dice::Dice,
    faults,
    oracle::{credentials, differences_are_told, in_step_or_listed, ledger, reachable, settle},
    people::{PATHS, People, apply_again, meddle_during_the_run, written_during_a_run},
    seen::{Listener, Seen},
};

/// Every world has at least this number of edits …
const EDITS_MIN: u32 = 100;
/// … and of faults, including crashes and pauses, …
const FAULTS_MIN: u64 = 5;
/// … but ends after this number of rounds.
const ROUNDS_MAX: u32 = 60;
/// The license lapses in one of this number of rounds.
const LAPSE: usize = 12;
/// The operations that change something in Vault.
const WRITES: [Operation; 3] = [Operation::Write, Operation::Mark, Operation::Delete];
/// The number of last requests that the report of a failed world shows.
const TOLD: usize = 60;
/// A time that is longer than a lease holds.
const LEASE_OVER: Duration = Duration::from_secs(61);

/// Plays the world of a seed. Returns its trace and the events that were seen.
pub(crate) fn simulate(seed: u64, mode: Mode) -> (Vec<String>, Seen) {
    let mut dice = Dice(seed);
    let world = World::with(mode, |options| {
        options.merge = dice.pick(MergePolicy::ALL);
        options.on_drift = dice.pick(DriftPolicy::ALL);
        options.initial = dice.pick(InitialPolicy::ALL);
        options.expired = dice.pick(ExpiryPolicy::ALL);
        if mode != Mode::Bidirectional {
            options.deletions = dice.pick(DeletionPolicy::ALL);
        }
        options.max_delete_count = dice.pick(&[1, 2, 10]);
    });
    // If a single version is kept, every value that a run overwrites must be in local history.
    world.kv.mount(|mount, _| mount.versions_max = dice.pick(&[1, 2, 3, 1_000]));
    let mut seen = Seen::default();
    if dice.once_in(6) {
        world.kv.set_names_only();
        seen.count("world of a server that lists names only", 1);
    }
    let other = dice.once_in(8).then(|| {
        seen.count("world of two installations", 1);
        world.beside(dice.pick(Mode::ALL), "instance-2")
    });
    // The lapses have their own dice, so that a lapse changes nothing else in a world.
    let lapses = Dice(!seed);
    let mut life = Life {
        world,
        other,
        people: People::new(),
        seen,
        trace: Vec::new(),
        accidents: 0,
        lapses,
        picky: matches!(seed % 10, 1 | 6),
        hinted: matches!(seed % 10, 2 | 7),
        applies: matches!(seed % 10, 4 | 5),
        whole: BTreeSet::new(),
    };
    let mut rounds = 0;
    while life.people.done() < EDITS_MIN || life.accidents() < FAULTS_MIN {
        rounds += 1;
        assert!(rounds <= ROUNDS_MAX, "seed {seed}: too few faults struck");
        life.round(&mut dice, seed);
    }
    life.end(mode, seed)
}

/// The actions of a round.
#[derive(Clone, Copy)]
struct Act {
    /// Whether a person decided for a deletion.
    undoes: bool,
    /// Whether a person decided field by field.
    joins: bool,
    /// Whether a run merged.
    merged: bool,
}

struct Life {
    world: World,
    /// Another installation with a connection to the same place.
    other: Option<World>,
    people: People,
    seen: Seen,
    trace: Vec<String>,
    /// The number of crashes and pauses.
    accidents: u64,
    /// The dice for lapses of the license.
    lapses: Dice,
    /// Whether people take only a part of some plans. Worlds that broke once know nothing of that.
    picky: bool,
    /// Whether some runs look at some paths only, and others follow hints while they look at everything. Worlds that broke once know nothing of that either.
    hinted: bool,
    /// Whether a program writes the values of accepted differences again after a decision, as
    /// `terraform apply` does, and a run sees that. Worlds that broke once know nothing of that.
    applies: bool,
    /// The credentials that were consistent at each look.
    whole: BTreeSet<String>,
}

impl Life {
    /// Returns all installations.
    fn worlds(&self) -> Vec<&World> {
        std::iter::once(&self.world).chain(&self.other).collect()
    }

    /// Returns one of the installations.
    fn one(&self, dice: &mut Dice) -> World {
        match &self.other {
            Some(other) if dice.once_in(2) => other.clone(),
            _ => self.world.clone(),
        }
    }

    fn accidents(&self) -> u64 {
        self.accidents + self.world.kv.faults()
    }

    /// Makes some edits, and then a run or a decision while faults happen.
    fn round(&mut self, dice: &mut Dice, seed: u64) {
        let earlier = self.world.kv.mount(|mount, _| mount.clone());
        for _ in 0..dice.roll(12) {
            let world = self.one(dice);
            self.people.meddle(&world, dice);
        }
        let values = Arc::new(Mutex::new(ledger(&self.worlds())));
        self.whole.extend(credentials(&self.worlds()));
        faults::script(&self.world, dice);
        faults::mishaps(&self.world, dice);
        if !self.world.kv.is_consistent() && dice.once_in(4) {
            self.seen.count("event old news", 1);
            let behind = self.world.kv.mount(|mount, _| mount.as_it_was(&earlier));
            self.world.kv.tell_old_news(behind);
        }
        let acting = self.one(dice);
        meddle_during_the_run(&acting, dice, &values, self.hinted);
        if self.hinted {
            for path in PATHS.iter().filter(|_| dice.once_in(3)) {
                acting.hints.add(acting.id, at(path));
            }
        }
        let lapsed = self.lapses.once_in(LAPSE);
        if lapsed {
            acting.license.take_away("it expired");
        }
        let guarded = || acting.journal.connection_row(acting.id).guarded.is_some();
        let was_guarded = guarded();
        let act = self.act(&acting, dice);
        acting.license.give_back();
        acting.hints.forget();
        faults::heal(&self.world);
        self.seen.conflicts(&acting);
        let requests = self.world.kv.take_log();
        let wrote = requests.iter().find(|r| WRITES.contains(&r.operation));
        assert!(!lapsed || wrote.is_none(), "seed {seed}: without a license {wrote:?}");
        let plan_only = was_guarded && guarded();
        self.seen.count("event plan-only after a restore", plan_only.into());
        assert!(!plan_only || wrote.is_none(), "seed {seed}: before a person acknowledged the restore {wrote:?}");
        self.trace.extend(requests.into_iter().map(|r| format!("{:?} {} {:?}", r.operation, r.path, r.version)));
        self.trace.push(format!("{} entries", acting.journal.audit().len()));
        self.trace.push(format!("{:?}", self.world.kv.mishaps()));
        self.credentials_stay_whole(&acting, act, seed);
        // A decision against an edit may delete it softly. A run by itself never does.
        if !act.undoes {
            let lost: Vec<_> =
                values.lock().expect("one thread").difference(&reachable(&self.worlds())).cloned().collect();
            let last = &self.trace[self.trace.len().saturating_sub(TOLD)..];
            assert!(lost.is_empty(), "seed {seed}: {lost:?} cannot be reached any more, after {last:#?}");
        }
    }

    /// Asserts that no run makes a credential that no person wrote, unless the connection allows it. A person
    /// who decides field by field may do so.
    fn credentials_stay_whole(&mut self, acting: &World, act: Act, seed: u64) {
        let merge = acting.journal.connection_row(acting.id).options.merge;
        let found = credentials(&self.worlds());
        if merge != MergePolicy::Field && !act.joins {
            let mixed: Vec<_> =
                found.difference(&self.whole).filter(|credential| !written_during_a_run(credential)).collect();
            assert!(mixed.is_empty(), "seed {seed}: nobody wrote {mixed:?}");
            self.seen.count("event merge that keeps credentials whole", act.merged.into());
        }
        self.whole.extend(found);
    }

    /// Makes a run or a decision that may die or pause at any await.
    fn act(&mut self, world: &World, dice: &mut Dice) -> Act {
        let conflicts = world.open_conflicts();
        if !conflicts.is_empty() && dice.once_in(3) {
            let (name, resolution, deletes) = match dice.roll(4) {
                0 => ("keep_local", Resolution::KeepLocal, true),
                1 => ("keep_remote", Resolution::KeepRemote, true),
                2 => ("merge", Resolution::Merge(a_choice(&conflicts[0], dice)), false),
                _ => ("keep_both", Resolution::KeepBoth, false),
            };
            if dice.once_in(3) {
                world.fuse.set(1 + dice.roll(120) as u64);
            }
            let decided = world.clock.drive_with_fuse(&world.fuse, world.resolving(&conflicts[0], resolution));
            if matches!(decided, Some(Ok(_))) {
                self.seen.count("event decision", 1);
                self.seen.count(format!("decision {name}"), 1);
            } else {
                self.seen.count("event decision refused", 1);
            }
            self.after(decided.is_some());
            if self.applies && deletes {
                apply_again(world, dice);
                self.run_to_the_end(world, dice);
            }
            return Act { undoes: deletes, joins: name == "merge", merged: false };
        }
        let merges = self.seen.of("step merge");
        match dice.roll(6) {
            _ if self.picky && dice.once_in(3) => self.run_in_part(world, dice),
            0 | 1 => self.run_that_dies(world, dice),
            2 => self.run_that_pauses(world, dice),
            _ => self.run_to_the_end(world, dice),
        }
        Act { undoes: false, joins: false, merged: self.seen.of("step merge") > merges }
    }

    /// Asks for a run: of the whole connection, or where hints say what moved, often of some paths.
    fn asked(&mut self, dice: &mut Dice) -> Ask {
        let ask = Self::ask(dice);
        if !self.hinted || dice.once_in(3) {
            return ask;
        }
        let at: BTreeSet<_> = PATHS.iter().filter(|_| dice.once_in(3)).map(|path| at(path)).collect();
        self.seen.count("event run that looked at some paths", (!at.is_empty()).into());
        let acknowledge = ask.acknowledge.into_iter().filter(|kind| *kind == HaltKind::MassDeletion).collect();
        Ask { at, acknowledge, ..Ask::default() }
    }

    fn ask(dice: &mut Dice) -> Ask {
        let acknowledge = if dice.once_in(2) { HaltKind::ALL.iter().copied().collect() } else { BTreeSet::new() };
        Ask { acknowledge, ..Ask::default() }
    }

    fn run_to_the_end(&mut self, world: &World, dice: &mut Dice) {
        let listener = Listener::default();
        let cancel = CancellationToken::new();
        if dice.once_in(10) {
            cancel.cancel();
        }
        let running = running(world, self.asked(dice), &listener, &cancel);
        world.clock.drive(running);
        self.seen.add(listener.take());
    }

    /// Makes a plan of which a person takes only a part: for some paths, or with steps left out.
    fn run_in_part(&mut self, world: &World, dice: &mut Dice) {
        let engine = world.engine();
        let some: BTreeSet<_> = PATHS.iter().filter(|_| dice.once_in(2)).map(|path| at(path)).collect();
        let only = if dice.once_in(2) { some.clone() } else { BTreeSet::new() };
        let Ok(stored) = world.clock.drive(engine.plan_for(world.id, &only)) else { return };
        let steps = stored.plan.steps.iter();
        let skip: BTreeSet<_> = steps.filter(|step| some.contains(&step.path)).map(|step| step.path.clone()).collect();
        let skip = if only.is_empty() { skip } else { BTreeSet::new() };
        let what = if only.is_empty() { "event run with steps left out" } else { "event run for some paths" };
        self.seen.count(what, (!some.is_empty()).into());
        let listener = Listener::default();
        let before = world.journal.base_rows(world.id);
        let ask = Ask { plan_id: Some(stored.id), skip: skip.clone(), ..Self::ask(dice) };
        world.clock.drive(running(world, ask, &listener, &CancellationToken::new()));
        let after = world.journal.base_rows(world.id);
        let same = |path: &SecretPath| before.get(path) == after.get(path) || stored.plan.base_set_aside;
        assert!(skip.iter().all(same), "a run moved the base of a path that was left out");
        self.seen.add(listener.take());
    }

    /// Kills a run at some await. The next run finds its lease taken until it expires.
    fn run_that_dies(&mut self, world: &World, dice: &mut Dice) {
        let listener = Listener::default();
        let cancel = CancellationToken::new();
        world.fuse.set(1 + dice.roll(120) as u64);
        let running = running(world, self.asked(dice), &listener, &cancel);
        let survived = world.clock.drive_with_fuse(&world.fuse, running).is_some();
        self.seen.add(listener.take());
        self.after(survived);
    }

    fn after(&mut self, survived: bool) {
        self.world.fuse.disarm();
        if !survived {
            self.accidents += 1;
            self.seen.count("event crash", 1);
            self.world.clock.advance(LEASE_OVER);
        }
    }

    /// Pauses a run at some await until its lease is over and another node has made a whole run. Then the
    /// paused run goes on as if nothing had happened.
    fn run_that_pauses(&mut self, world: &World, dice: &mut Dice) {
        let listener = Listener::default();
        let cancel = CancellationToken::new();
        world.fuse.set(1 + dice.roll(120) as u64);
        let mut zombie = pin!(running(world, self.asked(dice), &listener, &cancel));
        let ended = world.clock.drive_with_fuse(&world.fuse, zombie.as_mut()).is_some();
        world.fuse.disarm();
        if !ended {
            self.accidents += 1;
            self.seen.count("event pause", 1);
            let leased = listener.began();
            world.clock.advance(LEASE_OVER);
            let other = Listener::default();
            world.clock.drive(running(world, Self::ask(dice), &other, &cancel));
            let took_over = other.began();
            self.seen.add(other.take());
            let sent = world.kv.changes_sent();
            world.clock.drive(zombie);
            let more = world.kv.changes_sent() - sent;
            assert!(!leased || !took_over || more == 0, "{more} requests that write, after another run took over");
        }
        self.seen.add(listener.take());
    }

    /// Ends the faults. The remaining work is done, and then there must be nothing to do.
    fn end(mut self, mode: Mode, seed: u64) -> (Vec<String>, Seen) {
        self.world.clock.advance(LEASE_OVER);
        let before = ledger(&self.worlds());
        settle(&self.worlds(), seed);
        let lost: Vec<_> = before.difference(&reachable(&self.worlds())).cloned().collect();
        assert!(lost.is_empty(), "seed {seed}: {lost:?} cannot be reached any more");
        if mode == Mode::Bidirectional {
            in_step_or_listed(&self.world, seed);
        }
        differences_are_told(&self.world, seed);
        self.seen.count("event edit", self.people.done().into());
        self.seen.count("event hint followed during a look", self.world.hints.followed());
        self.seen.count("event fault", self.world.kv.faults());
        for (class, times) in self.world.kv.faults_by_class() {
            self.seen.count(format!("fault {class}"), times);
        }
        for (mishap, times) in self.world.kv.mishaps().into_iter().filter(|(_, times)| *times > 0) {
            self.seen.count(format!("mishap {mishap}"), times);
        }
        (self.trace, self.seen)
    }
}

/// Makes a whole run. If the connection is taken, it does nothing.
async fn running(world: &World, ask: Ask, listener: &Listener, cancel: &CancellationToken) {
    let engine = world.engine();
    // Only a person acknowledges a halt.
    let trigger = if ask.acknowledge.is_empty() { Trigger::Interval } else { Trigger::Manual };
    if let Ok(begun) = engine.begin(world.id, RunRequest { trigger, ..world.request(ask) }).await {
        listener.begin();
        engine.run(begun, listener, cancel).await;
    }
}

/// Returns a person's choice for every field in which the sides differ.
fn a_choice(conflict: &StoredConflict, dice: &mut Dice) -> BTreeMap<String, FieldChoice> {
    let side = |name: &String| (name.clone(), FieldChoice::Take(dice.pick(&[Side::Local, Side::Remote])));
    conflict.conflict.diverged.iter().map(side).collect()
}
