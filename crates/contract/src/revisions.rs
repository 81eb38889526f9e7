//! Who made a revision, in words. What came from Vault was written by somebody in Vault, and not by the person who
//! started the run that brought it here.

use vaultterm_sync::RevisionOrigin;

/// The name of the actor where nobody asked for a run, so the schedule started it.
const SCHEDULE: &str = "vaultterm";

/// What is known of the makers of a revision.
#[derive(Clone, Copy, Debug)]
pub struct Makers<'a> {
    /// Where the values come from.
    pub origin: RevisionOrigin,
    /// Who saved the revision, or started the run that made it.
    pub actor: &'a str,
    /// Who wrote the values in Vault, if that is known.
    pub vault_writer: Option<&'a str>,
}

impl Makers<'_> {
    /// Returns who made the revision, without a verb: `ana`, or `jenkins in Vault, brought here by a run that ana
    /// started`.
    #[must_use]
    pub fn named(&self) -> String {
        match self.origin {
            RevisionOrigin::Person => self.actor.to_owned(),
            RevisionOrigin::Remote => {
                format!("{} in Vault, brought here by {}", self.vault_writer.unwrap_or("somebody"), self.run(None))
            }
            RevisionOrigin::Merge => format!("a merge of both sides by {}", self.run(None)),
            RevisionOrigin::Archive => format!("{}, which kept it from Vault", self.run(None)),
        }
    }

    /// Returns how the revision came to be, with a verb. `through` is the connection of the run.
    #[must_use]
    pub fn told(&self, through: &str) -> String {
        let run = self.run(Some(through));
        match (self.origin, self.vault_writer) {
            (RevisionOrigin::Person, _) => format!("saved by {}", self.actor),
            (RevisionOrigin::Remote, Some(writer)) => format!("written in Vault by {writer}, brought here by {run}"),
            (RevisionOrigin::Remote, None) => format!("written in Vault, brought here by {run}"),
            (RevisionOrigin::Merge, _) => format!("merged from both sides by {run}"),
            (RevisionOrigin::Archive, _) => format!("kept from Vault by {run}, before it was overwritten"),
        }
    }

    fn run(&self, through: Option<&str>) -> String {
        let of = through.map_or_else(String::new, |name| format!(" of {name}"));
        if self.actor == SCHEDULE {
            format!("a run{of} by schedule")
        } else {
            format!("a run{of} that {} started", self.actor)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_from_vault_names_the_writer_there_and_apart_from_that_who_started_the_run() {
        let makers = |origin, actor, vault_writer| Makers { origin, actor, vault_writer };
        let saved = makers(RevisionOrigin::Person, "ana", None);
        assert_eq!((saved.named().as_str(), saved.told("prod").as_str()), ("ana", "saved by ana"));
        let brought = makers(RevisionOrigin::Remote, "ana", Some("approle jenkins"));
        assert_eq!(brought.named(), "approle jenkins in Vault, brought here by a run that ana started");
        assert_eq!(
            brought.told("prod"),
            "written in Vault by approle jenkins, brought here by a run of prod that ana started"
        );
        let unknown = makers(RevisionOrigin::Remote, "vaultterm", None);
        assert_eq!(unknown.told("prod"), "written in Vault, brought here by a run of prod by schedule");
        assert_eq!(unknown.named(), "somebody in Vault, brought here by a run by schedule");
    }
}
