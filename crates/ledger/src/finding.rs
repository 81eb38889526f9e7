//! What a check of an export can find, a closed list with an exit code each.

use std::fmt;

use uuid::Uuid;

macro_rules! classes {
    ($($(#[$meta:meta])* $variant:ident = $code:literal, $name:literal);+ $(;)?) => {
        /// The classes of findings. The number is the exit code of `vaultterm audit verify`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Class { $($(#[$meta])* $variant = $code),+ }

        impl Class {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Returns the name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
    };
}

classes! {
    /// A line is none of an export, or an entry's bytes are no entry.
    Malformed = 20, "malformed";
    /// What people read beside an entry's bytes says something else than the bytes.
    Altered = 21, "altered";
    /// An entry is missing, doubled or out of order.
    Gap = 22, "gap";
    /// An entry does not name the hash of the one before it: one of the two was changed.
    Link = 23, "link";
    /// An entry or a checkpoint is another log's.
    OtherLog = 24, "other_log";
    /// The log ends before the place where it is known to have been.
    Truncated = 25, "truncated";
    /// A checkpoint says something else about the entries before it than they are.
    Root = 26, "root";
    /// A checkpoint is not signed by a key that is trusted.
    Signature = 27, "signature";
    /// The count of restores or of licenses went back from one checkpoint to a later one.
    Rollback = 28, "rollback";
    /// A checkpoint that was kept elsewhere says something else: history was rewritten.
    Anchor = 29, "anchor";
}

impl Class {
    /// Returns the exit code.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        self as u8
    }
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What kind of thing.
    pub class: Class,
    /// The line of the export, from 1; none for what is about the whole.
    pub line: Option<u64>,
    /// What it is.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.class.as_str())?;
        if let Some(line) = self.line {
            write!(f, " (line {line})")?;
        }
        write!(f, ": {}", self.what)
    }
}

/// What a check came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The log.
    pub log_id: Option<Uuid>,
    /// How many entries stand before the first one of the export.
    pub after: u64,
    /// How many entries were checked.
    pub entries: u64,
    /// The place of the last one.
    pub last: u64,
    /// How many checkpoints were checked.
    pub checkpoints: u64,
    /// Up to here a trusted key vouches for every entry.
    pub signed_to: u64,
    /// How many checkpoints from elsewhere were compared, and how many are of places that
    /// the export does not have.
    pub anchors: (u64, u64),
    /// It was asked for up to a moment: nothing can be said about what follows.
    pub until: bool,
    /// Entries are left out in between, so nothing can be said about what is missing.
    pub selection: bool,
    /// The caller named the key to trust. Otherwise signatures were checked with the key that the
    /// export itself brings, which whoever forges an export can choose.
    pub trusted: bool,
    /// What is wrong, as far as it was kept.
    pub findings: Vec<Finding>,
    /// How much is wrong.
    pub found: u64,
}

impl Report {
    /// Returns the class of the first finding: what follows is often a consequence of it.
    #[must_use]
    pub fn first(&self) -> Option<Class> {
        self.findings.first().map(|finding| finding.class)
    }
}
