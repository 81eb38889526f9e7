//! `/records/{id}/edit`: the form of a record. It shows no value: a field that is left empty stays as it is.

use askama::Template;
use axum::{extract::State, response::Response};
use uuid::Uuid;
use vaultterm_contract::shell::word;
use vaultterm_operations::{
    ReadAt, Refusal, RefusalKind,
    outline::{self, Outline},
    records,
};
use vaultterm_reconcile::RecordType;
use vaultterm_sealing::short;
use zeroize::Zeroizing;

use super::{
    aids::press,
    draft::{Draft, Step, Was},
    merge::MergePage,
    review::ReviewPage,
    rules::Rules,
    show::in_order,
};
use crate::{
    request::Id,
    state::ServerState,
    web::{
        assets,
        form::Pairs,
        frame::{Frame, Here},
        link,
        page::{go_to, show, show_as},
        parts,
        refused::{Refused, sentence},
        visitor::Visitor,
        words::{counted, field_label, is_long, may_be_generated, type_name},
    },
};

/// A field of the form.
#[derive(Default)]
pub(crate) struct FieldRow {
    pub(crate) name: String,
    pub(crate) label: String,
    /// Length and digest of the value that is saved, if one is.
    pub(crate) held: Option<String>,
    pub(crate) value: Zeroizing<String>,
    /// What stood here before a value was generated.
    pub(crate) before: Option<Zeroizing<String>>,
    pub(crate) long: bool,
    pub(crate) removed: bool,
    pub(crate) wrong: Option<String>,
}

impl FieldRow {
    /// Says whether a generated value makes sense here.
    fn generates(&self) -> bool {
        may_be_generated(&self.name)
    }
}

/// A type to choose.
pub(crate) struct TypeChoice {
    pub(crate) name: &'static str,
    pub(crate) words: &'static str,
    pub(crate) chosen: bool,
}

/// A collection to choose.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    /// Where its connection writes: mount and path.
    pub(crate) below: String,
    pub(crate) chosen: bool,
}

/// The page of the form, of a record or of a new one.
#[derive(Default, Template)]
#[template(path = "records/form.html")]
pub(crate) struct FormPage {
    pub(crate) frame: Frame,
    /// The record; none for a new one.
    pub(crate) id: Option<Uuid>,
    pub(crate) title: String,
    /// What was wrong with the form as a whole.
    pub(crate) wrong: Option<String>,
    pub(crate) wrong_path: Option<String>,
    pub(crate) wrong_tags: Option<String>,
    pub(crate) revision: u64,
    pub(crate) path: String,
    pub(crate) tags: String,
    pub(crate) inject_only: bool,
    pub(crate) ask_again: bool,
    pub(crate) was: Was,
    pub(crate) kinds: Vec<TypeChoice>,
    pub(crate) shelves: Vec<Shelf>,
    pub(crate) fields: Vec<FieldRow>,
    pub(crate) rules: Rules,
    /// Variables can be pasted.
    pub(crate) takes_variables: bool,
    /// What was pasted, if it could not be taken over.
    pub(crate) pasted: Zeroizing<String>,
    /// Where the connections of the collection write, for a record that exists.
    pub(crate) below: String,
    /// What just happened.
    pub(crate) told: String,
    /// Numbers of the rows for further fields.
    pub(crate) spare: Vec<u32>,
    /// Something was typed already.
    pub(crate) changed: bool,
    pub(crate) command: String,
}

/// Lists the types.
pub(crate) fn kinds(chosen: RecordType) -> Vec<TypeChoice> {
    let kind = |kind: &RecordType| TypeChoice { name: kind.as_str(), words: type_name(*kind), chosen: *kind == chosen };
    RecordType::ALL.iter().map(kind).collect()
}

/// Says whether a file of variables can be pasted into a record of this type.
pub(crate) fn takes_variables(kind: RecordType) -> bool {
    matches!(kind, RecordType::KeyValue | RecordType::EnvVar)
}

/// Returns where a connection writes, mount and path; nothing for one that only pulls.
pub(crate) fn below(found: &vaultterm_store::ConnectionSummary) -> Option<String> {
    let connection = &found.connection;
    let parts = [connection.mount.as_str(), connection.path.as_str()];
    let place = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
    (connection.options.mode != vaultterm_reconcile::Mode::Pull).then_some(place)
}

/// `GET /records/{id}/edit`
pub(crate) async fn form(State(app): State<ServerState>, visitor: Visitor, Id(id): Id) -> Result<Response, Refused> {
    let found = outline::for_edit(&app, &visitor.caller, id).await?;
    let frame = Frame::around(&app, &visitor, Here::Records).await?;
    Ok(show(&of(&found, frame, None)))
}

/// Makes the form of a record, with what was typed already.
fn of(found: &Outline, frame: Frame, draft: Option<&Draft>) -> FormPage {
    let record = &found.record;
    let held_tags = record.tags.join(", ");
    let was = Was {
        path: record.path.as_str().to_owned(),
        kind: record.record_type.as_str().to_owned(),
        tags: held_tags.clone(),
        inject_only: record.inject_only,
        ask_again: record.ask_again,
    };
    let typed = |name: &str| draft.and_then(|draft| draft.values.get(name)).cloned().unwrap_or_default();
    let held = |name: &str| {
        let field = found.contents.get(name)?;
        Some(format!("{} · {}", counted(field.length, "character", "characters"), short(&field.digest)))
    };
    let further = draft.into_iter().flat_map(|draft| draft.values.keys()).map(String::as_str);
    let mut names: Vec<&str> = found.contents.keys().map(String::as_str).chain(further).collect();
    names.sort_unstable();
    names.dedup();
    let field = |name: &str| FieldRow {
        label: field_label(name),
        held: held(name),
        value: typed(name),
        before: draft.and_then(|draft| draft.before.get(name)).cloned(),
        long: is_long(name) || found.contents.get(name).is_some_and(|field| field.length > 60),
        removed: draft.is_some_and(|draft| draft.removed.iter().any(|removed| removed == name)),
        wrong: None,
        name: name.to_owned(),
    };
    FormPage {
        id: Some(record.id.0),
        title: format!("Edit {}", record.path),
        revision: draft.map_or(record.revision.0, |draft| draft.revision),
        path: draft.map_or(was.path.clone(), |draft| draft.path.clone()),
        tags: draft.map_or(held_tags, |draft| draft.tags.clone()),
        inject_only: draft.map_or(record.inject_only, |draft| draft.inject_only),
        ask_again: draft.map_or(record.ask_again, |draft| draft.ask_again),
        was: draft.map_or(was, |draft| draft.was.clone()),
        kinds: kinds(draft.map_or(record.record_type, |draft| draft.kind)),
        fields: in_order(record.record_type, names.into_iter()).into_iter().map(field).collect(),
        rules: draft.map(|draft| draft.rules.clone()).unwrap_or_default(),
        takes_variables: takes_variables(draft.map_or(record.record_type, |draft| draft.kind)),
        below: found.sides.iter().find_map(|side| below(&side.connection)).unwrap_or_default(),
        spare: vec![1, 2, 3],
        changed: draft.is_some(),
        command: format!("vaultterm record edit {}", word(&format!("{}/{}", found.collection.name, record.path))),
        frame: frame.in_collection(found.collection.id.0),
        ..FormPage::default()
    }
}

/// `POST /records/{id}/edit`: shows what would change, shows the form again, or saves.
pub(crate) async fn submit(
    State(app): State<ServerState>,
    visitor: Visitor,
    Id(id): Id,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let mut draft = Draft::of(&pairs);
    for (name, side) in pairs.below("choose:") {
        if side == "theirs" {
            draft.values.remove(name);
            draft.removed.retain(|removed| removed != name);
        }
    }
    match press(&app, &visitor, &mut draft, &pairs).await {
        Ok(None) => {}
        Ok(Some(told)) => {
            let found = outline::for_edit(&app, &visitor.caller, id).await?;
            let frame = Frame::around(&app, &visitor, Here::Records).await?;
            return Ok(show(&FormPage { told, ..of(&found, frame, Some(&draft)) }));
        }
        Err(refusal) => return again(&app, &visitor, id, &draft, refusal).await,
    }
    match Step::of(&pairs) {
        Step::Form => {
            let found = outline::for_edit(&app, &visitor.caller, id).await?;
            let frame = Frame::around(&app, &visitor, Here::Records).await?;
            Ok(show(&of(&found, frame, Some(&draft))))
        }
        Step::Review => review(&app, &visitor, id, &draft).await,
        Step::Save => save(&app, &visitor, id, &draft).await,
    }
}

async fn review(app: &ServerState, visitor: &Visitor, id: Uuid, draft: &Draft) -> Result<Response, Refused> {
    let json = draft.fields_json();
    let previewed = match draft.checked() {
        Ok(()) => outline::preview(app, &visitor.caller, id, draft.revision, &draft.path, &json).await,
        Err(refusal) => Err(refusal),
    };
    let preview = match previewed {
        Ok(preview) => preview,
        Err(refusal) => return again(app, visitor, id, draft, refusal).await,
    };
    let frame = Frame::around(app, visitor, Here::Records).await?;
    let now_us = app.now_us();
    if preview.outline.record.revision.0 != draft.revision {
        return Ok(show_as(axum::http::StatusCode::CONFLICT, &MergePage::of(&preview, draft, frame, now_us)));
    }
    Ok(show(&ReviewPage::of_change(&preview, draft, frame)))
}

async fn save(app: &ServerState, visitor: &Visitor, id: Uuid, draft: &Draft) -> Result<Response, Refused> {
    let json = draft.fields_json();
    let changed = |is: &str, was: &str| (is != was).then(|| is.to_owned());
    let change = records::Change {
        path: changed(&draft.path, &draft.was.path),
        record_type: changed(draft.kind.as_str(), &draft.was.kind),
        fields: (!draft.values.is_empty()).then(|| json.as_str()),
        remove_fields: draft.removed.clone(),
        tags: (draft.tags != draft.was.tags).then(|| draft.tags()),
        inject_only: (draft.inject_only != draft.was.inject_only).then_some(draft.inject_only),
        ask_again: (draft.ask_again != draft.was.ask_again).then_some(draft.ask_again),
    };
    match records::update(app, &visitor.caller, id, ReadAt::Revision(draft.revision), change).await {
        Ok(record) => {
            let saved = link::Query::default().with("saved", record.revision.0);
            Ok(go_to(&saved.on(&link::record(id))))
        }
        // Somebody else was faster: the person looks at both.
        Err(refusal) if refusal.kind == RefusalKind::Changed => review(app, visitor, id, draft).await,
        Err(refusal) => again(app, visitor, id, draft, refusal).await,
    }
}

/// Shows the form again, with what was wrong. What was typed stays.
async fn again(
    app: &ServerState,
    visitor: &Visitor,
    id: Uuid,
    draft: &Draft,
    refusal: Refusal,
) -> Result<Response, Refused> {
    if !is_about_the_form(&refusal) {
        return Err(Refused(refusal));
    }
    let found = outline::for_edit(app, &visitor.caller, id).await?;
    let frame = Frame::around(app, visitor, Here::Records).await?;
    let mut page = of(&found, frame, Some(draft));
    page.tell(&refusal);
    Ok(show_as(axum::http::StatusCode::UNPROCESSABLE_ENTITY, &page))
}

/// Says whether a person can mend a refusal in the form.
pub(crate) fn is_about_the_form(refusal: &Refusal) -> bool {
    matches!(refusal.kind, RefusalKind::Invalid | RefusalKind::Exists)
}

impl FormPage {
    /// Tells what was wrong, beside the field that it is about.
    pub(crate) fn tell(&mut self, refusal: &Refusal) {
        for fault in &refusal.fields {
            let message = Some(sentence(&fault.message));
            let field = fault.field.strip_prefix("fields.");
            match (fault.field.as_str(), field) {
                ("path", _) => self.wrong_path = message,
                ("tags", _) => self.wrong_tags = message,
                (_, Some(name)) => match self.fields.iter_mut().find(|row| row.name == name) {
                    Some(row) => row.wrong = message,
                    None => self.wrong = message,
                },
                _ => self.wrong = message,
            }
        }
        if refusal.kind == RefusalKind::Exists {
            self.wrong_path = Some(sentence(&refusal.detail));
        }
        if self.wrong_path.is_none() && self.wrong_tags.is_none() && self.fields.iter().all(|row| row.wrong.is_none()) {
            self.wrong = Some(sentence(&refusal.detail));
        }
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn sample() -> FormPage {
        FormPage {
            id: Some(Uuid::nil()),
            title: "Edit <b>".to_owned(),
            revision: 7,
            path: "<b>\"".to_owned(),
            tags: "<b>".to_owned(),
            kinds: kinds(RecordType::Password),
            fields: vec![
                FieldRow {
                    name: "<b>".to_owned(),
                    label: "<b>".to_owned(),
                    held: Some("24 characters · a91f02c4".to_owned()),
                    value: "<b>typed".to_owned().into(),
                    wrong: Some("<b> is wrong.".to_owned()),
                    before: Some("<b>before".to_owned().into()),
                    ..FieldRow::default()
                },
                FieldRow { name: "notes".to_owned(), label: "Notes".to_owned(), long: true, ..FieldRow::default() },
            ],
            takes_variables: true,
            pasted: "<b>".to_owned().into(),
            told: "<b>".to_owned(),
            spare: vec![1, 2],
            wrong: Some("<b> is wrong.".to_owned()),
            wrong_path: Some("<b> is taken.".to_owned()),
            ..FormPage::default()
        }
    }

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let shelf = Shelf { id: Uuid::nil(), name: "<b>".to_owned(), below: "<b>".to_owned(), chosen: true };
        let new = FormPage { id: None, shelves: vec![shelf], ..sample() };
        let first = FormPage { id: None, ..sample() };
        vec![
            ("edit", sample().render().unwrap()),
            ("new record", new.render().unwrap()),
            ("first record", first.render().unwrap()),
        ]
    }

    #[test]
    fn what_was_wrong_stands_beside_its_field() {
        let mut page = sample();
        page.tell(&Refusal::field("fields.notes", "is too long"));
        assert_eq!(page.fields[1].wrong.as_deref(), Some("Is too long."));
        let mut page = FormPage::default();
        page.tell(&Refusal::new(RefusalKind::Exists, "the record `a` exists already"));
        assert_eq!(page.wrong_path.as_deref(), Some("The record `a` exists already."));
        let mut page = FormPage::default();
        page.tell(&Refusal::field("fields.none", "is odd"));
        assert_eq!(page.wrong.as_deref(), Some("`fields.none`: is odd."));
    }
}
