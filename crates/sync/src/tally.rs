//! The results of a run so far: counts and problems. They are also reported as progress.

use std::sync::{Mutex, MutexGuard, PoisonError};

use vaultterm_reconcile::{Counts, Plan, Step};

use crate::{Event, Phase, Progress, RemoteFault, Run, RunProblem, Stage, problem::StepError};

/// The maximum number of problems that are kept per run. Further problems are only counted.
const PROBLEMS_MAX: usize = 1_000;

/// Counts results and reports them as progress.
pub(crate) struct Tally<'a, P> {
    progress: &'a P,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    counts: Counts,
    problems: Vec<RunProblem>,
    /// The number of skips that wait for a person and that no person accepted.
    waiting: u64,
    /// The number of reported problems, including those that are not kept.
    told: u64,
    done: u64,
    total: u64,
}

impl<'a, P: Progress> Tally<'a, P> {
    pub(crate) fn new(progress: &'a P) -> Self {
        Self { progress, state: Mutex::default() }
    }

    /// Reports the beginning of a phase.
    pub(crate) fn phase(&self, phase: Phase) {
        let (done, total) = {
            let state = self.state();
            (state.done, state.total)
        };
        self.progress.begins(phase.into());
        self.progress.tell(Event::Progress { done, total, phase });
    }

    /// Reports the beginning of a part of the work.
    pub(crate) fn begins(&self, stage: Stage) {
        self.progress.begins(stage);
    }

    /// Takes over the results that the plan alone determines. A path that was skipped because a request
    /// failed (`fault_at`) counts as a failure, and not as a skip.
    pub(crate) fn planned(&self, plan: &Plan, fault_at: impl Fn(&str) -> Option<RemoteFault>) {
        let (mut skipped, mut failed) = (Vec::new(), Vec::new());
        for skip in &plan.skips {
            let path = skip.path.as_str();
            match fault_at(path) {
                Some(fault) => failed.push(RunProblem::fault(path, &fault)),
                None => skipped.push(RunProblem::left_alone(skip)),
            }
        }
        let mut state = self.state();
        state.counts.unchanged = plan.unchanged;
        state.counts.accepted = plan.accepted.len() as u64;
        state.counts.conflicts = plan.conflicts.len() as u64;
        state.counts.skipped = skipped.len() as u64;
        state.waiting = plan.skips.iter().filter(|skip| skip.waits_for_a_person()).count() as u64;
        state.counts.failed = failed.len() as u64;
        state.total = plan.steps.len() as u64;
        drop(state);
        for problem in skipped.into_iter().chain(failed) {
            self.problem(problem);
        }
    }

    /// Counts a step that was carried out and recorded.
    pub(crate) fn done(&self, step: &Step) {
        let (done, total) = {
            let mut state = self.state();
            state.counts.count(&step.action);
            state.done += 1;
            (state.done, state.total)
        };
        self.progress.tell(Event::Step(step));
        self.progress.tell(Event::Progress { done, total, phase: Phase::Apply });
    }

    /// Returns the listener.
    pub(crate) fn progress(&self) -> &'a P {
        self.progress
    }

    /// Adds the steps that were carried out aside from the plan.
    pub(crate) fn adds<Q: Progress>(&self, aside: &Tally<'_, Q>) {
        let mut aside = aside.state().counts;
        for (sum, more) in steps_of(&mut self.state().counts).into_iter().zip(steps_of(&mut aside)) {
            *sum += *more;
        }
    }

    /// Counts a step that was not carried out.
    pub(crate) fn not_done(&self, step: &Step, error: &StepError) {
        // A step that did not get its turn counts neither as done nor as failed.
        let Some(problem) = RunProblem::step(step.path.as_str(), error) else { return };
        let (done, total) = {
            let mut state = self.state();
            match error {
                StepError::Stale(_) => state.counts.stale += 1,
                _ => state.counts.failed += 1,
            }
            state.done += 1;
            (state.done, state.total)
        };
        self.problem(problem);
        self.progress.tell(Event::Progress { done, total, phase: Phase::Apply });
    }

    /// Reports a problem, and keeps it if there is room.
    pub(crate) fn problem(&self, problem: RunProblem) {
        self.progress.tell(Event::Problem(&problem));
        let mut state = self.state();
        state.told += 1;
        if state.problems.len() < PROBLEMS_MAX {
            state.problems.push(problem);
        }
    }

    /// Returns whether any step was carried out.
    pub(crate) fn anything_done(&self) -> bool {
        let mut counts = self.state().counts;
        steps_of(&mut counts).into_iter().any(|count| *count > 0)
    }

    /// Returns whether every step of the plan had its turn.
    pub(crate) fn all_had_their_turn(&self) -> bool {
        let state = self.state();
        state.done == state.total
    }

    /// Returns whether the run left something undone that a person must see: results that were not planned,
    /// and paths that can be synchronized only after a person acts. Other skips do not count.
    pub(crate) fn anything_wrong(&self) -> bool {
        let state = self.state();
        state.told > state.counts.skipped || state.waiting > 0
    }

    /// Writes the counts and problems so far into a run.
    pub(crate) fn write_to(&self, run: &mut Run) {
        let state = self.state();
        run.counts = state.counts;
        run.problems.clone_from(&state.problems);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the counts of steps that were carried out.
const fn steps_of(counts: &mut Counts) -> [&mut u64; 7] {
    let Counts {
        created_remote,
        updated_remote,
        deleted_remote,
        created_local,
        updated_local,
        deleted_local,
        adopted,
        unchanged: _,
        accepted: _,
        conflicts: _,
        skipped: _,
        failed: _,
        stale: _,
    } = counts;
    [created_remote, updated_remote, deleted_remote, created_local, updated_local, deleted_local, adopted]
}
