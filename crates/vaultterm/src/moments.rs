//! Times on the command line: a day, a moment, or a time before now.
//!
//! A day is a day in UTC, as are all times that the command line shows. Errors never repeat the given text.

use std::str::FromStr;

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};

/// The maximum distance into the past, in seconds: a hundred years.
const AGO_SECONDS_MAX: u64 = 100 * 366 * 86_400;

/// A time in the past or in the future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// A moment.
    Moment(Timestamp),
    /// A day in UTC.
    Day(civil::Date),
    /// A number of seconds before now.
    Ago(u64),
}

impl When {
    /// Returns the beginning. A day begins at its midnight.
    pub(crate) fn begin(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Moment(moment) => moment,
            Self::Day(day) => midnight(day),
            Self::Ago(seconds) => {
                let ago = i64::try_from(seconds).map_or(SignedDuration::MAX, SignedDuration::from_secs);
                now.checked_sub(ago).unwrap_or(Timestamp::UNIX_EPOCH)
            }
        }
    }

    /// Returns the end, which is exclusive. A day ends at the next midnight.
    pub(crate) fn end(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Day(day) => day.tomorrow().map_or(Timestamp::MAX, midnight),
            Self::Moment(_) | Self::Ago(_) => self.begin(now),
        }
    }
}

impl FromStr for When {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str =
            "use a day (2026-11-28), a moment (2026-11-28T12:00:00Z), or how long ago (90s, 15m, 12h, 30d)";
        if let Ok(seconds) = seconds(text) {
            return if seconds <= AGO_SECONDS_MAX { Ok(Self::Ago(seconds)) } else { Err(FORM) };
        }
        day_or_moment(text).map_err(|_| FORM)
    }
}

/// Returns the time of this machine.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_nanosecond(vaultterm_sync::system_time().0.into()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Reads a day or a moment (RFC 3339).
pub(crate) fn day_or_moment(text: &str) -> Result<When, &'static str> {
    const FORM: &str = "use a day (2027-01-31) or a moment (2027-01-31T12:00:00Z)";
    if let Ok(moment) = text.parse() {
        return Ok(When::Moment(moment));
    }
    let day: civil::Date = text.parse().map_err(|_| FORM)?;
    // The parser accepts `2027-01-31T12:00` as a day. It is not a moment either, because it has no time zone.
    if text == day.to_string() { Ok(When::Day(day)) } else { Err(FORM) }
}

/// Reads a duration in seconds: `90s`, `15m`, `12h`, `30d`.
pub(crate) fn seconds(text: &str) -> Result<u64, &'static str> {
    const FORM: &str = "use a number with s, m, h or d, for example 30d";
    let unit = text.chars().last().ok_or(FORM)?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(FORM),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| FORM)?;
    number.checked_mul(factor).filter(|seconds| *seconds > 0).ok_or(FORM)
}

fn midnight(day: civil::Date) -> Timestamp {
    day.to_zoned(TimeZone::UTC).map_or(Timestamp::MAX, |zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(text: &str) -> [String; 2] {
        let now = "2026-11-28T12:00:00Z".parse().expect("a moment");
        let when: When = text.parse().unwrap_or_else(|why| panic!("{text}: {why}"));
        [when.begin(now).to_string(), when.end(now).to_string()]
    }

    #[test]
    fn a_time_is_a_day_a_moment_or_a_duration() {
        assert_eq!(spans("2026-11-28"), ["2026-11-28T00:00:00Z", "2026-11-29T00:00:00Z"]);
        assert_eq!(spans("2026-11-28T12:00:00+01:00"), ["2026-11-28T11:00:00Z"; 2]);
        assert_eq!(spans("1h"), ["2026-11-28T11:00:00Z"; 2]);
        assert_eq!(spans("30d"), ["2026-10-29T12:00:00Z"; 2]);
        for bad in
            ["", "hunter2", "2026-02-30", "2026-11-28T12:00", "28.11.2026", "20261128", "1y", "0h", "-1h", "99999999d"]
        {
            let why = bad.parse::<When>().expect_err(bad);
            assert!(!why.contains("hunter2"), "{why}");
        }
    }

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("30d"), Ok(2_592_000));
        for bad in ["", "30", "d", "0d", "-1d", "1y", "18446744073709551615d", "30é"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
