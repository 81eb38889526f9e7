//! The fields that only describe a credential, so that changing them cannot break it.

/// Names of fields that no program logs in or connects with, in lower case and without `-` and `_`.
///
/// This is a list of names that are safe. A field with any other name is treated as a part of a
/// credential. Addresses are missing on purpose: they say where a password goes, and often hold one.
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

/// Says whether a field only describes a credential. Upper and lower case, `-` and `_` do not count.
///
/// Only ASCII letters are folded: a name with letters that merely look alike is unknown, and an
/// unknown field may be a part of a credential.
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
        // A Cyrillic letter in `note`, and a full-width `tags`.
        for name in ["n\u{43e}te", "\u{ff54}\u{ff41}\u{ff47}\u{ff53}"] {
            assert!(!is_descriptive(name), "{name}");
        }
    }
}
