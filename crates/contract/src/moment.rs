//! Times as the API writes them: RFC 3339, UTC.

use std::time::Duration;

use jiff::Timestamp;
use vaultterm_reconcile::UnixNanos;

/// Writes microseconds since the Unix epoch.
#[must_use]
pub fn of_us(us: i64) -> String {
    Timestamp::from_microsecond(us).unwrap_or(Timestamp::MAX).to_string()
}

/// Writes nanoseconds since the Unix epoch, to the microsecond.
#[must_use]
pub fn of(moment: UnixNanos) -> String {
    of_us(moment.0.div_euclid(1_000))
}

/// Reads RFC 3339 into microseconds since the Unix epoch.
#[must_use]
pub fn parse_us(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_microsecond)
}

/// Words a duration for people, rounded up: in seconds below two minutes, in minutes up to ten hours, else in hours.
#[must_use]
pub fn lasting(duration: Duration) -> String {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    let (count, unit) = match seconds {
        _ if seconds > 0 && seconds.is_multiple_of(3_600) => (seconds / 3_600, "hour"),
        _ if seconds > 0 && seconds.is_multiple_of(60) && seconds <= 36_000 => (seconds / 60, "minute"),
        0..120 => (seconds, "second"),
        120..=36_000 => (seconds.div_ceil(60), "minute"),
        _ => (seconds.div_ceil(3_600), "hour"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// Reads RFC 3339 into nanoseconds since the Unix epoch. They last until the year 2262.
#[must_use]
pub fn parse(text: &str) -> Option<UnixNanos> {
    i64::try_from(text.parse::<Timestamp>().ok()?.as_nanosecond()).ok().map(UnixNanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_worded_in_the_unit_that_fits() {
        for (millis, told) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (60_000, "1 minute"),
            (90_000, "90 seconds"),
            (340_000, "6 minutes"),
            (3_600_000, "1 hour"),
            (40_000_000, "12 hours"),
        ] {
            assert_eq!(lasting(Duration::from_millis(millis)), told);
        }
    }

    #[test]
    fn a_moment_is_written_in_utc_and_read_back() {
        assert_eq!(of_us(1_700_000_000_250_000), "2023-11-14T22:13:20.25Z");
        assert_eq!(of(UnixNanos(1_700_000_000_250_000_999)), "2023-11-14T22:13:20.25Z");
        assert_eq!(parse_us("2023-11-14T23:13:20.25+01:00"), Some(1_700_000_000_250_000));
        assert_eq!(parse_us("yesterday"), None);
        assert_eq!(parse("2023-11-14T23:13:20.250000999+01:00"), Some(UnixNanos(1_700_000_000_250_000_999)));
        assert_eq!((parse("yesterday"), parse("2900-01-01T00:00:00Z")), (None, None));
    }
}
