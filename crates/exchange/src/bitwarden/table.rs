//! Reads Bitwarden's CSV. It holds logins and notes only, joins addresses by `,`, and fields as lines of `name: value`. Both
//! are taken apart at each separator, which may be wrong, so each is named as a loss where it matters.

use vaultterm_reconcile::RecordType;

use crate::{
    format::Format,
    item::{Found, Item},
    loss::{Loss, Lost},
    options::Options,
    refused::FileError,
    table::{self, Columns, Row},
    usual,
};

/// The columns. A person's file has `folder` and `favorite`, and one of an organisation has `collections`.
pub(crate) const COLUMNS: Columns = Columns {
    required: &["type", "name", "notes", "fields", "login_uri", "login_username", "login_password"],
    optional: &["folder", "favorite", "collections", "reprompt", "archiveddate", "login_totp"],
    dates: &[],
};

/// What stands between the name and the value of a field.
pub(crate) const COLON: &str = ": ";

/// Reads a file.
///
/// # Errors
/// [`FileError`].
pub(crate) fn read(bytes: &[u8], _: &Options) -> Result<Found, FileError> {
    table::read(Format::BitwardenCsv, &COLUMNS, bytes, |row, _| Some(item(row)))
}

fn item(row: &Row<'_>) -> Item {
    let record_type = match row.cell("type") {
        "" | "login" => RecordType::Password,
        "note" => RecordType::SecureNote,
        _ => RecordType::KeyValue,
    };
    let mut item = Item::new(row.place, row.cell("name"), record_type);
    if record_type == RecordType::KeyValue {
        item.lose(Loss::named(Lost::UnknownType, row.cell("type")));
    }
    folder(row, &mut item);
    item.text("username", row.cell("login_username"));
    item.text("password", row.cell("login_password"));
    let urls = row.cell("login_uri");
    if urls.contains(',') {
        item.lose(Loss::named(Lost::Joined, "login_uri"));
    }
    item.urls(urls.split(',').map(str::to_owned));
    item.one_time(row.cell("login_totp").to_owned());
    item.text(usual::note(record_type), row.cell("notes"));
    own_fields(row.cell("fields"), &mut item);
    if row.cell("favorite") == "1" {
        item.lose(Loss::new(Lost::Favourite));
    }
    item.ask_again = row.cell("reprompt") == "1";
    if !row.cell("archiveddate").is_empty() {
        item.tags.push(usual::ARCHIVED.to_owned());
    }
    item
}

fn folder(row: &Row<'_>, item: &mut Item) {
    item.folder = usual::folder(row.cell("folder"), '/');
    for path in row.cell("collections").split(',').filter(|path| !path.is_empty()) {
        if item.folder.is_empty() {
            item.folder = usual::folder(path, '/');
        } else {
            item.lose(Loss::named(Lost::Rights, path));
        }
    }
}

/// Reads the lines of the fields that a person added. A line without `: ` belongs to the value before it.
fn own_fields(cell: &str, item: &mut Item) {
    let mut fields: Vec<(&str, String)> = Vec::new();
    let mut is_joined = false;
    for line in cell.lines() {
        match (line.split_once(COLON), fields.last_mut()) {
            (Some((name, value)), _) => {
                is_joined |= value.contains(COLON);
                fields.push((name, value.to_owned()));
            }
            (None, Some((_, value))) => {
                is_joined = true;
                value.push('\n');
                value.push_str(line);
            }
            (None, None) => fields.push(("", line.to_owned())),
        }
    }
    if is_joined {
        item.lose(Loss::named(Lost::Joined, "fields"));
    }
    for (name, value) in fields {
        item.own(Some(name.to_owned()), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{outline, shake};

    const SAMPLE: &[u8] = b"folder,favorite,type,name,notes,fields,reprompt,login_uri,login_username,login_password,login_totp\n\
        Work/Post,1,login,Mail,\"one\ntwo\",\"PIN: 1234\nanswer: a: b\",1,\"https://mail.example,https://post.example\",ann,\"a,\"\"b\",otpauth://totp/x?secret=A\n\
        ,,note,Hint,just text,\"key: line 1\nline 2\",0,,,,\n\
        ,,card,Odd,,stray,0,,,,\n";
    const OF_AN_ORGANISATION: &[u8] =
        b"collections,type,name,notes,fields,reprompt,login_uri,login_username,login_password,login_totp\n\
        \"Team/Ops,Team/Dev\",login,Server,,,0,,root,pw,\n";

    #[test]
    fn logins_and_notes_come_over() {
        let found = read(SAMPLE, &Options::default()).unwrap();
        assert_eq!(
            outline(&found),
            [
                "PASSWORD Work/Post/Mail PIN=\"1234\" answer=\"a: b\" notes=\"one\\ntwo\" \
                 otpauth_url=\"otpauth://totp/x?secret=A\" password=\"a,\\\"b\" url=\"https://mail.example\" \
                 url_2=\"https://post.example\" username=\"ann\"",
                "  lost mark as a favourite",
                "  lost cell with several values, taken apart where its separator stands `fields`",
                "  lost cell with several values, taken apart where its separator stands `login_uri`",
                "SECURE_NOTE Hint key=\"line 1\\nline 2\" note=\"just text\"",
                "  lost cell with several values, taken apart where its separator stands `fields`",
                "KEY_VALUE Odd field=\"stray\"",
                "  lost type that VaultTerm does not know; it becomes KEY_VALUE `card`",
                "  lost field without a name; it is called `field`",
            ]
        );
        assert!(found.items[0].ask_again && !found.items[1].ask_again);
    }

    #[test]
    fn the_first_collection_is_the_folder() {
        let found = read(OF_AN_ORGANISATION, &Options::default()).unwrap();
        assert_eq!(
            outline(&found),
            ["PASSWORD Team/Ops/Server password=\"pw\" username=\"root\"", "  lost rights and sharing `Team/Dev`"]
        );
    }

    #[test]
    fn damaged_files_are_read_or_refused() {
        shake(SAMPLE, &Options::default(), read);
        shake(OF_AN_ORGANISATION, &Options::default(), read);
    }
}
