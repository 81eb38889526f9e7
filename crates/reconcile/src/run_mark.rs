//! Which of a connection's runs touched a secret last: how a database that went back to an older
//! copy is told from one that did not.
//!
//! A run that writes to Vault first records its number in the database, and then leaves it in the
//! metadata of at least one secret. So a database never finds a number above its own, unless it is
//! older than what it finds, or another copy of it is at work.

use std::{fmt, str::FromStr};

use uuid::Uuid;

use crate::{Mode, Options, RemoteSight, RemoteSnapshot};

/// `vaultterm-run` in a secret's `custom_metadata`: `<connection id>/<number>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunMark {
    /// The connection. Ids are not used again, so that the marks of one that was removed mean
    /// nothing to its successor.
    pub connection: Uuid,
    /// Which of its runs that wrote to Vault: 1, 2, 3 …; 0 stands for none.
    pub number: u64,
}

/// A text that is no run mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a run mark is a connection id, a slash and a number")]
pub struct NoRunMark;

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
            number: number.parse().map_err(|_| NoRunMark)?,
        })
    }
}

impl RunMark {
    /// Finds the newest number that a remote shows of this connection; 0 for none. A pull leaves no
    /// marks, and asks for none.
    pub(crate) fn newest_in(self, remote: &RemoteSnapshot, options: &Options) -> u64 {
        if options.mode == Mode::Pull {
            return 0;
        }
        let marks = remote.sights.values().filter_map(|sight| match sight {
            RemoteSight::Seen(entry) if entry.annotation.instance.as_deref() == Some(&options.instance) => {
                entry.annotation.run
            }
            _ => None,
        });
        marks.filter(|mark| mark.connection == self.connection).map(|mark| mark.number).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_mark_reads_back_as_it_was_written() {
        let mark = RunMark { connection: Uuid::from_u128(7), number: u64::MAX };
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
    }
}
