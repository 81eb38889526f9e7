//! Reads 1Password's CSV. It holds logins and passwords only, and its labels are joined by `;`.

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

/// The columns.
pub(crate) const COLUMNS: Columns = Columns {
    required: &["title", "url", "username", "password", "otpauth", "favorite", "archived"],
    optional: &["tags", "notes"],
    dates: &[],
};

/// Reads a file.
///
/// # Errors
/// [`FileError`].
pub(crate) fn read(bytes: &[u8], _: &Options) -> Result<Found, FileError> {
    table::read(Format::OnePasswordCsv, &COLUMNS, bytes, |row, _| Some(item(row)))
}

fn item(row: &Row<'_>) -> Item {
    let mut item = Item::new(row.place, row.cell("title"), RecordType::Password);
    item.text("username", row.cell("username"));
    item.text("password", row.cell("password"));
    item.text("url", row.cell("url"));
    item.one_time(row.cell("otpauth").to_owned());
    item.text("notes", row.cell("notes"));
    item.tags = row.cell("tags").split(';').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
    if is_yes(row.cell("archived")) {
        item.tags.push(usual::ARCHIVED.to_owned());
    }
    if is_yes(row.cell("favorite")) {
        item.lose(Loss::new(Lost::Favourite));
    }
    item
}

fn is_yes(cell: &str) -> bool {
    cell.eq_ignore_ascii_case("true") || cell == "1"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{outline, shake};

    const SAMPLE: &[u8] = b"Title,Url,Username,Password,OTPAuth,Favorite,Archived,Tags,Notes\r\n\
        Mail,https://mail.example,ann,\"p,\"\"w\",otpauth://totp/x?secret=A,true,false,work;post,\"one\ntwo\"\r\n\
        Old,,,pw,,false,true,,\r\n";

    #[test]
    fn logins_come_over() {
        let found = read(SAMPLE, &Options::default()).unwrap();
        assert_eq!(
            outline(&found),
            [
                "PASSWORD Mail notes=\"one\\ntwo\" otpauth_url=\"otpauth://totp/x?secret=A\" password=\"p,\\\"w\" \
                 url=\"https://mail.example\" username=\"ann\" #post #work",
                "  lost mark as a favourite",
                "PASSWORD Old password=\"pw\" #archived",
            ]
        );
    }

    #[test]
    fn damaged_files_are_read_or_refused() {
        shake(SAMPLE, &Options::default(), read);
    }
}
