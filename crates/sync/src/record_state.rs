//! The names of how a record stands, and of where its revisions came from.

use vaultterm_reconcile::names;

names!(
    /// How a record stands with one connection.
    RecordSyncState, "state of a record" {
        /// Both sides hold the same.
        InStep = "in_step",
        /// The sides differ, and a person accepted that.
        Accepted = "accepted",
        /// The record changed since both sides held the same.
        Changed = "changed",
        /// The connection has not seen the record yet.
        New = "new",
        /// The other side is gone, and the record was left as it is.
        Unlinked = "unlinked",
        /// A person has to decide.
        Conflict = "conflict",
    }
);
names!(
    /// Live or in the trash.
    #[derive(Default)]
    RecordState, "state of a record" {
        /// Live.
        #[default]
        Live = "live",
        /// In the trash.
        Trash = "trash",
    }
);
names!(
    /// Where a revision of a record came from.
    RevisionOrigin, "origin" {
        /// A person or program through the API.
        Person = "person",
        /// Imported from Vault.
        Remote = "remote",
        /// A merge of both sides, or the record's side kept on top of an archived value of Vault.
        Merge = "merge",
        /// A value of Vault, kept before it was overwritten.
        Archive = "archive",
    }
);
