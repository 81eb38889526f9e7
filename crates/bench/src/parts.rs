//! What can be measured by itself: the choices of `--only`.

use clap::{ValueEnum, builder::PossibleValue};

use crate::works::Work;

/// A part of the benchmark, in the order in which they are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Audit,
    Lists,
    Imports,
    /// A work of the engine and of the bare client.
    Sync(Work),
    Served,
    Hinted,
    Paced,
}

impl Part {
    /// Returns the work of the engine, if it is one.
    pub(crate) const fn work(self) -> Option<Work> {
        match self {
            Self::Sync(work) => Some(work),
            _ => None,
        }
    }
}

impl ValueEnum for Part {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self::Audit,
            Self::Lists,
            Self::Imports,
            Self::Sync(Work::InitialPush),
            Self::Sync(Work::InitialPull),
            Self::Sync(Work::BothHalf),
            Self::Sync(Work::NoChange),
            Self::Sync(Work::NoChangeList),
            Self::Sync(Work::OnePercent),
            Self::Sync(Work::UpdateAll),
            Self::Sync(Work::Conflicts),
            Self::Served,
            Self::Hinted,
            Self::Paced,
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let value = |name, help| Some(PossibleValue::new(name).help(help));
        match self {
            Self::Audit => value("audit", "The audit log: appending to it, revealing with it, verifying it"),
            Self::Lists => value("lists", "Lists of records over HTTP"),
            Self::Imports => value("imports", "Importing a file over HTTP"),
            Self::Sync(work) => work.to_possible_value(),
            Self::Served => value("served", "The memory of `vaultterm serve`, and how long people wait during a run"),
            Self::Hinted => value("hinted", "How soon a change in Vault is here with `vaultterm feed`"),
            Self::Paced => {
                value("paced", "Whether a run keeps its limit of requests, and how long others wait at Vault")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_work_is_a_part_and_the_parts_are_in_order() {
        let works: Vec<_> = Part::value_variants().iter().filter_map(|part| part.work()).collect();
        assert_eq!(works, Work::value_variants());
        assert!(Part::value_variants().is_sorted());
    }
}
