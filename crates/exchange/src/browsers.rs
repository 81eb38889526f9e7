//! The tables of browsers: Chrome and its family, and Firefox.

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

/// The columns of Chrome, Edge, Brave, Vivaldi and Opera. Older versions have no notes.
pub(crate) const CHROME: Columns =
    Columns { required: &["name", "url", "username", "password"], optional: &["note"], dates: &[] };

/// The columns of Firefox. A login has no name.
pub(crate) const FIREFOX: Columns = Columns {
    required: &["url", "username", "password", "httprealm", "formactionorigin"],
    optional: &["guid", "timecreated", "timepasswordchanged"],
    dates: &["timelastused"],
};

/// Reads a file of Chrome.
///
/// # Errors
/// [`FileError`].
pub(crate) fn read_chrome(bytes: &[u8], _: &Options) -> Result<Found, FileError> {
    table::read(Format::ChromeCsv, &CHROME, bytes, |row, _| {
        let mut item = login(row, row.cell("name"));
        item.text("notes", row.cell("note"));
        Some(item)
    })
}

/// Reads a file of Firefox. The host of the address is the name.
///
/// # Errors
/// [`FileError`].
pub(crate) fn read_firefox(bytes: &[u8], _: &Options) -> Result<Found, FileError> {
    table::read(Format::FirefoxCsv, &FIREFOX, bytes, |row, _| {
        let mut item = login(row, usual::host(row.cell("url")));
        item.source_id = Some(row.cell("guid").to_owned()).filter(|guid| !guid.is_empty());
        item.text("http_realm", row.cell("httprealm"));
        item.created_us = millis(&mut item, "timeCreated", row.cell("timecreated"));
        item.updated_us = millis(&mut item, "timePasswordChanged", row.cell("timepasswordchanged"));
        // Nearly every login has the origin of its page here.
        if !["", row.cell("url")].contains(&row.cell("formactionorigin")) {
            item.lose(Loss::named(Lost::Filling, "formActionOrigin"));
        }
        Some(item)
    })
}

fn login(row: &Row<'_>, name: &str) -> Item {
    let mut item = Item::new(row.place, name, RecordType::Password);
    item.text("username", row.cell("username"));
    item.text("password", row.cell("password"));
    item.text("url", row.cell("url"));
    item
}

/// Reads milliseconds since 1970. An empty cell is no date.
fn millis(item: &mut Item, name: &str, text: &str) -> Option<i64> {
    match text.parse() {
        Ok(count) => Some(item.since_1970(name, count, 1000)),
        Err(_) if text.is_empty() => None,
        Err(_) => {
            item.lose(Loss::named(Lost::Date, name));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{outline, shake};

    const CHROME: &[u8] = b"name,url,username,password,note\nmail.example,https://mail.example/login,ann,\"a,\"\"b\",\"one\ntwo\"\n,android://abc@com.example/,bob,=x,\n";
    const FIREFOX: &[u8] = b"\"url\",\"username\",\"password\",\"httpRealm\",\"formActionOrigin\",\"guid\",\"timeCreated\",\"timeLastUsed\",\"timePasswordChanged\"\r\n\
        \"https://mail.example\",\"ann\",\"pw\",,\"https://mail.example\",\"{4a2f1b3c-0000-4000-8000-000000000001}\",\"1585333569000\",\"1585333569001\",\"1585333569002\"\r\n\
        \"http://router.example:8080\",\"admin\",\"p\"\"w\",\"Router\",,\"{4a2f1b3c-0000-4000-8000-000000000002}\",\"1585333569000\",\"1585333569001\",\"1585333569002\"\r\n\
        \"https://a.example\",\"\",\"x\",,\"https://login.example\",\"{4a2f1b3c-0000-4000-8000-000000000003}\",\"1585333569000\",\"1585333569001\",\"1585333569002\"\r\n";

    #[test]
    fn logins_of_chrome_come_over() {
        let found = read_chrome(CHROME, &Options::default()).unwrap();
        assert_eq!(
            outline(&found),
            [
                "PASSWORD mail.example notes=\"one\\ntwo\" password=\"a,\\\"b\" url=\"https://mail.example/login\" username=\"ann\"",
                "PASSWORD com.example password=\"=x\" url=\"android://abc@com.example/\" username=\"bob\"",
                "  lost item without a name; it is called by its address `com.example`",
            ]
        );
        assert!(found.losses.is_empty());
    }

    #[test]
    fn logins_of_firefox_come_over_with_the_host_as_name() {
        let found = read_firefox(FIREFOX, &Options::default()).unwrap();
        assert_eq!(
            outline(&found),
            [
                "PASSWORD mail.example password=\"pw\" url=\"https://mail.example\" username=\"ann\"",
                "PASSWORD router.example:8080 http_realm=\"Router\" password=\"p\\\"w\" url=\"http://router.example:8080\" username=\"admin\"",
                "PASSWORD a.example password=\"x\" url=\"https://a.example\"",
                "  lost setting for filling in forms `formActionOrigin`",
            ]
        );
        let first = &found.items[0];
        assert_eq!(first.source_id.as_deref(), Some("{4a2f1b3c-0000-4000-8000-000000000001}"));
        assert_eq!((first.created_us, first.updated_us), (Some(1_585_333_569_000_000), Some(1_585_333_569_002_000)));
        assert_eq!(found.losses, [Loss::named(Lost::DateLeft, "timelastused").times(3)]);
    }

    #[test]
    fn damaged_files_are_read_or_refused() {
        shake(CHROME, &Options::default(), read_chrome);
        shake(FIREFOX, &Options::default(), read_firefox);
    }
}
