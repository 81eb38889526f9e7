//! `/collections/{id}/members`: the people who may use a collection, and their roles.

use askama::Template;
use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::Response,
};
use serde::Deserialize;
use uuid::Uuid;
use vaultterm_contract::shell::word;
use vaultterm_operations::{
    Part, Refusal, RefusalKind, collections,
    members::{self, Sourced},
    people,
};
use vaultterm_store::CollectionRole;

use crate::{
    request::Id,
    state::ServerState,
    web::{
        assets,
        form::Pairs,
        frame::{Frame, Here},
        link,
        page::{go_to, show as shown, show_as},
        parts,
        refused::{Refused, sentence},
        visitor::Visitor,
    },
};

/// What each role may do, in one line.
const ROLES: [(CollectionRole, &str); 4] = [
    (CollectionRole::Viewer, "sees the records, shows and copies values, and sees plans, runs and conflicts"),
    (CollectionRole::Editor, "also makes and changes records, and restores older revisions"),
    (
        CollectionRole::Admin,
        "also moves records to the trash, manages members, and manages connections and their SecretIDs",
    ),
    (CollectionRole::Owner, "also deletes the collection, and makes other owners"),
];

/// What an editor can do, in five lines.
const EDITOR: [&str; 5] = [
    "make a record, and change its path, fields and tags",
    "show and copy values, as a viewer can; each look is audited",
    "restore an older revision of a record, and a record from the trash",
    "make a plan, start and stop a run, pause and resume a connection",
    "decide conflicts, which writes to Vault or to VaultTerm as the page says first",
];

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "people/members.html")]
pub(crate) struct MembersPage {
    frame: Frame,
    told: &'static str,
    id: Uuid,
    collection: String,
    members: Vec<MemberRow>,
    more: bool,
    /// Whether the visitor may change roles.
    may_change: bool,
    roles: Vec<&'static str>,
    words: Vec<(&'static str, &'static str)>,
    editor: Vec<&'static str>,
    typed: String,
    wrong: Option<String>,
    command: String,
}

/// A member in the list.
#[derive(Clone, Debug)]
struct MemberRow {
    id: Uuid,
    email: String,
    role: &'static str,
    source: parts::RoleSource,
    is_self: bool,
    /// Whether the visitor may change this role.
    may_change: bool,
}

#[derive(Deserialize)]
pub(crate) struct Asked {
    saved: Option<String>,
}

/// `GET /collections/{id}/members`
pub(crate) async fn show(
    State(app): State<ServerState>,
    visitor: Visitor,
    Id(id): Id,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    let told = if asked.saved.is_some() { "Saved." } else { "" };
    Ok(shown(&MembersPage { told, ..page(&app, &visitor, id).await? }))
}

async fn page(app: &ServerState, visitor: &Visitor, id: Uuid) -> Result<MembersPage, Refused> {
    let part = Part { limit: Some(500), ..Part::default() };
    let found = members::list(app, &visitor.caller, id, part).await?;
    let collection = collections::show(app, &visitor.caller, id).await?;
    // The visitor may stand on a later page of the list.
    let own = members::show(app, &visitor.caller, id, visitor.visit.person()).await?.member.role;
    let now_us = app.now_us();
    let may_change = own >= CollectionRole::Admin;
    let row = |Sourced { member, source }: &Sourced| MemberRow {
        id: member.user_id,
        email: member.email.clone(),
        role: member.role.as_str(),
        source: parts::role_source(source.as_ref(), now_us),
        is_self: member.user_id == visitor.visit.person(),
        may_change: may_change && member.role <= own,
    };
    Ok(MembersPage {
        id,
        members: found.items.iter().map(row).collect(),
        more: found.next_cursor.is_some(),
        may_change,
        roles: CollectionRole::ALL.iter().filter(|role| **role <= own).map(|role| role.as_str()).collect(),
        words: ROLES.iter().map(|(role, words)| (role.as_str(), *words)).collect(),
        editor: EDITOR.to_vec(),
        command: format!("vaultterm collection show {}", word(&collection.name)),
        collection: collection.name,
        frame: Frame::around(app, visitor, Here::Records).await?.in_collection(id),
        ..MembersPage::default()
    })
}

/// `POST /collections/{id}/members`: gives a role to a person, or changes it. Does nothing if the role is the same as
/// before.
pub(crate) async fn save(
    State(app): State<ServerState>,
    visitor: Visitor,
    Id(id): Id,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let (role, email) = (pairs.text("role"), pairs.text("email").trim());
    if pairs.find("was-role") == Some(role) {
        return Ok(go_to(&here(id)));
    }
    let user = match pairs.find("user").and_then(|user| user.parse().ok()) {
        Some(user) => Some(user),
        None => people::find(&app, &visitor.caller, email).await?.map(|user| user.id),
    };
    let Some(user) = user else {
        let wrong = Some(format!("Nobody here has the address {email}. An admin of the installation invites people."));
        let page = MembersPage { wrong, typed: email.to_owned(), ..page(&app, &visitor, id).await? };
        return Ok(show_as(StatusCode::UNPROCESSABLE_ENTITY, &page));
    };
    match members::grant(&app, &visitor.caller, id, user, role).await {
        Ok(_) => Ok(go_to(&here(id))),
        Err(refusal) => again(&app, &visitor, id, refusal).await,
    }
}

/// `POST /collections/{id}/members/remove`: takes a role away.
pub(crate) async fn remove(
    State(app): State<ServerState>,
    visitor: Visitor,
    Id(id): Id,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let user = pairs.text("user").parse().map_err(|_| Refused(Refusal::not_found("user")))?;
    match members::revoke(&app, &visitor.caller, id, user).await {
        // A person who has left the collection may not see this page any more.
        Ok(()) if user == visitor.visit.person() => Ok(go_to("/records")),
        Ok(()) => Ok(go_to(&here(id))),
        Err(refusal) => again(&app, &visitor, id, refusal).await,
    }
}

/// Shows the page again, with the reason why no role was changed.
async fn again(app: &ServerState, visitor: &Visitor, id: Uuid, refusal: Refusal) -> Result<Response, Refused> {
    let status = match refusal.kind {
        RefusalKind::Refused | RefusalKind::Stale => StatusCode::CONFLICT,
        RefusalKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        _ => return Err(Refused(refusal)),
    };
    let wrong = Some(sentence(&refusal.detail));
    Ok(show_as(status, &MembersPage { wrong, ..page(app, visitor, id).await? }))
}

fn here(id: Uuid) -> String {
    link::Query::default().with("saved", 1).on(&format!("/collections/{id}/members"))
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let member = |n: u128, is_self| MemberRow {
            id: Uuid::from_u128(n),
            email: "<b>".to_owned(),
            role: "editor",
            source: parts::RoleSource::default(),
            is_self,
            may_change: true,
        };
        let page = MembersPage {
            collection: "<b>".to_owned(),
            members: vec![member(1, true), member(2, false)],
            may_change: true,
            roles: vec!["viewer", "editor"],
            words: vec![("viewer", "sees the records")],
            editor: EDITOR.to_vec(),
            wrong: Some("Nobody here has the address <b>.".to_owned()),
            ..MembersPage::default()
        };
        vec![("members", page.render().unwrap()), ("members for a viewer", MembersPage::default().render().unwrap())]
    }
}
