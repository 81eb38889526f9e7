//! The faults of a world: requests that fail before or after their effect, servers that are sealed or show an
//! older state, tokens that end, rights and mounts that are taken away and given back.

use vaultterm_sync::FaultClass;
use vaultterm_testkit::{Mishap, Operation, Rule, Verdict, World, fault};

use crate::{dice::Dice, people::PATHS};

/// Scripts the faults of the next run.
pub(crate) fn script(world: &World, dice: &mut Dice) {
    use FaultClass::{
        Denied, Invalid, Misconfigured, NamespaceIgnored, Protocol, RateLimited, Redirected, Sealed, Stale,
        StaleReplica, Unavailable, Unknown,
    };
    use Operation::{Connect, Delete, Look, Mark, Observe, Read, Write};
    for _ in 0..dice.roll(4) {
        let operation = dice.pick(&[Connect, Observe, Look, Read, Write, Mark, Delete, Write]);
        let class = match operation {
            Write => dice.pick(&[Unknown, Unknown, Unavailable, Denied, Stale, RateLimited, Invalid]),
            Connect => dice.pick(&[
                Unavailable,
                Sealed,
                StaleReplica,
                Denied,
                Protocol,
                Redirected,
                Misconfigured,
                NamespaceIgnored,
            ]),
            _ => dice.pick(&[Unavailable, Sealed, StaleReplica, Denied, Protocol, Redirected, RateLimited]),
        };
        let fault = fault(class);
        let lost = class == Unknown || (class == Unavailable && operation != Write);
        let verdict = if lost && dice.once_in(2) { Verdict::FailAfter(fault) } else { Verdict::FailBefore(fault) };
        let times = u32::try_from(1 + dice.roll(3)).expect("small");
        world.kv.script(Rule::next(operation, verdict).times(times));
    }
    world.kv.set_stale_reads(dice.once_in(6));
    if dice.once_in(8) {
        world.kv.set_sealed(true);
    }
    if dice.once_in(5) {
        world.kv.forbid(&format!("team/app/{}", dice.pick(&PATHS)));
    }
    if dice.once_in(12) {
        world.kv.set_secret_id("another");
    }
}

/// Scripts mishaps of the whole server for the next run, or just before it. Most of them are worse in the
/// middle of a run.
pub(crate) fn mishaps(world: &World, dice: &mut Dice) {
    use Mishap::{Loses, MountRecreated, MountRemoved, MountReturns, Regains, TokensExpire};
    use Operation::{Delete, Look, Mark, Observe, Read, Write};
    let within = |dice: &mut Dice| 1 + dice.roll(40) as u64;
    if dice.once_in(5) {
        for _ in 0..=dice.roll(2) {
            world.kv.happen_at(within(dice), TokensExpire);
        }
    }
    if dice.once_in(6) {
        let at = within(dice);
        world.kv.happen_at(at, Loses(dice.pick(&[Observe, Look, Read, Write, Mark, Delete])));
        if dice.once_in(2) {
            world.kv.happen_at(at + within(dice), Regains);
        }
    }
    if dice.once_in(8) {
        let at = within(dice);
        world.kv.happen_at(at, MountRemoved);
        if dice.once_in(2) {
            world.kv.happen_at(at + within(dice), MountReturns);
        }
    }
    if dice.once_in(30) {
        world.kv.happen_at(within(dice), MountRecreated);
    }
}

/// Ends all faults.
pub(crate) fn heal(world: &World) {
    world.kv.heal();
    world.kv.happen(Mishap::Regains);
    world.kv.happen(Mishap::MountReturns);
    world.kv.set_sealed(false);
    world.kv.set_stale_reads(false);
    world.kv.set_secret_id(vaultterm_testkit::SECRET_ID);
    for path in PATHS {
        world.kv.permit(&format!("team/app/{path}"));
    }
}
