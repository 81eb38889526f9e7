//! The fields of a record, as credentials.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use vaultterm_reconcile::{RecordType, is_descriptive};

use crate::{
    cxf::{Kind, link::Code},
    loss::{Loss, Lost},
    outgoing::{LossesOf, Outgoing},
    usual,
};

/// The credentials of a record.
#[derive(Default)]
pub(super) struct Credentials {
    pub(super) kinds: Vec<Kind>,
    pub(super) credentials: Vec<Value>,
    pub(super) urls: Vec<String>,
    /// The names of the fields that have no place of their own.
    pub(super) own: Vec<String>,
}

/// Makes the credentials of a record, and notes the fields whose kind is lost.
pub(super) fn credentials(record: &Outgoing, lost: &mut LossesOf<'_>) -> Credentials {
    let mut out = Credentials::default();
    // The fields that have found their place.
    let mut placed: Vec<&str> = Vec::new();
    match record.record_type {
        RecordType::Password => {
            placed.extend(editable(record, Kind::BasicAuth, "basic-auth", &mut out));
            placed.extend(addresses(record, &mut out));
            placed.extend(one_time(record, &mut out));
        }
        RecordType::PaymentCard => placed.extend(editable(record, Kind::CreditCard, "credit-card", &mut out)),
        RecordType::Identity => {
            placed.extend(editable(record, Kind::PersonName, "person-name", &mut out));
            let has_address =
                record.fields.names().any(|name| Kind::Address.pairs().iter().any(|(_, ours)| *ours == name));
            if has_address {
                placed.extend(editable(record, Kind::Address, "address", &mut out));
            }
        }
        RecordType::ApiKey => placed.extend(editable(record, Kind::ApiKey, "api-key", &mut out)),
        RecordType::Passkey => placed.extend(passkey(record, &mut out)),
        RecordType::Totp => placed.extend(one_time(record, &mut out)),
        RecordType::SecureNote | RecordType::SshKey | RecordType::EnvVar | RecordType::KeyValue => {}
    }
    let is_note = record.record_type == RecordType::SecureNote;
    if is_note || !out.kinds.is_empty() {
        placed.extend(note(record, &mut out));
    }
    own(record, &placed, &mut out, lost);
    out
}

/// Returns a field that is a text and not empty. The standard has no empty values.
fn text<'a>(record: &'a Outgoing, name: &str) -> Option<&'a str> {
    record.fields.expose().get(name)?.as_str().filter(|text| !text.is_empty())
}

/// Makes a credential whose members are fields of the standard, even if there is none of them: it tells the type.
fn editable(record: &Outgoing, kind: Kind, name: &str, out: &mut Credentials) -> Vec<&'static str> {
    let (mut credential, mut placed) = (Map::new(), Vec::new());
    for (theirs, ours) in kind.pairs() {
        if placed.contains(ours) {
            continue;
        }
        let Some(text) = text(record, ours) else { continue };
        let field_type = match *theirs {
            "password" | "key" | "number" | "verificationNumber" | "pin" => "concealed-string",
            "expiryDate" | "validFrom" if kind == Kind::CreditCard => {
                // Only a month of a year is one to other programs.
                if usual::year_and_month(text).is_none() {
                    continue;
                }
                "year-month"
            }
            "expiryDate" | "validFrom" => {
                if text.parse::<jiff::civil::Date>().is_err() {
                    continue;
                }
                "date"
            }
            "country" => "country-code",
            "territory" => "subdivision-code",
            _ => "string",
        };
        credential.insert((*theirs).to_owned(), json!({"fieldType": field_type, "value": text}));
        placed.push(*ours);
    }
    credential.insert("type".to_owned(), name.into());
    out.kinds.push(kind);
    out.credentials.push(credential.into());
    placed
}

/// Takes the addresses in their order, as long as none is missing.
fn addresses<'a>(record: &'a Outgoing, out: &mut Credentials) -> Vec<&'a str> {
    let mut placed = Vec::new();
    for at in 0.. {
        let name = usual::url(at);
        let Some((name, _)) = record.fields.expose().get_key_value(&name) else { break };
        let Some(text) = text(record, name) else { break };
        out.urls.push(text.to_owned());
        placed.push(name.as_str());
    }
    placed
}

fn one_time(record: &Outgoing, out: &mut Credentials) -> Option<&'static str> {
    const FIELD: &str = "otpauth_url";
    let code = Code::of(text(record, FIELD)?)?;
    let is_held = u8::try_from(code.period).is_ok() && u8::try_from(code.digits).is_ok();
    if !is_held {
        return None;
    }
    let mut credential = json!({
        "type": "totp",
        "secret": code.secret.as_str(),
        "period": code.period,
        "digits": code.digits,
        "algorithm": code.algorithm,
    });
    for (name, text) in [("issuer", code.issuer), ("username", code.username)] {
        if !text.is_empty() {
            credential[name] = text.into();
        }
    }
    out.kinds.push(Kind::Totp);
    out.credentials.push(credential);
    Some(FIELD)
}

fn note(record: &Outgoing, out: &mut Credentials) -> Option<&'static str> {
    let name = usual::note(record.record_type);
    let text = text(record, name)?;
    out.kinds.push(Kind::Note);
    out.credentials.push(json!({"type": "note", "content": {"fieldType": "string", "value": text}}));
    Some(name)
}

/// Makes a passkey, if the record has what the standard asks for. Its names may be empty, which reads as none.
fn passkey(record: &Outgoing, out: &mut Credentials) -> Vec<&'static str> {
    let bytes = |name| text(record, name).filter(|text| URL_SAFE_NO_PAD.decode(text).is_ok());
    let names = |name| text(record, name).unwrap_or_default();
    let found = (bytes("credential_id"), text(record, "rp_id"), bytes("user_handle"), bytes("private_key"));
    let (Some(credential_id), Some(rp_id), Some(user_handle), Some(key)) = found else { return Vec::new() };
    out.kinds.push(Kind::Passkey);
    out.credentials.push(json!({
        "type": "passkey",
        "credentialId": credential_id,
        "rpId": rp_id,
        "username": names("username"),
        "userDisplayName": names("user_display_name"),
        "userHandle": user_handle,
        "key": key,
    }));
    let mut placed = vec!["credential_id", "rp_id", "user_handle", "private_key"];
    placed.extend(["username", "user_display_name"].into_iter().filter(|name| text(record, name).is_some()));
    placed
}

/// Writes all other fields as fields that a person added. What is no text becomes one.
fn own(record: &Outgoing, placed: &[&str], out: &mut Credentials, lost: &mut LossesOf<'_>) {
    let mut fields = Vec::new();
    for (name, value) in record.fields.expose() {
        if placed.contains(&name.as_str()) {
            continue;
        }
        let hidden = if is_descriptive(name) { "string" } else { "concealed-string" };
        let (field_type, text) = match value {
            Value::String(text) => (hidden, text.clone()),
            other => {
                lost.add(Loss::named(Lost::Kind, name));
                let field_type = match other {
                    Value::Bool(_) => "boolean",
                    Value::Number(_) => "number",
                    _ => hidden,
                };
                (field_type, other.to_string())
            }
        };
        fields.push(json!({"fieldType": field_type, "value": text, "label": name}));
        out.own.push(name.clone());
    }
    if !fields.is_empty() {
        out.kinds.push(Kind::CustomFields);
        out.credentials.push(json!({"type": "custom-fields", "fields": fields}));
    }
}
