//! The names of what a person or a program may do.
//!
//! The engine asks for none of them. They stand here because the database stores them, the API sends them,
//! and both must use the same names.

use vaultterm_reconcile::names;

names!(
    /// What a person may do on the installation as a whole. The least comes first.
    InstanceRole, "role" {
        /// Own collections and those shared with them.
        Member = "member",
        /// Users, all connections, audit.
        Admin = "admin",
        /// Everything; at least one owner always remains.
        Owner = "owner",
    }
);
names!(
    /// What a person may do in one collection. The least comes first.
    CollectionRole, "role" {
        /// Read.
        Viewer = "viewer",
        /// Write.
        Editor = "editor",
        /// Delete records, manage members and connections.
        Admin = "admin",
        /// Delete the collection.
        Owner = "owner",
    }
);
names!(
    /// What a token may do. A login token holds all of them.
    #[allow(missing_docs, reason = "the names are the API's")]
    Scope, "scope" {
        RecordsRead = "records:read",
        RecordsReveal = "records:reveal",
        RecordsWrite = "records:write",
        ConnectionsWrite = "connections:write",
        SyncPlan = "sync:plan",
        SyncRun = "sync:run",
        SyncHint = "sync:hint",
        ConflictsResolve = "conflicts:resolve",
        AuditRead = "audit:read",
        Admin = "admin",
    }
);
names!(
    /// How a person proved who they are when a session began.
    SignInMethod, "way to sign in" {
        /// The password of a person without a second factor.
        Password = "password",
        /// The password and a one-time code.
        Otp = "one-time code",
        /// The password and a recovery code.
        RecoveryCode = "recovery code",
        /// The password, on a browser that the person had remembered.
        KnownDevice = "remembered device",
        /// A passkey.
        Passkey = "passkey",
        /// The link of the set-up, of an invitation or of a reset.
        Link = "link",
    }
);
names!(
    /// What a link for one person does.
    LinkPurpose, "purpose of a link" {
        /// A new person chooses a password.
        Invitation = "invitation",
        /// A person who lost the second factor begins again with a new password.
        Reset = "reset",
    }
);
names!(
    /// What made a token.
    TokenKind, "kind of token" {
        /// A login.
        Login = "login",
        /// A person, for a program.
        Api = "api",
    }
);

names!(
    /// How a person came to a role.
    GrantKind, "way to a role" {
        /// Somebody gave it.
        Given = "given",
        /// The person made the collection, and owns it since.
        Made = "made",
        /// The person is the owner with whom the installation began.
        First = "first",
    }
);
