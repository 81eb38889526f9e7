//! The names that the usual fields of records have in VaultTerm, and the rules that several formats share.

use jiff::Timestamp;
use serde_json::Value;
use vaultterm_reconcile::RecordType;

use crate::{
    item::Item,
    loss::{Loss, Lost},
};

/// The tag of an item that is archived in the other program.
pub(crate) const ARCHIVED: &str = "archived";
/// The name of a field that has none in the file.
pub(crate) const NAMELESS: &str = "field";
/// The last moment of the year 9999, in microseconds since 1970. Later ones are no dates.
pub(crate) const LAST_US: i64 = 253_402_300_799_999_999;

/// Returns the field that holds the text which people add to an item.
pub(crate) const fn note(record_type: RecordType) -> &'static str {
    match record_type {
        RecordType::SecureNote => "note",
        _ => "notes",
    }
}

/// Returns the name of the field for the address number `at`, from 0: `url`, `url_2`, `url_3` …
pub(crate) fn url(at: usize) -> String {
    if at == 0 { "url".to_owned() } else { format!("url_{}", at + 1) }
}

/// Returns the field for the secret of one-time codes: most programs hold the link or the bare secret in one place.
pub(crate) fn one_time(text: &str) -> &'static str {
    let is_link = text.as_bytes().get(..10).is_some_and(|start| start.eq_ignore_ascii_case(b"otpauth://"));
    if is_link { "otpauth_url" } else { "totp_secret" }
}

/// Returns the month of a year as `2030-01`, if both are written as numbers without more.
pub(crate) fn month_of(year: &str, month: &str) -> Option<String> {
    let is_year = year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit());
    let number: u8 = month.parse().ok().filter(|number| (1..=12).contains(number))?;
    (is_year && number.to_string() == month).then(|| format!("{year}-{number:02}"))
}

/// Returns year and month of `2030-01`, the month without a zero before it.
pub(crate) fn year_and_month(text: &str) -> Option<(String, String)> {
    let (year, month) = text.split_once('-')?;
    let short = month.strip_prefix('0').unwrap_or(month);
    (month_of(year, short).as_deref() == Some(text)).then(|| (year.to_owned(), short.to_owned()))
}

/// Splits the path of a folder. An empty text is no folder.
pub(crate) fn folder(path: &str, separator: char) -> Vec<String> {
    if path.is_empty() { Vec::new() } else { path.split(separator).map(str::to_owned).collect() }
}

/// The name of a field below a title that the other program shows above several fields: the title stands before it, so that
/// `password` of `Staging` and of `Production` stay apart.
pub(crate) fn titled(title: &str, name: &str) -> String {
    match title.trim() {
        "" => name.to_owned(),
        title => format!("{title} {}", if name.is_empty() { NAMELESS } else { name }),
    }
}

/// Returns the host of an address, as the name of an item that has none: the text between `//` and the next `/`, without a user
/// and a password before it.
pub(crate) fn host(address: &str) -> &str {
    let rest = address.split_once("//").map_or(address, |(_, rest)| rest);
    let rest = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    rest.rsplit_once('@').map_or(rest, |(_, host)| host)
}

impl Item {
    /// Sets the fields for addresses, in their order. Empty ones do not count.
    pub(crate) fn urls(&mut self, urls: impl IntoIterator<Item = String>) {
        for (at, text) in urls.into_iter().filter(|url| !url.is_empty()).enumerate() {
            self.text(&url(at), text);
        }
    }

    /// Sets the field for the secret of one-time codes.
    pub(crate) fn one_time(&mut self, text: String) {
        self.text(one_time(&text), text);
    }

    /// Sets a field that a person named, also to an empty text.
    pub(crate) fn own(&mut self, name: Option<String>, text: String) {
        match name.filter(|name| !name.is_empty()) {
            Some(name) => self.value(&name, Value::String(text)),
            None => {
                self.lose(Loss::named(Lost::NoName, NAMELESS));
                self.value(NAMELESS, Value::String(text));
            }
        }
    }

    /// Returns the microseconds since 1970 of a date as RFC 3339 writes it. An empty text is no date. One that no calendar
    /// has is lost, and one before 1970 is moved there.
    pub(crate) fn date(&mut self, name: &str, text: &str) -> Option<i64> {
        if text.is_empty() {
            return None;
        }
        match text.parse::<Timestamp>() {
            Ok(moment) => Some(self.bounded(name, moment.as_microsecond())),
            Err(_) => {
                self.lose(Loss::named(Lost::Date, name));
                None
            }
        }
    }

    /// Returns the microseconds since 1970 of a number of seconds or milliseconds since then. A number beyond the year 9999
    /// or before 1970 is moved there, and lost.
    pub(crate) fn since_1970(&mut self, name: &str, count: i64, micros: i64) -> i64 {
        self.bounded(name, count.saturating_mul(micros))
    }

    fn bounded(&mut self, name: &str, us: i64) -> i64 {
        let bounded = us.clamp(0, LAST_US);
        if bounded != us {
            self.lose(Loss::named(Lost::Date, name));
        }
        bounded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Place;

    #[test]
    fn a_month_is_one_text_only_where_it_can_be_taken_apart_again() {
        for (year, month, text) in [("2030", "1", Some("2030-01")), ("2030", "12", Some("2030-12"))] {
            assert_eq!(month_of(year, month).as_deref(), text);
            assert_eq!(year_and_month(text.unwrap()).unwrap(), (year.to_owned(), month.to_owned()));
        }
        for (year, month) in [("30", "1"), ("2030", "01"), ("2030", "13"), ("2030", "0"), ("", ""), ("2030", "+1")] {
            assert_eq!(month_of(year, month), None, "{year} {month}");
        }
        for text in ["2030-1", "2030-13", "2030-00", "30-01", "2030/01", "2030-001", "2030-+1"] {
            assert_eq!(year_and_month(text), None, "{text}");
        }
    }

    #[test]
    fn the_host_of_an_address_is_what_people_read() {
        for (address, expected) in [
            ("https://example.com/a?b", "example.com"),
            ("https://example.com:8443", "example.com:8443"),
            ("example.com/x", "example.com"),
            ("", ""),
            ("https://", ""),
            ("https://ann:hunter2@example.com/x", "example.com"),
            ("android://abc@com.example/", "com.example"),
        ] {
            assert_eq!(host(address), expected);
        }
    }

    #[test]
    fn a_link_and_a_bare_secret_have_fields_of_their_own() {
        assert_eq!(one_time("OTPAUTH://totp/x?secret=A"), "otpauth_url");
        for text in ["JBSWY3DP", "é", "steam://x"] {
            assert_eq!(one_time(text), "totp_secret");
        }
    }

    #[test]
    fn dates_that_cannot_be_kept_are_moved_and_named() {
        let mut item = Item::new(Place::row(1), "x", RecordType::Password);
        assert_eq!(item.date("d", "2020-03-27T18:26:09.5Z"), Some(1_585_333_569_500_000));
        assert_eq!((item.date("d", ""), item.since_1970("d", 1, 1_000_000)), (None, 1_000_000));
        assert!(item.losses.is_empty());
        assert_eq!((item.date("d", "yesterday"), item.date("d", "1960-01-01T00:00:00Z")), (None, Some(0)));
        assert_eq!(item.since_1970("d", -1, 1000), 0);
        assert_eq!(item.since_1970("d", i64::MAX, 1_000_000), LAST_US);
        assert_eq!(item.losses, [const { Lost::Date }; 4].map(|lost| Loss::named(lost, "d")));
    }
}
