//! Scripted faults of a fake, and the requests that it recorded.

use vaultterm_sync::{FaultClass, RemoteFault};

/// The operations of a remote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names are those of the traits' methods")]
pub enum Operation {
    Unwrap,
    Connect,
    /// A new login within a session whose token ended.
    Login,
    Observe,
    Look,
    /// Reading the configuration of the mount.
    Config,
    Read,
    Write,
    Mark,
    Delete,
    Close,
}

/// A request as the fake received it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The operation.
    pub operation: Operation,
    /// The path below the prefix. Empty for operations without a path.
    pub path: String,
    /// The version that is read or deleted, or the `cas` of a write.
    pub version: Option<u64>,
}

/// The fate of a request.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The request fails before it has any effect.
    FailBefore(RemoteFault),
    /// The request takes effect, but its answer is lost.
    FailAfter(RemoteFault),
    /// No answer comes until the caller gives up.
    Hang,
}

impl Verdict {
    /// Returns the name under which the verdict is counted.
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Self::FailBefore(fault) => fault.class.as_str(),
            Self::FailAfter(_) => "answer lost",
            Self::Hang => "no answer",
        }
    }
}

/// A rule that gives requests a verdict.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The operation of the requests.
    pub operation: Operation,
    /// Their path. `None` stands for any path.
    pub path: Option<String>,
    /// The number of further requests to which the rule applies.
    pub times: u32,
    /// The verdict on them.
    pub verdict: Verdict,
}

impl Rule {
    /// Returns a rule for the next request with an operation.
    #[must_use]
    pub fn next(operation: Operation, verdict: Verdict) -> Self {
        Self { operation, path: None, times: 1, verdict }
    }

    /// Limits the rule to a path.
    #[must_use]
    pub fn at(self, path: &str) -> Self {
        Self { path: Some(path.to_owned()), ..self }
    }

    /// Sets how many requests the rule applies to.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    /// Makes the rule apply until the end of the test.
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

/// Returns a fault of a class with a message that names the class.
#[must_use]
pub fn fault(class: FaultClass) -> RemoteFault {
    RemoteFault { class, message: format!("scripted fault: {}", class.as_str()), hint: None, retry_after: None }
}
