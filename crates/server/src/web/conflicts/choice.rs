//! What a person chose on the page of a conflict, and what it means.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use vaultterm_operations::{
    Refusal,
    conflicts::{Decided, FieldDecision},
};
use vaultterm_reconcile::{Conflict, ConflictKind, Mode, Side};
use vaultterm_sync::ResolutionName;
use zeroize::Zeroizing;

use crate::web::form::Pairs;

/// What was chosen for one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Take(Side),
    Type(Zeroizing<String>),
}

/// What was chosen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choices {
    /// The whole path, by one button.
    pub(crate) whole: Option<ResolutionName>,
    /// Field by field.
    pub(crate) fields: BTreeMap<String, Choice>,
    pub(crate) reason: String,
    pub(crate) local_revision: Option<u64>,
    pub(crate) remote_version: Option<u64>,
}

impl Choices {
    /// Reads the form. A choice of a field that was not asked for is left out.
    pub(crate) fn of(pairs: &Pairs, asked: &[String]) -> Self {
        let chosen = |(name, side): (&str, &str)| {
            let choice = match side {
                "local" => Choice::Take(Side::Local),
                "remote" => Choice::Take(Side::Remote),
                "typed" => Choice::Type(Zeroizing::new(pairs.text(&format!("value:{name}")).to_owned())),
                _ => return None,
            };
            asked.iter().any(|known| known == name).then(|| (name.to_owned(), choice))
        };
        Self {
            whole: pairs.text("whole").parse().ok(),
            fields: pairs.below("take:").filter_map(chosen).collect(),
            reason: pairs.text("reason").trim().to_owned(),
            local_revision: pairs.text("local-revision").parse().ok(),
            remote_version: pairs.text("remote-version").parse().ok(),
        }
    }

    /// Returns what is decided; nothing while a field has no choice.
    pub(crate) fn resolution(&self, asked: &[String]) -> Option<ResolutionName> {
        if let Some(whole) = self.whole {
            return Some(whole);
        }
        if asked.is_empty() || asked.iter().any(|name| !self.fields.contains_key(name)) {
            return None;
        }
        let all = |side| self.fields.values().all(|choice| *choice == Choice::Take(side));
        Some(match (all(Side::Local), all(Side::Remote)) {
            (true, _) => ResolutionName::KeepLocal,
            (_, true) => ResolutionName::KeepRemote,
            _ => ResolutionName::Merge,
        })
    }

    /// Makes the decision that the operation takes.
    pub(crate) fn decided(&self, resolution: ResolutionName) -> Result<Decided, Refusal> {
        let mut fields = BTreeMap::new();
        if resolution == ResolutionName::Merge {
            for (name, choice) in &self.fields {
                let decision = match choice {
                    Choice::Take(side) => FieldDecision { take: Some(side.as_str().to_owned()), value: None },
                    Choice::Type(text) => {
                        let json = serde_json::to_string(text.as_str()).map_err(|error| Refusal::internal(&error))?;
                        let raw = RawValue::from_string(json).map_err(|error| Refusal::internal(&error))?;
                        FieldDecision { take: None, value: Some(raw) }
                    }
                };
                fields.insert(name.clone(), decision);
            }
        }
        Ok(Decided {
            resolution: resolution.as_str().to_owned(),
            fields,
            reason: Some(self.reason.clone()).filter(|reason| !reason.is_empty()),
            local_revision: self.local_revision,
            remote_version: self.remote_version,
        })
    }
}

/// What a decision would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Meaning {
    /// In sentences.
    pub(crate) consequence: String,
    /// The name of the button: object, direction and version.
    pub(crate) button: String,
}

/// Says what a decision does to both sides.
pub(crate) fn meaning(
    conflict: &Conflict,
    mode: Mode,
    resolution: ResolutionName,
    fields: &BTreeMap<String, Choice>,
) -> Meaning {
    let revision = conflict.expect.local_revision().unwrap_or(0);
    let version = conflict.expect.remote_version().unwrap_or(0);
    let (next_revision, next_version) = (revision + 1, version + 1);
    let made = |consequence: String, button: String| Meaning { consequence, button };
    if matches!((mode, resolution), (Mode::Pull, ResolutionName::KeepLocal) | (Mode::Push, ResolutionName::KeepRemote))
    {
        return made(
            "Both sides stay as they are: you accept that they differ. The next change of a value on either side asks \
             again."
                .to_owned(),
            format!("Accept that VaultTerm and Vault v{version} differ"),
        );
    }
    match (resolution, conflict.kind) {
        (ResolutionName::KeepLocal, ConflictKind::LocalDeleted) => made(
            format!("The secret is deleted in Vault. Version {version} can be undeleted there, and is kept here."),
            format!("Delete Vault v{version}"),
        ),
        (ResolutionName::KeepRemote, ConflictKind::LocalDeleted) => made(
            format!("The record comes back with the values of Vault v{version}. Vault is not written."),
            format!("Take Vault v{version} into VaultTerm"),
        ),
        (ResolutionName::KeepRemote, ConflictKind::RemoteDeleted) => made(
            format!("The record moves to the trash with all its revisions. Revision {revision} can be restored."),
            format!("Move revision {revision} to the trash"),
        ),
        (ResolutionName::KeepLocal, ConflictKind::RemoteDeleted) => made(
            format!("Vault gets version {next_version} with the values of revision {revision}."),
            format!("Write revision {revision} to Vault again"),
        ),
        (ResolutionName::KeepLocal, _) => made(
            format!(
                "Vault gets version {next_version} with the values of VaultTerm. Version {version} stays readable in \
                 Vault, and becomes a revision here."
            ),
            format!("Write over Vault v{version}"),
        ),
        (ResolutionName::KeepRemote, _) => made(
            format!(
                "VaultTerm gets revision {next_revision} with the values of Vault. Vault is not written. Revision \
                 {revision} stays readable here."
            ),
            format!("Take Vault v{version} into VaultTerm"),
        ),
        (ResolutionName::KeepBoth, _) => made(
            "The value of Vault becomes a second record beside this one. Then Vault gets the values of VaultTerm at \
             this path. Nothing is lost."
                .to_owned(),
            "Keep both as two records".to_owned(),
        ),
        (ResolutionName::Merge, _) => made(
            format!(
                "VaultTerm gets a new revision, and Vault version {next_version}, with {}. Revision {revision} and \
                 version {version} stay readable.",
                listed(fields)
            ),
            format!("Write the merge over Vault v{version}"),
        ),
    }
}

fn listed(fields: &BTreeMap<String, Choice>) -> String {
    let of = |choice: fn(&Choice) -> bool| -> Vec<&str> {
        fields.iter().filter(|(_, made)| choice(made)).map(|(name, _)| name.as_str()).collect()
    };
    let told = [
        ("from VaultTerm", of(|choice| *choice == Choice::Take(Side::Local))),
        ("from Vault", of(|choice| *choice == Choice::Take(Side::Remote))),
        ("as typed", of(|choice| matches!(choice, Choice::Type(_)))),
    ];
    let told =
        told.iter().filter(|(_, names)| !names.is_empty()).map(|(from, names)| format!("{} {from}", names.join(", ")));
    told.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Vec<String> {
        vec!["a".to_owned(), "b".to_owned()]
    }

    #[test]
    fn one_side_for_all_fields_is_that_side_and_anything_else_is_a_merge() {
        for (pairs, expected) in [
            (vec![("take:a", "local"), ("take:b", "local")], Some(ResolutionName::KeepLocal)),
            (vec![("take:a", "remote"), ("take:b", "remote")], Some(ResolutionName::KeepRemote)),
            (vec![("take:a", "remote"), ("take:b", "local")], Some(ResolutionName::Merge)),
            (vec![("take:a", "typed"), ("value:a", "x"), ("take:b", "local")], Some(ResolutionName::Merge)),
            (vec![("take:a", "remote")], None),
            (vec![], None),
            (vec![("whole", "keep_both")], Some(ResolutionName::KeepBoth)),
            (vec![("whole", "all")], None),
        ] {
            let choices = Choices::of(&Pairs::of(&pairs), &asked());
            assert_eq!(choices.resolution(&asked()), expected, "{pairs:?}");
        }
    }

    #[test]
    fn a_decision_names_what_it_was_taken_on_and_no_other_field() {
        let pairs = [
            ("take:a", "typed"),
            ("value:a", "say \"x\""),
            ("take:b", "remote"),
            ("take:c", "local"),
            ("local-revision", "7"),
            ("remote-version", "12"),
        ];
        let choices = Choices::of(&Pairs::of(&pairs), &asked());
        let decided = choices.decided(ResolutionName::Merge).unwrap();
        assert_eq!((decided.local_revision, decided.remote_version), (Some(7), Some(12)));
        assert_eq!(decided.fields.len(), 2);
        assert_eq!(decided.fields["a"].value.as_ref().map(|raw| raw.get()), Some(r#""say \"x\"""#));
        assert_eq!(decided.fields["b"].take.as_deref(), Some("remote"));
        assert_eq!(listed(&choices.fields), "b from Vault; a as typed");
    }
}
