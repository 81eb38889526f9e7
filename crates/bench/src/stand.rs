//! What a round measures on: a fresh server, and on each side one scope for the engine and one for the bare client, which are
//! always in the same state.
//!
//! A work has five parts. [`Stand::prepare`] brings both scopes into the state before it, [`Stand::warm_up`] lets the server
//! load what both are about to ask for, [`Stand::engine`] and [`Stand::bare`] do it, and [`Stand::check`] looks at both sides
//! afterwards. Only the third and the fourth are measured.

use anyhow::{Context as _, Result, ensure};
use vaultterm_reconcile::{Counts, Mode};
use vaultterm_sync::{ConnectionId, Run, RunState};
use vaultterm_testkit::openbao::{OpenBao, Setup};

use crate::{
    bare::Bare,
    house::{self, House, Lists, Town},
    works::{Changes, Work},
};

/// The scope of the engine, and that of the bare client.
const ENGINE: &str = "engine";
const BARE: &str = "bare";
/// Their scopes where both sides are half full.
const ENGINE_HALF: &str = "engine-half";
const BARE_HALF: &str = "bare-half";
/// A scope that nobody measures.
const WARM_UP: &str = "warm-up";

/// An installation and its connection.
struct Joined {
    house: House,
    connection: ConnectionId,
}

impl Joined {
    async fn new(server: &OpenBao, town: &Town, mode: Mode, scope: &str) -> Result<Self> {
        let house = House::new(server, town).await?;
        let connection = house.connect(mode, scope).await?;
        Ok(Self { house, connection })
    }
}

/// The server of a round, and both sides.
pub(crate) struct Stand {
    pub(crate) server: OpenBao,
    town: Town,
    bare: Bare,
    /// The numbers of all secrets.
    all: Vec<usize>,
    changes: Changes,
    /// The installation that keeps [`ENGINE`] in step in both directions.
    main: Joined,
    /// Whether everything was pushed, by the engine and by the bare client.
    pushed: bool,
    /// How often something was changed.
    generation: u32,
    /// The installation that pulls [`BARE`].
    pulling: Option<Joined>,
    /// The installation whose collection is half full.
    half: Option<Joined>,
}

impl Stand {
    pub(crate) async fn new(secrets: usize) -> Result<Self> {
        let server = OpenBao::start_with(Setup { raft: true, ..Setup::default() }).await;
        let town = house::prepare(&server).await;
        let bare = Bare::login(&server, &town).await?;
        let main = Joined::new(&server, &town, Mode::Bidirectional, ENGINE).await?;
        Ok(Self {
            server,
            town,
            bare,
            all: (0..secrets).collect(),
            changes: Changes::of(secrets),
            main,
            pushed: false,
            generation: 0,
            pulling: None,
            half: None,
        })
    }

    /// Brings both scopes into the state before a work.
    pub(crate) async fn prepare(&mut self, work: Work) -> Result<()> {
        if work != Work::InitialPush && !self.pushed {
            self.main.house.fill(&self.all).await?;
            self.main.house.run(self.main.connection, Lists::Cheapest).await?;
            self.bare(Work::InitialPush).await?;
            self.pushed = true;
        }
        match work {
            Work::InitialPush => self.main.house.fill(&self.all).await?,
            Work::InitialPull => {
                self.pulling = Some(Joined::new(&self.server, &self.town, Mode::Pull, BARE).await?);
            }
            Work::BothHalf => {
                let (here, there) = self.halves();
                for scope in [ENGINE_HALF, BARE_HALF] {
                    self.bare.push(scope, there).await?;
                }
                let half = Joined::new(&self.server, &self.town, Mode::Bidirectional, ENGINE_HALF).await?;
                half.house.fill(here).await?;
                self.half = Some(half);
            }
            Work::NoChange | Work::NoChangeList => {}
            Work::OnePercent | Work::UpdateAll | Work::Conflicts => self.change(work).await?,
        }
        Ok(())
    }

    /// Changes what a work carries over.
    async fn change(&mut self, work: Work) -> Result<()> {
        self.generation += 1;
        let (here, there): (&[usize], &[usize]) = match work {
            Work::UpdateAll => (&self.all, &[]),
            Work::Conflicts => (&self.changes.here, &self.changes.there),
            _ => (&[], &self.changes.there),
        };
        for scope in [ENGINE, BARE] {
            self.bare.update(scope, there, self.generation).await?;
        }
        // What is changed on both sides must differ, so the two sides have different generations.
        let here_generation = if work == Work::Conflicts { self.generation + 1 } else { self.generation };
        self.main.house.edit(here, here_generation).await
    }

    /// Lists both scopes, in the order in which they are about to be measured, and reads what both are about to pull. So the first
    /// of the two does not pay alone for what the server had yet to load, or to tidy up after the scopes were filled.
    pub(crate) async fn warm_up(&self, work: Work, engine_first: bool) -> Result<()> {
        let Self { bare, all, .. } = self;
        let (lists, count) = (Self::lists(work), all.len());
        let (mut scopes, secrets) = match work {
            Work::InitialPush => return bare.push(WARM_UP, &all[..count / 10]).await,
            Work::InitialPull => {
                bare.list(BARE, count, lists).await?;
                return bare.read(BARE, all).await;
            }
            Work::BothHalf => ([ENGINE_HALF, BARE_HALF], self.halves().1.len()),
            Work::NoChange | Work::NoChangeList | Work::OnePercent | Work::UpdateAll | Work::Conflicts => {
                ([ENGINE, BARE], count)
            }
        };
        if !engine_first {
            scopes.reverse();
        }
        for scope in scopes {
            bare.list(scope, secrets, lists).await?;
        }
        Ok(())
    }

    /// Returns how a work lists.
    fn lists(work: Work) -> Lists {
        match work {
            Work::NoChangeList => Lists::PerKey,
            Work::InitialPull | Work::BothHalf => Lists::ByFolder,
            _ => Lists::Cheapest,
        }
    }

    /// Lets the engine do a work.
    pub(crate) async fn engine(&self, work: Work) -> Result<Run> {
        let joined = match work {
            Work::InitialPull => self.pulling.as_ref(),
            Work::BothHalf => self.half.as_ref(),
            _ => Some(&self.main),
        };
        let Joined { house, connection } = joined.context("the work was prepared")?;
        house.run(*connection, Self::lists(work)).await
    }

    /// Lets the bare client do a work.
    pub(crate) async fn bare(&self, work: Work) -> Result<()> {
        let Self { bare, all, changes, generation, .. } = self;
        let list = || bare.list(BARE, all.len(), Self::lists(work));
        match work {
            Work::InitialPush => bare.push(BARE, all).await,
            Work::InitialPull => {
                list().await?;
                bare.read(BARE, all).await
            }
            Work::BothHalf => {
                let (here, there) = self.halves();
                bare.list(BARE_HALF, there.len(), Self::lists(work)).await?;
                bare.read(BARE_HALF, there).await?;
                bare.mark(BARE_HALF, there).await?;
                bare.push(BARE_HALF, here).await
            }
            Work::NoChange | Work::NoChangeList => list().await,
            Work::OnePercent => {
                list().await?;
                bare.read(BARE, &changes.there).await
            }
            Work::UpdateAll => {
                list().await?;
                bare.update(BARE, all, *generation).await
            }
            Work::Conflicts => {
                list().await?;
                bare.read(BARE, &changes.there).await?;
                bare.update(BARE, changes.only_here(), generation + 1).await
            }
        }
    }

    /// Checks that the engine did a work: its counts, and what both sides hold.
    pub(crate) async fn check(&mut self, work: Work, run: &Run) -> Result<()> {
        let (expected, partly) = (self.expected(work), work == Work::Conflicts);
        let Counts { unchanged, skipped, .. } = run.counts;
        let counts = Counts { unchanged: if expected.unchanged > 0 { unchanged } else { 0 }, ..run.counts };
        ensure!(skipped == 0 && counts == expected, "{}: {run:#?}", work.name());
        ensure!(run.state == RunState::Succeeded || partly && run.state == RunState::Partial, "{run:#?}");
        let (all, count, generation) = (&self.all, self.all.len(), self.generation);
        let (bare, main) = (&self.bare, &self.main.house);
        match work {
            Work::InitialPush => {
                self.pushed = true;
                bare.check(ENGINE, count, all, 0).await
            }
            Work::InitialPull => self.pulling.take().context("the work was done")?.house.check(count, all, 0).await,
            Work::BothHalf => {
                let half = self.half.take().context("the work was done")?;
                let (here, there) = self.halves();
                bare.check(ENGINE_HALF, count, here, 0).await?;
                half.house.check(count, there, 0).await
            }
            Work::NoChange | Work::NoChangeList => Ok(()),
            Work::OnePercent => main.check(count, &self.changes.there, generation).await,
            Work::UpdateAll => bare.check(ENGINE, count, all, generation).await,
            Work::Conflicts => {
                main.check(count, self.changes.only_there(), generation).await?;
                bare.check(ENGINE, count, self.changes.only_here(), generation + 1).await
            }
        }
    }

    /// Returns what a run of a work counts.
    fn expected(&self, work: Work) -> Counts {
        let all = self.all.len() as u64;
        let (here, there) = self.halves();
        let (half_here, half_there) = (here.len() as u64, there.len() as u64);
        let share = self.changes.there.len() as u64;
        let (conflicts, apart) = (self.changes.both as u64, self.changes.only_here().len() as u64);
        let none = Counts::default();
        match work {
            Work::InitialPush => Counts { created_remote: all, ..none },
            Work::InitialPull => Counts { created_local: all, ..none },
            Work::BothHalf => Counts { created_remote: half_here, created_local: half_there, ..none },
            Work::NoChange | Work::NoChangeList => Counts { unchanged: all, ..none },
            Work::OnePercent => Counts { updated_local: share, ..none },
            Work::UpdateAll => Counts { updated_remote: all, ..none },
            Work::Conflicts => Counts { conflicts, updated_local: apart, updated_remote: apart, ..none },
        }
    }

    /// Divides the numbers into those that are here and those that are in Vault where both sides are half full.
    fn halves(&self) -> (&[usize], &[usize]) {
        self.all.split_at(self.all.len() / 2)
    }
}
