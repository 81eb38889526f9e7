//! Addresses of pages, with everything in them encoded.

use std::fmt::Display;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use uuid::Uuid;

/// What stays readable in a query.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// A query that is put together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(String);

impl Query {
    /// Adds a parameter, unless it is empty.
    pub(crate) fn with(mut self, name: &str, value: impl Display) -> Self {
        let value = value.to_string();
        if !value.is_empty() {
            let before = if self.0.is_empty() { "?" } else { "&" };
            self.0.push_str(&format!("{before}{name}={}", utf8_percent_encode(&value, KEPT)));
        }
        self
    }

    /// Returns the address of a page with this query.
    pub(crate) fn on(self, page: &str) -> String {
        format!("{page}{}", self.0)
    }
}

/// Returns the list of records of a collection, or of a folder in it.
pub(crate) fn records_in(collection: Uuid, prefix: &str) -> String {
    Query::default().with("in", collection).with("prefix", prefix).on("/records")
}

/// Returns the page of a record.
pub(crate) fn record(id: Uuid) -> String {
    format!("/records/{id}")
}

/// Returns the page of a connection.
pub(crate) fn connection(id: Uuid) -> String {
    format!("/connections/{id}")
}

/// Returns the login, which leads to an address afterwards.
pub(crate) fn login(next: &str) -> String {
    let next = if next == "/" { "" } else { next };
    Query::default().with("next", next).on("/login")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_a_query() {
        let made = Query::default().with("q", "a&b=c #d%é").with("empty", "").with("tag", "x\"y").on("/records");
        assert_eq!(made, "/records?q=a%26b%3Dc%20%23d%25%C3%A9&tag=x%22y");
        assert_eq!(login("/records?q=a"), "/login?next=/records%3Fq%3Da");
        assert_eq!(login("/"), "/login");
    }
}
