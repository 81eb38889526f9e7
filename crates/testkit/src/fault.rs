//! Scripted faults: what a fake does instead of answering, and what it was asked.

use vaultterm_sync::{FaultClass, RemoteFault};

/// What can be asked of a remote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names are those of the traits' methods")]
pub enum Operation {
    Unwrap,
    Connect,
    /// A new login in the middle of a session, when its token ended.
    Login,
    Observe,
    Look,
    /// The configuration of the mount.
    Config,
    Read,
    Write,
    Annotate,
    Delete,
    Close,
}

/// One request as the fake saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What was asked.
    pub operation: Operation,
    /// Of which path below the prefix; empty where there is none.
    pub path: String,
    /// The version read or deleted, or the `cas` of a write.
    pub version: Option<u64>,
}

/// What happens to a request.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It is refused or lost before it has any effect.
    FailBefore(RemoteFault),
    /// It has its effect, and the answer is lost.
    FailAfter(RemoteFault),
    /// Nothing comes back until the caller gives up.
    Hang,
}

impl Verdict {
    /// Returns its name, for counting.
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Self::FailBefore(fault) => fault.class.as_str(),
            Self::FailAfter(_) => "answer lost",
            Self::Hang => "no answer",
        }
    }
}

/// Which requests meet a verdict.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What is asked.
    pub operation: Operation,
    /// Of which path; any with `None`.
    pub path: Option<String>,
    /// How many more of them.
    pub times: u32,
    /// What happens to them.
    pub verdict: Verdict,
}

impl Rule {
    /// Makes a rule for the next request of a kind.
    #[must_use]
    pub fn next(operation: Operation, verdict: Verdict) -> Self {
        Self { operation, path: None, times: 1, verdict }
    }

    /// Narrows the rule to one path.
    #[must_use]
    pub fn at(self, path: &str) -> Self {
        Self { path: Some(path.to_owned()), ..self }
    }

    /// Sets how often the rule applies.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    /// Makes the rule apply until the test ends.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(u32::MAX)
    }

    pub(crate) fn applies(&self, request: &Request) -> bool {
        self.times > 0
            && self.operation == request.operation
            && self.path.as_ref().is_none_or(|path| *path == request.path)
    }
}

/// Makes a fault of a class, with a message that names the class.
#[must_use]
pub fn fault(class: FaultClass) -> RemoteFault {
    RemoteFault { class, message: format!("scripted fault: {}", class.as_str()), hint: None, retry_after: None }
}
