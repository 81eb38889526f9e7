//! The shapes that all answers of Vault share: envelope, errors and times.

use std::{
    borrow::{Borrow, Cow},
    ops::Deref,
};

use jiff::{Timestamp, fmt::rfc2822};
use serde::{Deserialize, Deserializer};
use vaultterm_reconcile::UnixNanos;

/// The envelope of every successful answer.
#[derive(Debug, Deserialize)]
pub(crate) struct Envelope<T> {
    /// Vault's id of the request, as its audit log shows it.
    #[serde(default)]
    #[serde(deserialize_with = "request_id")]
    pub(crate) request_id: Option<String>,
    pub(crate) data: T,
}

/// A text in an answer, which is copied only if the answer has it with escapes. In a list or a map, a plain `Cow` is always
/// copied.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Borrow<str> for Text<'_> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Accepts a request id only if it looks like one (a UUID). It is kept in the audit log, and a gateway may
/// have put any text there.
pub(crate) fn request_id<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let told: Option<String> = Deserialize::deserialize(from)?;
    Ok(told.filter(|id| id.len() == 36 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')))
}

/// The body of an unsuccessful answer. An empty `errors` is not the same as a missing one.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) errors: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) warnings: Option<Vec<String>>,
    /// A 404 for a soft-deleted or destroyed version holds its metadata.
    #[serde(default)]
    pub(crate) data: Option<serde::de::IgnoredAny>,
}

/// Reads a time of Vault (RFC 3339 with nanoseconds). Returns `None` for an empty text and for Go's zero
/// time, which both mean that there is no time.
///
/// # Errors
/// The text, if it cannot be read as a time.
pub(crate) fn time(text: &str) -> Result<Option<UnixNanos>, String> {
    if text.is_empty() || text.starts_with("0001-01-01T00:00:00") {
        return Ok(None);
    }
    let time: Timestamp = text.parse().map_err(|_| "a time in it cannot be read".to_owned())?;
    Ok(Some(UnixNanos(nanos(time))))
}

/// Returns nanoseconds since the epoch. Times outside of the years 1677 to 2262 are cut to these bounds.
pub(crate) fn nanos(time: Timestamp) -> i64 {
    let nanos = time.as_nanosecond();
    i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
}

/// Reads the `Date` of an answer (RFC 9110: `Mon, 23 Nov 2026 19:20:16 GMT`).
pub(crate) fn http_date(text: &str) -> Option<UnixNanos> {
    rfc2822::DateTimeParser::new().parse_timestamp(text).ok().map(|time| UnixNanos(nanos(time)))
}

/// Returns a text from outside in a form for messages: on one line, printable, and cut to a maximum length.
pub(crate) fn printable(text: &str) -> String {
    const CHARACTERS_MAX: usize = 300;
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let mut line = words.collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(CHARACTERS_MAX) {
        line.truncate(end);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_in_a_list_is_copied_only_if_it_has_escapes() {
        let texts: Vec<Text<'_>> = serde_json::from_str(r#"["plain", "a\nb"]"#).expect("a list");
        assert_eq!((&*texts[0], &*texts[1]), ("plain", "a\nb"));
        assert!(matches!(texts[0].0, Cow::Borrowed(_)) && matches!(texts[1].0, Cow::Owned(_)), "{texts:?}");
    }

    #[test]
    fn times_keep_their_nanoseconds() {
        assert_eq!(time("2026-11-23T19:20:16.731496182Z"), Ok(Some(UnixNanos(1_795_461_616_731_496_182))));
        assert_eq!(time("2026-11-23T20:20:16.7+01:00"), Ok(Some(UnixNanos(1_795_461_616_700_000_000))));
    }

    #[test]
    fn no_time_is_none_and_nonsense_is_an_error() {
        assert_eq!(time(""), Ok(None));
        assert_eq!(time("0001-01-01T00:00:00Z"), Ok(None));
        assert!(time("yesterday").is_err());
    }

    #[test]
    fn the_date_of_an_answer_is_understood() {
        assert_eq!(http_date("Mon, 23 Nov 2026 19:20:16 GMT"), Some(UnixNanos(1_795_461_616_000_000_000)));
        assert_eq!(http_date("yesterday"), None);
    }

    #[test]
    fn foreign_texts_become_one_bounded_line() {
        assert_eq!(printable("1 error occurred:\n\t* permission denied\n\n"), "1 error occurred: * permission denied");
        assert_eq!(printable(&"ü".repeat(1000)).chars().count(), 301);
        assert_eq!(printable("a\u{1b}[31mb"), "a [31mb");
    }
}
