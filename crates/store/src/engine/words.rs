//! The words of an engine for the tokens in a text.

use std::borrow::Cow;

/// Puts the words of an engine in the place of the tokens.
pub(crate) fn spoken<'a>(text: &'a str, tokens: &[(&str, &str)]) -> Cow<'a, str> {
    let spoken = |text: Cow<'a, str>, (token, words): &(&str, &str)| match text.contains(token) {
        true => Cow::Owned(text.replace(token, words)),
        false => text,
    };
    tokens.iter().fold(Cow::Borrowed(text), spoken)
}
