//! `/records/new`: a new record, by its type.

use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::Response,
};
use serde::Deserialize;
use vaultterm_operations::{Refusal, collections, outline, records};
use vaultterm_reconcile::RecordType;

use super::{
    aids::press,
    draft::{Draft, Step},
    edit::{FieldRow, FormPage, Shelf, below, is_about_the_form, kinds, takes_variables},
    review::ReviewPage,
};
use crate::{
    state::ServerState,
    web::{
        form::Pairs,
        frame::{Frame, Here},
        link,
        page::{go_to, show, show_as},
        refused::Refused,
        visitor::Visitor,
        words::{field_label, is_long, usual_fields},
    },
};

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    r#type: String,
    r#in: String,
    path: String,
}

/// `GET /records/new`
pub(crate) async fn form(
    State(app): State<ServerState>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    let draft = Draft::of(&Pairs::of(&[
        ("type", if asked.r#type.is_empty() { RecordType::Password.as_str() } else { &asked.r#type }),
        ("collection", &asked.r#in),
        ("path", &asked.path),
    ]));
    Ok(show(&page(&app, &visitor, &draft, false).await?))
}

/// Makes the form, with what was typed already.
async fn page(app: &ServerState, visitor: &Visitor, draft: &Draft, changed: bool) -> Result<FormPage, Refused> {
    let connections = outline::connections(app, &visitor.caller).await?;
    let mut page = of(draft, Frame::around(app, visitor, Here::Records).await?, changed);
    for shelf in &mut page.shelves {
        let mut own = connections.iter().filter(|found| found.connection.collection_id.0 == shelf.id);
        shelf.below = own.find_map(below).unwrap_or_default();
    }
    Ok(page)
}

fn of(draft: &Draft, frame: Frame, changed: bool) -> FormPage {
    let usual = usual_fields(draft.kind);
    let further = draft.values.keys().map(String::as_str).filter(|name| !usual.contains(name));
    let field = |name: &str| FieldRow {
        label: field_label(name),
        value: draft.values.get(name).cloned().unwrap_or_default(),
        before: draft.before.get(name).cloned(),
        long: is_long(name),
        name: name.to_owned(),
        ..FieldRow::default()
    };
    let shelves = frame.collections.iter();
    FormPage {
        title: "New record".to_owned(),
        path: draft.path.clone(),
        tags: draft.tags.clone(),
        inject_only: draft.inject_only,
        ask_again: draft.ask_again,
        kinds: kinds(draft.kind),
        shelves: shelves
            .map(|shelf| Shelf {
                id: shelf.id,
                name: shelf.name.clone(),
                below: String::new(),
                chosen: draft.collection == Some(shelf.id),
            })
            .collect(),
        fields: usual.iter().copied().chain(further).map(field).collect(),
        rules: draft.rules.clone(),
        takes_variables: takes_variables(draft.kind),
        spare: vec![1, 2, 3],
        changed,
        command: "vaultterm record set COLLECTION/PATH FIELD=?".to_owned(),
        frame,
        ..FormPage::default()
    }
}

/// `POST /records/new`: shows what would be saved, shows the form again, or saves.
pub(crate) async fn submit(
    State(app): State<ServerState>,
    visitor: Visitor,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let mut draft = Draft::of(&pairs);
    match press(&app, &visitor, &mut draft, &pairs).await {
        Ok(None) => {}
        Ok(Some(told)) => return Ok(show(&FormPage { told, ..page(&app, &visitor, &draft, true).await? })),
        Err(refusal) => return again(&app, &visitor, &draft, refusal).await,
    }
    match Step::of(&pairs) {
        Step::Form => Ok(show(&page(&app, &visitor, &draft, true).await?)),
        Step::Review => review(&app, &visitor, &draft).await,
        Step::Save => save(&app, &visitor, &draft).await,
    }
}

async fn review(app: &ServerState, visitor: &Visitor, draft: &Draft) -> Result<Response, Refused> {
    let Some(collection) = draft.collection else { return Err(Refused(Refusal::not_found("collection"))) };
    let json = draft.fields_json();
    let previewed = match draft.checked() {
        Ok(()) => outline::preview_new(app, &visitor.caller, collection, &draft.path, &json).await,
        Err(refusal) => Err(refusal),
    };
    match previewed {
        Ok(preview) => {
            let frame = Frame::around(app, visitor, Here::Records).await?;
            Ok(show(&ReviewPage::of_new(&preview, draft, frame)))
        }
        Err(refusal) => again(app, visitor, draft, refusal).await,
    }
}

async fn save(app: &ServerState, visitor: &Visitor, draft: &Draft) -> Result<Response, Refused> {
    let Some(collection) = draft.collection else { return Err(Refused(Refusal::not_found("collection"))) };
    let json = draft.fields_json();
    let new = records::New {
        path: draft.path.clone(),
        record_type: Some(draft.kind.as_str().to_owned()),
        fields: json.as_str(),
        tags: draft.tags(),
        inject_only: draft.inject_only,
        ask_again: draft.ask_again,
    };
    match records::create(app, &visitor.caller, collection, new).await {
        Ok(record) => {
            let saved = link::Query::default().with("saved", record.revision.0);
            Ok(go_to(&saved.on(&link::record(record.id.0))))
        }
        Err(refusal) => again(app, visitor, draft, refusal).await,
    }
}

/// `POST /collections`: makes a collection, and goes on with its first record or with an import.
pub(crate) async fn collection(
    State(app): State<ServerState>,
    visitor: Visitor,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let made = collections::create(&app, &visitor.caller, pairs.text("name").trim()).await?;
    let then = if pairs.text("then") == "import" { "/import" } else { "/records/new" };
    Ok(go_to(&link::Query::default().with("in", made.id.0).on(then)))
}

/// Shows the form again, with what was wrong. What was typed stays.
async fn again(app: &ServerState, visitor: &Visitor, draft: &Draft, refusal: Refusal) -> Result<Response, Refused> {
    if !is_about_the_form(&refusal) {
        return Err(Refused(refusal));
    }
    let mut page = page(app, visitor, draft, true).await?;
    page.tell(&refusal);
    Ok(show_as(StatusCode::UNPROCESSABLE_ENTITY, &page))
}
