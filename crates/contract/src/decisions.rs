//! What a person decided on a conflict, and what that wrote.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_sync::ResolutionName;

/// A decision that was carried out.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct DecisionView {
    /// `keep_local`, `keep_remote`, `keep_both` or `merge`.
    #[schema(value_type = String)]
    pub resolution: ResolutionName,
    /// Who decided.
    pub by: String,
    pub decided_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What was written on both sides, in the order in which it was written. Empty where both sides stay as they are.
    pub written: Vec<WrittenView>,
}

/// One thing that a decision wrote.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct WrittenView {
    /// `created_remote`, `updated_remote`, `deleted_remote`, `created_local`, `updated_local`, `deleted_local` or
    /// `kept_local`.
    pub what: String,
    /// The record, and its path at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_path: Option<String>,
    /// The revision of the record afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// The whole path in Vault, with the mount.
    pub remote_path: String,
    /// The version in Vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_version: Option<u64>,
}

impl DecisionView {
    /// Returns what was chosen, as a sentence.
    #[must_use]
    pub const fn chosen(&self) -> &'static str {
        match (self.resolution, self.written.is_empty()) {
            (ResolutionName::KeepLocal, true) => "VaultTerm keeps its values.",
            (ResolutionName::KeepRemote, true) => "Vault keeps its values.",
            (ResolutionName::KeepLocal, false) => "The record counts.",
            (ResolutionName::KeepRemote, false) => "The secret in Vault counts.",
            (ResolutionName::KeepBoth, _) => "Both are kept, as two records.",
            (ResolutionName::Merge, _) => "Both sides get a merge.",
        }
    }
}

impl WrittenView {
    /// Returns the record that the decision made, if it made one.
    #[must_use]
    pub fn new_record(&self) -> Option<Uuid> {
        self.record_id.filter(|_| self.what == "created_local")
    }

    /// Returns what was written, and where, as a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let here = self.record_path.as_deref().unwrap_or("the record");
        let there = &self.remote_path;
        let version = |words: &str| match self.remote_version {
            Some(version) => format!("{words} version {version}"),
            None => format!("{words} a new version"),
        };
        match (self.what.as_str(), self.revision) {
            ("created_remote" | "updated_remote", _) => version(&format!("Vault holds {there} now, as")) + ".",
            ("deleted_remote", _) => format!("{there} was deleted in Vault."),
            ("created_local", _) => version(&format!("VaultTerm has a new record, {here}, with the values of")) + ".",
            ("updated_local", Some(revision)) => format!("VaultTerm holds {here} now, as revision {revision}."),
            ("updated_local", None) => format!("VaultTerm holds {here} now, as a new revision."),
            ("deleted_local", _) => format!("{here} moved to the trash."),
            ("kept_local", _) => version(&format!("The history of {here} keeps")) + ", which Vault was about to erase.",
            (other, _) => format!("{other}: {there}."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_decision_wrote_is_told_with_place_and_number() {
        let written = |what: &str| WrittenView {
            what: what.to_owned(),
            record_id: None,
            record_path: Some("db-remote".to_owned()),
            revision: Some(3),
            remote_path: "kv/team/db".to_owned(),
            remote_version: Some(5),
        };
        for (what, told) in [
            ("updated_remote", "Vault holds kv/team/db now, as version 5."),
            ("deleted_remote", "kv/team/db was deleted in Vault."),
            ("created_local", "VaultTerm has a new record, db-remote, with the values of version 5."),
            ("updated_local", "VaultTerm holds db-remote now, as revision 3."),
            ("deleted_local", "db-remote moved to the trash."),
            ("kept_local", "The history of db-remote keeps version 5, which Vault was about to erase."),
        ] {
            assert_eq!(written(what).sentence(), told);
        }
    }
}
