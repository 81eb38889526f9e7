//! The loop that measures: rounds, in which the engine and the bare client change places.

use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::{
    figures::{Figure, Sample},
    process::Process,
    stand::Stand,
    works::Work,
};

/// Measures works with this many secrets. Each round has a server of its own.
pub(crate) async fn measure(works: &[Work], secrets: usize, rounds: usize) -> Result<Vec<Figure>> {
    let mut figures: Vec<_> = works.iter().map(|work| Figure::of(work.name(), secrets)).collect();
    for round in 0..rounds {
        let mut stand = Stand::new(secrets).await?;
        for (work, figure) in works.iter().zip(&mut figures) {
            for time in 0..work.times() {
                let [engine, bare] = side_by_side(&mut stand, *work, round + time).await.context(work.name())?;
                figure.add(engine, bare);
            }
            println!("  round {}, {figure}", round + 1);
        }
    }
    Ok(figures)
}

/// Lets both do a work, directly one after the other. In even turns the engine goes first.
async fn side_by_side(stand: &mut Stand, work: Work, turn: usize) -> Result<[Sample; 2]> {
    let engine_first = turn.is_multiple_of(2);
    stand.prepare(work).await?;
    stand.warm_up(work, engine_first).await?;
    let (run, engine, bare);
    if engine_first {
        (run, engine) = sample(stand, stand.engine(work)).await?;
        ((), bare) = sample(stand, stand.bare(work)).await?;
    } else {
        ((), bare) = sample(stand, stand.bare(work)).await?;
        (run, engine) = sample(stand, stand.engine(work)).await?;
    }
    stand.check(work, &run).await?;
    Ok([engine, bare])
}

async fn sample<T>(stand: &Stand, work: impl Future<Output = Result<T>>) -> Result<(T, Sample)> {
    let _ = stand.server.take_answered();
    let (me, began) = (Process::me(), Instant::now());
    let cpu = me.cpu()?;
    let done = work.await?;
    let took = began.elapsed();
    Ok((done, Sample { took, cpu: me.cpu()?.saturating_sub(cpu), answered: stand.server.take_answered() }))
}
