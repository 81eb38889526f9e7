//! The types of records, their atomic groups, and the rules that infer the type of an untyped secret.

use std::collections::BTreeSet;

use crate::names;

names!(
    /// The kind of credential that a record holds.
    #[allow(missing_docs, reason = "the names say it all")]
    RecordType, "record type" {
        Password = "PASSWORD",
        ApiKey = "API_KEY",
        SshKey = "SSH_KEY",
        EnvVar = "ENV_VAR",
        SecureNote = "SECURE_NOTE",
        Totp = "TOTP",
        PaymentCard = "PAYMENT_CARD",
        Identity = "IDENTITY",
        Passkey = "PASSKEY",
        /// Any JSON map. An untyped secret in Vault gets this type if no rule fits its fields.
        KeyValue = "KEY_VALUE",
    }
);

impl RecordType {
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
        for kind in RecordType::ALL.iter().copied() {
            assert_eq!(kind.to_string().parse::<RecordType>().ok(), Some(kind));
        }
        assert!("PASSPORT".parse::<RecordType>().is_err());
    }
}
