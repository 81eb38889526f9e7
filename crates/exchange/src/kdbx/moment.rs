//! Moments in a database: ISO 8601 in version 3.1, seconds since year 1 as Base64 in version 4.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// The seconds from the beginning of year 1 to 1970.
const TO_1970: i64 = 62_135_596_800;

/// Returns a moment in microseconds since 1970. A moment before 1970 or beyond every calendar gives the nearest that VaultTerm
/// keeps, and the second result is true. `None` when the text is no moment.
pub(super) fn read(text: &str) -> Option<(i64, bool)> {
    let text = text.trim();
    let seconds = match STANDARD.decode(text).ok().and_then(|bytes| <[u8; 8]>::try_from(bytes).ok()) {
        Some(bytes) => i64::from_le_bytes(bytes).saturating_sub(TO_1970),
        None => text.parse::<jiff::Timestamp>().ok()?.as_second(),
    };
    let kept = seconds.clamp(0, jiff::Timestamp::MAX.as_second());
    Some((kept * 1_000_000, kept != seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_moments_are_read_and_kept_within_the_calendar() {
        let packed = |seconds: i64| STANDARD.encode(seconds.to_le_bytes());
        assert_eq!(read("2023-01-02T03:04:05Z"), Some((1_672_628_645_000_000, false)));
        assert_eq!(read(&packed(TO_1970 + 5)), Some((5_000_000, false)));
        assert_eq!(read(&packed(-1)), Some((0, true)));
        assert_eq!(read(&packed(i64::MIN)), Some((0, true)));
        assert!(read(&packed(i64::MAX)).is_some_and(|(_, moved)| moved));
        assert_eq!((read(""), read("soon")), (None, None));
    }
}
