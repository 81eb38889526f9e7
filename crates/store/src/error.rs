//! The errors of the database, by class.

/// What a caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// An object with that name or path exists already.
    Exists,
    /// The guard (`If-Match`) did not hold.
    Stale,
    /// The object that is changed does not exist.
    NotFound,
    /// The change is not allowed in the current state.
    Refused,
    /// The request itself is wrong, so it would be refused in any state.
    Invalid,
    /// The database has no free turn. The same request may succeed in a moment.
    Busy,
    /// The database or a key failed, and the caller cannot do anything about it.
    Internal,
}

/// A failed database operation. Nothing was written, except perhaps with [`StoreError::Undecided`].
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A unique name or path is taken.
    #[error("{what} `{name}` exists already")]
    Exists {
        /// The kind of object: `record`, `collection`, `connection`, `user`.
        what: &'static str,
        /// The name or path.
        name: String,
    },
    /// The object changed since it was read.
    #[error("the {what} changed meanwhile: it is at revision {current}, not {expected}")]
    Stale {
        /// The kind of object.
        what: &'static str,
        /// The current revision.
        current: u64,
        /// The revision that was expected.
        expected: u64,
    },
    /// The object does not exist.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// The change is not allowed in the current state. The text says why and what to do.
    #[error("{0}")]
    Refused(String),
    /// The database was not initialised.
    #[error("the database is not initialised")]
    NotInitialised,
    /// The set-up link does not hold. The text says why.
    #[error("{0}")]
    SetUpLink(&'static str),
    /// The record key cannot be rotated while an earlier rotation is in progress.
    #[error("the last rotation of the record key has not ended yet")]
    Rotating,
    /// A part of the request itself is wrong, so it would be refused in any state of the database.
    #[error("{why}")]
    Invalid {
        /// The field or parameter.
        field: String,
        /// What is wrong and what would be right. It never contains the value.
        why: String,
    },
    /// The caller asked for a value that only programs may get.
    #[error("the record may be injected into programs, but not seen")]
    InjectOnly {
        /// The collection of the record.
        collection: vaultterm_sync::CollectionId,
    },
    /// The record asks for a fresh proof of identity before each look at its values.
    #[error("the record asks for a proof of the last ten minutes that it is you before it shows a value")]
    AskAgain {
        /// The collection of the record.
        collection: vaultterm_sync::CollectionId,
    },
    /// The connection is paused, so no run can begin.
    #[error("the connection is paused")]
    Paused,
    /// The role that permitted the change has been changed meanwhile.
    #[error("the roles changed during the request")]
    RolesMoved,
    /// The database had no free turn within the time limit, or another process locks it.
    #[error("the database is busy")]
    Busy,
    /// The record would break a limit after the change.
    #[error(transparent)]
    Fields(#[from] vaultterm_sealing::FieldsError),
    /// A key or ciphertext failed.
    #[error("a stored value could not be opened")]
    Sealing(#[from] vaultterm_sealing::SealingError),
    /// A row has invalid content.
    #[error("the database holds a malformed {0}")]
    Malformed(&'static str),
    /// The connection to the database was lost while it made the change permanent, and the database could not be
    /// asked for the outcome. This is the only error after which the change may have been made.
    #[error("the connection to the database was lost; look whether the change was made before you try again")]
    Undecided,
    /// The database failed.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
    /// Servers of an older version use the database, and could not work with it after the migration.
    #[error("these servers are too old for the schema of this version: {0}; stop them first")]
    OlderServers(String),
    /// A newer version migrated the database.
    #[error(
        "a newer version migrated the database: it needs schema {needed}, and this version knows {known}; update this one"
    )]
    NeedsNewer {
        /// The schema that a server must know.
        needed: u64,
        /// The newest schema that this version knows.
        known: u64,
    },
    /// A migration failed.
    #[error("the database could not be migrated")]
    Migration(#[from] sqlx::migrate::MigrateError),
}

impl StoreError {
    /// Returns the error for a wrong part of a request.
    pub(crate) fn invalid(field: &str, why: impl Into<String>) -> Self {
        Self::Invalid { field: field.to_owned(), why: why.into() }
    }

    /// Returns the class, which tells what a caller can do.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::Exists { .. } => ErrorClass::Exists,
            Self::Stale { .. } | Self::RolesMoved => ErrorClass::Stale,
            Self::NotFound(_) => ErrorClass::NotFound,
            Self::Refused(_)
            | Self::NotInitialised
            | Self::OlderServers(_)
            | Self::NeedsNewer { .. }
            | Self::SetUpLink(_)
            | Self::Rotating
            | Self::InjectOnly { .. }
            | Self::AskAgain { .. }
            | Self::Paused => ErrorClass::Refused,
            Self::Fields(_) | Self::Invalid { .. } => ErrorClass::Invalid,
            Self::Busy => ErrorClass::Busy,
            Self::Sealing(_) | Self::Malformed(_) | Self::Undecided | Self::Database(_) | Self::Migration(_) => {
                ErrorClass::Internal
            }
        }
    }
}
