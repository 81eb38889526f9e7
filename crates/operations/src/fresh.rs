//! The only list of the actions for which a caller must prove again who they are, and the only rule for it.
//!
//! A session may be open on an unlocked screen, and a login token may be copied. So an action that is
//! hard to take back is carried out only within ten minutes after a proof: a code of the second factor, or the password
//! of a person without a second factor. A program that uses an API token cannot ask a person for a proof. The token may
//! do without a proof what its scopes allow, but never what only a person may do.

//!
//! A record that is marked "ask again" (its owner fears the unlocked screen) needs the proof before a person sees one of its
//! values: [`shown`]. An API token sees such a value as its scopes say, for the same reason as everywhere: nobody is there to
//! give a proof, and the same scope lets it take the value by `inject` anyway.

use vaultterm_store::{Proving, StoreError, TokenKind};

use crate::{
    access::{self, denied},
    caller::Caller,
    refusal::{Next, Refusal, RefusalKind},
    services::Services,
};

/// How long a proof is fresh, in microseconds.
const FRESH_US: i64 = 10 * 60 * 1_000_000;

/// An action that needs a fresh proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    ExportAudit,
    PruneAudit,
    CreateConnection,
    ChangeConnection,
    DeleteConnection,
    RotateSecretId,
    ChangeRoles,
    ManagePeople,
    CreateToken,
    ChangeFactors,
    AcknowledgeHalt,
    RotateKey,
    PushAudit,
    ShowMarked,
    ShowMany,
    StopAsking,
    ExportRecords,
}

impl Act {
    /// Returns what is done, in words.
    const fn words(self) -> &'static str {
        match self {
            Self::ExportAudit => "exporting the audit log",
            Self::PruneAudit => "pruning the audit log",
            Self::CreateConnection => "a new connection",
            Self::ChangeConnection => "a change of a connection",
            Self::DeleteConnection => "deleting a connection",
            Self::RotateSecretId => "another SecretID",
            Self::ChangeRoles => "a change of roles",
            Self::ManagePeople => "a change of a person's account",
            Self::CreateToken => "a new API token",
            Self::ChangeFactors => "a change of your second factor",
            Self::AcknowledgeHalt => "acknowledging a halt",
            Self::RotateKey => "the rotation of a key",
            Self::PushAudit => "a change of where the audit log is sent",
            Self::ShowMany => "a look at many records at once",
            Self::ShowMarked => "a look at a record that asks again",
            Self::ExportRecords => "an export of records",
            Self::StopAsking => "letting a record show its values without asking again",
        }
    }
}

/// Says whether a caller's proof is fresh. That of an API token always is.
pub(crate) fn proving(services: &Services, caller: &Caller) -> Proving {
    let age_us = services.now_us() - caller.credential.proved_us;
    // A proof from the future means that the clock was set back. It does not count as a proof.
    let is_fresh = caller.credential.kind == TokenKind::Api || (0..FRESH_US).contains(&age_us);
    if is_fresh { Proving::Fresh } else { Proving::Stale }
}

/// Passes on values that the store took out to be shown. That a record asks again, or is for programs only, is a denial,
/// audited like every other one.
///
/// # Errors
/// `StepUp` for a record that asks again; else what the store refused.
pub(crate) async fn shown<T>(services: &Services, caller: &Caller, taken: Result<T, StoreError>) -> Result<T, Refusal> {
    if let Err(StoreError::AskAgain { .. }) = &taken {
        fresh(services, caller, Act::ShowMarked).await?;
    }
    access::shown(services, caller, taken).await
}

/// Requires a proof of the last ten minutes from a person. An API token passes: its scopes decide.
///
/// # Errors
/// `StepUp`.
pub(crate) async fn fresh(services: &Services, caller: &Caller, act: Act) -> Result<(), Refusal> {
    if proving(services, caller) == Proving::Fresh {
        return Ok(());
    }
    denied(services, caller, None, "a fresh proof of identity").await?;
    let why = format!("{} needs a proof of the last ten minutes that it is you", act.words());
    Err(Refusal::new(RefusalKind::StepUp, why).then(Next::ProveAgain))
}

/// Requires a person: a session or a login, and no API token.
///
/// # Errors
/// `Forbidden`.
pub(crate) async fn person(services: &Services, caller: &Caller) -> Result<(), Refusal> {
    if caller.credential.kind == TokenKind::Login {
        return Ok(());
    }
    denied(services, caller, None, "a login of the person").await?;
    let why = "an API token may not do this: it belongs to the person, who logs in for it";
    Err(Refusal::new(RefusalKind::Forbidden, why).then(Next::LogIn))
}
