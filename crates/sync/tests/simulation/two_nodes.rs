//! A world with two nodes: two engines on one journal, whose clocks are wrong, which freeze or die at any await, and whose
//! commits may lose their answer. Both work at the same time. The journal stands for the database that they share, and its
//! clock is the one that leases expire by.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use tokio_util::sync::CancellationToken;
use vaultterm_reconcile::{DriftPolicy, ExpiryPolicy, HaltKind, InitialPolicy, MergePolicy, Mode};
use vaultterm_sync::{Engine, Journal as _, RunId, RunRequest, Trigger};
use vaultterm_testkit::{
    FakeKv, Fuse, MemoryJournal, SkewedClock, World,
    world::{Ask, at},
};

use crate::{
    dice::Dice,
    faults,
    oracle::{differences_are_told, in_step_or_listed, ledger, reachable, settle},
    people::{PATHS, People},
    seen::{Listener, Seen},
};

/// The rounds of a world.
const ROUNDS: u32 = 25;
/// A time that is longer than a lease holds.
const LEASE_OVER: Duration = Duration::from_secs(61);
/// How far the clocks of nodes are ahead, in seconds.
const SKEWS_S: [i64; 7] = [0, 0, 1, -1, 45, 3_600, -3_600];

/// A node.
struct Node {
    fuse: Fuse,
    engine: Engine<MemoryJournal, FakeKv, SkewedClock>,
}

impl Node {
    fn new(world: &World, dice: &mut Dice) -> Self {
        let fuse = Fuse::new();
        let ahead_ns = dice.pick(&SKEWS_S) * 1_000_000_000;
        let clock = SkewedClock { clock: world.clock.clone(), ahead_ns };
        let (journal, kv) = (world.journal.with_fuse(fuse.clone()), world.kv.with_fuse(fuse.clone()));
        let engine = Engine::new(journal, kv, clock, Arc::new(world.license.clone()));
        Self { fuse, engine: engine.hinted(Arc::new(world.hints.clone())) }
    }

    /// Makes a whole run. It does not begin if another run has the lease, or began since `follows`.
    async fn run(&self, world: &World, ask: Ask, follows: Option<RunId>, listener: &Listener) {
        // Only a person acknowledges a halt.
        let trigger = if ask.acknowledge.is_empty() { Trigger::Interval } else { Trigger::Manual };
        let request = RunRequest { follows, trigger, ..world.request(ask) };
        if let Ok(begun) = self.engine.begin(world.id, request).await {
            listener.begin();
            self.engine.run(begun, listener, &CancellationToken::new()).await;
        }
    }
}

/// Runs two futures at the same time. Which of them goes on is random. One whose fuse has blown stands still, and the other goes
/// on. Ends when neither can go on.
async fn interleaved<A: Future<Output = ()>, B: Future<Output = ()>>(
    mut one: (Pin<&mut A>, &Fuse),
    mut other: (Pin<&mut B>, &Fuse),
    dice: &RefCell<Dice>,
) -> [bool; 2] {
    let mut ended = [false; 2];
    poll_fn(|context| {
        let mut skipped = false;
        for turn in 0..2 {
            if ended[turn] || [one.1, other.1][turn].blown() {
                continue;
            }
            if dice.borrow_mut().once_in(3) {
                skipped = true;
                continue;
            }
            let polled = if turn == 0 { one.0.as_mut().poll(context) } else { other.0.as_mut().poll(context) };
            ended[turn] = polled.is_ready();
        }
        if skipped {
            context.waker().wake_by_ref();
        }
        let stands = |turn: usize, fuse: &Fuse| ended[turn] || fuse.blown();
        if stands(0, one.1) && stands(1, other.1) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    ended
}

/// Plays the world of a seed. Returns its trace and the events that were seen.
pub(crate) fn simulate_two_nodes(seed: u64, mode: Mode) -> (Vec<String>, Seen) {
    let mut dice = Dice(seed ^ 0x2_0DE5);
    let world = World::with(mode, |options| {
        options.merge = dice.pick(MergePolicy::ALL);
        options.on_drift = dice.pick(DriftPolicy::ALL);
        options.initial = dice.pick(InitialPolicy::ALL);
        options.expired = dice.pick(ExpiryPolicy::ALL);
        options.max_delete_count = dice.pick(&[1, 2, 10]);
    });
    world.kv.mount(|mount, _| mount.versions_max = dice.pick(&[1, 3, 1_000]));
    let nodes = [Node::new(&world, &mut dice), Node::new(&world, &mut dice)];
    let mut life = Life { world, nodes, people: People::new(), seen: Seen::default(), trace: Vec::new(), seed };
    for _ in 0..ROUNDS {
        life.round(&mut dice);
    }
    life.end(mode)
}

struct Life {
    world: World,
    nodes: [Node; 2],
    people: People,
    seen: Seen,
    trace: Vec<String>,
    seed: u64,
}

impl Life {
    fn round(&mut self, dice: &mut Dice) {
        for _ in 0..dice.roll(8) {
            self.people.meddle(&self.world, dice);
        }
        let before = ledger(&[&self.world]);
        faults::script(&self.world, dice);
        if self.seed % 3 == 1 {
            for path in PATHS.iter().filter(|_| dice.once_in(3)) {
                self.world.hints.add(self.world.id, at(path));
            }
        }
        self.both_run(dice);
        self.world.hints.forget();
        faults::heal(&self.world);
        self.world.journal.lose_no_answer();
        let lost: Vec<_> = before.difference(&reachable(&[&self.world])).cloned().collect();
        assert!(lost.is_empty(), "seed {}: {lost:?} cannot be reached any more", self.seed);
        let requests = self.world.kv.take_log();
        self.trace.extend(requests.into_iter().map(|r| format!("{:?} {} {:?}", r.operation, r.path, r.version)));
    }

    /// Lets both nodes decide on a run at the same moment, and carry it out at the same time.
    fn both_run(&mut self, dice: &mut Dice) {
        let Self { world, nodes, seen, seed, .. } = self;
        let newest = world.clock.drive(world.journal.last_begun(world.id)).expect("the journal answers");
        let follows = newest.filter(|_| dice.once_in(2));
        if dice.once_in(4) {
            world.journal.lose_answer(1 + dice.roll(60) as u64);
            seen.count("event lost answer", 1);
        }
        let stops: [bool; 2] = [dice.once_in(3), dice.once_in(3)];
        let dies = dice.once_in(2);
        for (node, stops) in nodes.iter().zip(stops) {
            if stops {
                node.fuse.set(1 + dice.roll(160) as u64);
            }
        }
        let asks = [ask(dice), ask(dice)];
        let listeners = [Listener::default(), Listener::default()];
        let [one, other] = &*nodes;
        let [one_ask, other_ask] = asks;
        let mut one_runs = Box::pin(one.run(world, one_ask, follows, &listeners[0]));
        let mut other_runs = Box::pin(other.run(world, other_ask, follows, &listeners[1]));
        let turns = RefCell::new(Dice(dice.roll(usize::MAX >> 1) as u64));
        let both = interleaved((one_runs.as_mut(), &one.fuse), (other_runs.as_mut(), &other.fuse), &turns);
        let ended = world.clock.drive(both);
        let began = [listeners[0].began(), listeners[1].began()];
        if follows.is_some() {
            assert!(!(began[0] && began[1]), "seed {seed}: two nodes made the same due run");
            seen.count("event due run that two nodes wanted", 1);
        }
        seen.count("event run beside another node", (began[0] || began[1]).into());
        // Those that stand still are dead, or go on after their lease is over and another node has run.
        nodes.iter().for_each(|node| node.fuse.disarm());
        if ended != [true, true] {
            world.clock.advance(LEASE_OVER);
            let successor = Listener::default();
            let awake = usize::from(ended[1]);
            world.clock.drive(nodes[awake].run(world, ask(dice), None, &successor));
            let took_over = successor.began();
            seen.add(successor.take());
            for (turn, has_ended) in ended.into_iter().enumerate() {
                if has_ended {
                    continue;
                }
                if dies {
                    seen.count("event dead node", 1);
                    continue;
                }
                seen.count("event frozen node", 1);
                let sent = world.kv.changes_sent();
                if turn == 0 {
                    world.clock.drive(one_runs.as_mut());
                } else {
                    world.clock.drive(other_runs.as_mut());
                }
                let more = world.kv.changes_sent() - sent;
                let had_lease = began[turn];
                assert!(
                    !had_lease || !took_over || more == 0,
                    "seed {seed}: {more} requests that write, after another node took over"
                );
            }
        }
        drop((one_runs, other_runs));
        for listener in listeners {
            seen.add(listener.take());
        }
    }

    /// Ends the faults. The remaining work is done, and then there must be nothing to do.
    fn end(mut self, mode: Mode) -> (Vec<String>, Seen) {
        self.world.clock.advance(LEASE_OVER);
        let before = ledger(&[&self.world]);
        settle(&[&self.world], self.seed);
        let lost: Vec<_> = before.difference(&reachable(&[&self.world])).cloned().collect();
        assert!(lost.is_empty(), "seed {}: {lost:?} cannot be reached any more", self.seed);
        if mode == Mode::Bidirectional {
            in_step_or_listed(&self.world, self.seed);
        }
        differences_are_told(&self.world, self.seed);
        self.seen.count("event edit", self.people.done().into());
        self.seen.count("event hint followed during a look", self.world.hints.followed());
        (self.trace, self.seen)
    }
}

fn ask(dice: &mut Dice) -> Ask {
    let acknowledge = if dice.once_in(2) { HaltKind::ALL.iter().copied().collect() } else { BTreeSet::new() };
    Ask { acknowledge, ..Ask::default() }
}
