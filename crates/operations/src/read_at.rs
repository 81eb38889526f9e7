//! The revision of an object that a caller read before a change.

use crate::refusal::{Refusal, RefusalKind};

/// What a caller told about the revision that they read. An operation looks at it only after it has checked
/// access, so a caller who may not change the object at all learns that first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadAt {
    /// This revision.
    Revision(u64),
    /// Nothing.
    NotTold,
    /// Something that is no revision.
    Unreadable,
}

impl ReadAt {
    /// Returns the revision that a change needs.
    ///
    /// # Errors
    /// `RevisionNeeded`, `RevisionUnreadable`.
    pub fn needed(self) -> Result<u64, Refusal> {
        let needed = || Refusal::new(RefusalKind::RevisionNeeded, "the change needs the revision that was read");
        self.if_told()?.ok_or_else(needed)
    }

    /// Returns the revision, if the caller told one.
    ///
    /// # Errors
    /// `RevisionUnreadable`.
    pub fn if_told(self) -> Result<Option<u64>, Refusal> {
        match self {
            Self::Revision(revision) => Ok(Some(revision)),
            Self::NotTold => Ok(None),
            Self::Unreadable => Err(Refusal::new(RefusalKind::RevisionUnreadable, "the revision is not a number")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_needs_a_revision_and_a_deletion_takes_one_if_it_is_told() {
        assert_eq!((ReadAt::Revision(3).needed(), ReadAt::Revision(3).if_told()), (Ok(3), Ok(Some(3))));
        assert_eq!(ReadAt::NotTold.needed().map_err(|refusal| refusal.kind), Err(RefusalKind::RevisionNeeded));
        assert_eq!(ReadAt::NotTold.if_told(), Ok(None));
        for refused in [ReadAt::Unreadable.needed().err(), ReadAt::Unreadable.if_told().err()] {
            assert_eq!(refused.map(|refusal| refusal.kind), Some(RefusalKind::RevisionUnreadable));
        }
    }
}
