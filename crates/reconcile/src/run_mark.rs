//! The mark of the run of a connection that last touched a secret. It shows whether the database was replaced
//! by an older copy.
//!
//! A run that writes to Vault first records its number in the database, and then leaves it in the metadata of
//! at least one secret. A database that finds a number above its own is therefore older than Vault, or
//! another copy of it is in use.

use std::{fmt, str::FromStr};

use uuid::Uuid;

/// The value of `vaultterm-run` in a secret's `custom_metadata`: `<connection id>/<number>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunMark {
    /// The id of the connection. Ids are never used again, so the marks of a removed connection do not
    /// concern its successor.
    pub connection: Uuid,
    /// The number of a run that wrote to Vault. Numbers grow, up to [`Self::NUMBER_MAX`]. 0 means that there
    /// was no such run.
    pub number: u64,
}

/// The text is not a run mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a run mark is a connection id, a slash and a number")]
pub struct NoRunMark;

/// The difference between the numbers of two consecutive runs of a whole connection. Decisions on conflicts and runs for
/// some paths get the numbers in between, because they do not look at the whole scope. On an older database they must
/// never reach the number of the run that this database forgot. Otherwise it would no longer halt at its first run. If
/// all numbers in between are used up, the last of them is used again.
const RUN: u64 = 1_000_000;

impl fmt::Display for RunMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.connection, self.number)
    }
}

impl FromStr for RunMark {
    type Err = NoRunMark;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (connection, number) = text.split_once('/').ok_or(NoRunMark)?;
        Ok(Self {
            connection: connection.parse().map_err(|_| NoRunMark)?,
            number: number.parse().ok().filter(|number| *number <= Self::NUMBER_MAX).ok_or(NoRunMark)?,
        })
    }
}

impl RunMark {
    /// The largest number that a database can store. Any client that may write metadata can invent a larger
    /// number. Such a text is not a run mark.
    pub const NUMBER_MAX: u64 = i64::MAX as u64;

    /// Returns the mark of the run after this one.
    #[must_use]
    pub const fn next_run(self) -> Self {
        self.at((self.number / RUN).saturating_add(1).saturating_mul(RUN))
    }

    /// Returns the mark of a decision or of a run for some paths, after this run or after another of them.
    #[must_use]
    pub fn next_between(self) -> Self {
        let last = (self.number / RUN).saturating_add(1).saturating_mul(RUN).saturating_sub(1);
        let next = self.number.saturating_add(1);
        self.at(if next > last { last } else { next })
    }

    const fn at(self, number: u64) -> Self {
        let number = if number > Self::NUMBER_MAX { Self::NUMBER_MAX } else { number };
        Self { number, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_mark_reads_back_as_it_was_written() {
        let mark = RunMark { connection: Uuid::from_u128(7), number: RunMark::NUMBER_MAX };
        assert_eq!(mark.to_string().parse(), Ok(mark));
    }

    #[test]
    fn what_is_no_run_mark_is_refused() {
        let id = Uuid::from_u128(7);
        for text in
            ["", "7", "/", "x/1", &format!("{id}"), &format!("{id}/"), &format!("{id}/-1"), &format!("{id}/1/2")]
        {
            assert_eq!(text.parse::<RunMark>(), Err(NoRunMark), "{text}");
        }
        // A number that a database cannot store would cause a permanent halt.
        for number in [RunMark::NUMBER_MAX + 1, u64::MAX] {
            assert_eq!(format!("{id}/{number}").parse::<RunMark>(), Err(NoRunMark), "{number}");
        }
    }

    #[test]
    fn runs_are_numbered_apart_and_what_sees_a_part_between_them_without_reaching_the_next() {
        let mark = |number| RunMark { connection: Uuid::from_u128(7), number };
        for (number, run, between) in
            [(0, RUN, 1), (1, RUN, 2), (RUN - 1, RUN, RUN - 1), (RUN, 2 * RUN, RUN + 1), (RUN + 1, 2 * RUN, RUN + 2)]
        {
            assert_eq!((mark(number).next_run(), mark(number).next_between()), (mark(run), mark(between)));
        }
        let last = mark(RunMark::NUMBER_MAX);
        assert_eq!((last.next_run(), last.next_between()), (last, last), "never above what is a mark");
    }
}
