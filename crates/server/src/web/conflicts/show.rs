//! `/conflicts/{id}`: what both sides agreed on, and what each holds now, side by side; a choice for each field.

use askama::Template;
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};
use uuid::Uuid;
use vaultterm_contract::{DecisionView, shell::word, shown_fields};
use vaultterm_operations::{
    Refusal, RefusalKind,
    conflicts::{self, TwoSided},
    connections,
};
use vaultterm_reconcile::{Content, Side};
use vaultterm_sealing::{SecretFields, short};
use vaultterm_store::ConnectionSummary;
use vaultterm_sync::{ConflictStatus, ResolutionName, StoredConflict};
use zeroize::Zeroizing;

use super::{
    by::{By, by_local, by_remote},
    choice::{Choice, Choices, Meaning, meaning},
};
use crate::{
    request::Id,
    state::ServerState,
    view,
    web::{
        assets,
        form::Pairs,
        frame::{Frame, Here},
        page::{go_to, show as shown, show_as},
        parts,
        refused::{Refused, sentence},
        sync::words::conflict as kind_words,
        visitor::Visitor,
        words::{Moment, counted, field_label},
    },
};

/// A value of one side, masked unless a person asked for it.
#[derive(Debug, Default)]
pub(crate) struct Cell {
    /// Length and digest; nothing where the field is not there.
    told: Option<String>,
    value: Option<Zeroizing<String>>,
    changed: bool,
    chosen: bool,
}

/// A field of the conflict.
#[derive(Debug, Default)]
pub(crate) struct Row {
    name: String,
    label: String,
    base: Cell,
    local: Cell,
    remote: Cell,
    typed: Option<Zeroizing<String>>,
}

/// A button for the whole path.
#[derive(Debug)]
pub(crate) struct Whole {
    name: &'static str,
    meaning: Meaning,
}

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "conflicts/show.html")]
pub(crate) struct ConflictPage {
    frame: Frame,
    id: Uuid,
    connection: String,
    path: String,
    record_id: Option<Uuid>,
    open: bool,
    kind: String,
    since: Option<Moment>,
    wrong: Option<String>,
    local_revision: Option<u64>,
    remote_version: Option<u64>,
    /// Who made the revision, and when.
    local_by: Option<By>,
    /// Who wrote in Vault, and when.
    remote_by: Option<By>,
    /// Whether the side changed since the person looked.
    moved_local: bool,
    moved_remote: bool,
    rows: Vec<Row>,
    wholes: Vec<Whole>,
    /// A choice for each field makes the decision; else only the whole path can be decided.
    by_field: bool,
    reason: String,
    /// What the choices mean, once every field has one.
    meaning: Option<Meaning>,
    revealed: bool,
    /// What a person decided.
    decision: Option<Told>,
    command: String,
}

/// A decision that was carried out, for people.
#[derive(Debug)]
pub(crate) struct Told {
    when: Moment,
    decision: DecisionView,
}

/// `GET /conflicts/{id}`
pub(crate) async fn show(State(app): State<ServerState>, visitor: Visitor, Id(id): Id) -> Result<Response, Refused> {
    let found = conflicts::show(&app, &visitor.caller, id).await?;
    Ok(shown(&page(&app, &visitor, &found, &Choices::default()).await?))
}

async fn page(
    app: &ServerState,
    visitor: &Visitor,
    found: &TwoSided,
    choices: &Choices,
) -> Result<ConflictPage, Refused> {
    let seen = connections::show(app, &visitor.caller, found.conflict.connection_id.0).await?;
    let frame = Frame::around(app, visitor, Here::Conflicts).await?;
    Ok(of(found, &seen.summary, choices, frame, app.now_us()))
}

/// Returns the fields that a person chooses for: those that diverged, where both sides hold the path.
fn asked(stored: &StoredConflict) -> Vec<String> {
    let conflict = &stored.conflict;
    let both = conflict.local.is_some() && conflict.remote.is_some();
    if both && !conflict.diverged.is_empty() { conflict.diverged.clone() } else { Vec::new() }
}

fn of(found: &TwoSided, connection: &ConnectionSummary, choices: &Choices, frame: Frame, now_us: i64) -> ConflictPage {
    let stored = &found.conflict;
    let conflict = &stored.conflict;
    let mode = connection.connection.options.mode;
    let asked = asked(stored);
    let resolution = choices.resolution(&asked);
    let whole =
        |name: ResolutionName| Whole { name: name.as_str(), meaning: meaning(conflict, mode, name, &choices.fields) };
    let mut wholes = Vec::new();
    if asked.is_empty() {
        wholes.extend([whole(ResolutionName::KeepLocal), whole(ResolutionName::KeepRemote)]);
    }
    if conflict.local.is_some() && conflict.remote.is_some() {
        wholes.push(whole(ResolutionName::KeepBoth));
    }
    let name = &connection.connection.name;
    ConflictPage {
        id: stored.id.0,
        connection: name.clone(),
        path: conflict.path.as_str().to_owned(),
        record_id: conflict.record_id.map(|id| id.0),
        open: stored.status == ConflictStatus::Open,
        kind: sentence(kind_words(conflict.kind)),
        since: Some(Moment::seen(stored.first_seen.0.div_euclid(1_000), now_us)),
        wrong: None,
        local_revision: conflict.expect.local_revision(),
        remote_version: conflict.expect.remote_version(),
        local_by: found.local.as_ref().map(|writer| by_local(writer, now_us)),
        remote_by: by_remote(conflict, now_us),
        moved_local: false,
        moved_remote: false,
        rows: shown_fields(stored).iter().map(|name| row(stored, name, choices)).collect(),
        wholes,
        by_field: !asked.is_empty(),
        reason: choices.reason.clone(),
        meaning: resolution.map(|resolution| meaning(conflict, mode, resolution, &choices.fields)),
        revealed: false,
        decision: found
            .decision
            .as_ref()
            .map(|made| Told { when: Moment::seen(made.at_us, now_us), decision: view::decision(made) }),
        command: command(stored, &format!("{name}:{}", conflict.path), resolution, choices),
        frame,
    }
}

/// Returns the command that does what the page offers: it decides as chosen so far, or shows the conflict before anything
/// is chosen and after it was decided.
fn command(stored: &StoredConflict, name: &str, resolution: Option<ResolutionName>, choices: &Choices) -> String {
    let name = word(name);
    let chosen = match resolution {
        Some(ResolutionName::KeepLocal) => " --keep-local".to_owned(),
        Some(ResolutionName::KeepRemote) => " --keep-remote".to_owned(),
        Some(ResolutionName::KeepBoth) => " --keep-both".to_owned(),
        Some(ResolutionName::Merge) => choices
            .fields
            .iter()
            .map(|(field, choice)| {
                let from = match choice {
                    Choice::Take(side) => side.as_str(),
                    Choice::Type(_) => "?",
                };
                format!(" --field {}", word(&format!("{field}={from}")))
            })
            .collect(),
        None => String::new(),
    };
    if stored.status == ConflictStatus::Open && !chosen.is_empty() {
        return format!("vaultterm conflict resolve {name}{chosen}");
    }
    // A name finds only an open conflict.
    let named = if stored.status == ConflictStatus::Open { name.into_owned() } else { stored.id.0.to_string() };
    format!("vaultterm conflict show {named}")
}

fn row(stored: &StoredConflict, name: &str, choices: &Choices) -> Row {
    let conflict = &stored.conflict;
    let find = |content: &Option<Content>| content.as_ref().and_then(|content| content.get(name)).copied();
    let (base, local, remote) = (find(&conflict.base), find(&conflict.local), find(&conflict.remote));
    let chosen = choices.fields.get(name);
    let cell = |field: &Option<vaultterm_reconcile::FieldDigest>, side: Option<Side>| Cell {
        told: field
            .as_ref()
            .map(|field| format!("{} · {}", counted(field.length, "character", "characters"), short(&field.digest))),
        value: None,
        changed: side.is_some() && field.as_ref().map(|field| field.digest) != base.as_ref().map(|field| field.digest),
        chosen: side.is_some_and(|side| chosen == Some(&Choice::Take(side))),
    };
    Row {
        label: field_label(name),
        base: cell(&base, None),
        local: cell(&local, Some(Side::Local)),
        remote: cell(&remote, Some(Side::Remote)),
        typed: match chosen {
            Some(Choice::Type(text)) => Some(text.clone()),
            _ => None,
        },
        name: name.to_owned(),
    }
}

/// `POST /conflicts/{id}/reveal`: shows the values of all three states. The choices stay.
pub(crate) async fn reveal(
    State(app): State<ServerState>,
    visitor: Visitor,
    Id(id): Id,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let revealed = conflicts::reveal(&app, &visitor.caller, id).await?;
    let choices = Choices::of(&pairs, &asked(&revealed.conflict.conflict));
    let mut page = page(&app, &visitor, &revealed.conflict, &choices).await?;
    for row in &mut page.rows {
        row.base.value = value(revealed.base.as_ref(), &row.name);
        row.local.value = value(revealed.local.as_ref(), &row.name);
        row.remote.value = value(revealed.remote.as_ref(), &row.name);
    }
    page.revealed = true;
    Ok(shown(&page))
}

fn value(fields: Option<&SecretFields>, name: &str) -> Option<Zeroizing<String>> {
    match fields?.expose().get(name)? {
        Value::String(text) => Some(Zeroizing::new(text.clone())),
        other => Some(Zeroizing::new(serde_json::to_string(other).unwrap_or_default())),
    }
}

/// `POST /conflicts/{id}`: shows what the choices mean, or carries the decision out.
pub(crate) async fn decide(
    State(app): State<ServerState>,
    visitor: Visitor,
    Id(id): Id,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let found = conflicts::show(&app, &visitor.caller, id).await?;
    let asked = asked(&found.conflict);
    let choices = Choices::of(&pairs, &asked);
    let decides = pairs.text("step") == "decide" || choices.whole.is_some();
    let Some(resolution) = choices.resolution(&asked) else {
        let mut page = page(&app, &visitor, &found, &choices).await?;
        page.wrong = Some("Choose a side, or type a value, for every field.".to_owned());
        return Ok(show_as(StatusCode::UNPROCESSABLE_ENTITY, &page));
    };
    if !decides {
        return Ok(shown(&page(&app, &visitor, &found, &choices).await?));
    }
    match conflicts::resolve(&app, &visitor.caller, id, choices.decided(resolution)?).await {
        Ok(_) => Ok(go_to(&format!("/conflicts/{id}"))),
        Err(refusal) if refusal.kind == RefusalKind::Stale => {
            // A side moved: the page comes again with what it shows now. The choices stay.
            let now = conflicts::show(&app, &visitor.caller, id).await?;
            let mut page = page(&app, &visitor, &now, &choices).await?;
            page.meaning = None;
            let (before, now) = (found.conflict.conflict.expect, now.conflict.conflict.expect);
            page.moved_local = choices.local_revision != page.local_revision || before.local != now.local;
            page.moved_remote = choices.remote_version != page.remote_version || before.remote != now.remote;
            page.wrong = Some(stale(&refusal, &page));
            Ok(show_as(StatusCode::CONFLICT, &page))
        }
        Err(refusal) => Err(Refused(refusal)),
    }
}

/// Says what to do about a side that moved. VaultTerm has looked at both sides again, unless a run would halt.
fn stale(refusal: &Refusal, page: &ConflictPage) -> String {
    let said = sentence(&refusal.detail);
    if !page.open {
        return said;
    }
    if page.moved_local || page.moved_remote {
        return format!("{said} Your choices are kept.");
    }
    format!(
        "{said} This page shows what the last run of {} saw. Its next run looks at both sides again: by itself if it runs at \
         intervals, or when you apply a plan. Open this page again then.",
        page.connection
    )
}

/// `POST /conflicts/{id}/meaning`: words what the choices mean so far. Nothing is decided.
pub(crate) async fn meaning_of(
    State(app): State<ServerState>,
    visitor: Visitor,
    Id(id): Id,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let found = conflicts::show(&app, &visitor.caller, id).await?;
    let seen = connections::show(&app, &visitor.caller, found.conflict.connection_id.0).await?;
    let asked = asked(&found.conflict);
    let choices = Choices::of(&pairs, &asked);
    let mode = seen.summary.connection.options.mode;
    let resolution = choices.resolution(&asked);
    let Meaning { consequence, button } =
        resolution.map(|chosen| meaning(&found.conflict.conflict, mode, chosen, &choices.fields)).unwrap_or_default();
    Ok(Json(json!({ "consequence": consequence, "button": button })).into_response())
}

#[cfg(test)]
pub(crate) mod samples {
    use vaultterm_contract::WrittenView;

    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let cell = |chosen, value: Option<&str>| Cell {
            told: Some("20 characters · 77c1a0e2".to_owned()),
            value: value.map(|text| Zeroizing::new(text.to_owned())),
            changed: true,
            chosen,
        };
        let row = || Row {
            name: "<b>".to_owned(),
            label: "<b>".to_owned(),
            base: Cell::default(),
            local: cell(false, Some("<b>")),
            remote: cell(true, None),
            typed: Some(Zeroizing::new("<b>".to_owned())),
        };
        let made = Meaning { consequence: "<b> is written.".to_owned(), button: "Write over Vault v<b>".to_owned() };
        let page = ConflictPage {
            connection: "<b>".to_owned(),
            path: "<b>".to_owned(),
            open: true,
            kind: "Both sides changed it.".to_owned(),
            since: Some(Moment::seen(0, 1)),
            wrong: Some("<b>".to_owned()),
            local_revision: Some(7),
            remote_version: Some(10),
            local_by: Some(By { who: Some("<b>".to_owned()), when: Moment::seen(0, 1) }),
            remote_by: Some(By { who: None, when: Moment::seen(0, 1) }),
            moved_local: true,
            moved_remote: true,
            rows: vec![row()],
            wholes: vec![Whole { name: "keep_both", meaning: made.clone() }],
            by_field: true,
            meaning: Some(made),
            record_id: Some(Uuid::nil()),
            ..ConflictPage::default()
        };
        let closed = || ConflictPage { path: "<b>".to_owned(), ..ConflictPage::default() };
        let written = |record_id| WrittenView {
            what: "<b>".to_owned(),
            record_id,
            record_path: Some("<b>".to_owned()),
            revision: None,
            remote_path: "<b>".to_owned(),
            remote_version: None,
        };
        let decision = DecisionView {
            resolution: ResolutionName::KeepBoth,
            by: "<b>".to_owned(),
            decided_at: String::new(),
            reason: Some("<b>".to_owned()),
            written: vec![written(Some(Uuid::nil())), written(None)],
        };
        let told = Some(Told { when: Moment::seen(0, 1), decision });
        let decided = ConflictPage { decision: told, ..closed() };
        vec![
            ("conflict", page.render().unwrap()),
            ("closed conflict", closed().render().unwrap()),
            ("decided conflict", decided.render().unwrap()),
        ]
    }
}
