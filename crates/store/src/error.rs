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
    /// What was asked for is wrong in itself, whatever the state.
    Invalid,
    /// The database has no turn to give: the same request may succeed in a moment.
    Busy,
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
    /// One part of what was asked for is wrong, whatever the state of the database.
    #[error("{why}")]
    Invalid {
        /// The field or parameter.
        field: String,
        /// What is wrong with it, and what is right. Never its value.
        why: String,
    },
    /// A value was asked for that only programs may get.
    #[error("the record may be injected into programs, but not seen")]
    InjectOnly {
        /// The collection of the record.
        collection: vaultterm_sync::CollectionId,
    },
    /// The connection is paused: no run begins.
    #[error("the connection is paused")]
    Paused,
    /// The role that the change was judged by is another one by now.
    #[error("the roles changed while the request was answered")]
    RolesMoved,
    /// The database has no turn to give within its time limit, or another process locks it.
    #[error("the database is busy")]
    Busy,
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
    Database(#[source] sqlx::Error),
    /// A migration failed.
    #[error("the database could not be migrated")]
    Migration(#[from] sqlx::migrate::MigrateError),
}

/// SQLite's result codes of a database that another connection locks (`SQLITE_BUSY`, `SQLITE_LOCKED`).
/// Extended codes keep them in the low byte.
const SQLITE_LOCKS: [i64; 2] = [5, 6];

impl From<sqlx::Error> for StoreError {
    /// Tells a database that is busy from one that failed.
    fn from(error: sqlx::Error) -> Self {
        let busy = match &error {
            sqlx::Error::PoolTimedOut => true,
            sqlx::Error::Database(error) => {
                let code = error.code().and_then(|code| code.parse::<i64>().ok());
                code.is_some_and(|code| SQLITE_LOCKS.contains(&(code & 0xff)))
            }
            _ => false,
        };
        if busy { Self::Busy } else { Self::Database(error) }
    }
}

impl StoreError {
    /// Makes the error of one wrong part of a request.
    pub(crate) fn invalid(field: &str, why: impl Into<String>) -> Self {
        Self::Invalid { field: field.to_owned(), why: why.into() }
    }

    /// Returns what a caller can do about it.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::Exists { .. } => ErrorClass::Exists,
            Self::Stale { .. } | Self::RolesMoved => ErrorClass::Stale,
            Self::NotFound(_) => ErrorClass::NotFound,
            Self::Refused(_) | Self::InjectOnly { .. } | Self::Paused => ErrorClass::Refused,
            Self::Fields(_) | Self::Invalid { .. } => ErrorClass::Invalid,
            Self::Busy => ErrorClass::Busy,
            Self::Sealing(_) | Self::Malformed(_) | Self::Database(_) | Self::Migration(_) => ErrorClass::Internal,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sqlx::{
        AssertSqlSafe, Connection as _, Executor as _,
        sqlite::{SqliteConnectOptions, SqliteConnection},
    };

    use super::StoreError;
    use crate::testing::House;

    #[tokio::test]
    async fn a_database_that_another_process_locks_is_busy_and_not_broken() {
        let house = House::new().await;
        let path = house.folder.path().join("data").join("vaultterm.db");
        let options = SqliteConnectOptions::new().filename(path).busy_timeout(Duration::ZERO);
        let mut other = SqliteConnection::connect_with(&options).await.unwrap();
        let writer = house.store.db.write().await.unwrap();
        let refused = other.execute(AssertSqlSafe("BEGIN IMMEDIATE".to_owned())).await.unwrap_err();
        assert!(matches!(StoreError::from(refused), StoreError::Busy));
        drop(writer);
        let broken = other.execute(AssertSqlSafe("SELECT 1 FROM nowhere".to_owned())).await.unwrap_err();
        assert!(matches!(StoreError::from(broken), StoreError::Database(_)));
        assert!(matches!(StoreError::from(sqlx::Error::PoolTimedOut), StoreError::Busy));
    }
}
