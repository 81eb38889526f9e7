//! The names that Bitwarden's JSON and VaultTerm give to the same fields.

/// A name in the file, and the field that it becomes.
pub(crate) type Pair = (&'static str, &'static str);

/// The number of an item's type.
pub(crate) mod kind {
    pub(crate) const LOGIN: i64 = 1;
    pub(crate) const NOTE: i64 = 2;
    pub(crate) const CARD: i64 = 3;
    pub(crate) const IDENTITY: i64 = 4;
    pub(crate) const SSH_KEY: i64 = 5;
    pub(crate) const BANK_ACCOUNT: i64 = 6;
    pub(crate) const DRIVING_LICENCE: i64 = 7;
    pub(crate) const PASSPORT: i64 = 8;
}

/// The number of a field's type.
pub(crate) mod field {
    pub(crate) const HIDDEN: i64 = 1;
    pub(crate) const LINKED: i64 = 3;
}

/// A login, without its addresses, its one-time codes and its passkeys.
pub(crate) const LOGIN: [Pair; 2] = [("username", "username"), ("password", "password")];

/// A card, without month and year.
pub(crate) const CARD: [Pair; 4] =
    [("cardholderName", "holder"), ("brand", "brand"), ("number", "card_number"), ("code", "security_code")];

/// The field for the month in which a card expires, if both numbers of the file make one.
pub(crate) const EXPIRES: &str = "expires";
/// Month and year of a card.
pub(crate) const MONTH: Pair = ("expMonth", "expiry_month");
/// See [`MONTH`].
pub(crate) const YEAR: Pair = ("expYear", "expiry_year");

/// An identity.
pub(crate) const IDENTITY: [Pair; 18] = [
    ("title", "title"),
    ("firstName", "first_name"),
    ("middleName", "middle_name"),
    ("lastName", "last_name"),
    ("address1", "address"),
    ("address2", "address_2"),
    ("address3", "address_3"),
    ("city", "city"),
    ("state", "state"),
    ("postalCode", "postal_code"),
    ("country", "country"),
    ("company", "company"),
    ("email", "email"),
    ("phone", "phone"),
    ("ssn", "ssn"),
    ("username", "username"),
    ("passportNumber", "passport_number"),
    ("licenseNumber", "license_number"),
];

/// A key of SSH. Bitwarden refuses one that lacks any of these.
pub(crate) const SSH_KEY: [Pair; 3] =
    [("privateKey", "private_key"), ("publicKey", "public_key"), ("keyFingerprint", "fingerprint")];

/// A passkey. Counter and discoverability are texts in the file.
pub(crate) const PASSKEY: [Pair; 12] = [
    ("credentialId", "credential_id"),
    ("keyType", "key_type"),
    ("keyAlgorithm", "key_algorithm"),
    ("keyCurve", "key_curve"),
    ("keyValue", "private_key"),
    ("rpId", "rp_id"),
    ("rpName", "rp_name"),
    ("userHandle", "user_handle"),
    ("userName", "username"),
    ("userDisplayName", "user_display_name"),
    ("counter", "counter"),
    ("discoverable", "discoverable"),
];

/// A bank account.
pub(crate) const BANK_ACCOUNT: [Pair; 10] = [
    ("bankName", "bank_name"),
    ("nameOnAccount", "holder"),
    ("accountType", "account_type"),
    ("accountNumber", "account_number"),
    ("routingNumber", "routing_number"),
    ("branchNumber", "branch_number"),
    ("pin", "pin"),
    ("swiftCode", "swift_code"),
    ("iban", "iban"),
    ("bankContactPhone", "phone"),
];

/// A driver's licence.
pub(crate) const DRIVING_LICENCE: [Pair; 11] = [
    ("firstName", "first_name"),
    ("middleName", "middle_name"),
    ("lastName", "last_name"),
    ("dateOfBirth", "date_of_birth"),
    ("licenseNumber", "license_number"),
    ("issuingCountry", "issuing_country"),
    ("issuingState", "issuing_state"),
    ("issueDate", "issue_date"),
    ("expirationDate", "expires"),
    ("issuingAuthority", "issuing_authority"),
    ("licenseClass", "license_class"),
];

/// A passport.
pub(crate) const PASSPORT: [Pair; 13] = [
    ("surname", "last_name"),
    ("givenName", "first_name"),
    ("dateOfBirth", "date_of_birth"),
    ("sex", "sex"),
    ("birthPlace", "birth_place"),
    ("nationality", "nationality"),
    ("issuingCountry", "issuing_country"),
    ("passportNumber", "passport_number"),
    ("passportType", "passport_type"),
    ("nationalIdentificationNumber", "national_id_number"),
    ("issuingAuthority", "issuing_authority"),
    ("issueDate", "issue_date"),
    ("expirationDate", "expires"),
];
