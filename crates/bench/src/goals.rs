//! The goals of a sync, and whether the figures meet them.

use crate::{
    audit::met,
    figures::Figure,
    hinted::Hinted,
    paced::Paced,
    peers::Seen,
    people::{Measured, percentile},
    works::Work,
};

/// The least share of the bare client's speed. The goals of the first four are for 10,000 secrets.
const SPEEDS: [(Work, f64); 5] = [
    (Work::InitialPush, 0.92),
    (Work::InitialPull, 0.85),
    (Work::UpdateAll, 0.85),
    (Work::NoChange, 0.9),
    (Work::NoChangeList, 0.85),
];
/// The requests of a run without a change beside those that list the scope.
const REQUESTS_BESIDE: u64 = 10;
/// How much longer ten times as many secrets may take.
const TEN_TIMES: f64 = 11.0;
/// The memory of the server.
const RSS_MB: u64 = 250;
/// How much longer people may wait during a run, at p99.
const SLOWDOWN: f64 = 3.0;
/// The processor time of the engine for each secret of a run that encrypts nothing.
const CPU_MS: f64 = 0.1;
/// The requests for each change that was hinted at, and how soon it is here, at p95.
const REQUESTS_PER_CHANGE: f64 = 6.0;
const HERE_AFTER_MS: f64 = 2_000.0;
/// How far the requests per second of a run may be from its limit.
const OFF_BUDGET: f64 = 0.1;
/// How much longer another client of Vault may wait during a run with a limit, at p99.
const OTHERS_WAIT: f64 = 1.5;
/// How much faster a run is than the best other program that finds nothing to do: a run without a change, and one with a change
/// of one percent. Other programs read every value to find what changed, so a change only makes them slower.
const AHEAD: [(Work, f64); 2] = [(Work::NoChange, 20.0), (Work::OnePercent, 10.0)];

/// Everything that was measured.
#[derive(Default)]
pub(crate) struct All {
    pub(crate) figures: Vec<Figure>,
    pub(crate) served: Vec<Measured>,
    pub(crate) hinted: Vec<Hinted>,
    pub(crate) paced: Vec<Paced>,
    pub(crate) peers: Vec<Seen>,
}

/// Returns a line for each goal that the figures can judge.
pub(crate) fn judged(all: &All) -> Vec<String> {
    let mut lines = Vec::new();
    let mut judge = |goal: String, is_met: bool| lines.push(format!("{goal}: {}", met(is_met)));
    for figure in &all.figures {
        let Figure { work, secrets, .. } = figure;
        let [_, ratio, _] = figure.ratios();
        for (_, goal) in SPEEDS.iter().filter(|(of, _)| of.name() == *work) {
            judge(format!("{work}, {secrets}: {ratio:.2} of the bare client's speed, goal {goal}"), ratio >= *goal);
        }
        if let Some(less) = all.find(work, secrets / 10).filter(|_| secrets % 10 == 0) {
            let times = figure.engine().as_secs_f64() / less.engine().as_secs_f64();
            let goal = format!("{work}, {} to {secrets}: {times:.1} times as long, goal {TEN_TIMES}", less.secrets);
            judge(goal, times <= TEN_TIMES);
        }
    }
    for quiet in all.of(Work::NoChange) {
        let (secrets, [requests, pages]) = (quiet.secrets, quiet.requests());
        let most = pages + REQUESTS_BESIDE;
        judge(format!("no change, {secrets}: {requests} requests, goal {most}"), requests <= most);
        let [cpu, _] = quiet.cpu_ms();
        judge(format!("no change, {secrets}: {cpu:.3} ms of processor per secret, goal {CPU_MS}"), cpu <= CPU_MS);
        if let Some(some) = all.find(&Work::OnePercent.name(), secrets) {
            // The bare client lists in both works, so the difference is what the changed secrets take.
            let changed = some.bare().saturating_sub(quiet.bare());
            let (took, most) = (some.engine().as_secs_f64(), (quiet.engine() * 2 + changed).as_secs_f64());
            let goal = format!(
                "one percent, {secrets}: {took:.2} s, goal {most:.2} s (two runs without a change, and the bare requests)"
            );
            judge(goal, took <= most);
        }
        let others = all.peers.iter().filter(|seen| seen.secrets == secrets && seen.is_quiet());
        if let Some(best) = others.min_by(|one, other| one.took.cmp(&other.took)) {
            for (work, goal) in AHEAD {
                let Some(figure) = all.find(&work.name(), secrets) else { continue };
                let times = best.took.as_secs_f64() / figure.engine().as_secs_f64();
                let (work, best) = (work.name(), &best.name);
                judge(format!("{work}, {secrets}: {times:.1} times as fast as {best}, goal {goal}"), times >= goal);
            }
        }
    }
    for measured in &all.served {
        let secrets = measured.secrets;
        for (work, peak) in &measured.peaks_mb {
            judge(format!("{work}, {secrets}: {peak} MB at most, goal {RSS_MB}"), *peak <= RSS_MB);
        }
        for waiting in measured.waiting.iter().filter(|waiting| waiting.counts()) {
            let times = waiting.slowdown();
            let goal = format!(
                "{} during a pull of {secrets}: p99 {times:.1} times that of an idle server, goal {SLOWDOWN}",
                waiting.what
            );
            judge(goal, times <= SLOWDOWN);
        }
    }
    for hinted in &all.hinted {
        let (secrets, others) = (hinted.secrets, hinted.about_others);
        let (each, after) = (hinted.requests_per_change(), percentile(&hinted.here_after_ms, 95));
        let goal = format!(
            "hinted, {secrets}: {each:.2} requests for each change, goal {REQUESTS_PER_CHANGE}, and {others} about others"
        );
        judge(goal, each <= REQUESTS_PER_CHANGE && others == 0);
        judge(
            format!("hinted, {secrets}: here after {after:.0} ms at p95, goal {HERE_AFTER_MS}"),
            after <= HERE_AFTER_MS,
        );
    }
    for paced in &all.paced {
        let share = paced.rate / paced.budget;
        judge(
            format!("paced: {share:.2} of the limit of requests per second, goal {OFF_BUDGET} off at most"),
            (share - 1.0).abs() <= OFF_BUDGET,
        );
        let times = paced.slowdown();
        let goal = format!("paced: p99 of another client {times:.1} times that without a run, goal {OTHERS_WAIT}");
        judge(goal, times <= OTHERS_WAIT);
    }
    lines
}

impl All {
    fn find(&self, work: &str, secrets: usize) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.work == work && figure.secrets == secrets)
    }

    fn of(&self, work: Work) -> impl Iterator<Item = &Figure> {
        self.figures.iter().filter(move |figure| figure.work == work.name())
    }
}
