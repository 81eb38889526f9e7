//! What is left of a plan with its present ticks: the words of the foot and of the button, and the address.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use uuid::Uuid;
use vaultterm_operations::plans::Chosen;
use vaultterm_reconcile::{HaltKind, Plan};

use crate::web::{form::Pairs, link, words::counted};

use super::rows;

/// What is left of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    /// `38 writes to Vault, 3 here, 0 deletions`
    pub(crate) foot: String,
    /// `Apply 41 of 44`
    pub(crate) button: String,
    /// The address of the page with these ticks.
    pub(crate) address: String,
    /// Names these ticks. A plan is applied only if the ticks that arrive are the ones that were counted.
    pub(crate) counted: String,
    /// The number of deletions, if they exceed the budget and a person must type a word.
    pub(crate) deletions: Option<u64>,
    pub(crate) steps: usize,
}

/// Counts what is left.
pub(crate) fn sum(id: Uuid, chosen: &Chosen, skip: &BTreeSet<String>) -> Sum {
    let counts = chosen.left.counts();
    let (left, all) = (chosen.left.steps.len(), chosen.whole.plan.plan.steps.len());
    let deletions = counts.deleted_remote + counts.deleted_local;
    let writes = counted(counts.created_remote + counts.updated_remote, "write to Vault", "writes to Vault");
    let here = counts.created_local + counts.updated_local;
    let noted = if counts.adopted == 0 { String::new() } else { format!(", {} only noted", counts.adopted) };
    Sum {
        foot: format!("{writes}, {here} here, {}{noted}", counted(deletions, "deletion", "deletions")),
        button: if left == all { format!("Apply all {all}") } else { format!("Apply {left} of {all}") },
        address: skip
            .iter()
            .fold(link::Query::default(), |query, path| query.with("skip", path))
            .on(&format!("/plans/{id}")),
        counted: digest(skip),
        deletions: chosen.left.halts.iter().any(|halt| halt.kind == HaltKind::MassDeletion).then_some(deletions),
        steps: left,
    }
}

/// Returns the paths that a form does not tick, among those that its page showed.
pub(crate) fn unticked(plan: &Plan, pairs: &Pairs) -> BTreeSet<String> {
    let before: BTreeSet<String> = pairs.all("was").map(str::to_owned).collect();
    let ticked: BTreeSet<&str> = pairs.all("do").collect();
    rows::shown(plan, &before).into_iter().filter(|path| !ticked.contains(path.as_str())).collect()
}

fn digest(skip: &BTreeSet<String>) -> String {
    let mut hasher = DefaultHasher::new();
    skip.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
