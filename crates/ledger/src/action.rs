//! The audited actions and the kinds of object that they apply to: two lists, each with a place for the names that a newer
//! version wrote.

use std::fmt;

/// The maximum number of characters of a name.
const NAME_MAX: usize = 48;

/// A name in the log that this version does not know. An older version reads, delivers, exports and verifies the entries of a
/// newer one, during an upgrade for example.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct OtherName {
    length: u8,
    /// The name in ASCII, followed by zeros.
    bytes: [u8; NAME_MAX],
}

impl OtherName {
    /// Returns the name if it consists of 1 to 48 ASCII letters, digits and `_`.
    fn of(name: &str) -> Option<Self> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || name.len() > NAME_MAX || !name.bytes().all(fits) {
            return None;
        }
        let mut bytes = [0; NAME_MAX];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        Some(Self { length: u8::try_from(name.len()).ok()?, bytes })
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }
}

impl fmt::Debug for OtherName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

/// Declares a list of names as `names!` does, with a place for the names that only a newer version knows.
macro_rules! open_names {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the names are the log's and say it all")]
        pub enum $name {
            $($variant,)+
            /// A name that only a newer version knows. This version reads such names and never writes them.
            Other(OtherName),
        }

        impl $name {
            /// All variants that this version knows, in the order in which they are declared.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Returns the name that the log stores.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(name) => name.as_str(),
                }
            }

            /// Reads a name in the log, whether this version knows it or not. Returns `None` for a text that
            /// cannot be a name.
            #[must_use]
            pub fn read(name: &str) -> Option<Self> {
                Self::from_name(name).or_else(|| OtherName::of(name).map(Self::Other))
            }

            /// Returns the variant with this name, or `None` if this version does not know the name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

open_names!(
    /// The kinds of object that an action can apply to.
    ObjectKind {
        Record = "record",
        Collection = "collection",
        Connection = "connection",
        Conflict = "conflict",
        Plan = "plan",
        Run = "run",
        User = "user",
        Token = "token",
        Key = "key",
        License = "license",
        Backup = "backup",
        Database = "database",
        Webhook = "webhook",
        Audit = "audit",
        Import = "import",
    }
);

open_names!(
    /// The actions that the log records.
    AuditAction {
        HcvConnectionCreated = "HCV_CONNECTION_CREATED",
        HcvConnectionUpdated = "HCV_CONNECTION_UPDATED",
        HcvConnectionDeleted = "HCV_CONNECTION_DELETED",
        HcvConnectionTested = "HCV_CONNECTION_TESTED",
        HcvSecretIdRotated = "HCV_SECRET_ID_ROTATED",
        HcvSyncStarted = "HCV_SYNC_STARTED",
        HcvSyncFinished = "HCV_SYNC_FINISHED",
        HcvSyncHalted = "HCV_SYNC_HALTED",
        HcvSecretSynced = "HCV_SECRET_SYNCED",
        HcvConflictDetected = "HCV_CONFLICT_DETECTED",
        HcvConflictResolved = "HCV_CONFLICT_RESOLVED",
        HcvConflictRevealed = "HCV_CONFLICT_REVEALED",
        HcvDifferenceReopened = "HCV_DIFFERENCE_REOPENED",
        HcvPathIgnored = "HCV_PATH_IGNORED",
        HcvPathUnignored = "HCV_PATH_UNIGNORED",
        RecordCreated = "RECORD_CREATED",
        RecordUpdated = "RECORD_UPDATED",
        RecordDeleted = "RECORD_DELETED",
        RecordRestored = "RECORD_RESTORED",
        RecordMoved = "RECORD_MOVED",
        RecordRevealed = "RECORD_REVEALED",
        RecordInjected = "RECORD_INJECTED",
        RecordExported = "RECORD_EXPORTED",
        ImportReviewed = "IMPORT_REVIEWED",
        RecordsImported = "RECORDS_IMPORTED",
        ImportUndone = "IMPORT_UNDONE",
        RecordsExported = "RECORDS_EXPORTED",
        CollectionCreated = "COLLECTION_CREATED",
        CollectionUpdated = "COLLECTION_UPDATED",
        CollectionDeleted = "COLLECTION_DELETED",
        MemberGranted = "MEMBER_GRANTED",
        MemberRevoked = "MEMBER_REVOKED",
        SetupLinkCreated = "SETUP_LINK_CREATED",
        UserCreated = "USER_CREATED",
        UserUpdated = "USER_UPDATED",
        UserDeleted = "USER_DELETED",
        LoginSucceeded = "LOGIN_SUCCEEDED",
        LoginFailed = "LOGIN_FAILED",
        LoggedOut = "LOGGED_OUT",
        AccessDenied = "ACCESS_DENIED",
        IdentityConfirmed = "IDENTITY_CONFIRMED",
        FactorAdded = "FACTOR_ADDED",
        FactorRemoved = "FACTOR_REMOVED",
        RecoveryCodesMade = "RECOVERY_CODES_MADE",
        RecoveryCodeUsed = "RECOVERY_CODE_USED",
        DeviceRemembered = "DEVICE_REMEMBERED",
        DeviceForgotten = "DEVICE_FORGOTTEN",
        InvitationCreated = "INVITATION_CREATED",
        InvitationAccepted = "INVITATION_ACCEPTED",
        ResetLinkCreated = "RESET_LINK_CREATED",
        UserRecovered = "USER_RECOVERED",
        PersonLinkWithdrawn = "PERSON_LINK_WITHDRAWN",
        ApiTokenCreated = "API_TOKEN_CREATED",
        ApiTokenRevoked = "API_TOKEN_REVOKED",
        KeySealed = "KEY_SEALED",
        KeyUnsealed = "KEY_UNSEALED",
        KeyRotated = "KEY_ROTATED",
        LicenseInstalled = "LICENSE_INSTALLED",
        LicenseExpired = "LICENSE_EXPIRED",
        AuditExported = "AUDIT_EXPORTED",
        AuditPruned = "AUDIT_PRUNED",
        AuditGuardRaised = "AUDIT_GUARD_RAISED",
        BackupCreated = "BACKUP_CREATED",
        BackupRestored = "BACKUP_RESTORED",
        DatabaseCopied = "DATABASE_COPIED",
        WebhookCreated = "WEBHOOK_CREATED",
        WebhookUpdated = "WEBHOOK_UPDATED",
        WebhookDeleted = "WEBHOOK_DELETED",
    }
);
