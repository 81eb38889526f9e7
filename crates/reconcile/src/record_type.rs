//! The types of records, their atomic groups, and the rules that infer the type of an untyped secret.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The kind of credential that a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "the names say it all")]
pub enum RecordType {
    Password,
    ApiKey,
    SshKey,
    EnvVar,
    SecureNote,
    Totp,
    PaymentCard,
    Identity,
    Passkey,
    /// Any JSON map. An untyped secret in Vault gets this type if no rule fits its fields.
    KeyValue,
}

/// The text is none of the ten type names.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "unknown record type `{0}`; use one of PASSWORD, API_KEY, SSH_KEY, ENV_VAR, SECURE_NOTE, TOTP, PAYMENT_CARD, IDENTITY, PASSKEY, KEY_VALUE"
)]
pub struct UnknownRecordType(pub String);

impl RecordType {
    /// Every type.
    pub const ALL: [Self; 10] = [
        Self::Password,
        Self::ApiKey,
        Self::SshKey,
        Self::EnvVar,
        Self::SecureNote,
        Self::Totp,
        Self::PaymentCard,
        Self::Identity,
        Self::Passkey,
        Self::KeyValue,
    ];

    /// Returns the name used everywhere outside the code.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "PASSWORD",
            Self::ApiKey => "API_KEY",
            Self::SshKey => "SSH_KEY",
            Self::EnvVar => "ENV_VAR",
            Self::SecureNote => "SECURE_NOTE",
            Self::Totp => "TOTP",
            Self::PaymentCard => "PAYMENT_CARD",
            Self::Identity => "IDENTITY",
            Self::Passkey => "PASSKEY",
            Self::KeyValue => "KEY_VALUE",
        }
    }

    /// Infers the type of an untyped secret from the names of its fields. The first rule that fits counts.
    /// Returns `KEY_VALUE` if none fits.
    #[must_use]
    pub fn infer<'a>(field_names: impl IntoIterator<Item = &'a str>) -> Self {
        let names: BTreeSet<&str> = field_names.into_iter().collect();
        let has = |name: &str| names.contains(name);
        let only = |name: &str| names.len() == 1 && has(name);
        if has("credential_id") && (has("rp_id") || has("public_key")) {
            Self::Passkey
        } else if has("private_key") {
            Self::SshKey
        } else if has("otpauth_url") || has("totp_secret") {
            Self::Totp
        } else if has("card_number") {
            Self::PaymentCard
        } else if has("password") {
            Self::Password
        } else if has("api_key") || (has("key_id") && has("key")) {
            Self::ApiKey
        } else if has("first_name") && has("last_name") {
            Self::Identity
        } else if only("note") {
            Self::SecureNote
        } else if only("value") {
            Self::EnvVar
        } else {
            Self::KeyValue
        }
    }

    /// Returns the group of fields that change together with `field`.
    #[must_use]
    pub fn group(self, field: &str) -> Group {
        let names: &[&str] = match self {
            Self::Totp | Self::PaymentCard => return Group::All,
            Self::Password => &["password", "username"],
            Self::ApiKey => &["key", "key_id"],
            Self::SshKey => &["passphrase", "private_key", "public_key"],
            Self::EnvVar | Self::SecureNote | Self::Identity | Self::Passkey | Self::KeyValue => &[],
        };
        if names.contains(&field) { Group::Named } else { Group::Alone }
    }
}

/// The relation of a field to other fields. Fields that make sense only together are merged together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// The field does not belong to other fields.
    Alone,
    /// The field belongs to the named group of the type (user name and password, key id and key …).
    Named,
    /// The field belongs to all other fields of the record.
    All,
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RecordType {
    type Err = UnknownRecordType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| UnknownRecordType(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_of_an_untyped_secret_is_told_by_the_names_of_its_fields() {
        for (names, expected) in [
            (&["credential_id", "rp_id"][..], RecordType::Passkey),
            (&["credential_id", "public_key"], RecordType::Passkey),
            (&["credential_id", "x"], RecordType::KeyValue),
            (&["rp_id", "public_key"], RecordType::KeyValue),
            (&["private_key"], RecordType::SshKey),
            (&["otpauth_url"], RecordType::Totp),
            (&["totp_secret", "x"], RecordType::Totp),
            (&["card_number"], RecordType::PaymentCard),
            (&["password", "username"], RecordType::Password),
            (&["api_key"], RecordType::ApiKey),
            (&["key_id", "key"], RecordType::ApiKey),
            (&["key_id"], RecordType::KeyValue),
            (&["key"], RecordType::KeyValue),
            (&["first_name", "last_name"], RecordType::Identity),
            (&["first_name"], RecordType::KeyValue),
            (&["last_name"], RecordType::KeyValue),
            (&["note"], RecordType::SecureNote),
            (&["note", "x"], RecordType::KeyValue),
            (&["value"], RecordType::EnvVar),
            (&["value", "x"], RecordType::KeyValue),
            (&["x"], RecordType::KeyValue),
            (&[], RecordType::KeyValue),
        ] {
            assert_eq!(RecordType::infer(names.iter().copied()), expected, "{names:?}");
        }
    }

    #[test]
    fn every_type_reads_back_from_its_name_and_nothing_else_does() {
        for kind in RecordType::ALL {
            assert_eq!(kind.to_string().parse::<RecordType>().ok(), Some(kind));
        }
        assert!("PASSPORT".parse::<RecordType>().is_err());
    }
}
