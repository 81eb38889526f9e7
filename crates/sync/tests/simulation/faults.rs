//! What goes wrong: requests that fail before or after their effect, servers that are sealed or tell
//! old news, rights that are lost.

use vaultterm_sync::FaultClass;
use vaultterm_testkit::{Operation, Rule, Verdict, World, fault};

use crate::{dice::Dice, people::PATHS};

/// Scripts what goes wrong in the next run.
pub(crate) fn script(world: &World, dice: &mut Dice) {
    use FaultClass::{
        Denied, Invalid, Protocol, RateLimited, Redirected, Sealed, Stale, StaleReplica, Unavailable, Unknown,
    };
    use Operation::{Annotate, Connect, Delete, Look, Observe, Read, Write};
    for _ in 0..dice.roll(4) {
        let operation = dice.pick(&[Connect, Observe, Look, Read, Write, Annotate, Delete, Write]);
        let class = match operation {
            Write => dice.pick(&[Unknown, Unknown, Unavailable, Denied, Stale, RateLimited, Invalid]),
            _ => dice.pick(&[Unavailable, Sealed, StaleReplica, Denied, Protocol, Redirected]),
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

/// Everything works again.
pub(crate) fn heal(world: &World) {
    world.kv.heal();
    world.kv.set_sealed(false);
    world.kv.set_stale_reads(false);
    world.kv.set_secret_id(vaultterm_testkit::SECRET_ID);
    for path in PATHS {
        world.kv.permit(&format!("team/app/{path}"));
    }
}
