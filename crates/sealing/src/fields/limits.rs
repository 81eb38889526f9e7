//! The limits of a record. A record that came from Vault may exceed them.

use serde_json::Value;
use vaultterm_reconcile::visible;

use super::{FieldsError, SecretFields};

impl SecretFields {
    /// Checks the limits that hold for a new record.
    ///
    /// # Errors
    /// [`FieldsError`] names the limit.
    pub fn check_limits(&self) -> Result<(), FieldsError> {
        self.check_change(&[])
    }

    /// Checks the limits for fields that replace others: those of the previous revision, or those of
    /// both sides of a merge.
    ///
    /// Vault accepts names and sizes that a new record may not have. A record that came from Vault
    /// stays editable: this function checks only the names that the change adds, and only the limits
    /// that the change crosses. A record that exceeded a limit before the change may grow to
    /// [`Self::BEYOND`] times the limit.
    ///
    /// # Errors
    /// [`FieldsError`] names the limit.
    pub fn check_change(&self, before: &[&Self]) -> Result<(), FieldsError> {
        let allowed = |max: usize, measure: &dyn Fn(&Self) -> usize| {
            let held = before.iter().map(|fields| measure(fields)).max().unwrap_or_default();
            if held > max { held.max(max * Self::BEYOND) } else { max }
        };
        let (found, max) = (self.0.len(), allowed(Self::FIELDS_MAX, &|fields| fields.0.len()));
        if found > max {
            return Err(FieldsError::TooManyFields { found, max });
        }
        let new = self.names().filter(|name| !before.iter().any(|fields| fields.0.contains_key(*name)));
        for name in new {
            let length = name.chars().count();
            if length == 0 || length > Self::NAME_CHARS_MAX || name.chars().any(char::is_control) {
                let start: String = name.chars().take(Self::NAME_CHARS_MAX).collect();
                let field = visible(&start).into_owned();
                return Err(FieldsError::FieldName { field, max: Self::NAME_CHARS_MAX });
            }
        }
        let (found, max) = (self.strings(), allowed(Self::STRINGS_MAX, &Self::strings));
        if found > max {
            return Err(FieldsError::TooManyStrings { found, max });
        }
        let (found, max) = (self.bytes(), allowed(Self::BYTES_MAX, &Self::bytes));
        if found > max {
            return Err(FieldsError::TooLarge { found, max });
        }
        Ok(())
    }

    /// Counts the JSON strings of all fields, names and texts together.
    fn strings(&self) -> usize {
        self.0.len() + self.0.values().map(strings).sum::<usize>()
    }

    /// Returns the size of the JSON, in bytes.
    fn bytes(&self) -> usize {
        self.to_json().expose().len()
    }

    /// How many times a limit a record may reach when it already exceeded that limit.
    pub const BEYOND: usize = 8;
    /// The maximum number of fields of a new record.
    pub const FIELDS_MAX: usize = 400;
    /// The maximum number of characters of a new field's name.
    pub const NAME_CHARS_MAX: usize = 128;
    /// The maximum number of JSON strings of a new record. OpenBao refuses a request with more than 1,000.
    pub const STRINGS_MAX: usize = 900;
    /// The maximum number of bytes of a new record's JSON. A KV v2 version must fit into one storage entry.
    pub const BYTES_MAX: usize = 512 * 1024;
}

/// Counts the JSON strings in a value, including the names in nested objects.
fn strings(value: &Value) -> usize {
    match value {
        Value::String(_) => 1,
        Value::Array(items) => items.iter().map(strings).sum(),
        Value::Object(map) => map.len() + map.values().map(strings).sum::<usize>(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::{FieldsError, SecretFields};

    fn parse(json: &str) -> Result<SecretFields, FieldsError> {
        SecretFields::parse(json.as_bytes())
    }

    #[test]
    fn limits_are_named() {
        let many: Vec<String> = (0..401).map(|n| format!(r#""f{n}": 1"#)).collect();
        let error = parse(&format!("{{{}}}", many.join(","))).unwrap_err();
        assert_eq!(error, FieldsError::TooManyFields { found: 401, max: 400 });
        let strings = vec!["\"x\""; 900].join(",");
        let error = parse(&format!(r#"{{"list": [{strings}]}}"#)).unwrap_err();
        assert_eq!(error, FieldsError::TooManyStrings { found: 901, max: 900 });
        let error = parse(&format!(r#"{{"big": "{}"}}"#, "x".repeat(600_000))).unwrap_err();
        assert!(matches!(error, FieldsError::TooLarge { .. }));
        assert!(matches!(parse(r#"{"": 1}"#), Err(FieldsError::FieldName { .. })));
        assert_eq!(parse("[1]").unwrap_err(), FieldsError::NotAnObject);
        assert_eq!(parse(r#"{"a": }"#).unwrap_err(), FieldsError::NotAnObject);
    }

    #[test]
    fn what_came_from_vault_stays_editable_and_only_new_names_are_judged() {
        let trusted = |names: &[&str], size: usize| {
            let value = |name: &&str| ((*name).to_owned(), serde_json::Value::from("x".repeat(size)));
            SecretFields::from_trusted(names.iter().map(value).collect())
        };
        let long = "n".repeat(150);
        let odd = ["", "a\u{1}b", long.as_str()];
        let held = trusted(&odd, 1);
        trusted(&[&odd[..], &["fine"]].concat(), 1).check_change(&[&held]).unwrap();
        trusted(&odd[..1], 1).check_change(&[&held]).unwrap();
        for name in odd {
            let error = trusted(&[name, "fine"], 1).check_change(&[&trusted(&["fine"], 1)]).unwrap_err();
            assert!(matches!(error, FieldsError::FieldName { .. }), "{error}");
        }
        let error = trusted(&["a\u{1}b"], 1).check_limits().unwrap_err();
        assert!(error.to_string().contains(r"a\u{1}b"), "{error}");

        let large = trusted(&["a"], 600_000);
        trusted(&["a"], 600_020).check_change(&[&large]).unwrap();
        trusted(&["a"], 700_000).check_change(&[&trusted(&["b"], 1), &large]).unwrap();
        let beyond = SecretFields::BEYOND * SecretFields::BYTES_MAX;
        let error = trusted(&["a"], beyond).check_change(&[&large]).unwrap_err();
        assert!(matches!(error, FieldsError::TooLarge { max, .. } if max == beyond), "{error}");
        let larger = trusted(&["a"], beyond + 10);
        trusted(&["a"], beyond + 10).check_change(&[&larger]).unwrap();
        trusted(&["a"], beyond + 11).check_change(&[&larger]).unwrap_err();
        let error = trusted(&["a"], 600_000).check_change(&[&trusted(&["a"], 500_000)]).unwrap_err();
        assert!(matches!(error, FieldsError::TooLarge { .. }), "this change crosses the limit: {error}");

        let many: Vec<String> = (0..430).map(|n| format!("f{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        trusted(&[&many[..], &["one more"]].concat(), 1).check_change(&[&trusted(&many, 1)]).unwrap();
        trusted(&many, 1).check_change(&[&trusted(&many[..400], 1)]).unwrap_err();
    }
}
