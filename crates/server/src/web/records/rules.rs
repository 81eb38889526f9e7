//! How values are generated, as the form of a record says it.

use vaultterm_operations::Refusal;
use vaultterm_sealing::PasswordRules;

use crate::web::form::Pairs;

/// How values are generated, as the form says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) length: String,
    pub(crate) no_symbols: bool,
    pub(crate) no_ambiguous: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { length: PasswordRules::default().length.to_string(), no_symbols: false, no_ambiguous: false }
    }
}

impl Rules {
    pub(crate) fn of(pairs: &Pairs) -> Self {
        match pairs.find("gen-length") {
            None => Self::default(),
            Some(length) => Self {
                length: length.trim().to_owned(),
                no_symbols: pairs.find("gen-no-symbols").is_some(),
                no_ambiguous: pairs.find("gen-no-ambiguous").is_some(),
            },
        }
    }

    /// Reads the rules.
    ///
    /// # Errors
    /// `Invalid` for a length that is not a number.
    pub(crate) fn read(&self) -> Result<PasswordRules, Refusal> {
        let length = self.length.parse().map_err(|_| Refusal::field("length", "is not a number of characters"))?;
        Ok(PasswordRules { length, symbols: !self.no_symbols, ambiguous: !self.no_ambiguous })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_are_those_of_the_form() {
        assert_eq!(Rules::of(&Pairs::of(&[])), Rules::default());
        let pairs = [("gen-length", " 40 "), ("gen-no-symbols", "on")];
        let rules = Rules::of(&Pairs::of(&pairs)).read().unwrap();
        assert_eq!(rules, PasswordRules { length: 40, symbols: false, ambiguous: true });
        assert!(Rules::of(&Pairs::of(&[("gen-length", "many")])).read().is_err());
    }
}
