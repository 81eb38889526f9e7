//! The figures of a measurement: medians, the table, and a JSON line for each.

use std::{
    fmt::{self, Write as _},
    fs,
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};
use vaultterm_testkit::openbao::Answered;

use crate::works::Work;

/// What somebody's work took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) took: Duration,
    pub(crate) cpu: Duration,
    /// What the server answered, by its own audit log.
    pub(crate) answered: Answered,
}

/// What a work took in all rounds.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) work: String,
    pub(crate) secrets: usize,
    /// The engine's samples, each with that of the bare client beside it.
    pairs: Vec<(Sample, Sample)>,
    /// The most memory that a server held during this work, in MB.
    pub(crate) rss_mb: Option<u64>,
}

impl Figure {
    pub(crate) fn of(work: String, secrets: usize) -> Self {
        Self { work, secrets, pairs: Vec::new(), rss_mb: None }
    }

    pub(crate) fn add(&mut self, engine: Sample, bare: Sample) {
        self.pairs.push((engine, bare));
    }

    /// Returns the engine's speed as a share of the bare client's: the least, the median and the most of all pairs. Of an even
    /// number of pairs, the lower of the two in the middle counts.
    pub(crate) fn ratios(&self) -> [f64; 3] {
        let ratio = |(engine, bare): &(Sample, Sample)| bare.took.as_secs_f64() / engine.took.as_secs_f64();
        let mut ratios: Vec<_> = self.pairs.iter().map(ratio).collect();
        ratios.sort_by(f64::total_cmp);
        [ratios[0], ratios[(ratios.len() - 1) / 2], ratios[ratios.len() - 1]]
    }

    /// Returns how long the engine took, in the median.
    pub(crate) fn engine(&self) -> Duration {
        median(self.pairs.iter().map(|(engine, _)| engine.took))
    }

    /// Returns how long the bare client took, in the median.
    pub(crate) fn bare(&self) -> Duration {
        median(self.pairs.iter().map(|(_, bare)| bare.took))
    }

    /// Returns how many requests the engine and the bare client made, in the median.
    pub(crate) fn requests(&self) -> [u64; 2] {
        [
            median(self.pairs.iter().map(|(engine, _)| engine.answered.requests)),
            median(self.pairs.iter().map(|(_, bare)| bare.answered.requests)),
        ]
    }

    /// Returns the processor time of the engine and of the bare client for each secret, in milliseconds. The kernel counts in
    /// hundredths of a second, so this is the mean of all samples.
    pub(crate) fn cpu_ms(&self) -> [f64; 2] {
        let mean = |of: fn(&(Sample, Sample)) -> Duration| {
            let sum: Duration = self.pairs.iter().map(of).sum();
            sum.as_secs_f64() * 1_000.0 / (self.pairs.len() * self.secrets) as f64
        };
        [mean(|(engine, _)| engine.cpu), mean(|(_, bare)| bare.cpu)]
    }

    /// Returns the JSON line.
    fn line(&self) -> Value {
        let ([requests, bare_requests], [cpu, bare_cpu]) = (self.requests(), self.cpu_ms());
        let [least, ratio, most] = self.ratios().map(rounded);
        json!({
            "work": self.work, "secrets": self.secrets, "ratio": ratio, "requests": requests, "rss_mb": self.rss_mb,
            "ratio_least": least, "ratio_most": most, "samples": self.pairs.len(),
            "seconds": rounded(self.engine().as_secs_f64()), "bare_seconds": rounded(self.bare().as_secs_f64()),
            "bare_requests": bare_requests,
            "cpu_ms_per_secret": rounded(cpu), "bare_cpu_ms_per_secret": rounded(bare_cpu),
        })
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ([requests, bare_requests], [cpu, bare_cpu]) = (self.requests(), self.cpu_ms());
        let [least, ratio, most] = self.ratios();
        write!(
            f,
            "{:<15}{:>8} {:>8.2} s {:>8.2} s   {ratio:.2} ({least:.2} to {most:.2}) {requests:>9} {bare_requests:>9} \
             {cpu:>8.3} {bare_cpu:>8.3}",
            self.work,
            self.secrets,
            self.engine().as_secs_f64(),
            self.bare().as_secs_f64(),
        )?;
        match self.rss_mb {
            Some(rss) => write!(f, " {rss:>6}"),
            None => Ok(()),
        }
    }
}

/// Returns how long the engine took for several works together, in seconds, if all of them were measured.
pub(crate) fn engine_seconds(figures: &[Figure], works: &[Work], secrets: usize) -> Option<f64> {
    let took = |work: &Work| {
        let figure = figures.iter().find(|figure| figure.work == work.name() && figure.secrets == secrets);
        figure.map(|figure| figure.engine().as_secs_f64())
    };
    works.iter().map(took).sum()
}

/// Returns the table of figures.
pub(crate) fn table(figures: &[Figure]) -> String {
    let mut table = format!(
        "{:<15}{:>8} {:>10} {:>10}   {:<19} {:>9} {:>9} {:>8} {:>8} {:>6}\n",
        "work", "secrets", "engine", "bare", "ratio", "requests", "of bare", "cpu ms", "of bare", "MB"
    );
    for figure in figures {
        let _ = writeln!(table, "{figure}");
    }
    table
}

/// Everything that was measured, as JSON lines.
#[derive(Default)]
pub(crate) struct Lines(Vec<Value>);

impl Lines {
    pub(crate) fn add_figures(&mut self, figures: &[Figure]) {
        self.0.extend(figures.iter().map(Figure::line));
    }

    /// Adds a line of something else: its name, the number of secrets, and what was measured.
    pub(crate) fn add(&mut self, work: &str, secrets: usize, measured: Value) {
        let mut line = Map::from_iter([("work".to_owned(), json!(work)), ("secrets".to_owned(), json!(secrets))]);
        line.extend(measured.as_object().cloned().unwrap_or_default());
        self.0.push(Value::Object(line));
    }

    /// Writes a file with one line for each.
    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let text: String = self.0.iter().map(|line| format!("{line}\n")).collect();
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }
}

/// Returns the middle of some values, of which there is at least one.
pub(crate) fn median<T: Ord>(values: impl Iterator<Item = T>) -> T {
    let mut values: Vec<_> = values.collect();
    values.sort();
    let middle = values.len() / 2;
    values.swap_remove(middle)
}

/// Rounds to a thousandth.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(millis: u64, requests: u64) -> Sample {
        let took = Duration::from_millis(millis);
        Sample { took, cpu: took / 2, answered: Answered { requests, ..Answered::default() } }
    }

    #[test]
    fn a_figure_is_the_median_of_its_pairs_and_a_json_line_names_it() {
        let mut figure = Figure::of("no_change".to_owned(), 100);
        figure.add(sample(100, 6), sample(50, 1));
        figure.add(sample(100, 7), sample(90, 1));
        figure.add(sample(200, 7), sample(400, 3));
        let mut lines = Lines::default();
        lines.add_figures(&[figure]);
        lines.add("peer_other", 100, json!({"ratio": 20.0}));
        let file = tempfile::NamedTempFile::new().expect("a file");
        lines.write(file.path()).expect("written");

        let text = fs::read_to_string(file.path()).expect("read");
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let [line, other] = &lines[..] else { panic!("{text}") };
        assert_eq!((&line["work"], &line["secrets"], &line["samples"]), (&json!("no_change"), &json!(100), &json!(3)));
        assert_eq!(
            (&line["ratio"], &line["ratio_least"], &line["ratio_most"]),
            (&json!(0.9), &json!(0.5), &json!(2.0))
        );
        assert_eq!((&line["requests"], &line["bare_requests"]), (&json!(7), &json!(1)));
        assert_eq!((&line["seconds"], &line["bare_seconds"]), (&json!(0.1), &json!(0.09)));
        assert_eq!(line["cpu_ms_per_secret"], json!(0.667));
        assert_eq!(
            (&other["work"], &other["secrets"], &other["ratio"]),
            (&json!("peer_other"), &json!(100), &json!(20.0))
        );
    }
}
