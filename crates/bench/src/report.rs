//! Turns durations into ratios.

use std::{fmt, time::Duration};

/// The durations of one round: the engine's, then the bare client's.
pub(crate) struct Measured {
    pub(crate) push: (Duration, Duration),
    pub(crate) pull: (Duration, Duration),
    pub(crate) unchanged: (Duration, Duration),
    /// The number of requests of each of the engine's three runs.
    pub(crate) requests: [u64; 3],
}

impl Measured {
    /// Returns the speed of the engine as a share of the bare client's speed.
    fn speeds(&self) -> [f64; 3] {
        [self.push, self.pull, self.unchanged].map(|(engine, bare)| bare.as_secs_f64() / engine.as_secs_f64())
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = ["push", "pull", "no change"];
        let times = [self.push, self.pull, self.unchanged];
        for (((name, (engine, bare)), requests), speed) in
            names.into_iter().zip(times).zip(self.requests).zip(self.speeds())
        {
            write!(
                f,
                "\n  {name:<10} engine {:>8.2} s ({requests} requests)   bare {:>8.2} s   speed {speed:.2} of bare",
                engine.as_secs_f64(),
                bare.as_secs_f64()
            )?;
        }
        Ok(())
    }
}

/// The speeds of all rounds.
#[derive(Default)]
pub(crate) struct Report(Vec<[f64; 3]>);

impl Report {
    pub(crate) fn add(&mut self, measured: Measured) {
        self.0.push(measured.speeds());
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in ["push", "pull", "no change"].into_iter().enumerate() {
            let mut speeds: Vec<f64> = self.0.iter().map(|round| round[at]).collect();
            speeds.sort_by(f64::total_cmp);
            let (least, middle, most) = (speeds[0], speeds[speeds.len() / 2], speeds[speeds.len() - 1]);
            // The target is twice the time of the bare client, which is half its speed.
            let met = if middle >= 0.5 { "met" } else { "MISSED" };
            writeln!(
                f,
                "{name:<10} {middle:.2} of the bare client's speed ({least:.2} to {most:.2}); target 0.50 {met}"
            )?;
        }
        Ok(())
    }
}
