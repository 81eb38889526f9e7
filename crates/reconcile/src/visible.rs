//! Names as people see them. An invisible character (a control character, a zero-width space, a change of
//! direction) makes a name look like another one, so messages show its number.

use std::borrow::Cow;

use unicode_properties::{GeneralCategory as Category, UnicodeGeneralCategory};

/// Returns whether a character is invisible, or looks like an ordinary space without being one. These are
/// Unicode's control and format characters, line and paragraph separators, and all spaces except the ASCII
/// one.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    // Most text is ASCII, for which no table is needed.
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    matches!(
        c.general_category(),
        Category::Control
            | Category::Format
            | Category::LineSeparator
            | Category::ParagraphSeparator
            | Category::SpaceSeparator
    )
}

/// Returns the text with each invisible character as an escape: `\n`, `\u{200b}`.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_invisible) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().fold(String::with_capacity(text.len() + 8), |mut out, c| {
        if is_invisible(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
        out
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_are_shown_by_their_number() {
        for (text, shown) in [
            ("a\nb\tc\0", r"a\nb\tc\u{0}"),
            ("pass\u{200b}word", r"pass\u{200b}word"),
            ("a\u{a0}b", r"a\u{a0}b"),
            ("a\u{202e}b\u{2028}\u{feff}\u{ad}", r"a\u{202e}b\u{2028}\u{feff}\u{ad}"),
        ] {
            assert_eq!(visible(text), shown);
        }
        for plain in ["", "user name", "Grüße 🔑", r"a\b"] {
            assert!(matches!(visible(plain), Cow::Borrowed(shown) if shown == plain));
        }
    }
}
