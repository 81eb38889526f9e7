//! Errors for the person at the terminal, with the exit code for scripts.
//!
//! Only this module decides how an error is worded (`error:`, `caused by:`, `hint:`) and which exit code it
//! has. It prints nothing; `console.rs` does that.

use std::error::Error;

use vaultterm_contract::Document;
use vaultterm_ledger::Class;

/// The kind of problem of a login that lacks the second factor.
const CODE_NEEDED: &str = "urn:vaultterm:problem:second-factor-needed";

/// The exit codes that VaultTerm promises. Except for `run -- CMD`, the process never ends with another
/// number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The command succeeded, or there was nothing to do.
    Done,
    /// The usage was wrong, or an error happened on this machine.
    Local,
    /// The server or Vault refused the request or failed.
    Server,
    /// The plan has changes (only with `--detailed-exitcode`).
    PlanHasChanges,
    /// Conflicts wait for a person.
    Conflicts,
    /// A guard halted the run.
    Halted,
    /// Some paths were not synchronized.
    Partial,
    /// `run` found the program but cannot execute it.
    NotExecutable,
    /// `run` did not find the program.
    NoProgram,
    /// An export of the audit log does not verify. The value is the class of the first finding.
    Unverified(Class),
    /// A person interrupted the command.
    Interrupted,
}

impl Exit {
    /// Returns the exit code of the process.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Local => 1,
            Self::Server => 2,
            Self::PlanHasChanges => 3,
            Self::Conflicts => 4,
            Self::Halted => 5,
            Self::Partial => 6,
            Self::NotExecutable => 126,
            Self::NoProgram => 127,
            Self::Unverified(class) => class.exit_code(),
            Self::Interrupted => 130,
        }
    }
}

/// An error as the terminal shows it: what went wrong, why, and what to do.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) exit: Exit,
    /// What went wrong, in one sentence without a full stop.
    pub(crate) message: String,
    /// The causes, outermost first.
    pub(crate) causes: Vec<String>,
    /// The hints about what to do.
    pub(crate) hints: Vec<String>,
    /// Whether nothing is printed, because the reader of the output went away, or everything was printed
    /// already.
    pub(crate) silent: bool,
    /// The HTTP status of the server's answer, if there was one.
    pub(crate) status: Option<u16>,
    /// Whether the server refused a login because a code of the second factor is missing.
    pub(crate) needs_code: bool,
    /// The names of the request's fields that the server found wrong or missing, with dots for nesting.
    pub(crate) fields: Vec<String>,
}

impl Failure {
    fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            causes: Vec::new(),
            hints: Vec::new(),
            silent: false,
            status: None,
            needs_code: false,
            fields: Vec::new(),
        }
    }

    /// Returns a failure for wrong usage, or for an error on this machine.
    pub(crate) fn local(message: impl Into<String>) -> Self {
        Self::new(Exit::Local, message)
    }

    /// Returns a failure of the server, or of a Vault behind it.
    pub(crate) fn server(message: impl Into<String>) -> Self {
        Self::new(Exit::Server, message)
    }

    /// Returns the failure for a person who pressed Ctrl-C.
    pub(crate) fn interrupted() -> Self {
        Self::new(Exit::Interrupted, "interrupted")
    }

    /// Returns a failure that prints nothing, because everything was printed already.
    pub(crate) fn silent(exit: Exit) -> Self {
        Self { silent: true, ..Self::new(exit, "") }
    }

    /// Adds an error and the chain of its sources as causes. A source is left out if the text of its parent
    /// already ends with its text.
    pub(crate) fn because(mut self, error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            let text = error.to_string();
            if !self.causes.last().is_some_and(|last| last.contains(&text)) {
                self.causes.push(text);
            }
            next = error.source();
        }
        self
    }

    /// Adds a cause as a text.
    pub(crate) fn because_of(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Sets another exit code.
    pub(crate) fn exiting(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// Adds a hint.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Reads the server's answer to a request that was refused or failed.
    pub(crate) fn from_answer(status: u16, body: &[u8]) -> Self {
        let mut failure = match serde_json::from_slice::<Document>(body) {
            Ok(problem) => worded(problem),
            // The body is not a problem document, so another kind of server answers at this address.
            Err(_) => Self::server(format!("the server answered {status} without saying why"))
                .hint("check that VAULTTERM_ADDR is the address of a VaultTerm server"),
        };
        failure.status = Some(status);
        if failure.hints.is_empty()
            && let Some(hint) = general_hint(status)
        {
            failure.hints.push(hint.to_owned());
        }
        failure
    }
}

/// Returns the hint for a status if the server gave no hint of its own.
const fn general_hint(status: u16) -> Option<&'static str> {
    match status {
        401 => Some("log in with `vaultterm login`, or set VAULTTERM_TOKEN"),
        412 | 428 => Some("it changed since it was read: look at it again, then repeat the command"),
        _ => None,
    }
}

/// Words a problem document (RFC 9457) of the API.
fn worded(problem: Document) -> Failure {
    let mut failure = Failure::server(problem.detail);
    failure.needs_code = problem.kind == CODE_NEEDED;
    failure.fields = problem.errors.iter().map(|error| error.field.clone()).collect();
    for error in problem.errors {
        let cause = format!("`{}`: {}", error.field, error.message);
        // A single wrong field is all that the detail says.
        if cause != failure.message {
            failure = failure.because_of(cause);
        }
    }
    if let Some(hint) = problem.hint {
        failure = failure.hint(hint);
    }
    // Only for what the operator must look up in the server's log.
    if problem.status >= 500 {
        failure = failure.because_of(format!("request {}", problem.instance));
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_document_becomes_message_causes_and_hint() {
        let body = br#"{"type":"about:blank","title":"Invalid","status":422,"detail":"the record is not valid",
            "instance":"0193","errors":[{"field":"path","message":"a path segment cannot be `.` or `..`"}],
            "hint":"choose another path","retryable":false}"#;
        let failure = Failure::from_answer(422, body);
        assert_eq!(failure.exit, Exit::Server);
        assert_eq!(failure.message, "the record is not valid");
        assert_eq!(failure.causes, ["`path`: a path segment cannot be `.` or `..`"]);
        assert_eq!(failure.hints, ["choose another path"]);
    }

    #[test]
    fn a_page_that_is_no_problem_document_names_the_address_as_suspect() {
        let failure = Failure::from_answer(404, b"<html>not here</html>");
        assert!(failure.hints[0].contains("VAULTTERM_ADDR"), "{failure:?}");
    }

    #[test]
    fn a_server_error_names_the_request_for_the_log() {
        let failure = Failure::from_answer(
            500,
            br#"{"type":"about:blank","title":"Internal error","status":500,"detail":"it failed","instance":"0193",
            "retryable":false}"#,
        );
        assert_eq!(failure.causes, ["request 0193"]);
    }

    #[test]
    fn a_source_that_its_parent_already_tells_is_not_repeated() {
        let inner = std::io::Error::other("disk full");
        let outer = std::io::Error::other(inner);
        assert_eq!(Failure::local("x").because(&outer).causes, ["disk full"]);
    }
}
