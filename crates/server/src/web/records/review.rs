//! What a save would change, before it is saved. Values are masked: the person typed them a moment ago.

use askama::Template;
use vaultterm_contract::shell::word;
use vaultterm_operations::outline::{Preview, PreviewOfNew};
use vaultterm_reconcile::{Content, Mode};
use vaultterm_sealing::short;
use vaultterm_store::ConnectionSummary;

use super::draft::{Carried, Draft};
use crate::web::{
    assets,
    frame::Frame,
    parts,
    words::{counted, field_label, type_name},
};

/// One thing that changes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) label: String,
    /// `added`, `changed` or `removed`.
    pub(crate) word: &'static str,
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
}

/// The page.
#[derive(Default, Template)]
#[template(path = "records/review.html")]
pub(crate) struct ReviewPage {
    frame: Frame,
    title: String,
    action: String,
    back: String,
    rows: Vec<Row>,
    carried: Vec<Carried>,
    consequence: Vec<String>,
    button: String,
    command: String,
}

impl ReviewPage {
    /// Reviews the change of a record.
    pub(crate) fn of_change(preview: &Preview, draft: &Draft, frame: Frame) -> Self {
        let record = &preview.outline.record;
        let path = record.path.as_str();
        let next = record.revision.0 + 1;
        let rows = rows_of_change(preview, draft);
        let mut consequence = Vec::new();
        if !rows.is_empty() {
            consequence.push(format!(
                "VaultTerm gets revision {next}. Revision {} stays readable in the history.",
                record.revision.0
            ));
            let connections = preview.outline.sides.iter().map(|side| &side.connection);
            consequence.extend(connections.map(|found| in_vault(found, &draft.path)));
        }
        Self {
            title: format!("Save {path}?"),
            action: format!("/records/{}/edit", record.id.0),
            back: format!("/records/{}", record.id.0),
            carried: draft.carried(record.revision.0),
            button: format!("Save as revision {next}"),
            command: format!(
                "vaultterm record set {} FIELD=?",
                word(&format!("{}/{path}", preview.outline.collection.name))
            ),
            frame: frame.in_collection(preview.outline.collection.id.0),
            rows,
            consequence,
        }
    }

    /// Reviews a new record.
    pub(crate) fn of_new(preview: &PreviewOfNew, draft: &Draft, frame: Frame) -> Self {
        let mut rows = vec![added("Path", draft.path.clone()), added("Type", type_name(draft.kind).to_owned())];
        rows.extend(preview.typed.keys().map(|name| added(&field_label(name), masked(&preview.typed, name))));
        if !draft.tags().is_empty() {
            rows.push(added("Tags", draft.tags().join(", ")));
        }
        if draft.inject_only {
            rows.push(added("For programs only", "yes".to_owned()));
        }
        if draft.ask_again {
            rows.push(added("Asks again", "yes".to_owned()));
        }
        let mut consequence = vec![format!("The collection {} gets a record.", preview.collection.name)];
        consequence.extend(preview.connections.iter().map(|found| in_vault(found, &draft.path)));
        Self {
            title: format!("Save {}?", draft.path),
            action: "/records/new".to_owned(),
            back: "/records".to_owned(),
            carried: draft.carried(0),
            button: "Save the record".to_owned(),
            command: format!(
                "vaultterm record set {} FIELD=?",
                word(&format!("{}/{}", preview.collection.name, draft.path))
            ),
            frame: frame.in_collection(preview.collection.id.0),
            rows,
            consequence,
        }
    }
}

/// Says what a save means for Vault.
fn in_vault(found: &ConnectionSummary, path: &str) -> String {
    let connection = &found.connection;
    let parts = [connection.mount.as_str(), connection.path.as_str(), path];
    let place = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
    let name = &connection.name;
    match connection.options.mode {
        Mode::Pull => format!("Vault stays as it is: the connection {name} only pulls."),
        _ if connection.paused => format!("{place} is written when the connection {name} goes on: it is paused."),
        _ if !connection.started => format!("{place} is written when a first plan of {name} is applied."),
        _ => format!("{place} is written at the next run of {name}."),
    }
}

fn rows_of_change(preview: &Preview, draft: &Draft) -> Vec<Row> {
    let held = &preview.outline.contents;
    let mut rows = Vec::new();
    let mut changed = |label: &str, before: String, after: String| {
        if before != after {
            let word = if before.is_empty() {
                "added"
            } else if after.is_empty() {
                "removed"
            } else {
                "changed"
            };
            let given = |text: String| Some(text).filter(|text| !text.is_empty());
            rows.push(Row { label: label.to_owned(), word, before: given(before), after: given(after) });
        }
    };
    let was = &draft.was;
    changed("Path", was.path.clone(), draft.path.clone());
    let kind = |name: &str| name.parse().map_or(String::new(), |kind| type_name(kind).to_owned());
    changed("Type", kind(&was.kind), type_name(draft.kind).to_owned());
    changed("Tags", was.tags.clone(), draft.tags.clone());
    let yes = |flag: bool| if flag { "yes" } else { "no" }.to_owned();
    changed("For programs only", yes(was.inject_only), yes(draft.inject_only));
    changed("Asks again", yes(was.ask_again), yes(draft.ask_again));
    for (name, field) in &preview.typed {
        let label = field_label(name);
        match held.get(name) {
            Some(before) if before.digest == field.digest => {}
            Some(_) => rows.push(Row {
                label,
                word: "changed",
                before: Some(masked(held, name)),
                after: Some(masked(&preview.typed, name)),
            }),
            None => rows.push(added(&label, masked(&preview.typed, name))),
        }
    }
    for name in draft.removed.iter().filter(|name| held.contains_key(*name)) {
        let before = Some(masked(held, name));
        rows.push(Row { label: field_label(name), word: "removed", before, after: None });
    }
    rows
}

fn added(label: &str, after: String) -> Row {
    Row { label: label.to_owned(), word: "added", before: None, after: Some(after) }
}

/// Tells a value by its length and digest.
pub(crate) fn masked(content: &Content, name: &str) -> String {
    content.get(name).map_or(String::new(), |field| {
        format!("{} · {}", counted(field.length, "character", "characters"), short(&field.digest))
    })
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let carried = Carried { name: "field:<b>".to_owned(), value: "<b>".to_owned().into() };
        let row = |word, before: Option<&str>, after: Option<&str>| Row {
            label: "<b>".to_owned(),
            word,
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
        };
        let page = ReviewPage {
            title: "Save <b>?".to_owned(),
            action: "/records/new".to_owned(),
            rows: vec![
                row("changed", Some("<b>"), Some("<b>")),
                row("added", None, Some("<b>")),
                row("removed", Some("<b>"), None),
            ],
            carried: vec![carried],
            consequence: vec!["<b> is written at the next run.".to_owned()],
            button: "Save as revision 9".to_owned(),
            ..ReviewPage::default()
        };
        let nothing = ReviewPage { title: "Save a?".to_owned(), ..ReviewPage::default() };
        [
            vec![("review", page.render().unwrap()), ("review of nothing", nothing.render().unwrap())],
            super::super::merge::samples::pages(),
        ]
        .concat()
    }
}
