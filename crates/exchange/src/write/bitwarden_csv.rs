//! Writes Bitwarden's CSV: logins, and everything else as notes. Addresses are joined by `,`, and all other fields are lines
//! of `name: value`, so a field that cannot be told apart again is left out and named.

use vaultterm_reconcile::RecordType;
use zeroize::Zeroizing;

use crate::{
    bitwarden::table::COLON,
    loss::{Loss, Lost},
    outgoing::{LossesOf, Outgoing, RecordLoss, Written},
};

use super::place::{any_text, one_time, text, urls};

/// The first row, as Bitwarden writes it for a person.
const NAMES: [&str; 11] = [
    "folder",
    "favorite",
    "type",
    "name",
    "notes",
    "fields",
    "reprompt",
    "login_uri",
    "login_username",
    "login_password",
    "login_totp",
];
/// Spreadsheets take a cell that begins so for a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// Foretells the losses.
pub(super) fn losses(records: &[Outgoing]) -> Vec<RecordLoss> {
    records.iter().flat_map(|record| Plan::of(record).losses).collect()
}

/// Writes the file.
pub(super) fn write(records: &[Outgoing]) -> Written {
    let plans: Vec<Plan> = records.iter().map(Plan::of).collect();
    let rows: Vec<_> = plans.iter().zip(records).filter(|(plan, _)| plan.is_written).collect();
    let cells = rows.iter().map(|(plan, record)| plan.cells(record));
    let rows: Vec<[Zeroizing<String>; 11]> =
        std::iter::once(NAMES.map(|name| Zeroizing::new(name.to_owned()))).chain(cells).collect();
    // The whole length at once, so that no piece of the file stays behind in memory that was given back.
    let length = |row: &[Zeroizing<String>; 11]| -> usize { row.iter().map(|cell| cell.len() * 2 + 3).sum() };
    let mut bytes = Zeroizing::new(Vec::with_capacity(rows.iter().map(length).sum()));
    for row in &rows {
        for (cell, at) in row.iter().zip(0..) {
            if at > 0 {
                bytes.push(b',');
            }
            push(&mut bytes, cell);
        }
        bytes.push(b'\n');
    }
    Written { bytes, losses: plans.into_iter().flat_map(|plan| plan.losses).collect() }
}

/// Writes a cell, with quotes where it needs them.
fn push(bytes: &mut Vec<u8>, cell: &str) {
    let is_plain = !cell.contains(['"', ',', '\n', '\r']) && cell.trim() == cell;
    if is_plain {
        bytes.extend(cell.as_bytes());
        return;
    }
    bytes.push(b'"');
    for byte in cell.bytes() {
        if byte == b'"' {
            bytes.push(b'"');
        }
        bytes.push(byte);
    }
    bytes.push(b'"');
}

/// Where the fields of a record go.
struct Plan {
    is_written: bool,
    is_login: bool,
    username: bool,
    password: bool,
    urls: Vec<String>,
    one_time: Option<&'static str>,
    /// The field for the notes.
    notes: Option<&'static str>,
    /// The fields that become lines.
    lines: Vec<String>,
    losses: Vec<RecordLoss>,
}

impl Plan {
    fn of(record: &Outgoing) -> Self {
        let is_login = matches!(record.record_type, RecordType::Password | RecordType::Totp);
        let is_cell = |name: &str| text(record, name).is_some_and(|text| !text.contains('\0'));
        let notes = if is_login { "notes" } else { "note" };
        let mut plan = Self {
            is_written: false,
            is_login,
            username: is_login && is_cell("username"),
            password: is_login && is_cell("password"),
            urls: if is_login { urls(record, |url| !url.contains([',', '\0'])) } else { Vec::new() },
            one_time: one_time(record).filter(|name| is_login && is_cell(name)),
            notes: is_cell(notes).then_some(notes),
            lines: Vec::new(),
            losses: Vec::new(),
        };
        let mut lost = LossesOf::new(record);
        let fields = plan.rest(record);
        let count = record.fields.expose().len();
        if record.is_trashed || (count > 0 && fields.iter().filter(|loss| loss.what == Lost::Field).count() == count) {
            // The table has no trash, and a row without values is no record.
            lost.add(Loss::new(Lost::Record));
            plan.losses = lost.finish();
            return plan;
        }
        plan.is_written = true;
        fields.into_iter().for_each(|loss| lost.add(loss));
        lost.add_if(!matches!(record.record_type, RecordType::Password | RecordType::SecureNote), Lost::Type);
        let dates = [record.created_us, record.updated_us].into_iter().flatten().count();
        for (what, count) in
            [(Lost::Tags, record.tags.len()), (Lost::Past, record.history.len()), (Lost::DateLeft, dates)]
        {
            if count > 0 {
                lost.add(Loss::many(what, count as u64));
            }
        }
        for (cell, name) in plan.cells(record).iter().zip(NAMES) {
            if cell.starts_with(FORMULA) {
                lost.add(Loss::named(Lost::Formula, name));
            }
        }
        plan.losses = lost.finish();
        plan
    }

    /// Makes all other fields lines, and returns the losses of fields.
    fn rest(&mut self, record: &Outgoing) -> Vec<Loss> {
        let mut losses = Vec::new();
        for (name, value) in record.fields.expose() {
            let is_placed = (self.username && name == "username")
                || (self.password && name == "password")
                || self.urls.contains(name)
                || self.one_time.is_some_and(|field| field == name)
                || self.notes.is_some_and(|field| field == name);
            if is_placed {
                continue;
            }
            let is_line = |text: &str| !text.contains(COLON) && !text.contains(['\n', '\r', '\0']);
            if name.is_empty() || !is_line(name) || !is_line(&any_text(value)) {
                losses.push(Loss::named(Lost::Field, name));
                continue;
            }
            if !value.is_string() {
                losses.push(Loss::named(Lost::Kind, name));
            }
            self.lines.push(name.clone());
        }
        losses
    }

    fn cells(&self, record: &Outgoing) -> [Zeroizing<String>; 11] {
        let plain = |text: &str| Zeroizing::new(text.to_owned());
        let field = |name: Option<&str>| plain(name.and_then(|name| text(record, name)).unwrap_or_default());
        let joined = |texts: Vec<&str>, separator: &str| Zeroizing::new(texts.join(separator));
        let lines = self.lines.iter().map(|name| {
            let value = any_text(&record.fields.expose()[name]);
            Zeroizing::new([name, COLON, &value].concat())
        });
        let lines: Vec<Zeroizing<String>> = lines.collect();
        [
            plain(record.folder().unwrap_or_default()),
            plain(""),
            plain(if self.is_login { "login" } else { "note" }),
            plain(record.name()),
            field(self.notes),
            joined(lines.iter().map(|line| line.as_str()).collect(), "\n"),
            plain(if record.ask_again { "1" } else { "0" }),
            joined(self.urls.iter().filter_map(|name| text(record, name)).collect(), ","),
            field(self.username.then_some("username")),
            field(self.password.then_some("password")),
            field(self.one_time),
        ]
    }
}
