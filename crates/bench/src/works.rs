//! The works that the engine and the bare client both do: what each of them is.

use clap::ValueEnum;

/// A work that the engine and the bare client both do, in the order in which a round does them: the conflicts that the last one
/// leaves would disturb the others. The names are those of the command line and of the JSON lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Work {
    /// Every record is new in Vault. The bare client writes each secret with `cas` and marks it
    InitialPush,
    /// Every secret is new here. The bare client lists the scope and reads each secret
    InitialPull,
    /// Half of the secrets are only here, and the others only in Vault. The bare client lists, reads one half, writes the other,
    /// and marks all
    BothHalf,
    /// Nothing changed. The bare client lists the scope, in the cheapest way that the server has
    NoChange,
    /// Nothing changed, and only LIST is used, as on HashiCorp Vault. The bare client asks for the metadata of each key
    NoChangeList,
    /// One secret of a hundred was changed in Vault. The bare client lists and reads these
    OnePercent,
    /// Every record was changed here. The bare client looks at each secret and writes it with `cas`
    UpdateAll,
    /// One secret of a hundred was changed on each side, and ten on both. The bare client lists, reads what changed in Vault,
    /// and looks at and writes what changed here and not there
    Conflicts,
}

impl Work {
    /// Returns the name on the command line and in the JSON lines.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Returns how often a round does it. A short work is done more often, and an even number of times, so that each of the two
    /// goes first as often as the other.
    pub(crate) const fn times(self) -> usize {
        match self {
            Self::NoChange => 6,
            Self::NoChangeList | Self::OnePercent => 4,
            Self::InitialPull => 2,
            _ => 1,
        }
    }
}

/// The numbers of the secrets that change where only some do: one of a hundred on each side, and at most ten on both.
pub(crate) struct Changes {
    /// Those that change in Vault.
    pub(crate) there: Vec<usize>,
    /// Those that change here. The first of them change there too.
    pub(crate) here: Vec<usize>,
    /// How many change on both sides.
    pub(crate) both: usize,
}

impl Changes {
    /// Returns the changes of a scope with at least a hundred secrets. They are spread over all folders.
    pub(crate) fn of(secrets: usize) -> Self {
        let share = (secrets / 100).max(2);
        let (step, both) = (secrets / share, 10.min(share / 2));
        let there: Vec<_> = (0..share).map(|n| n * step).collect();
        let here = there.iter().enumerate().map(|(at, n)| if at < both { *n } else { n + 1 }).collect();
        Self { there, here, both }
    }

    /// Returns those that change here and not there.
    pub(crate) fn only_here(&self) -> &[usize] {
        &self.here[self.both..]
    }

    /// Returns those that change there and not here.
    pub(crate) fn only_there(&self) -> &[usize] {
        &self.there[self.both..]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn one_of_a_hundred_changes_on_each_side_and_ten_on_both() {
        for (secrets, share, both) in [(100, 2, 1), (1_000, 10, 5), (10_000, 100, 10), (100_000, 1_000, 10)] {
            let changes = Changes::of(secrets);
            let (here, there) = (BTreeSet::from_iter(&changes.here), BTreeSet::from_iter(&changes.there));
            assert_eq!((here.len(), there.len()), (share, share));
            assert_eq!(here.intersection(&there).count(), both);
            assert!(here.union(&there).all(|n| **n < secrets));
            assert_eq!((changes.only_here().len(), changes.only_there().len()), (share - both, share - both));
        }
    }

    #[test]
    fn a_work_has_the_name_of_the_command_line() {
        let names: Vec<_> = Work::value_variants().iter().map(|work| work.name()).collect();
        let wanted = [
            "initial_push",
            "initial_pull",
            "both_half",
            "no_change",
            "no_change_list",
            "one_percent",
            "update_all",
            "conflicts",
        ];
        assert_eq!(names, wanted);
    }
}
