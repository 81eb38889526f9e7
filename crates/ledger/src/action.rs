//! The audited actions and the kinds of object that they apply to, as two closed lists.

macro_rules! names {
    ($(#[$meta:meta])* $name:ident: $($variant:ident = $text:literal),+ $(,)?) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the names are those of the log and explain themselves")]
        pub enum $name { $($variant),+ }

        impl $name {
            /// All variants, in the order in which they are declared.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Returns the name that the log stores.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// Returns the variant with this name, or `None` for an unknown name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

names!(
    /// The kinds of object that an action can apply to.
    ObjectKind:
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
    Webhook = "webhook",
    Audit = "audit",
);
names!(
    /// The actions that the log records.
    Action:
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
    RecordCreated = "RECORD_CREATED",
    RecordUpdated = "RECORD_UPDATED",
    RecordDeleted = "RECORD_DELETED",
    RecordRestored = "RECORD_RESTORED",
    RecordRevealed = "RECORD_REVEALED",
    RecordInjected = "RECORD_INJECTED",
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
    WebhookCreated = "WEBHOOK_CREATED",
    WebhookUpdated = "WEBHOOK_UPDATED",
    WebhookDeleted = "WEBHOOK_DELETED",
);
