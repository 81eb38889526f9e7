//! The faults that a check of an export can find: a closed list of classes, each with an exit code.

use std::fmt;

use uuid::Uuid;

macro_rules! classes {
    ($($(#[$meta:meta])* $variant:ident = $code:literal, $name:literal);+ $(;)?) => {
        /// The classes of findings. The number of a class is the exit code of `vaultterm audit verify`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Class { $($(#[$meta])* $variant = $code),+ }

        impl Class {
            /// All classes, in the order of their exit codes.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Returns the name of the class.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
    };
}

classes! {
    /// A line does not have the form of an export line, or the bytes of an entry cannot be decoded.
    Malformed = 20, "malformed";
    /// The readable part of an entry's line contradicts the bytes of the entry.
    Altered = 21, "altered";
    /// An entry is missing, duplicated or out of order.
    Gap = 22, "gap";
    /// An entry does not name the hash of the entry before it, so one of the two was changed.
    Link = 23, "link";
    /// An entry or a checkpoint belongs to another log.
    OtherLog = 24, "other_log";
    /// The log ends before a place that it is known to have reached.
    Truncated = 25, "truncated";
    /// The root hash of a checkpoint is not the root hash of the entries before it.
    Root = 26, "root";
    /// No trusted key signed a checkpoint.
    Signature = 27, "signature";
    /// The restore count or the license counter of a checkpoint is lower than in an earlier checkpoint.
    Rollback = 28, "rollback";
    /// A checkpoint that was kept outside contradicts the export: somebody rewrote the log.
    Anchor = 29, "anchor";
}

impl Class {
    /// Returns the exit code.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        self as u8
    }
}

/// One fault that a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The class of the fault.
    pub class: Class,
    /// The line of the export, counted from 1. `None` when the finding concerns the whole export.
    pub line: Option<u64>,
    /// The description of the fault, for people.
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

/// The result of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The id of the log.
    pub log_id: Option<Uuid>,
    /// The number of entries before the first entry of the export.
    pub after: u64,
    /// The number of entries that were checked.
    pub entries: u64,
    /// The place of the last checked entry.
    pub last: u64,
    /// The number of checkpoints that were checked.
    pub checkpoints: u64,
    /// The place up to which checkpoints of a trusted key cover every entry.
    pub signed_to: u64,
    /// The number of checkpoints kept outside that were compared, and the number of those that the
    /// export does not reach.
    pub anchors: (u64, u64),
    /// The export was limited to a moment, so the check cannot tell whether later entries are missing.
    pub until: bool,
    /// The export leaves out entries on purpose, so the check cannot tell whether others are missing.
    pub selection: bool,
    /// The caller named the key to trust. Otherwise the check used the key that the export itself
    /// carries, and a forger can choose that key.
    pub trusted: bool,
    /// The first findings, up to a limit.
    pub findings: Vec<Finding>,
    /// The number of all findings, including those that were not kept.
    pub found: u64,
}

impl Report {
    /// Returns the class of the first finding. Later findings are often consequences of the first.
    #[must_use]
    pub fn first(&self) -> Option<Class> {
        self.findings.first().map(|finding| finding.class)
    }
}
