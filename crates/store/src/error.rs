//! What can go wrong in the database, by class.

/// What a caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// Something with that name or path exists already.
    Exists,
    /// The guard (`If-Match`) did not hold.
    Stale,
    /// The object that is changed does not exist.
    NotFound,
    /// The change is not allowed in this state.
    Refused,
    /// The database or a key failed: nothing the caller can mend.
    Internal,
}

/// A failed database operation. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A unique name or path is taken.
    #[error("{what} `{name}` exists already")]
    Exists {
        /// `record`, `collection`, `connection`, `user`.
        what: &'static str,
        /// The name or path.
        name: String,
    },
    /// The object changed since it was read.
    #[error("the {what} changed meanwhile: it is at revision {current}, not {expected}")]
    Stale {
        /// What object.
        what: &'static str,
        /// The revision now.
        current: u64,
        /// The revision that was expected.
        expected: u64,
    },
    /// No such object.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// Not allowed in this state; the text says why and what to do.
    #[error("{0}")]
    Refused(String),
    /// The record that would come of a change breaks a limit.
    #[error(transparent)]
    Fields(#[from] vaultterm_sealing::FieldsError),
    /// A key or ciphertext failed.
    #[error("a stored value could not be opened")]
    Sealing(#[from] vaultterm_sealing::SealingError),
    /// A row holds what it cannot hold.
    #[error("the database holds a malformed {0}")]
    Malformed(&'static str),
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// A migration failed.
    #[error("the database could not be migrated")]
    Migration(#[from] sqlx::migrate::MigrateError),
}

impl StoreError {
    /// Returns what a caller can do about it.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::Exists { .. } => ErrorClass::Exists,
            Self::Stale { .. } => ErrorClass::Stale,
            Self::NotFound(_) => ErrorClass::NotFound,
            Self::Refused(_) | Self::Fields(_) => ErrorClass::Refused,
            Self::Sealing(_) | Self::Malformed(_) | Self::Database(_) | Self::Migration(_) => ErrorClass::Internal,
        }
    }
}
