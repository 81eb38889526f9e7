//! What a person typed into the form of a record, before it is saved. It may hold secrets: it is wiped, never logged,
//! and goes back to the same person only.

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;
use vaultterm_operations::Refusal;
use vaultterm_reconcile::RecordType;
use zeroize::{Zeroize as _, Zeroizing};

use super::rules::Rules;
use crate::web::form::Pairs;

/// A form that a person sent.
pub(crate) struct Draft {
    /// The collection of a new record.
    pub(crate) collection: Option<Uuid>,
    /// The revision that the person saw.
    pub(crate) revision: u64,
    pub(crate) path: String,
    pub(crate) kind: RecordType,
    /// As typed, separated by commas.
    pub(crate) tags: String,
    pub(crate) inject_only: bool,
    pub(crate) ask_again: bool,
    /// What path, type, tags and the settings were when the form was opened.
    pub(crate) was: Was,
    /// New values by the name of their field. A field that was left empty is not among them.
    pub(crate) values: BTreeMap<String, Zeroizing<String>>,
    /// What stood in a field before a value was generated into it, so that this can be undone.
    pub(crate) before: BTreeMap<String, Zeroizing<String>>,
    /// How values are generated.
    pub(crate) rules: Rules,
    /// Fields to remove.
    pub(crate) removed: Vec<String>,
    /// A name that stands twice, if there is one.
    twice: Option<String>,
}

/// What the form was opened with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Was {
    pub(crate) path: String,
    pub(crate) kind: String,
    pub(crate) tags: String,
    pub(crate) inject_only: bool,
    pub(crate) ask_again: bool,
}

/// What the next request does with the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Shows what would change.
    Review,
    /// Shows the form again.
    Form,
    /// Saves.
    Save,
}

impl Step {
    pub(crate) fn of(pairs: &Pairs) -> Self {
        match pairs.text("step") {
            "save" => Self::Save,
            "form" => Self::Form,
            _ => Self::Review,
        }
    }
}

impl Draft {
    /// Reads the form.
    pub(crate) fn of(pairs: &Pairs) -> Self {
        let mut values = BTreeMap::new();
        let mut twice = None;
        let known = pairs.below("field:").map(|(name, text)| (name.to_owned(), text));
        let names = pairs.all("new-name").map(|name| name.trim().to_owned());
        let added = names.zip(pairs.all("new-value")).filter(|(name, _)| !name.is_empty());
        for (name, text) in known.filter(|(_, text)| !text.is_empty()).chain(added) {
            if values.insert(name.clone(), Zeroizing::new(text.to_owned())).is_some() {
                twice = Some(name);
            }
        }
        Self {
            collection: pairs.text("collection").parse().ok(),
            revision: pairs.text("revision").parse().unwrap_or(0),
            path: pairs.text("path").trim().to_owned(),
            kind: pairs.text("type").parse().unwrap_or(RecordType::KeyValue),
            tags: pairs.text("tags").trim().to_owned(),
            inject_only: pairs.find("inject-only").is_some(),
            ask_again: pairs.find("ask-again").is_some(),
            was: Was {
                path: pairs.text("was-path").to_owned(),
                kind: pairs.text("was-type").to_owned(),
                tags: pairs.text("was-tags").to_owned(),
                inject_only: pairs.find("was-inject-only").is_some(),
                ask_again: pairs.find("was-ask-again").is_some(),
            },
            before: pairs
                .below("before:")
                .map(|(name, text)| (name.to_owned(), Zeroizing::new(text.to_owned())))
                .collect(),
            rules: Rules::of(pairs),
            removed: pairs.all("remove").map(str::to_owned).filter(|name| !values.contains_key(name)).collect(),
            values,
            twice,
        }
    }

    /// Refuses a name of a field that stands twice.
    pub(crate) fn checked(&self) -> Result<(), Refusal> {
        match &self.twice {
            Some(name) => Err(Refusal::field(format!("fields.{name}"), "the name stands twice")),
            None => Ok(()),
        }
    }

    /// Returns the labels one by one.
    pub(crate) fn tags(&self) -> Vec<String> {
        tags_of(&self.tags)
    }

    /// Encodes the values as a JSON object of texts.
    pub(crate) fn fields_json(&self) -> Zeroizing<String> {
        let mut object: BTreeMap<&str, Value> =
            self.values.iter().map(|(name, text)| (name.as_str(), Value::String(text.as_str().to_owned()))).collect();
        let json = Zeroizing::new(serde_json::to_string(&object).unwrap_or_default());
        for value in object.values_mut() {
            if let Value::String(text) = value {
                text.zeroize();
            }
        }
        json
    }

    /// Lists everything as the hidden fields of another form, so that nothing is lost on the way.
    pub(crate) fn carried(&self, revision: u64) -> Vec<Carried> {
        let mut carried = Vec::new();
        let mut add = |name: String, value: &str| {
            carried.push(Carried { name, value: Zeroizing::new(value.to_owned()) });
        };
        if let Some(collection) = self.collection {
            add("collection".to_owned(), &collection.to_string());
        }
        add("revision".to_owned(), &revision.to_string());
        add("path".to_owned(), &self.path);
        add("type".to_owned(), self.kind.as_str());
        add("tags".to_owned(), &self.tags);
        add("was-path".to_owned(), &self.was.path);
        add("was-type".to_owned(), &self.was.kind);
        add("was-tags".to_owned(), &self.was.tags);
        for (name, is_set) in [
            ("inject-only", self.inject_only),
            ("was-inject-only", self.was.inject_only),
            ("ask-again", self.ask_again),
            ("was-ask-again", self.was.ask_again),
        ] {
            if is_set {
                add(name.to_owned(), "on");
            }
        }
        for (name, value) in &self.values {
            add(format!("field:{name}"), value);
        }
        for (name, value) in &self.before {
            add(format!("before:{name}"), value);
        }
        for name in &self.removed {
            add("remove".to_owned(), name);
        }
        carried
    }
}

/// Splits labels at commas.
pub(crate) fn tags_of(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect()
}

/// A hidden field of a form: what the person typed, on its way to being saved.
pub(crate) struct Carried {
    pub(crate) name: String,
    pub(crate) value: Zeroizing<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> Draft {
        Draft::of(&Pairs::of(&[
            ("revision", "7"),
            ("path", " apps/db "),
            ("type", "PASSWORD"),
            ("tags", "prod, pci,,"),
            ("was-path", "apps/db"),
            ("field:username", ""),
            ("field:password", " with spaces "),
            ("remove", "url"),
            ("remove", "password"),
            ("new-name", "port"),
            ("new-value", "5432"),
            ("new-name", ""),
            ("new-value", "ignored"),
        ]))
    }

    #[test]
    fn an_empty_field_stays_as_it_is_and_a_value_is_taken_to_the_letter() {
        let draft = draft();
        assert_eq!(draft.values.keys().collect::<Vec<_>>(), ["password", "port"]);
        assert_eq!(draft.values["password"].as_str(), " with spaces ");
        assert_eq!(draft.fields_json().as_str(), r#"{"password":" with spaces ","port":"5432"}"#);
        assert_eq!((draft.path.as_str(), draft.revision, draft.kind), ("apps/db", 7, RecordType::Password));
        assert_eq!(draft.tags(), ["prod", "pci"]);
        assert_eq!(draft.removed, ["url"], "a field that got a value is not removed");
    }

    #[test]
    fn what_is_carried_on_reads_back_the_same() {
        let draft = draft();
        let carried = draft.carried(8);
        let pairs: Vec<(&str, &str)> = carried.iter().map(|one| (one.name.as_str(), one.value.as_str())).collect();
        let again = Draft::of(&Pairs::of(&pairs));
        assert_eq!(again.revision, 8);
        assert_eq!((again.values, again.removed, again.was), (draft.values, draft.removed, draft.was));
    }

    #[test]
    fn a_name_that_stands_twice_is_refused() {
        let pairs = [("field:a", "1"), ("new-name", "a"), ("new-value", "2")];
        assert!(Draft::of(&Pairs::of(&pairs)).checked().is_err());
        assert!(draft().checked().is_ok());
    }
}
