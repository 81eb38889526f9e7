//! `/people`: everybody with an account, and the form that invites somebody.

use askama::Template;
use axum::{
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;
use uuid::Uuid;
use vaultterm_operations::{Part, RefusalKind, links, profiles, profiles::Glance};
use vaultterm_store::InstanceRole;

use super::shared::{RoleChoice, absolute, roles_up_to, state_word};
use crate::{
    state::ServerState,
    view,
    web::{
        assets,
        form::Pairs,
        frame::{Frame, Here},
        link,
        page::{show as shown, show_as},
        parts,
        refused::{Refused, sentence},
        visitor::Visitor,
        words::Moment,
    },
};

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "people/list.html")]
pub(crate) struct PeoplePage {
    frame: Frame,
    told: String,
    people: Vec<PersonRow>,
    next: Option<String>,
    /// Whether the visitor invites people and sees each account.
    is_admin: bool,
    /// The link that was made, shown once.
    made: Option<String>,
    email: String,
    name: String,
    roles: Vec<RoleChoice>,
    wrong: Option<String>,
    command: &'static str,
}

/// A person in the list.
#[derive(Clone, Debug)]
struct PersonRow {
    id: Uuid,
    name: String,
    email: String,
    role: &'static str,
    word: parts::State,
    factor: Option<bool>,
    seen: Option<Moment>,
}

#[derive(Deserialize)]
pub(crate) struct Asked {
    cursor: Option<String>,
}

/// `GET /people`
pub(crate) async fn show(
    State(app): State<ServerState>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    Ok(shown(&page(&app, &visitor, asked.cursor).await?))
}

async fn page(app: &ServerState, visitor: &Visitor, cursor: Option<String>) -> Result<PeoplePage, Refused> {
    let found = profiles::all(app, &visitor.caller, Part { cursor, ..Part::default() }).await?;
    let (now_us, role) = (app.now_us(), visitor.caller.user.role);
    Ok(PeoplePage {
        frame: Frame::around(app, visitor, Here::People).await?,
        people: found.items.iter().map(|glance| row(glance, now_us)).collect(),
        next: found.next_cursor.map(|cursor| link::Query::default().with("cursor", cursor).on("/people")),
        is_admin: role >= InstanceRole::Admin,
        roles: roles_up_to(role, InstanceRole::Member),
        command: "vaultterm user ls",
        ..PeoplePage::default()
    })
}

fn row(glance: &Glance, now_us: i64) -> PersonRow {
    let user = &glance.user;
    PersonRow {
        id: user.id,
        name: user.name.clone(),
        email: user.email.clone(),
        role: user.role.as_str(),
        word: state_word(view::state(user)),
        factor: glance.has_factor,
        seen: glance.seen_us.map(|us| Moment::seen(us, now_us)),
    }
}

/// `POST /people`: invites somebody, and shows the link once.
pub(crate) async fn invite(
    State(app): State<ServerState>,
    visitor: Visitor,
    headers: HeaderMap,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let text = |name: &str| Some(pairs.text(name).trim().to_owned()).filter(|text| !text.is_empty());
    let email = pairs.text("email").to_owned();
    match links::invite(&app, &visitor.caller, email.clone(), text("name"), text("role")).await {
        Ok(made) => {
            let told = format!("{} is invited. The link works once, and is shown only now.", made.user.email);
            let made = Some(absolute(&headers, &view::link_path(&made)));
            Ok(shown(&PeoplePage { told, made, ..page(&app, &visitor, None).await? }))
        }
        Err(refusal) if matches!(refusal.kind, RefusalKind::Invalid | RefusalKind::Exists) => {
            let wrong = match refusal.fields.first() {
                Some(field) => sentence(&format!("the {} {}", field.field, field.message)),
                None => sentence(&refusal.detail),
            };
            let name = pairs.text("name").to_owned();
            let page = PeoplePage { wrong: Some(wrong), email, name, ..page(&app, &visitor, None).await? };
            Ok(show_as(StatusCode::UNPROCESSABLE_ENTITY, &page))
        }
        Err(refusal) => Err(Refused(refusal)),
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use vaultterm_contract::PersonState;

    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let person = PersonRow {
            id: Uuid::nil(),
            name: "<b>".to_owned(),
            email: "<b>".to_owned(),
            role: "member",
            word: state_word(PersonState::Invited),
            factor: Some(false),
            seen: None,
        };
        let page = PeoplePage {
            people: vec![person],
            is_admin: true,
            made: Some("https://vault.example.com/invite#vti_1".to_owned()),
            roles: roles_up_to(InstanceRole::Owner, InstanceRole::Member),
            wrong: Some("The email is not an e-mail address.".to_owned()),
            ..PeoplePage::default()
        };
        vec![("people", page.render().unwrap()), ("people for a member", PeoplePage::default().render().unwrap())]
    }
}
