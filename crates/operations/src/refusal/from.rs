//! What the errors of the lower floors mean to a caller.

use vaultterm_outbound::AddressError;
use vaultterm_sealing::{FieldsError, SealingError};
use vaultterm_store::StoreError;
use vaultterm_sync::{EngineError, JournalError, RemoteFault};

use super::{FieldError, Next, Refusal, RefusalKind};

/// Says whether an error of the database, as the engine passes it on, means that the database is busy.
#[must_use]
pub fn is_busy(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(StoreError::Busy))
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Exists { .. } => {
                Self::new(RefusalKind::Exists, error.to_string()).then(Next::ChooseAnotherName)
            }
            StoreError::Stale { .. } => Self::new(RefusalKind::Changed, error.to_string()).then(Next::ReadAgain),
            StoreError::NotFound(what) => Self::new(RefusalKind::NotFound, format!("there is no such {what}")),
            StoreError::Refused(why) => Self::new(RefusalKind::Refused, why),
            StoreError::NotInitialised | StoreError::OlderServers(_) | StoreError::NeedsNewer { .. } => {
                Self::new(RefusalKind::Refused, error.to_string())
            }
            StoreError::SetUpLink(_) => Self::new(RefusalKind::Refused, error.to_string()).then(Next::AskForSetUpLink),
            StoreError::Rotating => Self::new(RefusalKind::Refused, error.to_string()).then(Next::WaitForRotation),
            StoreError::Invalid { field, why } => Self::field(field, why),
            StoreError::InjectOnly { .. } => Self::new(RefusalKind::Forbidden, error.to_string()),
            StoreError::AskAgain { .. } => Self::new(RefusalKind::StepUp, error.to_string()).then(Next::ProveAgain),
            StoreError::RolesMoved => Self::new(RefusalKind::Stale, error.to_string()).then(Next::LookAtMembers),
            StoreError::Paused => Self::paused(None),
            StoreError::Busy => Self::busy(),
            StoreError::Fields(error) => error.into(),
            StoreError::Sealing(SealingError::DoesNotOpen | SealingError::Malformed) => Self::damaged(&error),
            StoreError::Sealing(_)
            | StoreError::Malformed(_)
            | StoreError::Undecided
            | StoreError::Database(_)
            | StoreError::Migration(_) => Self::internal(&error),
        }
    }
}

impl From<FieldsError> for Refusal {
    fn from(error: FieldsError) -> Self {
        match &error {
            FieldsError::NumberWouldChange { field }
            | FieldsError::FieldName { field, .. }
            | FieldsError::Twice { field } => Self::field(format!("fields.{field}"), error.to_string()),
            _ => Self::field("fields", error.to_string()),
        }
    }
}

impl From<AddressError> for Refusal {
    fn from(error: AddressError) -> Self {
        let refusal = Self::field("address", error.to_string());
        refusal.hint(match error {
            AddressError::Plaintext => {
                "use https, or start the server with VAULTTERM_ALLOW_PLAINTEXT_VAULT=1 if the network is yours"
            }
            AddressError::Malformed(_) => "write it as https://host:8200",
            AddressError::Forbidden { .. } => "name the address of a Vault server",
        })
    }
}

impl From<RemoteFault> for Refusal {
    fn from(fault: RemoteFault) -> Self {
        let RemoteFault { class, message, hint, retry_after } = fault;
        Self {
            next: hint.map(Next::Follow),
            retry_after_seconds: retry_after.map(|wait| wait.as_secs().max(1)),
            ..Self::new(RefusalKind::Vault(class), message)
        }
    }
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::NotFound(what) => Self::not_found(what),
            EngineError::RunInProgress => {
                Self::new(RefusalKind::RunInProgress, error.to_string()).then(Next::WaitForRun)
            }
            EngineError::NotInPlan(_) => Self::field("skip", error.to_string()),
            EngineError::PlanNotApplicable(why) => Self::new(RefusalKind::PlanNotApplicable, why),
            EngineError::Stale(why) => Self::new(RefusalKind::Stale, why).then(Next::LookAtConflict),
            EngineError::NotResolvable(why) => Self::new(RefusalKind::Refused, why),
            EngineError::Undecided(ref names) => {
                let open = |name: &String| FieldError {
                    field: format!("fields.{name}"),
                    message: "is not decided".to_owned(),
                };
                let hint = "name each of them in `fields`, with `take` (`local` or `remote`) or a new `value`";
                let fields = names.iter().map(open).collect();
                Self { fields, ..Self::new(RefusalKind::Refused, error.to_string()) }.hint(hint)
            }
            EngineError::Unlicensed(missing) => {
                Self::new(RefusalKind::Unlicensed, missing.to_string()).then(Next::InstallLicense)
            }
            EngineError::Remote(fault) => fault.into(),
            EngineError::Journal(error) => error.into(),
        }
    }
}

impl From<JournalError> for Refusal {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::LeaseLost => {
                Self::new(RefusalKind::RunInProgress, "another run took over the connection; nothing was lost")
            }
            JournalError::Paused => Self::paused(None),
            JournalError::Unreadable(_) => Self::damaged(&error),
            JournalError::Database(ref source) if is_busy(source.as_ref()) => Self::busy(),
            JournalError::Database(_) => Self::internal(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_database_says_when_to_come_again_for_the_store_and_for_the_engine() {
        let engine = EngineError::Journal(JournalError::Database(Box::new(StoreError::Busy)));
        for refusal in [Refusal::from(StoreError::Busy), Refusal::from(engine)] {
            assert_eq!((refusal.kind, refusal.retry_after_seconds), (RefusalKind::Busy, Some(2)));
        }
        let broken = JournalError::Database(Box::new(StoreError::Malformed("row")));
        assert_eq!(Refusal::from(broken).kind, RefusalKind::Internal);
    }

    #[test]
    fn what_is_wrong_in_itself_is_invalid_and_names_its_field() {
        let wrong = StoreError::Invalid { field: "cursor".to_owned(), why: "is not a cursor of this list".to_owned() };
        let refusal = Refusal::from(wrong);
        assert_eq!((refusal.kind, refusal.fields[0].field.as_str()), (RefusalKind::Invalid, "cursor"));
    }
}
