//! The text form of a license. It has three parts, and a person can read the second.
//!
//! ```text
//! VaultTerm license 1
//! { … JSON … }
//! signature <key id> <base64 of the Ed25519 signature>
//! ```
//!
//! The signature covers a domain and the JSON, byte for byte. [`canonical`] first undoes the changes that
//! mail programs and editors make to a text file. All other parts have a single spelling, so a change of any
//! other byte is noticed. The JSON is not read before the signature is verified.
//!
//! `critical` in the JSON lists fields that a reader must understand (as `crit` of RFC 7515, 4.1.11). A
//! license with a critical field that this version does not know is refused. Other unknown fields are
//! ignored.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{Invalid, IssuerKey, License, TrustedKeys};

const FIRST_LINE: &str = "VaultTerm license 1\n";
const SIGNATURE: &str = "signature";
/// The prefix of the signed bytes. It makes sure that no other signature by this key can pass as a license.
const DOMAIN: &[u8] = b"vaultterm license 1\0";
/// The maximum number of bytes of a license.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;
/// The fields that this version understands.
const KNOWN: [&str; 9] =
    ["id", "licensee", "tier", "seats", "features", "not_before", "expires", "grace_days", "counter"];

/// Why a license text is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LicenseError {
    /// The text is not a license, or was cut off or reformatted.
    #[error("it is not a license file, or only a part of one: {0}")]
    Malformed(&'static str),
    /// The operator configured no public key.
    #[error("no public key is configured that could check it")]
    NoKey,
    /// The license is signed with a key that is not trusted.
    #[error("it is signed with the key `{0}`, which is not trusted here")]
    UnknownKey(String),
    /// The signature does not fit the text.
    #[error("its signature does not hold: it was changed, or is forged")]
    Forged,
    /// The license marks a field as critical that this version does not know.
    #[error("it needs a newer version of VaultTerm: `{0}` is critical, and not known here")]
    UnknownCritical(String),
    /// The vendor signed JSON that cannot be read as a license.
    #[error("its content is not valid: {0}")]
    Content(String),
    /// A field of the license makes no sense.
    #[error("its content is not valid: {0}")]
    Invalid(#[from] Invalid),
}

/// The part of the JSON that lists the fields a reader must understand.
#[derive(Deserialize)]
struct Demands {
    critical: Option<Vec<String>>,
}

/// Signs a license.
///
/// # Errors
/// [`Invalid`], when a field of the license makes no sense.
///
/// # Panics
/// Never: every license can be written as JSON.
pub fn issue(license: &License, key: &IssuerKey) -> Result<String, Invalid> {
    license.check()?;
    let payload = serde_json::to_string_pretty(license).expect("text keys and plain values");
    Ok(sealed(&payload, key))
}

fn sealed(payload: &str, key: &IssuerKey) -> String {
    let payload = format!("{payload}\n");
    let signature = STANDARD.encode(key.sign(&message(payload.as_bytes())));
    format!("{FIRST_LINE}{payload}{SIGNATURE} {} {signature}\n", key.public().id())
}

fn message(payload: &[u8]) -> Vec<u8> {
    [DOMAIN, payload].concat()
}

/// Returns a license text as it was issued: without a byte order mark, without white space around it, and
/// with LF as the only line end. JSON has no line ends within strings, so the content stays the same.
#[must_use]
pub fn canonical(text: &[u8]) -> Vec<u8> {
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text).trim_ascii();
    let mut lines = text.split(|byte| *byte == b'\n').peekable();
    let mut canonical = Vec::with_capacity(text.len() + 1);
    while let Some(line) = lines.next() {
        let ended = lines.peek().is_some();
        canonical.extend_from_slice(line.strip_suffix(b"\r").filter(|_| ended).unwrap_or(line));
        canonical.push(b'\n');
    }
    canonical
}

/// Verifies the signature of a license with the trusted keys, then reads the license. The text need not be
/// [`canonical`]. [`crate::validity`] tells afterwards whether the license is in effect.
///
/// # Errors
/// [`LicenseError`], which says why the license is refused.
pub fn verify(text: &[u8], trusted: &TrustedKeys) -> Result<License, LicenseError> {
    let malformed = LicenseError::Malformed;
    if text.len() > TEXT_BYTES_MAX {
        return Err(malformed("it is longer than 16 KiB"));
    }
    let text = canonical(text);
    let rest = text.strip_prefix(FIRST_LINE.as_bytes()).ok_or(malformed("its first line is not that of a license"))?;
    let rest = rest.strip_suffix(b"\n").ok_or(malformed("the end of its last line is missing"))?;
    let end = rest.iter().rposition(|byte| *byte == b'\n').ok_or(malformed("it has no signature"))? + 1;
    let (payload, last) = rest.split_at(end);
    let last = str::from_utf8(last).map_err(|_| malformed("its last line is not text"))?;
    let [SIGNATURE, id, encoded] = last.split(' ').collect::<Vec<_>>()[..] else {
        return Err(malformed("its last line is not a signature"));
    };
    let signature = STANDARD.decode(encoded).map_err(|_| malformed("its signature is incomplete"))?;
    if trusted.is_empty() {
        return Err(LicenseError::NoKey);
    }
    let key = trusted.find(id).ok_or_else(|| LicenseError::UnknownKey(shown(id)))?;
    if !key.verifies(&message(payload), &signature) {
        return Err(LicenseError::Forged);
    }
    parse(payload)
}

/// Returns the part of an unverified key id that an error may quote.
fn shown(id: &str) -> String {
    id.chars().filter(char::is_ascii_graphic).take(16).collect()
}

/// Reads the JSON of a license after its signature was verified.
fn parse(payload: &[u8]) -> Result<License, LicenseError> {
    let content = |error: serde_json::Error| LicenseError::Content(error.to_string());
    let all: Map<String, Value> = serde_json::from_slice(payload).map_err(content)?;
    let Demands { critical } = serde_json::from_slice(payload).map_err(content)?;
    if let Some(critical) = critical {
        let distinct: BTreeSet<&String> = critical.iter().collect();
        if critical.is_empty() || distinct.len() != critical.len() {
            return Err(LicenseError::Content("`critical` is empty, or names a field twice".to_owned()));
        }
        if let Some(name) = critical.iter().find(|name| !KNOWN.contains(&name.as_str())) {
            return Err(LicenseError::UnknownCritical(name.chars().filter(|c| !c.is_control()).take(64).collect()));
        }
        if let Some(name) = critical.iter().find(|name| !all.contains_key(*name)) {
            return Err(LicenseError::Content(format!("`critical` names `{name}`, which is not there")));
        }
    }
    let license: License = serde_json::from_slice(payload).map_err(content)?;
    license.check()?;
    Ok(license)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Tier, license::tests::license};

    fn trusted(key: &IssuerKey) -> TrustedKeys {
        key.public().clone().into()
    }

    /// Verifies a license with additional fields.
    fn with(key: &IssuerKey, more: Value) -> Result<License, LicenseError> {
        let mut payload = serde_json::to_value(license()).unwrap();
        payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        verify(sealed(&payload.to_string(), key).as_bytes(), &trusted(key))
    }

    #[test]
    fn what_was_issued_is_read_back_in_every_tier() {
        let key = IssuerKey::generate();
        for &tier in Tier::SOLD {
            for (seats, features) in [(None, None), (Some(3), Some(vec!["hcv_sync".to_owned()]))] {
                let issued = License { tier, seats, features, ..license() };
                let text = issue(&issued, &key).unwrap();
                assert_eq!(verify(text.as_bytes(), &trusted(&key)).unwrap(), issued);
            }
        }
    }

    #[test]
    fn a_person_can_read_it() {
        let text = issue(&license(), &IssuerKey::generate()).unwrap();
        assert!(text.starts_with("VaultTerm license 1\n{\n  \"id\": "), "{text}");
        assert!(
            text.contains("\"licensee\": \"Example Ltd\"") && text.contains("\"expires\": \"2027-12-31T23:59:59Z\"")
        );
    }

    #[test]
    fn every_flip_of_a_bit_is_refused() {
        let key = IssuerKey::generate();
        let text = issue(&license(), &key).unwrap().into_bytes();
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut flipped = text.clone();
                flipped[at] ^= 1 << bit;
                assert!(verify(&flipped, &trusted(&key)).is_err(), "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn every_truncation_and_everything_added_is_refused() {
        let key = IssuerKey::generate();
        let text = issue(&license(), &key).unwrap();
        // Editors may remove the last line end, so only that one may be missing.
        for end in 0..text.len() - 1 {
            assert!(verify(&text.as_bytes()[..end], &trusted(&key)).is_err(), "the first {end} bytes");
        }
        for changed in [
            format!("{text}{text}"),
            text.replace('\n', "\r"),
            text.replace('\n', "\n\n"),
            text.replace('\n', " \n"),
            text.replacen(' ', "\u{feff} ", 1),
            text.replace("  ", " "),
            text.replace("signature ", "signature  "),
        ] {
            assert!(verify(changed.as_bytes(), &trusted(&key)).is_err(), "{changed}");
        }
        assert!(verify(&vec![b' '; TEXT_BYTES_MAX + 1], &trusted(&key)).is_err());
    }

    #[test]
    fn what_mail_and_editors_do_to_a_text_file_does_no_harm() {
        let key = IssuerKey::generate();
        let text = issue(&license(), &key).unwrap();
        for changed in [
            text.replace('\n', "\r\n"),
            format!("\u{feff}{text}"),
            format!("\u{feff}{}", text.replace('\n', "\r\n")),
            format!("\r\n \t{text}\n \n"),
            text.trim_end().to_owned(),
        ] {
            assert_eq!(verify(changed.as_bytes(), &trusted(&key)).unwrap(), license(), "{changed:?}");
            assert_eq!(canonical(changed.as_bytes()), text.as_bytes(), "{changed:?}");
        }
    }

    #[test]
    fn another_key_is_named_and_none_is_said() {
        let key = IssuerKey::generate();
        let text = issue(&license(), &key).unwrap();
        let other = trusted(&IssuerKey::generate());
        assert_eq!(
            verify(text.as_bytes(), &other).unwrap_err(),
            LicenseError::UnknownKey(key.public().id().to_string())
        );
        assert_eq!(verify(text.as_bytes(), &TrustedKeys::default()).unwrap_err(), LicenseError::NoKey);
    }

    #[test]
    fn a_signature_of_another_key_under_a_trusted_name_is_forged() {
        let (vendor, forger) = (IssuerKey::generate(), IssuerKey::generate());
        let text = issue(&license(), &forger).unwrap();
        let claimed = text.replace(&forger.public().id().to_string(), &vendor.public().id().to_string());
        assert_eq!(verify(claimed.as_bytes(), &trusted(&vendor)).unwrap_err(), LicenseError::Forged);
    }

    #[test]
    fn the_signature_belongs_to_licenses_only() {
        let key = IssuerKey::generate();
        let payload = format!("{}\n", serde_json::to_string_pretty(&license()).unwrap());
        let bare = STANDARD.encode(key.sign(payload.as_bytes()));
        let text = format!("{FIRST_LINE}{payload}{SIGNATURE} {} {bare}\n", key.public().id());
        assert_eq!(verify(text.as_bytes(), &trusted(&key)).unwrap_err(), LicenseError::Forged);
    }

    #[test]
    fn an_unknown_critical_field_is_refused_and_other_unknown_fields_are_ignored() {
        let key = IssuerKey::generate();
        assert_eq!(with(&key, json!({"region": "eu"})).unwrap(), license());
        assert_eq!(
            with(&key, json!({"region": "eu", "critical": ["region"]})).unwrap_err(),
            LicenseError::UnknownCritical("region".to_owned())
        );
        assert_eq!(with(&key, json!({"critical": ["expires", "tier"]})).unwrap(), license());
    }

    #[test]
    fn a_critical_list_that_makes_no_sense_is_refused() {
        let key = IssuerKey::generate();
        for critical in [json!([]), json!(["tier", "tier"]), json!(["features"]), json!("tier"), json!([1])] {
            let refused = with(&key, json!({ "critical": critical })).unwrap_err();
            assert!(matches!(refused, LicenseError::Content(_)), "{refused}");
        }
    }

    #[test]
    fn signed_content_that_makes_no_sense_is_refused() {
        let key = IssuerKey::generate();
        for more in [json!({"tier": "platinum"}), json!({"counter": -1}), json!({"expires": "soon"}), json!({"id": 1})]
        {
            assert!(matches!(with(&key, more.clone()).unwrap_err(), LicenseError::Content(_)), "{more}");
        }
        assert!(matches!(with(&key, json!({"grace_days": 4000})).unwrap_err(), LicenseError::Invalid(_)));
        for payload in ["", "{", "[]", "{\"tier\":\"free\"}"] {
            let text = sealed(payload, &key);
            assert!(matches!(verify(text.as_bytes(), &trusted(&key)).unwrap_err(), LicenseError::Content(_)));
        }
    }
}
