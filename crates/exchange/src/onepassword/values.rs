//! Reads the sections of an item of 1Password's archive. Each value is an object with one name, which says its kind.

use jiff::Timestamp;
use serde_json::{Number, Value};

use crate::{
    document::{Part, is_empty, wipe},
    item::Item,
    loss::{Loss, Lost},
    usual,
};

/// The fields of VaultTerm for ids of fields, by category. Other fields keep the title that people see.
const FIELDS: [(&str, &str, &str); 17] = [
    ("002", "cardholder", "holder"),
    ("002", "type", "brand"),
    ("002", "ccnum", "card_number"),
    ("002", "cvv", "security_code"),
    ("002", "expiry", "expires"),
    ("002", "validFrom", "valid_from"),
    ("002", "pin", "pin"),
    ("004", "firstname", "first_name"),
    ("004", "lastname", "last_name"),
    ("004", "company", "company"),
    ("004", "email", "email"),
    ("004", "defphone", "phone"),
    ("004", "username", "username"),
    ("004", "jobtitle", "job_title"),
    ("112", "credential", "key"),
    ("112", "username", "username"),
    ("112", "hostname", "hostname"),
];

/// The category of identities.
const IDENTITY: &str = "004";

/// The parts of an address, and what becomes of their names.
const ADDRESS: [(&str, &str); 5] =
    [("street", "address"), ("city", "city"), ("state", "state"), ("zip", "postal_code"), ("country", "country")];

/// The kinds of values that are texts.
const TEXTS: [&str; 9] =
    ["concealed", "creditCardNumber", "creditCardType", "gender", "menu", "phone", "string", "url", "email"];

/// Settings of a field for forms and keyboards.
const LOOKS: [&str; 8] = [
    "clipboardFilter",
    "dontGenerate",
    "guarded",
    "indexAtSource",
    "indexInSection",
    "inputTraits",
    "multiline",
    "placeholder",
];

/// Reads a section. Its title stands before the names of its fields, but for those that VaultTerm has names for.
pub(super) fn section(mut section: Part, category: &str, item: &mut Item) {
    let heading = section.text("title").unwrap_or_default();
    for mut field in section.parts("fields", item) {
        let (title, id) = (field.text("title").unwrap_or_default(), field.text("id").unwrap_or_default());
        let ours = FIELDS.iter().find(|(of, theirs, _)| *of == category && *theirs == id);
        let is_named = ours.is_some() || !title.is_empty();
        let own = if title.is_empty() { &id } else { &title };
        let name = ours.map_or_else(|| usual::titled(&heading, own), |(_, _, ours)| (*ours).to_owned());
        let before = item.fields.expose().len();
        match field.part("value") {
            Some(mut value) => {
                for kind in value.names() {
                    if let Some(inner) = value.take(&kind).filter(|inner| !is_empty(inner)) {
                        self::value(&heading, &name, &kind, inner, category, item);
                    }
                }
            }
            None => {
                if let Some(text) = field.text("value").filter(|text| !text.is_empty()) {
                    item.own(Some(name.clone()), text);
                }
            }
        }
        if !is_named && !name.is_empty() && item.fields.expose().len() > before {
            item.lose(Loss::named(Lost::NoName, &name));
        }
        field.ignore(&LOOKS);
        field.rest(item);
    }
    section.ignore(&["hideAddAnotherField", "name"]);
    section.rest(item);
}

/// Reads one value of a section with this heading.
fn value(heading: &str, name: &str, kind: &str, value: Value, category: &str, item: &mut Item) {
    match value {
        Value::String(inner) => text(heading, name, kind, inner, item),
        Value::Number(inner) => number(name, kind, &inner, item),
        other => match Part::of(other) {
            Ok(part) => object(name, kind, part, category, item),
            Err(mut other) => {
                wipe(&mut other);
                item.lose(Loss::named(Lost::UnknownPart, kind));
            }
        },
    }
}

fn text(heading: &str, name: &str, kind: &str, text: String, item: &mut Item) {
    match kind {
        "totp" => {
            let usual = usual::one_time(&text);
            // The first one has the name by which VaultTerm computes codes.
            let is_taken = item.fields.expose().contains_key(usual);
            item.text(&if is_taken { usual::titled(heading, usual) } else { usual.to_owned() }, text);
        }
        "reference" => item.lose(Loss::named(Lost::Related, name)),
        _ => {
            if !TEXTS.contains(&kind) {
                item.lose(Loss::named(Lost::Kind, name));
            }
            item.own(Some(name.to_owned()), text);
        }
    }
}

/// Reads a day (in seconds since 1970), a month (`203001`), or a number of another kind as it stands in the file.
fn number(name: &str, kind: &str, number: &Number, item: &mut Item) {
    let plain = number.to_string();
    let day = || {
        let moment = Timestamp::from_second(number.as_i64()?).ok()?;
        Some(moment.strftime("%Y-%m-%d").to_string())
    };
    let month = || {
        let (year, month) = plain.split_at_checked(4)?;
        usual::month_of(year, month.strip_prefix('0').unwrap_or(month))
    };
    let text = match kind {
        "date" => day(),
        "monthYear" => month(),
        _ => None,
    };
    if text.is_none() {
        item.lose(Loss::named(if ["date", "monthYear"].contains(&kind) { Lost::Date } else { Lost::Kind }, name));
    }
    item.own(Some(name.to_owned()), text.unwrap_or(plain));
}

fn object(name: &str, kind: &str, mut part: Part, category: &str, item: &mut Item) {
    match kind {
        "email" => {
            if let Some(text) = part.text("email_address") {
                item.own(Some(name.to_owned()), text);
            }
            part.rest(item);
        }
        "address" => address(name, part, category, item),
        "sshKey" => ssh_key(part, item),
        "file" => attachment(part, item),
        _ => item.lose(Loss::named(Lost::UnknownPart, kind)),
    }
}

/// The address of an identity has the usual fields, and any other gets the name of its field before theirs.
fn address(name: &str, mut part: Part, category: &str, item: &mut Item) {
    let is_usual = category == IDENTITY && !item.fields.expose().contains_key("address");
    for (theirs, ours) in ADDRESS {
        if let Some(text) = part.text(theirs).filter(|text| !text.is_empty()) {
            let field = if is_usual { ours.to_owned() } else { format!("{name} {theirs}") };
            item.own(Some(field), text);
        }
    }
    part.rest(item);
}

fn ssh_key(mut key: Part, item: &mut Item) {
    let mut more = key.part("metadata").unwrap_or_default();
    let private = key.text("privateKey");
    // The same key once more, at times in another format.
    let again = more.text("privateKey").filter(|again| Some(again) != private.as_ref());
    for (name, text) in [
        ("private_key", private),
        ("private_key_2", again),
        ("public_key", key.text("publicKey").or_else(|| more.text("publicKey"))),
        ("fingerprint", key.text("fingerprint").or_else(|| more.text("fingerprint"))),
        ("key_type", key.text("keyType").or_else(|| more.text("keyType"))),
    ] {
        item.text(name, text.unwrap_or_default());
    }
    more.rest(item);
    key.rest(item);
}

/// Names a file that stays behind.
pub(super) fn attachment(mut file: Part, item: &mut Item) {
    // The first versions put name and size into an object of their own.
    if let Some(inner) = file.part("attrs") {
        file = inner;
    }
    let name = file.text("fileName").or_else(|| file.text("name")).unwrap_or_default();
    let loss = Loss::named(Lost::Attachment, name);
    let size = file.number("decryptedSize").and_then(|size| u64::try_from(size).ok());
    item.lose(if let Some(size) = size { loss.sized(size) } else { loss });
}
