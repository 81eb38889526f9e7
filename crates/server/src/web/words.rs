//! The words of pages: times, types, states, numbers. Rules are not here: what a state means is decided where it is
//! made.

use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use vaultterm_reconcile::RecordType;
use vaultterm_store::{CollectionRole, Scope};

const MINUTE_US: i64 = 60_000_000;
const HOUR_US: i64 = 60 * MINUTE_US;
const DAY_US: i64 = 24 * HOUR_US;

/// A moment, in words and for machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// RFC 3339, UTC.
    pub(crate) exact: String,
    /// Such as `4 min ago`.
    pub(crate) words: String,
}

impl Moment {
    /// Words a moment as seen from another one, both in microseconds since the Unix epoch.
    pub(crate) fn seen(us: i64, now_us: i64) -> Self {
        Self { exact: vaultterm_contract::moment::of_us(us), words: words(us, now_us) }
    }
}

fn words(us: i64, now_us: i64) -> String {
    let (distance, ahead) = if us > now_us { (us - now_us, true) } else { (now_us - us, false) };
    let told =
        |count: i64, unit: &str| if ahead { format!("in {count} {unit}") } else { format!("{count} {unit} ago") };
    match distance {
        ..MINUTE_US if ahead => "in a moment".to_owned(),
        ..MINUTE_US => "just now".to_owned(),
        MINUTE_US..HOUR_US => told(distance / MINUTE_US, "min"),
        HOUR_US..DAY_US => told(distance / HOUR_US, "h"),
        _ if distance < if ahead { 90 * DAY_US } else { 7 * DAY_US } => told(distance / DAY_US, "d"),
        _ => date(us, now_us),
    }
}

fn date(us: i64, now_us: i64) -> String {
    let day = |us| Timestamp::from_microsecond(us).unwrap_or(Timestamp::MAX).to_zoned(TimeZone::UTC);
    let (then, now) = (day(us), day(now_us));
    let (before, after) = (now.checked_sub(10.months()), now.checked_add(10.months()));
    let recent = before.is_ok_and(|start| then >= start) && after.is_ok_and(|end| then <= end);
    then.strftime(if recent { "%-d %b" } else { "%-d %b %Y" }).to_string()
}

/// Writes a moment in microseconds since the Unix epoch: `16 Dec 2026, 09:30 UTC`.
pub(crate) fn to_the_minute(us: i64) -> String {
    let then = Timestamp::from_microsecond(us).unwrap_or(Timestamp::MAX).to_zoned(TimeZone::UTC);
    then.strftime("%-d %b %Y, %H:%M UTC").to_string()
}

/// Returns a count with its noun: `1 record`, `2 records`.
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Returns the name of a type of record, for people.
pub(crate) const fn type_name(kind: RecordType) -> &'static str {
    match kind {
        RecordType::Password => "Password",
        RecordType::ApiKey => "API key",
        RecordType::SshKey => "SSH key",
        RecordType::EnvVar => "Environment variable",
        RecordType::SecureNote => "Note",
        RecordType::Totp => "One-time codes",
        RecordType::PaymentCard => "Payment card",
        RecordType::Identity => "Identity",
        RecordType::Passkey => "Passkey",
        RecordType::KeyValue => "Key–value",
    }
}

/// Says what a scope permits, for people.
pub(crate) const fn scope_words(scope: Scope) -> &'static str {
    match scope {
        Scope::RecordsRead => "see records, without their values",
        Scope::RecordsReveal => "read values",
        Scope::RecordsWrite => "change records, collections and their members",
        Scope::ConnectionsWrite => "change connections and their SecretIDs",
        Scope::SyncPlan => "make plans",
        Scope::SyncRun => "start and stop runs",
        Scope::SyncHint => "hint at changes in Vault, and nothing else",
        Scope::ConflictsResolve => "decide conflicts",
        Scope::AuditRead => "read and export the audit log",
        Scope::Admin => "manage people, tokens, keys, webhooks and licenses",
    }
}

/// Returns the fields that a new record of a type is offered with, in the order of the form.
pub(crate) const fn usual_fields(kind: RecordType) -> &'static [&'static str] {
    match kind {
        RecordType::Password => &["username", "password", "url", "notes"],
        RecordType::ApiKey => &["key_id", "key", "notes"],
        RecordType::SshKey => &["private_key", "passphrase", "public_key", "notes"],
        RecordType::EnvVar => &["value"],
        RecordType::SecureNote => &["note"],
        RecordType::Totp => &["otpauth_url"],
        RecordType::PaymentCard => &["card_number", "holder", "expires", "security_code"],
        RecordType::Identity => &["first_name", "last_name", "email", "phone", "address"],
        RecordType::Passkey => &["credential_id", "rp_id", "private_key", "public_key"],
        RecordType::KeyValue => &[],
    }
}

/// Returns the name of a field, for people: `private_key` as `Private key`. Names that hold capitals are left alone.
pub(crate) fn field_label(name: &str) -> String {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if !plain {
        return name.to_owned();
    }
    match name {
        "url" => "Address".to_owned(),
        "otpauth_url" => "One-time code link".to_owned(),
        "rp_id" => "Site".to_owned(),
        _ => {
            let spaced = name.replace('_', " ");
            let (first, rest) = spaced.split_at(1);
            format!("{}{rest}", first.to_uppercase())
                .replace(" id", " ID")
                .replace("Api ", "API ")
                .replace("Totp", "TOTP")
        }
    }
}

/// Says whether a value of this field is long, so that a form gives it more than a line.
pub(crate) fn is_long(name: &str) -> bool {
    ["private_key", "public_key", "notes", "note", "address", "description", "comment"].contains(&name)
}

/// Says whether a generated value makes sense in a field. It makes none where a value names something or comes from
/// elsewhere.
pub(crate) fn may_be_generated(name: &str) -> bool {
    const GIVEN: [&str; 24] = [
        "username",
        "user",
        "login",
        "email",
        "phone",
        "name",
        "first_name",
        "last_name",
        "holder",
        "url",
        "host",
        "port",
        "database",
        "region",
        "account",
        "owner",
        "key_id",
        "public_key",
        "credential_id",
        "rp_id",
        "otpauth_url",
        "card_number",
        "expires",
        "security_code",
    ];
    !is_long(name) && !GIVEN.contains(&name.to_ascii_lowercase().as_str())
}

/// Words what a role lets a person do with a record.
pub(crate) const fn does(role: CollectionRole) -> &'static str {
    match role {
        CollectionRole::Viewer => "sees it",
        CollectionRole::Editor => "sees and edits it",
        CollectionRole::Admin => "sees, edits and deletes it, and says who else does",
        CollectionRole::Owner => "owns the collection",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_as_a_person_would() {
        let now = 1_800_000_000_000_000;
        for (us, told) in [
            (now, "just now"),
            (now - 5 * MINUTE_US, "5 min ago"),
            (now - 3 * HOUR_US, "3 h ago"),
            (now - 2 * DAY_US, "2 d ago"),
            (now - 30 * DAY_US, "16 Dec"),
            (now - 400 * DAY_US, "11 Dec 2025"),
            (now + 30_000_000, "in a moment"),
            (now + 5 * MINUTE_US, "in 5 min"),
            (now + 61 * DAY_US, "in 61 d"),
            (now + 100 * DAY_US, "25 Apr"),
            (now + 400 * DAY_US, "19 Feb 2028"),
        ] {
            assert_eq!(words(us, now), told);
        }
    }

    #[test]
    fn a_moment_that_people_must_not_miss_is_told_to_the_minute() {
        assert_eq!(to_the_minute(1_800_000_000_000_000), "15 Jan 2027, 08:00 UTC");
    }

    #[test]
    fn a_value_is_generated_for_a_secret_and_not_for_a_name() {
        for name in ["password", "key", "value", "API_TOKEN", "passphrase", "my-field"] {
            assert!(may_be_generated(name), "{name}");
        }
        for name in ["username", "Username", "url", "notes", "public_key", "card_number", "email"] {
            assert!(!may_be_generated(name), "{name}");
        }
    }

    #[test]
    fn names_of_fields_are_worded_and_foreign_ones_are_left_alone() {
        for (name, label) in [
            ("private_key", "Private key"),
            ("key_id", "Key ID"),
            ("api_key", "API key"),
            ("url", "Address"),
            ("DB_PASSWORD", "DB_PASSWORD"),
            ("my-field", "my-field"),
            ("", ""),
        ] {
            assert_eq!(field_label(name), label);
        }
    }
}
