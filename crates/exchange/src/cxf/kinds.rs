//! The types of credentials, and the names that their members and VaultTerm's fields have.

use vaultterm_reconcile::RecordType;

/// A name in the file, and the field that it becomes.
pub(crate) type Pair = (&'static str, &'static str);

/// The type of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Address,
    ApiKey,
    BasicAuth,
    CreditCard,
    CustomFields,
    DriversLicense,
    File,
    GeneratedPassword,
    IdentityDocument,
    ItemReference,
    Note,
    Passkey,
    Passport,
    PersonName,
    SshKey,
    Totp,
    Wifi,
    Unknown,
}

impl Kind {
    /// Reads a name, also one of a draft: case, `-` and `_` do not matter.
    pub(crate) fn of(name: &str) -> Self {
        let bare: String =
            name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect();
        match bare.as_str() {
            "address" => Self::Address,
            "apikey" => Self::ApiKey,
            "basicauth" | "login" => Self::BasicAuth,
            "creditcard" | "card" => Self::CreditCard,
            "customfields" => Self::CustomFields,
            "driverslicense" => Self::DriversLicense,
            "file" => Self::File,
            "generatedpassword" => Self::GeneratedPassword,
            "identitydocument" => Self::IdentityDocument,
            "itemreference" => Self::ItemReference,
            "note" => Self::Note,
            "passkey" => Self::Passkey,
            "passport" => Self::Passport,
            "personname" | "name" => Self::PersonName,
            "sshkey" | "cryptographickey" => Self::SshKey,
            "totp" => Self::Totp,
            "wifi" => Self::Wifi,
            _ => Self::Unknown,
        }
    }

    /// Returns the members that become fields.
    pub(crate) const fn pairs(self) -> &'static [Pair] {
        match self {
            Self::Address => &ADDRESS,
            Self::ApiKey => &API_KEY,
            Self::BasicAuth => &BASIC_AUTH,
            Self::CreditCard => &CREDIT_CARD,
            Self::DriversLicense => &DRIVERS_LICENSE,
            Self::GeneratedPassword => &[("password", "password")],
            Self::IdentityDocument => &IDENTITY_DOCUMENT,
            Self::Passkey => &PASSKEY,
            Self::Passport => &PASSPORT,
            Self::PersonName => &PERSON_NAME,
            Self::SshKey => &SSH_KEY,
            Self::Wifi => &WIFI,
            Self::CustomFields | Self::File | Self::ItemReference | Self::Note | Self::Totp | Self::Unknown => &[],
        }
    }

    /// Returns what people call a type that has no type of record.
    pub(crate) const fn unknown(self) -> Option<&'static str> {
        match self {
            Self::DriversLicense => Some("driver's licence"),
            Self::IdentityDocument => Some("identity document"),
            Self::Passport => Some("passport"),
            Self::Wifi => Some("wifi"),
            _ => None,
        }
    }
}

/// Returns the type of the record that credentials of these types become. Names are those of the fields that a person added,
/// and tell it when nothing else does.
pub(crate) fn type_of<'a>(kinds: &[Kind], names: impl IntoIterator<Item = &'a str>) -> RecordType {
    const BY_KIND: [(Kind, RecordType); 12] = [
        (Kind::BasicAuth, RecordType::Password),
        (Kind::CreditCard, RecordType::PaymentCard),
        (Kind::SshKey, RecordType::SshKey),
        (Kind::ApiKey, RecordType::ApiKey),
        (Kind::PersonName, RecordType::Identity),
        (Kind::Address, RecordType::Identity),
        (Kind::GeneratedPassword, RecordType::Password),
        (Kind::DriversLicense, RecordType::KeyValue),
        (Kind::IdentityDocument, RecordType::KeyValue),
        (Kind::Passport, RecordType::KeyValue),
        (Kind::Wifi, RecordType::KeyValue),
        (Kind::Unknown, RecordType::KeyValue),
    ];
    const LAST: [(Kind, RecordType); 3] =
        [(Kind::Passkey, RecordType::Passkey), (Kind::Totp, RecordType::Totp), (Kind::Note, RecordType::SecureNote)];
    let by_kind = BY_KIND.into_iter().chain(LAST).find(|(kind, _)| kinds.contains(kind));
    by_kind.map_or_else(|| RecordType::infer(names), |(_, record_type)| record_type)
}

/// An address.
pub(crate) const ADDRESS: [Pair; 6] = [
    ("streetAddress", "address"),
    ("postalCode", "postal_code"),
    ("city", "city"),
    ("territory", "state"),
    ("country", "country"),
    ("tel", "phone"),
];
/// A key of an interface.
pub(crate) const API_KEY: [Pair; 6] = [
    ("key", "key"),
    ("username", "key_id"),
    ("keyType", "key_type"),
    ("url", "url"),
    ("validFrom", "valid_from"),
    ("expiryDate", "expires"),
];
const BASIC_AUTH: [Pair; 3] = [("username", "username"), ("userName", "username"), ("password", "password")];
/// A card.
pub(crate) const CREDIT_CARD: [Pair; 7] = [
    ("number", "card_number"),
    ("fullName", "holder"),
    ("cardType", "brand"),
    ("verificationNumber", "security_code"),
    ("pin", "pin"),
    ("expiryDate", "expires"),
    ("validFrom", "valid_from"),
];
const DRIVERS_LICENSE: [Pair; 9] = [
    ("fullName", "full_name"),
    ("birthDate", "date_of_birth"),
    ("issueDate", "issue_date"),
    ("expiryDate", "expires"),
    ("issuingAuthority", "issuing_authority"),
    ("territory", "issuing_state"),
    ("country", "issuing_country"),
    ("licenseNumber", "license_number"),
    ("licenseClass", "license_class"),
];
const IDENTITY_DOCUMENT: [Pair; 11] = [
    ("issuingCountry", "issuing_country"),
    ("documentNumber", "document_number"),
    ("identificationNumber", "national_id_number"),
    ("nationality", "nationality"),
    ("fullName", "full_name"),
    ("birthDate", "date_of_birth"),
    ("birthPlace", "birth_place"),
    ("sex", "sex"),
    ("issueDate", "issue_date"),
    ("expiryDate", "expires"),
    ("issuingAuthority", "issuing_authority"),
];
/// A passkey.
pub(crate) const PASSKEY: [Pair; 7] = [
    ("credentialId", "credential_id"),
    ("rpId", "rp_id"),
    ("username", "username"),
    ("userName", "username"),
    ("userDisplayName", "user_display_name"),
    ("userHandle", "user_handle"),
    ("key", "private_key"),
];
const PASSPORT: [Pair; 12] = [
    ("issuingCountry", "issuing_country"),
    ("passportType", "passport_type"),
    ("passportNumber", "passport_number"),
    ("nationalIdentificationNumber", "national_id_number"),
    ("nationality", "nationality"),
    ("fullName", "full_name"),
    ("birthDate", "date_of_birth"),
    ("birthPlace", "birth_place"),
    ("sex", "sex"),
    ("issueDate", "issue_date"),
    ("expiryDate", "expires"),
    ("issuingAuthority", "issuing_authority"),
];
/// The name of a person.
pub(crate) const PERSON_NAME: [Pair; 9] = [
    ("title", "title"),
    ("given", "first_name"),
    ("givenInformal", "nickname"),
    ("given2", "middle_name"),
    ("surnamePrefix", "last_name_prefix"),
    ("surname", "last_name"),
    ("surname2", "last_name_2"),
    ("credentials", "credentials"),
    ("generation", "generation"),
];
const SSH_KEY: [Pair; 5] = [
    ("keyType", "key_type"),
    ("keyComment", "comment"),
    ("creationDate", "creation_date"),
    ("expiryDate", "expires"),
    ("keyGenerationSource", "key_source"),
];
const WIFI: [Pair; 4] =
    [("ssid", "ssid"), ("networkSecurityType", "security_type"), ("passphrase", "passphrase"), ("hidden", "hidden")];
