//! KeePassXC's CSV. Its groups begin with the group of the database itself, which is no folder. It holds no attachments, no
//! further fields and no history, and does not say which group is the recycle bin.

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

/// The columns. Versions before 2.7 write only the required ones.
pub(crate) const COLUMNS: Columns = Columns {
    required: &["group", "title", "username", "password", "url", "notes"],
    optional: &["totp", "icon", "last modified", "created"],
    dates: &[],
};

/// The number of the icon that entries have unless somebody chooses another.
const USUAL_ICON: &str = "0";

/// Reads a file.
///
/// # Errors
/// [`FileError`].
pub(crate) fn read(bytes: &[u8], _: &Options) -> Result<Found, FileError> {
    table::read(Format::KeepassxcCsv, &COLUMNS, bytes, |row, _| Some(item(row)))
}

fn item(row: &Row<'_>) -> Item {
    let mut item = Item::new(row.place, row.cell("title"), RecordType::Password);
    item.folder = usual::folder(row.cell("group"), '/').into_iter().skip(1).collect();
    item.text("username", row.cell("username"));
    item.text("password", row.cell("password"));
    item.text("url", row.cell("url"));
    item.one_time(row.cell("totp").to_owned());
    item.text("notes", row.cell("notes"));
    item.created_us = item.date("Created", row.cell("created"));
    item.updated_us = item.date("Last Modified", row.cell("last modified"));
    if !["", USUAL_ICON].contains(&row.cell("icon")) {
        item.lose(Loss::new(Lost::Look));
    }
    item
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{outline, shake};

    const SAMPLE: &[u8] = include_bytes!("../tests/samples/keepassxc-2.7.4.csv");

    #[test]
    fn a_file_of_the_program_comes_over() {
        let found = read(SAMPLE, &Options::default()).unwrap();
        assert_eq!(
            outline(&found),
            [
                "PASSWORD Bare",
                "PASSWORD Work/Mail notes=\"first\\nsecond\" \
                 otpauth_url=\"otpauth://totp/Mail:ann?secret=JBSWY3DPEHPK3PXP&period=30&digits=6&issuer=Mail\" \
                 password=\"=p,w\\\"x\" url=\"https://mail.example\" username=\"ann\"",
                "  lost icon or colour",
                "PASSWORD Work/A \"B\", C/slash password=\"zwei\" username=\"bo;b\"",
            ]
        );
        assert!(found.items.iter().all(|item| item.created_us.is_some() && item.created_us <= item.updated_us));
        assert!(found.losses.is_empty() && found.refused.is_empty());
    }

    #[test]
    fn damaged_files_are_read_or_refused() {
        shake(SAMPLE, &Options::default(), read);
    }
}
