//! The credentials of an item, as fields of a record.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::Value;

use super::{kinds::Kind, link::Code};
use crate::{
    document::Part,
    item::Item,
    loss::{Loss, Lost},
    usual,
};

/// Sets the fields of a credential.
pub(super) fn fill(mut part: Part, kind: Kind, name: &str, item: &mut Item) {
    match kind {
        Kind::Totp => one_time(&mut part, item),
        Kind::Note => {
            if let Some(text) = field(&mut part, "content", item) {
                item.text(usual::note(item.record_type), text);
            }
        }
        Kind::CustomFields => own(&mut part, item),
        Kind::File => {
            let loss = Loss::named(Lost::Attachment, part.text("name").unwrap_or_default());
            let size = part.number("decryptedSize").and_then(|size| u64::try_from(size).ok());
            item.lose(if let Some(size) = size { loss.sized(size) } else { loss });
            part.ignore(&["id", "integrityHash"]);
        }
        Kind::ItemReference => {
            part.ignore(&["reference"]);
            item.lose(Loss::named(Lost::Related, "item-reference"));
        }
        Kind::Unknown => {
            item.lose(Loss::named(Lost::UnknownType, name));
            for member in part.names() {
                if let Some(text) = field(&mut part, &member, item) {
                    item.text(&member, text);
                }
            }
        }
        _ => {
            for (theirs, ours) in kind.pairs() {
                if let Some(text) = field(&mut part, theirs, item) {
                    item.text(ours, text);
                }
            }
            if kind == Kind::SshKey
                && let Some(text) = field(&mut part, "privateKey", item)
            {
                item.text("private_key", pem(&text).unwrap_or(text));
            }
            if let Some(name) = kind.unknown().filter(|_| item.record_type == vaultterm_reconcile::RecordType::KeyValue)
            {
                item.lose(Loss::named(Lost::OtherType, name));
            }
        }
    }
    part.rest(item);
}

/// Takes the text of a member, which is a field with a value or, in drafts, the text alone.
pub(super) fn field(part: &mut Part, name: &str, item: &mut Item) -> Option<String> {
    let Some(mut inner) = part.part(name) else { return part.text(name) };
    let text = inner.text("value");
    inner.ignore(&["id", "fieldType", "label"]);
    inner.rest(item);
    text
}

/// Makes a text of the key of CXF (PKCS #8 as Base64), as every program for keys reads it.
fn pem(text: &str) -> Option<String> {
    let der = zeroize::Zeroizing::new(URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?);
    let base64 = zeroize::Zeroizing::new(STANDARD.encode(&*der));
    let mut pem = "-----BEGIN PRIVATE KEY-----\n".to_owned();
    for line in base64.as_bytes().chunks(64) {
        pem.push_str(std::str::from_utf8(line).ok()?);
        pem.push('\n');
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    Some(pem)
}

/// Makes a link of the parts. Where no link can hold them, the secret stays alone and the rest is counted.
fn one_time(part: &mut Part, item: &mut Item) {
    let text = |part: &mut Part, name| part.text(name).unwrap_or_default();
    let number = |part: &mut Part, name, usual| match part.text(name).map(|text| text.parse()) {
        None => Some(usual),
        Some(number) => number.ok(),
    };
    let secret = text(part, "secret");
    let code = Code {
        secret: secret.trim_end_matches('=').to_owned().into(),
        issuer: text(part, "issuer"),
        username: part.text("username").or_else(|| part.text("userName")).unwrap_or_default(),
        algorithm: part.text("algorithm").map_or_else(|| "sha1".to_owned(), |text| text.to_ascii_lowercase()),
        digits: 0,
        period: 0,
    };
    let (digits, period) = (number(part, "digits", 6), number(part, "period", 30));
    let link = digits.zip(period).and_then(|(digits, period)| Code { digits, period, ..code }.link());
    match link {
        Some(link) => item.text("otpauth_url", link.as_str()),
        None => {
            item.text("totp_secret", secret);
            item.lose(Loss::named(Lost::UnknownPart, "totp"));
        }
    }
}

/// Sets the fields that a person added. The label of the group stands before their own.
fn own(part: &mut Part, item: &mut Item) {
    let group = part.text("label").unwrap_or_default();
    for mut inner in part.parts("fields", item) {
        let name = inner.text("label").filter(|label| !label.is_empty()).map(|label| usual::titled(&group, &label));
        let text = inner.text("value").unwrap_or_default();
        item.own(name, text);
        inner.ignore(&["id", "fieldType"]);
        inner.rest(item);
    }
    part.ignore(&["id"]);
}

/// Returns the names of the fields that a person added, before they are read.
pub(super) fn own_names(part: &Value) -> Vec<String> {
    let fields = part.get("fields").and_then(Value::as_array);
    let group = part.get("label").and_then(Value::as_str).unwrap_or_default();
    let labels = fields.into_iter().flatten().filter_map(|field| field.get("label").and_then(Value::as_str));
    labels.filter(|label| !label.is_empty()).map(|label| usual::titled(group, label)).collect()
}

/// Says whether an item holds nothing that a record could.
pub(super) fn holds_nothing(item: &Item) -> bool {
    item.fields.expose().is_empty()
}
