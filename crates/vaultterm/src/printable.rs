//! Text on a terminal: invisible characters are shown, and obeyed by nothing.

use std::borrow::Cow;

use vaultterm_reconcile::is_invisible;
/// Escapes every invisible character.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    escape(text, |_| false)
}

/// Escapes invisible characters other than line ends and tabs.
pub(crate) fn printable_lines(text: &str) -> Cow<'_, str> {
    escape(text, |c| c == '\n' || c == '\t')
}

fn escape(text: &str, allowed: impl Fn(char) -> bool) -> Cow<'_, str> {
    let odd = |c: char| is_invisible(c) && !allowed(c);
    if !text.contains(odd) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if odd(c) {
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
    fn control_characters_are_shown_not_obeyed() {
        assert_eq!(printable("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(printable("a\nb"), "a\\nb");
        assert_eq!(printable_lines("a\nb\u{202e}c"), "a\nb\\u{202e}c");
        assert_eq!(printable("pass\u{200b}word\u{a0}"), "pass\\u{200b}word\\u{a0}");
        assert!(matches!(printable("Grüße 🔑"), Cow::Borrowed(_)));
    }
}
