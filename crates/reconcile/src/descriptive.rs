//! The fields that only describe a credential. A change of such a field cannot break the credential.

/// The names of fields with which no program logs in or connects, in lower case and without `-` and `_`.
///
/// This is a list of safe names. A field with any other name counts as a part of a credential. Names of
/// addresses are missing on purpose, because an address decides where a password is sent, and often contains
/// one.
const DESCRIPTIVE: [&str; 12] = [
    "notes",
    "note",
    "comment",
    "description",
    "title",
    "label",
    "tags",
    "owner",
    "contact",
    "team",
    "expires",
    "rotateby",
];

/// Returns whether a field only describes a credential. Case, `-` and `_` do not matter.
///
/// Only ASCII letters are folded. A name with letters that merely look alike is unknown, and an unknown field
/// may be a part of a credential.
#[must_use]
pub fn is_descriptive(field: &str) -> bool {
    let folded: String = field.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase()).collect();
    DESCRIPTIVE.contains(&folded.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_are_descriptive_in_every_spelling() {
        for name in ["notes", "NOTE", "Comment", "rotate_by", "ROTATE-BY", "rotateBy", "_tags_", "ex-pires"] {
            assert!(is_descriptive(name), "{name}");
        }
    }

    #[test]
    fn an_unknown_name_is_taken_for_a_part_of_a_credential() {
        for name in ["", "-", "url", "host", "address", "password", "notes2", "my note", "owner.id", "\u{17f}tags"] {
            assert!(!is_descriptive(name), "{name}");
        }
        // These are `note` with a Cyrillic letter, and `tags` in full-width letters.
        for name in ["n\u{43e}te", "\u{ff54}\u{ff41}\u{ff47}\u{ff53}"] {
            assert!(!is_descriptive(name), "{name}");
        }
    }
}
