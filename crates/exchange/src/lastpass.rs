//! LastPass's CSV. Notes have an address of their own, folders are joined by `\`, and some versions write `&amp;` for `&`
//! in every value, which only the person can tell from a value that holds `&amp;`.

use std::borrow::Cow;

use vaultterm_reconcile::RecordType;

use crate::{
    format::Format,
    item::{Found, Item, Question},
    loss::{Loss, Lost},
    options::Options,
    refused::FileError,
    table::{self, Columns, Row},
    usual,
};

/// The columns. Older versions have no one-time codes.
pub(crate) const COLUMNS: Columns = Columns {
    required: &["url", "username", "password", "extra", "name", "grouping"],
    optional: &["totp", "fav"],
    dates: &[],
};

/// The address of a note.
const NOTE: &str = "http://sn";
/// The address of a row that stands for a folder.
const FOLDER: &str = "http://group";
/// The first line of a note with a form begins so, and the kind of the form follows.
const FORM: &str = "NoteType:";
/// The kinds of forms that LastPass brings along. People make more of them, with names of their own.
const FORMS: [&str; 16] = [
    "Address",
    "Bank Account",
    "Credit Card",
    "Database",
    "Driver's License",
    "Email Account",
    "Health Insurance",
    "Instant Messenger",
    "Insurance",
    "Membership",
    "Passport",
    "Server",
    "Social Security",
    "Software License",
    "SSH Key",
    "Wi-Fi Password",
];
/// What LastPass writes for characters that have a meaning in HTML.
const ENTITIES: [(&str, char); 5] = [("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>'), ("&quot;", '"'), ("&#39;", '\'')];

/// Reads a file.
///
/// # Errors
/// [`FileError`].
pub(crate) fn read(bytes: &[u8], options: &Options) -> Result<Found, FileError> {
    table::read(Format::LastpassCsv, &COLUMNS, bytes, |row, collector| {
        let values = ["url", "username", "password", "totp", "extra", "name", "grouping"];
        if !options.decode_entities && values.iter().any(|name| has_entity(row.cell(name))) {
            collector.ask(Question::DecodeEntities);
        }
        let cell = |name: &str| {
            let text = row.cell(name);
            if options.decode_entities { decoded(text) } else { Cow::Borrowed(text) }
        };
        item(row, &cell)
    })
}

fn item<'a>(row: &Row<'a>, cell: &dyn Fn(&str) -> Cow<'a, str>) -> Option<Item> {
    let url = cell("url");
    let is_bare = ["username", "password", "totp", "extra"].iter().all(|name| row.cell(name).is_empty());
    if url == FOLDER && is_bare {
        return None;
    }
    let is_note = url == NOTE;
    let record_type = if is_note { RecordType::SecureNote } else { RecordType::Password };
    let mut item = Item::new(row.place, cell("name"), record_type);
    item.folder = match cell("grouping").as_ref() {
        "(none)" => Vec::new(),
        path => usual::folder(path, '\\'),
    };
    item.text("username", cell("username"));
    item.text("password", cell("password"));
    item.one_time(cell("totp").into_owned());
    if !is_note {
        item.text("url", url);
    }
    let extra = cell("extra");
    if let Some(form) = extra.strip_prefix(FORM).filter(|_| is_note) {
        let kind = form.lines().next().unwrap_or_default().trim();
        let known = FORMS.into_iter().find(|name| *name == kind);
        item.lose(known.map_or_else(|| Loss::new(Lost::Type), |name| Loss::named(Lost::Type, name)));
    }
    item.text(usual::note(record_type), extra);
    if row.cell("fav") == "1" {
        item.lose(Loss::new(Lost::Favourite));
    }
    Some(item)
}

fn has_entity(text: &str) -> bool {
    text.contains('&') && ENTITIES.iter().any(|(entity, _)| text.contains(entity))
}

/// Decodes each entity once.
fn decoded(text: &str) -> Cow<'_, str> {
    if !has_entity(text) {
        return Cow::Borrowed(text);
    }
    // As long as the text can become, so that no piece of it stays behind in memory that was given back.
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let found = ENTITIES.iter().find_map(|(entity, char)| Some((rest.strip_prefix(entity)?, *char)));
        let (after, char) = found.unwrap_or((&rest[1..], '&'));
        out.push(char);
        rest = after;
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{outline, shake};

    const SAMPLE: &[u8] = b"url,username,password,totp,extra,name,grouping,fav\n\
        https://mail.example/?a=1&amp;b=2,ann,a&lt;b,JBSWY3DPEHPK3PXP,\"one\ntwo\",Mail,Work\\Post,1\n\
        http://sn,,,,just text,Hint,(none),0\n\
        http://group,,,,,,Work\\Post,0\n\
        http://sn,,,,\"NoteType:Credit Card\nLanguage:en-US\nName on Card:Ann\nNumber:4111111111111111\nNotes:\",Card,,0\n";

    fn options(decode_entities: bool) -> Options {
        Options { decode_entities, ..Options::default() }
    }

    #[test]
    fn logins_and_notes_come_over_and_folders_are_no_items() {
        let found = read(SAMPLE, &options(true)).unwrap();
        assert_eq!(
            outline(&found),
            [
                "PASSWORD Work/Post/Mail notes=\"one\\ntwo\" password=\"a<b\" totp_secret=\"JBSWY3DPEHPK3PXP\" \
                 url=\"https://mail.example/?a=1&b=2\" username=\"ann\"",
                "  lost mark as a favourite",
                "SECURE_NOTE Hint note=\"just text\"",
                // The text of a form stays whole, because its lines can be taken apart in several ways.
                "SECURE_NOTE Card note=\"NoteType:Credit Card\\nLanguage:en-US\\nName on Card:Ann\\n\
                 Number:4111111111111111\\nNotes:\"",
                "  lost type of the record `Credit Card`",
            ]
        );
        assert!(found.questions.is_empty());
    }

    #[test]
    fn entities_stay_until_the_person_says_that_they_are_some() {
        let found = read(SAMPLE, &options(false)).unwrap();
        assert_eq!(found.questions, [Question::DecodeEntities]);
        assert_eq!(found.items[0].fields.expose()["password"], "a&lt;b");
        assert_eq!(decoded("&amp;amp; &#39;&quot;& &x; &gt"), "&amp; '\"& &x; &gt");
    }

    #[test]
    fn the_name_of_a_form_that_a_person_made_is_not_told() {
        let sample = "url,username,password,totp,extra,name,grouping,fav\nhttp://sn,,,,NoteType:geheim,A,,0\n";
        let found = read(sample.as_bytes(), &options(false)).unwrap();
        assert_eq!(found.items[0].losses, [Loss::new(Lost::Type)]);
    }

    #[test]
    fn damaged_files_are_read_or_refused() {
        for decode_entities in [false, true] {
            shake(SAMPLE, &options(decode_entities), read);
        }
    }
}
