//! Prints the table as a page of the documentation.

use std::fmt::Write;

use crate::{Section, notation::Row};

const INTRODUCTION: &str = r"# The table of synchronization

Generated from the tests: `UPDATE_DOCS=1 cargo test -p vaultterm-reconcile --test table` rewrites it,
and the same command without the variable fails when a row does not hold or this page differs.

Each row is one case: what both sides agreed on last (*base*), what is there now (*local*, *remote*), and
what is planned. Options that are not named have their defaults.

| word | meaning |
|---|---|
| `a=1 b=2` | fields and their values |
| `PASSWORD …` | of this type; `KEY_VALUE` when no type is named |
| `-` | nothing, and there was nothing |
| `same` | as the base says; the base is revision 1 and version 2 |
| `a=2 → a=1` | revisions saved one after the other |
| `trash`, `trash a=1` | the record is in the trash |
| `another record …` | the base's record was trashed, and another one took its path |
| `deleted`, `destroyed` | the newest version was deleted or destroyed: its metadata say so |
| `a=2, deleted` | written once more, then deleted |
| `gone` | no metadata, proven by asking for this path |
| `emptied`, `no version` | metadata without a version |
| `made anew a=2` | metadata deleted, then written: versions restarted at 1 |
| `v1 …`, `v2 again …` | an older version, or the same number with another creation time: a snapshot was restored |
| `unlisted` | missing from the listing, and asking for the path proved nothing |
| `denied` | cannot be read |
| `(expires)` | its `deletion_time` lies in the future |
| `expired` | that `deletion_time` has passed |
| `a=2, run out` | written once more, to expire, and expired before any run saw it: deleted whole seconds after it was created |
| `(marked elsewhere)`, `(marked API_KEY)`, `(unmarked)` | what the secret's `custom_metadata` says; else this installation's mark, with the base's type |
| `(record gone)`, `(secret gone)` | a dropped link: the record, or the secret, was deleted and the other side kept |
| `a=1 (accepted in pull: a=2 there a=3)` | both sides agreed on the first, then a person accepted in this mode that the record and the secret differ; `same` means: as accepted; `reopened`: a person asked since that it is decided again |
| `p×11` | eleven such paths |

| plan | meaning |
|---|---|
| `in step` | nothing to do |
| `nothing` | not this connection's business |
| `create_remote`, `update_remote` | the record is written to Vault, with this `cas`; `v3 kept` stores that version as a revision of the record first |
| `delete_remote v2` | exactly this version is deleted |
| `move_remote` | written at the new path, then this version at the old one is deleted |
| `create_local`, `update_local` | the secret becomes a record, or its next revision; `as` gives it a type |
| `delete_local` | the record goes to the trash |
| `merge` | written to both sides, each field from the side named |
| `adopt` | only the base moves |
| `forget`, `unlink` | the base is forgotten; the link is dropped and the other side left alone |
| `differs, accepted` | nothing happens: a person accepted that the sides differ |
| `keep_accepted` | the same values were written again: what is remembered follows, and the sides go on to differ |
| `mark` | the secret is then marked as managed by this installation |
| `conflict`, `skip`, `halt` | a person decides, with the fields that differ; left alone for the reason; nothing at all is written until a person acknowledges |
";

/// Returns the text of the page.
pub(crate) fn page(sections: &[&Section]) -> String {
    let mut page = INTRODUCTION.to_owned();
    for section in sections {
        let _ = write!(page, "\n## {}\n\n{}\n\n", section.title, section.text);
        table(&mut page, section.rows);
    }
    page
}

fn table(page: &mut String, rows: &[Row]) {
    let options = rows.iter().any(|row| !row.options.is_empty());
    let paths = rows.iter().any(|row| row.lines().iter().any(|line| line.path != "p"));
    let mut heads = vec!["case"];
    heads.extend(options.then_some("options"));
    heads.extend(paths.then_some("path"));
    heads.extend(["base", "local", "remote", "plan"]);
    let _ = writeln!(page, "| {} |\n|{}", heads.join(" | "), "---|".repeat(heads.len()));
    for row in rows {
        let halts = row.halts().iter().map(|kind| format!("; **halt** `{kind}`")).collect::<String>();
        for (number, line) in row.lines().iter().enumerate() {
            let first = |text: String| if number == 0 { text } else { String::new() };
            let mut cells = vec![first(row.name.replace('_', " "))];
            cells.extend(options.then(|| first(code(row.options))));
            cells.extend(paths.then(|| code(line.path)));
            cells.extend([code(line.base), code(line.local), code(line.remote)]);
            cells.push(code(line.planned) + &first(halts.clone()));
            let _ = writeln!(page, "| {} |", cells.join(" | "));
        }
    }
}

fn code(text: &str) -> String {
    match text {
        "" => String::new(),
        _ if text.starts_with("skip: ") => shown(&text.replace('`', "")),
        _ => format!("`{}`", shown(text)),
    }
}

/// Replaces letters that look alike by their codes. The signs of the notation itself stay.
fn shown(text: &str) -> String {
    let show =
        |c: char| if c.is_ascii() || "×→".contains(c) { c.to_string() } else { c.escape_unicode().to_string() };
    text.chars().map(show).collect()
}
