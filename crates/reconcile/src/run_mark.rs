//! Which of a connection's runs touched a secret last: how a database that went back to an older
//! copy is told from one that did not.
//!
//! A run that writes to Vault first records its number in the database, and then leaves it in the
//! metadata of at least one secret. So a database never finds a number above its own, unless it is
//! older than what it finds, or another copy of it is at work.

use std::{fmt, str::FromStr};

use uuid::Uuid;

use crate::{Annotation, Mode, Options, RemoteEntry, RemoteSight, RemoteSnapshot, SecretPath};

/// `vaultterm-run` in a secret's `custom_metadata`: `<connection id>/<number>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunMark {
    /// The connection. Ids are not used again, so that the marks of one that was removed mean
    /// nothing to its successor.
    pub connection: Uuid,
    /// Which of its runs that wrote to Vault: growing, at most [`Self::NUMBER_MAX`]; 0 stands for
    /// none.
    pub number: u64,
}

/// A text that is no run mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a run mark is a connection id, a slash and a number")]
pub struct NoRunMark;

/// From the number of one run to that of the next. Decisions on conflicts are numbered between
/// them, because they do not look at the whole scope: an older database, which halts at its first
/// run, must not catch up by decisions with the run that it forgot.
const RUN: u64 = 1_000;

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
    /// The largest number that a database can hold. Anybody who may write metadata can make up a
    /// larger one; it is no mark.
    pub const NUMBER_MAX: u64 = i64::MAX as u64;

    /// Returns the mark of the run after this one.
    #[must_use]
    pub const fn next_run(self) -> Self {
        self.at((self.number / RUN).saturating_add(1).saturating_mul(RUN))
    }

    /// Returns the mark of a decision after this run, or after another decision.
    #[must_use]
    pub const fn next_decision(self) -> Self {
        self.at(self.number.saturating_add(1))
    }

    const fn at(self, number: u64) -> Self {
        let number = if number > Self::NUMBER_MAX { Self::NUMBER_MAX } else { number };
        Self { number, ..self }
    }

    /// Finds the newest number that a remote shows of this connection, and where. A pull leaves no
    /// marks, and asks for none.
    pub(crate) fn newest_in<'a>(self, remote: &'a RemoteSnapshot, options: &Options) -> Option<(u64, &'a SecretPath)> {
        if options.mode == Mode::Pull {
            return None;
        }
        let marks = remote.sights.iter().filter_map(|(path, sight)| match sight {
            // A secret that nobody manages may be marked all the same: a run shows itself at what it
            // deletes, too.
            RemoteSight::Seen(RemoteEntry { annotation: Annotation { instance, run, .. }, .. })
                if instance.as_ref().is_none_or(|instance| *instance == options.instance) =>
            {
                run.filter(|mark| mark.connection == self.connection).map(|mark| (mark.number, path))
            }
            _ => None,
        });
        marks.max()
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
        // One that a database cannot hold would halt for ever.
        for number in [RunMark::NUMBER_MAX + 1, u64::MAX] {
            assert_eq!(format!("{id}/{number}").parse::<RunMark>(), Err(NoRunMark), "{number}");
        }
    }

    #[test]
    fn runs_are_numbered_apart_and_decisions_between_them() {
        let mark = |number| RunMark { connection: Uuid::from_u128(7), number };
        for (number, run, decision) in
            [(0, 1_000, 1), (1, 1_000, 2), (999, 1_000, 1_000), (1_000, 2_000, 1_001), (1_001, 2_000, 1_002)]
        {
            assert_eq!((mark(number).next_run(), mark(number).next_decision()), (mark(run), mark(decision)));
        }
        let last = mark(RunMark::NUMBER_MAX);
        assert_eq!((last.next_run(), last.next_decision()), (last, last), "never above what is a mark");
    }
}
