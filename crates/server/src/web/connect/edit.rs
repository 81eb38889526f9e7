//! Where a connection points to, changed: first what the change means, then the change.

use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};
use uuid::Uuid;
use vaultterm_contract::shell::word;
use vaultterm_operations::connections::{self, Seen, Wanted, WantedTls};
use vaultterm_sync::Connection;

use super::draft::Draft;
use crate::{
    request::Id,
    state::ServerState,
    web::{
        assets,
        form::Pairs,
        frame::{Frame, Here},
        page::{go_to, show as shown, show_as},
        parts,
        refused::{Refused, mendable},
        visitor::Visitor,
    },
};

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "connect/edit.html")]
pub(crate) struct EditPage {
    frame: Frame,
    id: Uuid,
    name: String,
    revision: u64,
    draft: Draft,
    wrong: Option<String>,
    /// What changes, once it was asked for.
    changes: Vec<String>,
    reviewed: bool,
    /// Whether the next run is a first sync.
    first_sync: bool,
    command: String,
}

/// `GET /connections/{id}/edit`
pub(crate) async fn show(State(app): State<ServerState>, visitor: Visitor, Id(id): Id) -> Result<Response, Refused> {
    let seen = connections::show(&app, &visitor.caller, id).await?;
    let draft = as_it_is(&seen.summary.connection);
    Ok(shown(&of(&seen, draft, Frame::around(&app, &visitor, Here::Overview).await?)))
}

fn as_it_is(connection: &Connection) -> Draft {
    Draft {
        name: connection.name.clone(),
        address: connection.address.clone(),
        namespace: connection.namespace.clone().unwrap_or_default(),
        ca: connection.tls.ca_pem.clone().unwrap_or_default().trim().to_owned(),
        mount: connection.mount.clone(),
        path: connection.path.clone(),
        mode: connection.options.mode.as_str().to_owned(),
        ..Draft::default()
    }
}

fn of(seen: &Seen, draft: Draft, frame: Frame) -> EditPage {
    let connection = &seen.summary.connection;
    EditPage {
        id: connection.id.0,
        name: connection.name.clone(),
        revision: connection.revision,
        command: format!("vaultterm connection update {} --address URL", word(&connection.name)),
        draft,
        frame,
        ..EditPage::default()
    }
}

/// Lists what a change does, and tells whether it makes the next run a first sync.
fn consequences(before: &Draft, after: &Draft) -> (Vec<String>, bool) {
    let mut changes = Vec::new();
    let all = [
        ("The name", &before.name, &after.name),
        ("The address", &before.address, &after.address),
        ("The namespace", &before.namespace, &after.namespace),
        ("The mount", &before.mount, &after.mount),
        ("The path", &before.path, &after.path),
        ("The direction", &before.mode, &after.mode),
    ];
    let or = |text: &str| if text.is_empty() { "nothing".to_owned() } else { format!("“{text}”") };
    for (what, one, other) in all.into_iter().filter(|(_, one, other)| one != other) {
        changes.push(format!("{what} changes from {} to {}.", or(one), or(other)));
    }
    if before.ca != after.ca {
        changes.push("The CA certificates change.".to_owned());
    }
    let scope =
        |draft: &Draft| [draft.address.clone(), draft.namespace.clone(), draft.mount.clone(), draft.path.clone()];
    (changes, scope(before) != scope(after))
}

/// `POST /connections/{id}/edit`: shows what the change means, or makes it.
pub(crate) async fn save(
    State(app): State<ServerState>,
    visitor: Visitor,
    Id(id): Id,
    typed: Pairs,
) -> Result<Response, Refused> {
    let seen = connections::show(&app, &visitor.caller, id).await?;
    let draft = Draft::of(&typed);
    let (changes, first_sync) = consequences(&as_it_is(&seen.summary.connection), &draft);
    let frame = Frame::around(&app, &visitor, Here::Overview).await?;
    let mut page = EditPage { changes, first_sync, reviewed: true, ..of(&seen, draft.clone(), frame) };
    if typed.text("step") != "save" {
        return Ok(shown(&page));
    }
    let read_at = typed.read_at();
    match connections::update(&app, &visitor.caller, id, read_at, wanted(&draft)).await {
        Ok(_) => Ok(go_to(&format!("/connections/{id}"))),
        Err(refusal) => {
            page.wrong = Some(mendable(refusal)?);
            Ok(show_as(StatusCode::UNPROCESSABLE_ENTITY, &page))
        }
    }
}

fn wanted(draft: &Draft) -> Wanted {
    let ca = Some(draft.ca.clone()).filter(|ca| !ca.is_empty());
    let Wanted { name, address, namespace, mount, path, mode, .. } = draft.wanted("");
    let tls = Some(WantedTls { ca_pem: Some(ca), ..WantedTls::default() });
    Wanted { name, address, namespace, tls, mount, path, mode, ..Wanted::default() }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let evil = "<b>".to_owned();
        let page = EditPage {
            name: evil.clone(),
            draft: Draft { name: evil.clone(), ca: evil.clone(), ..Draft::default() },
            wrong: Some(evil.clone()),
            changes: vec![evil.clone()],
            reviewed: true,
            first_sync: true,
            command: evil,
            ..EditPage::default()
        };
        vec![("edit of a connection", page.render().unwrap()), ("edit", EditPage::default().render().unwrap())]
    }

    #[test]
    fn a_change_of_the_place_makes_the_next_run_a_first_sync_and_a_new_name_does_not() {
        let before = Draft { name: "a".to_owned(), mount: "kv".to_owned(), ..Draft::default() };
        let renamed = Draft { name: "b".to_owned(), ..before.clone() };
        assert_eq!(consequences(&before, &renamed), (vec!["The name changes from “a” to “b”.".to_owned()], false));
        let moved = Draft { path: "team".to_owned(), ..before.clone() };
        assert_eq!(consequences(&before, &moved), (vec!["The path changes from nothing to “team”.".to_owned()], true));
        assert_eq!(consequences(&before, &before), (Vec::new(), false));
    }
}
