//! Recognises the files of password managers and browsers: documents and archives by their parts, tables by the set of their
//! columns. No two of these tables have the same set.

use crate::{
    archive::{Archive, MAGIC},
    bitwarden, browsers,
    document::Part,
    format::Format,
    keepassxc, lastpass, nordpass, onepassword,
    table::{self, Columns},
    text,
};

/// The tables.
pub(super) const TABLES: [(Format, &Columns); 7] = [
    (Format::BitwardenCsv, &bitwarden::table::COLUMNS),
    (Format::OnePasswordCsv, &onepassword::table::COLUMNS),
    (Format::KeepassxcCsv, &keepassxc::COLUMNS),
    (Format::LastpassCsv, &lastpass::COLUMNS),
    (Format::ChromeCsv, &browsers::CHROME),
    (Format::FirefoxCsv, &browsers::FIREFOX),
    (Format::NordpassCsv, &nordpass::COLUMNS),
];

/// Returns the format of a file, if it is one of these.
pub(super) fn recognise(bytes: &[u8]) -> Option<Format> {
    if bytes.starts_with(MAGIC) {
        let archive = Archive::open(bytes).ok()?;
        let formats = [
            (Format::OnePasswordArchive, onepassword::archive::is_archive(&archive)),
            (Format::BitwardenJson, bitwarden::is_archive(&archive)),
        ];
        return formats.into_iter().find_map(|(format, fits)| fits.then_some(format));
    }
    let text = text::decode(bytes).ok()?;
    if text.trim_start().starts_with('{') {
        let is_bitwarden = Part::parse(text.as_bytes()).is_ok_and(|document| bitwarden::is_document(&document));
        return is_bitwarden.then_some(Format::BitwardenJson);
    }
    let names = table::names(&text);
    // Names that are all known tell more than some that are. Chrome's stand in most of the other tables too.
    let whole = |columns: &Columns| names.iter().any(|names| columns.fit(names));
    let part = |columns: &Columns| names.iter().any(|names| columns.are_in(names));
    let table = TABLES.iter().find(|(_, columns)| whole(columns));
    let table = table.or_else(|| TABLES.iter().find(|(format, columns)| *format != Format::ChromeCsv && part(columns)));
    table.map(|(format, _)| *format)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::tests::zipped;

    #[test]
    fn each_sample_shows_what_it_is() {
        for (bytes, format) in [
            (&include_bytes!("../../tests/samples/bitwarden.json")[..], Format::BitwardenJson),
            (include_bytes!("../../tests/samples/bitwarden-pbkdf2.json"), Format::BitwardenJson),
            (br#"{"encrypted":true,"encKeyValidation_DO_NOT_EDIT":"2.a|b|c","items":[]}"#, Format::BitwardenJson),
            (&zipped(&[("data.json", b"{}")]), Format::BitwardenJson),
            (&zipped(&[("export.attributes", b"{}"), ("export.data", b"{}")]), Format::OnePasswordArchive),
            (include_bytes!("../../tests/samples/keepassxc-2.7.4.csv"), Format::KeepassxcCsv),
        ] {
            assert_eq!(recognise(bytes), Some(format));
        }
    }

    #[test]
    fn tables_are_told_apart_by_their_columns_in_any_order() {
        for (names, format) in [
            (
                "folder,favorite,type,name,notes,fields,reprompt,login_uri,login_username,login_password,login_totp",
                Format::BitwardenCsv,
            ),
            (
                "collections,type,name,notes,fields,reprompt,login_uri,login_username,login_password,login_totp",
                Format::BitwardenCsv,
            ),
            ("Title,Url,Username,Password,OTPAuth,Favorite,Archived,Tags,Notes", Format::OnePasswordCsv),
            ("\"Group\",\"Title\",\"Username\",\"Password\",\"URL\",\"Notes\"", Format::KeepassxcCsv),
            ("url,username,password,totp,extra,name,grouping,fav", Format::LastpassCsv),
            ("url,username,password,extra,name,grouping,fav", Format::LastpassCsv),
            ("fav;grouping;name;extra;password;username;url", Format::LastpassCsv),
            ("name,url,username,password", Format::ChromeCsv),
            ("name,url,username,password,note", Format::ChromeCsv),
            (
                "url,username,password,httpRealm,formActionOrigin,guid,timeCreated,timeLastUsed,timePasswordChanged",
                Format::FirefoxCsv,
            ),
            (
                "name,url,username,password,note,cardholdername,cardnumber,cvc,expirydate,zipcode,folder,full_name,\
                 phone_number,email,address1,address2,city,country,state,type",
                Format::NordpassCsv,
            ),
            // A column that a later version may bring.
            ("url,username,password,totp,extra,name,grouping,fav,shared", Format::LastpassCsv),
            ("name,url,username,password,note,cardholdername,cardnumber,folder,shared", Format::NordpassCsv),
        ] {
            assert_eq!(recognise(format!("{names}\n").as_bytes()), Some(format), "{names}");
        }
    }

    #[test]
    fn other_files_are_not_recognised() {
        for bytes in [
            &b""[..],
            b"name,url,username,password,something",
            b"Title,URL,Username,Password,Notes,OTPAuth",
            b"username,password",
            b"A=1\n",
            b"{}",
            b"{\"items\":[]}",
            b"{\"encrypted\":",
            MAGIC,
            b"\xFF\xFE\0\0",
        ] {
            assert_eq!(recognise(bytes), None, "{bytes:?}");
        }
        assert_eq!(recognise(&zipped(&[("index.json", b"{}")])), None);
    }
}
