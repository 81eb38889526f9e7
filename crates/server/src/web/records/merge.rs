//! Somebody else saved a record while a person edited it: what both began with, what was saved meanwhile, and what the
//! person typed, side by side. What the person typed stays untouched.

use std::collections::BTreeSet;

use askama::Template;
use uuid::Uuid;
use vaultterm_operations::outline::Preview;

use super::{
    draft::{Carried, Draft},
    review::masked,
};
use crate::{
    view::makers,
    web::{
        assets,
        frame::Frame,
        parts,
        words::{Moment, field_label},
    },
};

/// A field in three states.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    name: String,
    label: String,
    base: String,
    theirs: String,
    yours: String,
    they_changed: bool,
    you_changed: bool,
}

impl Row {
    /// Says whether the person has to choose.
    fn both(&self) -> bool {
        self.they_changed && self.you_changed && self.theirs != self.yours
    }
}

/// The page.
#[derive(Default, Template)]
#[template(path = "records/merge.html")]
pub(crate) struct MergePage {
    frame: Frame,
    id: Uuid,
    path: String,
    read: u64,
    newest: u64,
    who: String,
    when: Option<Moment>,
    rows: Vec<Row>,
    carried: Vec<Carried>,
}

impl MergePage {
    /// Puts the three states side by side.
    pub(crate) fn of(preview: &Preview, draft: &Draft, frame: Frame, now_us: i64) -> Self {
        let record = &preview.outline.record;
        Self {
            id: record.id.0,
            path: record.path.as_str().to_owned(),
            read: draft.revision,
            newest: record.revision.0,
            who: preview.outline.newest.as_ref().map_or_else(String::new, |newest| makers(newest).named()),
            when: Some(Moment::seen(record.updated_us, now_us)),
            rows: rows(preview, draft),
            carried: draft.carried(record.revision.0),
            frame: frame.in_collection(preview.outline.collection.id.0),
        }
    }
}

fn rows(preview: &Preview, draft: &Draft) -> Vec<Row> {
    let (base, theirs) = (&preview.base, &preview.outline.contents);
    let names: BTreeSet<&String> =
        base.keys().chain(theirs.keys()).chain(preview.typed.keys()).chain(&draft.removed).collect();
    let digest = |content: &vaultterm_reconcile::Content, name: &String| content.get(name).map(|field| field.digest);
    let row = |name: &String| {
        let typed = preview.typed.contains_key(name);
        let removed = draft.removed.contains(name);
        let they_changed = digest(base, name) != digest(theirs, name);
        let you_changed = removed || typed && digest(&preview.typed, name) != digest(base, name);
        Row {
            label: field_label(name),
            base: masked(base, name),
            theirs: masked(theirs, name),
            yours: if typed {
                masked(&preview.typed, name)
            } else if removed {
                String::new()
            } else {
                masked(base, name)
            },
            they_changed,
            you_changed,
            name: name.clone(),
        }
    };
    names.into_iter().map(row).filter(|row| row.they_changed || row.you_changed).collect()
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let row = |they_changed, you_changed| Row {
            name: "<b>".to_owned(),
            label: "<b>".to_owned(),
            base: "a".to_owned(),
            theirs: "b".to_owned(),
            yours: "c".to_owned(),
            they_changed,
            you_changed,
        };
        let page = MergePage {
            path: "<b>".to_owned(),
            read: 7,
            newest: 8,
            who: "<b>".to_owned(),
            when: Some(Moment::seen(0, 1)),
            rows: vec![row(true, true), row(true, false), row(false, true)],
            carried: vec![Carried { name: "path".to_owned(), value: "<b>".to_owned().into() }],
            ..MergePage::default()
        };
        vec![("merge", page.render().unwrap())]
    }
}
