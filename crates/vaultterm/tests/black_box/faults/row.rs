//! What a row is: what goes wrong, what the run has to do, and what is seen of it.

use vaultterm_testkit::openbao::Meddling;

/// A part of the table.
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) text: &'static str,
    pub(crate) rows: &'static [Row],
}

/// One fault.
pub(crate) struct Row {
    /// What goes wrong, for people.
    pub(crate) name: &'static str,
    pub(crate) fault: Fault,
    /// What people did before: what the run has to do.
    pub(crate) edits: Edits,
    pub(crate) sees: Sees,
    /// What else holds.
    pub(crate) also: Also,
}

/// How it is brought about. `{kv}` in a request's first line is the mount.
pub(crate) enum Fault {
    /// Whatever asks for this meets with that, until the fault ends.
    Lasting(&'static str, Meddling),
    /// So many requests do.
    Passing(u32, &'static str, Meddling),
    /// The same as `Lasting`, with a redirect to another host.
    Redirected(&'static str),
    /// Nothing listens.
    Closed,
    /// Another certificate is shown.
    Certificate(Shown),
    /// It is done before the run.
    Before(Deed),
    /// It is done when this is asked for, before the request gets through.
    During(&'static str, Deed),
}

impl Fault {
    /// Whether an answer is made up or shortened.
    pub(crate) const fn is_injected(&self) -> bool {
        use Meddling::{Instead, Short};
        match self {
            Self::Lasting(_, meddling) | Self::Passing(_, _, meddling) => matches!(meddling, Instead(_) | Short(_)),
            Self::Redirected(_) => true,
            Self::Closed | Self::Certificate(_) | Self::Before(_) | Self::During(..) => false,
        }
    }
}

/// What a server shows instead of its certificate.
#[derive(Clone, Copy)]
pub(crate) enum Shown {
    AnotherCas,
    AnotherNames,
    Expired,
    PlainHttp,
}

/// What is done to the real server, or on either side.
#[derive(Clone, Copy)]
pub(crate) enum Deed {
    /// It is sealed.
    Seal,
    /// It limits the rate.
    LimitRate,
    /// The mount is moved away.
    MoveMount,
    /// Every secret is deleted.
    DeleteAll,
    /// The token is revoked.
    RevokeToken,
    /// The token is revoked, and the `SecretID` destroyed.
    RevokeAll,
    /// The `SecretID` is destroyed.
    DestroySecretId,
    /// The policy does not let anything be updated.
    DenyUpdates,
    /// The policy denies one path.
    DenyOne,
    /// Somebody writes the same secret.
    WriteOne,
    /// The record grows beyond what the server takes.
    Grow,
    /// The record gets more strings than the server takes.
    Multiply,
}

/// What the run has to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edits {
    /// Something of each kind: six changes.
    All,
    /// One record was changed.
    One,
    /// As `All`, with 40 more records.
    Many,
}

/// What a person sees of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sees {
    /// How the run ended.
    pub(crate) run: &'static str,
    /// Class, path and message of the problem, or kind of the halt; empty for none.
    pub(crate) class: &'static str,
    pub(crate) path: &'static str,
    pub(crate) message: &'static str,
    pub(crate) hint: &'static str,
    /// The connection's state.
    pub(crate) state: &'static str,
}

/// What else holds of a row.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Also {
    Nothing,
    /// The run logs in twice.
    LogsInTwice,
    /// The run has fewer requests under way afterwards.
    SlowsDown,
    /// Somebody else's version comes on top.
    OneMoreVersion,
}

/// All went well, whatever happened.
pub(crate) const FINE: Sees = Sees { run: "succeeded", class: "", path: "", message: "", hint: "", state: "ready" };

pub(crate) const fn row(name: &'static str, fault: Fault, sees: Sees) -> Row {
    Row { name, fault, edits: Edits::All, sees, also: Also::Nothing }
}

/// The whole run is stopped.
pub(crate) const fn failed(
    class: &'static str,
    state: &'static str,
    message: &'static str,
    hint: &'static str,
) -> Sees {
    Sees { run: "failed", class, path: "", message, hint, state }
}

/// One path is, and the others go on.
pub(crate) const fn partial(
    class: &'static str,
    path: &'static str,
    message: &'static str,
    hint: &'static str,
) -> Sees {
    Sees { run: "partial", class, path, message, hint, state: "partial" }
}
