//! NordPass's CSV: one wide table for logins, cards, notes, identities and folders. A column says which one a row is.

use vaultterm_reconcile::RecordType;

use crate::{
    document::{Part, wipe},
    format::Format,
    item::{Found, Item},
    loss::{Loss, Lost},
    options::Options,
    refused::FileError,
    table::{self, Columns, Row},
    usual,
};

/// The columns. Older versions have fewer.
pub(crate) const COLUMNS: Columns = Columns {
    required: &["name", "url", "username", "password", "note", "cardholdername", "cardnumber", "folder"],
    optional: &[
        "additional_urls",
        "cvc",
        "pin",
        "expirydate",
        "zipcode",
        "shared_folder",
        "full_name",
        "phone_number",
        "email",
        "address1",
        "address2",
        "city",
        "country",
        "state",
        "type",
        "custom_fields",
    ],
    dates: &[],
};

/// The columns whose cells become fields of a name that says what they are.
const FIELDS: [(&str, &str); 16] = [
    ("username", "username"),
    ("password", "password"),
    ("cardholdername", "holder"),
    ("cardnumber", "card_number"),
    ("cvc", "security_code"),
    ("pin", "pin"),
    ("expirydate", "expires"),
    ("full_name", "full_name"),
    ("phone_number", "phone"),
    ("email", "email"),
    ("address1", "address"),
    ("address2", "address_2"),
    ("zipcode", "postal_code"),
    ("city", "city"),
    ("state", "state"),
    ("country", "country"),
];

/// Reads a file.
///
/// # Errors
/// [`FileError`].
pub(crate) fn read(bytes: &[u8], _: &Options) -> Result<Found, FileError> {
    table::read(Format::NordpassCsv, &COLUMNS, bytes, |row, _| make(row))
}

fn make(row: &Row<'_>) -> Option<Item> {
    let record_type = match row.cell("type") {
        "folder" => return None,
        "password" => RecordType::Password,
        "note" => RecordType::SecureNote,
        "credit_card" => RecordType::PaymentCard,
        "identity" => RecordType::Identity,
        "" => bare_type(row),
        _ => RecordType::KeyValue,
    };
    let mut item = Item::new(row.place, row.cell("name"), record_type);
    if record_type == RecordType::KeyValue {
        item.lose(Loss::named(Lost::UnknownType, row.cell("type")));
    }
    item.folder = usual::folder(row.cell("folder"), '/');
    if item.folder.is_empty() {
        item.folder = usual::folder(row.cell("shared_folder"), '/');
    } else if !row.cell("shared_folder").is_empty() {
        item.lose(Loss::named(Lost::UnknownPart, "shared_folder"));
    }
    for (column, field) in FIELDS {
        item.text(field, row.cell(column));
    }
    let first = Some(row.cell("url").to_owned());
    let further = further_urls(&mut item, row.cell("additional_urls"));
    item.urls(first.into_iter().chain(further));
    item.text(usual::note(record_type), row.cell("note"));
    own_fields(&mut item, row.cell("custom_fields"));
    Some(item)
}

/// Returns the type of a row in a table that has no types: the columns that are filled tell.
fn bare_type(row: &Row<'_>) -> RecordType {
    let has = |names: &[&str]| names.iter().any(|name| !row.cell(name).is_empty());
    if has(&["cardnumber"]) {
        RecordType::PaymentCard
    } else if has(&["full_name"]) {
        RecordType::Identity
    } else if has(&["username", "password", "url"]) {
        RecordType::Password
    } else {
        RecordType::SecureNote
    }
}

/// Reads the further addresses: a list in JSON, or one text with commas between them.
fn further_urls(item: &mut Item, cell: &str) -> Vec<String> {
    if let Ok(urls) = serde_json::from_str::<Vec<String>>(cell) {
        return urls;
    }
    if cell.contains(',') {
        item.lose(Loss::named(Lost::Joined, "additional_urls"));
    }
    cell.split(',').map(|url| url.trim().to_owned()).collect()
}

/// Reads the fields that a person added: a list in JSON. A cell that is none comes over as it is.
fn own_fields(item: &mut Item, cell: &str) {
    let Ok(list) = serde_json::from_str::<Vec<serde_json::Value>>(cell) else {
        item.text("custom_fields", cell);
        return;
    };
    for value in list {
        match Part::of(value) {
            Ok(mut part) => {
                part.ignore(&["type"]);
                let name = part.text("label");
                if let Some(text) = part.text("value") {
                    item.own(name, text);
                }
                part.rest(item);
            }
            Err(mut other) => {
                wipe(&mut other);
                item.lose(Loss::named(Lost::UnknownPart, "custom_fields"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{outline, shake};

    const SAMPLE: &[u8] = b"name,url,additional_urls,username,password,note,cardholdername,cardnumber,cvc,pin,expirydate,zipcode,folder,shared_folder,full_name,phone_number,email,address1,address2,city,country,state,type,custom_fields\n\
        Work,,,,,,,,,,,,,,,,,,,,,,folder,\n\
        Mail,https://mail.example,\"[\"\"https://post.example\"\"]\",ann,pw,hello,,,,,,,Work/Post,,,,,,,,,,password,\"[{\"\"label\"\":\"\"PIN\"\",\"\"type\"\":\"\"hidden\"\",\"\"value\"\":\"\"1234\"\"},{\"\"label\"\":\"\"\"\",\"\"type\"\":\"\"text\"\",\"\"value\"\":\"\"x\"\"}]\"\n\
        Visa,,,,,,Ann A,4111111111111111,123,9999,03/27,,,Team,,,,,,,,,credit_card,\n\
        Me,,,,,,,,,,,1010,,,Ann A,+1 555,ann@mail.example,Street 1,Door 2,Vienna,at,W,identity,\n\
        Hint,,,,,\"one\ntwo\",,,,,,,,,,,,,,,,,note,\n\
        Odd,https://a.example,\"https://b.example, https://c.example\",,,,,,,,,,,,,,,,,,,,passkey,not json\n";

    #[test]
    fn every_kind_of_row_comes_over() {
        let found = read(SAMPLE, &Options::default()).unwrap();
        assert_eq!(
            outline(&found),
            [
                "PASSWORD Work/Post/Mail PIN=\"1234\" field=\"x\" notes=\"hello\" password=\"pw\" \
                 url=\"https://mail.example\" url_2=\"https://post.example\" username=\"ann\"",
                "  lost field without a name; it is called `field`",
                "PAYMENT_CARD Team/Visa card_number=\"4111111111111111\" expires=\"03/27\" holder=\"Ann A\" pin=\"9999\" \
                 security_code=\"123\"",
                "IDENTITY Me address=\"Street 1\" address_2=\"Door 2\" city=\"Vienna\" country=\"at\" \
                 email=\"ann@mail.example\" full_name=\"Ann A\" phone=\"+1 555\" postal_code=\"1010\" state=\"W\"",
                "SECURE_NOTE Hint note=\"one\\ntwo\"",
                "KEY_VALUE Odd custom_fields=\"not json\" url=\"https://a.example\" url_2=\"https://b.example\" \
                 url_3=\"https://c.example\"",
                "  lost type that VaultTerm does not know; it becomes KEY_VALUE `passkey`",
                "  lost cell with several values, taken apart where its separator stands `additional_urls`",
            ]
        );
    }

    #[test]
    fn damaged_files_are_read_or_refused() {
        shake(SAMPLE, &Options::default(), read);
    }
}
