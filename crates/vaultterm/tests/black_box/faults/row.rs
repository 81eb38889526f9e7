//! The rows of the table: the fault, the work of the run, and what a person sees.

use vaultterm_testkit::openbao::Meddling;

/// A part of the table.
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) text: &'static str,
    pub(crate) rows: &'static [Row],
}

/// A fault with its expected result.
pub(crate) struct Row {
    /// The fault in words.
    pub(crate) name: &'static str,
    pub(crate) fault: Fault,
    /// The edits before the run, which it must carry over.
    pub(crate) edits: Edits,
    pub(crate) sees: Sees,
    /// Additional conditions.
    pub(crate) also: Also,
}

/// How the fault is caused. `{kv}` in the first line of a request is the mount.
pub(crate) enum Fault {
    /// All requests with this text get this treatment until the fault ends.
    Lasting(&'static str, Meddling),
    /// This number of requests gets the treatment.
    Passing(u32, &'static str, Meddling),
    /// Like `Lasting`, with a redirect to another host.
    Redirected(&'static str),
    /// No server listens at the address.
    Closed,
    /// The server shows another certificate.
    Certificate(Shown),
    /// The event happens before the run.
    Before(Deed),
    /// The event happens when a request with this text comes, before it reaches the server.
    During(&'static str, Deed),
}

impl Fault {
    /// Returns whether the fault is an invented or shortened answer.
    pub(crate) const fn is_injected(&self) -> bool {
        use Meddling::{Instead, Short};
        match self {
            Self::Lasting(_, meddling) | Self::Passing(_, _, meddling) => matches!(meddling, Instead(_) | Short(_)),
            Self::Redirected(_) => true,
            Self::Closed | Self::Certificate(_) | Self::Before(_) | Self::During(..) => false,
        }
    }
}

/// What a server shows in place of its certificate.
#[derive(Clone, Copy)]
pub(crate) enum Shown {
    AnotherCas,
    AnotherNames,
    Expired,
    PlainHttp,
}

/// An event on the real server, or on either side.
#[derive(Clone, Copy)]
pub(crate) enum Deed {
    /// The server is sealed.
    Seal,
    /// The server limits the rate of requests.
    LimitRate,
    /// The mount is moved to another path.
    MoveMount,
    /// Every secret is deleted.
    DeleteAll,
    /// The token is revoked.
    RevokeToken,
    /// The token is revoked, and the `SecretID` destroyed.
    RevokeAll,
    /// The `SecretID` is destroyed.
    DestroySecretId,
    /// The policy no longer allows updates.
    DenyUpdates,
    /// The policy denies one path.
    DenyOne,
    /// Another client writes the same secret.
    WriteOne,
    /// The record grows beyond the size limit of the server.
    Grow,
    /// The record gets more strings than the server accepts.
    Multiply,
}

/// The edits that the run must carry over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edits {
    /// An edit of each kind: six changes.
    All,
    /// One changed record.
    One,
}

/// What a person sees of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sees {
    /// The state of the run.
    pub(crate) run: &'static str,
    /// The class, path and message of the problem, or the kind of the halt. Empty if there is none.
    pub(crate) class: &'static str,
    pub(crate) path: &'static str,
    pub(crate) message: &'static str,
    pub(crate) hint: &'static str,
    /// The state of the connection.
    pub(crate) state: &'static str,
}

/// An additional condition of a row.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Also {
    Nothing,
    /// The run logs in twice.
    LogsInTwice,
    /// Requests that the quota refuses are sent again.
    AsksAgain,
    /// A version by another client is added.
    OneMoreVersion,
}

/// The result of a run that succeeded in spite of the fault.
pub(crate) const FINE: Sees = Sees { run: "succeeded", class: "", path: "", message: "", hint: "", state: "ready" };

pub(crate) const fn row(name: &'static str, fault: Fault, sees: Sees) -> Row {
    Row { name, fault, edits: Edits::All, sees, also: Also::Nothing }
}

/// Returns the result for a fault that stops the whole run.
pub(crate) const fn failed(
    class: &'static str,
    state: &'static str,
    message: &'static str,
    hint: &'static str,
) -> Sees {
    Sees { run: "failed", class, path: "", message, hint, state }
}

/// Returns the result for a fault that stops one path, while the others go on.
pub(crate) const fn partial(
    class: &'static str,
    path: &'static str,
    message: &'static str,
    hint: &'static str,
) -> Sees {
    Sees { run: "partial", class, path, message, hint, state: "partial" }
}
