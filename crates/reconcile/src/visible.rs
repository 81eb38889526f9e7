//! Names as people see them. A character that leaves no mark (a control character, a zero-width
//! space, a change of direction) makes one name look like another, so messages show its number.

use std::borrow::Cow;

use unicode_properties::{GeneralCategory as Category, UnicodeGeneralCategory};

/// Says whether a character leaves no mark of its own, or looks like an ordinary space and is none:
/// Unicode's control and format characters, separators of lines and paragraphs, and spaces other
/// than the ASCII one.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    // Most text is ASCII, which needs no table.
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
