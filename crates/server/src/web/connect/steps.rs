//! The steps from an address to a first plan.

/// The names of the steps, in order.
const STEPS: [&str; 5] = ["Address", "Policy", "Login", "Rights", "Options"];

/// A step as the page shows it.
#[derive(Debug)]
pub(crate) struct Step {
    pub(super) name: &'static str,
    pub(super) here: bool,
}

/// Lists the steps; `here` counts from 0.
pub(super) fn steps(here: usize) -> Vec<Step> {
    STEPS.into_iter().enumerate().map(|(at, name)| Step { name, here: at == here }).collect()
}
