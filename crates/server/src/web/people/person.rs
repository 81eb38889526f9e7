//! `/people/{id}`: the state of one account, its roles, its links, and what the person loses when it is disabled.

use askama::Template;
use axum::{
    extract::{Query, State},
    http::HeaderMap,
    response::Response,
};
use serde::Deserialize;
use uuid::Uuid;
use vaultterm_contract::{LinkState, PersonState, shell::word};
use vaultterm_operations::{
    Refusal, links, people,
    profiles::{self, Profile, SourcedRole},
};
use vaultterm_store::{LinkPurpose, PersonLink};

use super::shared::{RoleChoice, absolute, roles_up_to, state_word};
use crate::{
    request::Id,
    state::ServerState,
    view,
    web::{
        assets,
        form::Pairs,
        frame::{Frame, Here},
        link,
        page::{go_to, show as shown},
        parts,
        refused::Refused,
        visitor::Visitor,
        words::{Moment, counted},
    },
};

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "people/person.html")]
pub(crate) struct PersonPage {
    frame: Frame,
    told: String,
    id: Uuid,
    name: String,
    email: String,
    revision: u64,
    role: &'static str,
    roles_to_give: Vec<RoleChoice>,
    word: Option<parts::State>,
    is_invited: bool,
    is_disabled: bool,
    factor: bool,
    seen: Option<Moment>,
    source: parts::RoleSource,
    roles: Vec<RoleRow>,
    hidden: String,
    loses: Vec<String>,
    links: Vec<LinkRow>,
    made: Option<String>,
    is_self: bool,
    command: String,
}

/// A role on a collection.
#[derive(Clone, Debug)]
struct RoleRow {
    collection: String,
    href: String,
    role: &'static str,
    source: parts::RoleSource,
}

/// An invitation or a reset link.
#[derive(Clone, Debug)]
struct LinkRow {
    id: Uuid,
    what: &'static str,
    word: parts::State,
    by: String,
    made: Moment,
    expires: Moment,
    is_open: bool,
}

#[derive(Deserialize)]
pub(crate) struct Asked {
    saved: Option<String>,
}

/// Returns the words for the state of a link.
const fn link_word(state: LinkState) -> parts::State {
    match state {
        LinkState::Made => parts::State { tone: "waits", words: "not opened yet" },
        LinkState::Opened => parts::State { tone: "waits", words: "opened" },
        LinkState::Used => parts::State { tone: "good", words: "used" },
        LinkState::Expired => parts::State { tone: "off", words: "expired" },
    }
}

/// `GET /people/{id}`
pub(crate) async fn show(
    State(app): State<ServerState>,
    visitor: Visitor,
    Id(id): Id,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    let told = if asked.saved.is_some() { "Saved.".to_owned() } else { String::new() };
    Ok(shown(&PersonPage { told, ..page(&app, &visitor, id).await? }))
}

async fn page(app: &ServerState, visitor: &Visitor, id: Uuid) -> Result<PersonPage, Refused> {
    let profile = profiles::show(app, &visitor.caller, id).await?;
    let (now_us, state) = (app.now_us(), view::state(&profile.user));
    Ok(PersonPage {
        id,
        name: profile.user.name.clone(),
        email: profile.user.email.clone(),
        revision: profile.user.revision,
        role: profile.user.role.as_str(),
        roles_to_give: roles_up_to(visitor.caller.user.role, profile.user.role),
        word: Some(state_word(state)),
        is_invited: state == PersonState::Invited,
        is_disabled: state == PersonState::Disabled,
        factor: profile.has_factor,
        seen: profile.seen_us.map(|us| Moment::seen(us, now_us)),
        source: parts::role_source(profile.source.as_ref(), now_us),
        roles: roles(&profile, now_us),
        hidden: hidden(profile.hidden_roles),
        loses: loses(&profile),
        links: profile.links.iter().map(|link| link_row(link, now_us)).collect(),
        is_self: visitor.visit.person() == id,
        command: format!("vaultterm user show {}", word(&profile.user.email)),
        frame: Frame::around(app, visitor, Here::People).await?,
        ..PersonPage::default()
    })
}

fn roles(profile: &Profile, now_us: i64) -> Vec<RoleRow> {
    let row = |SourcedRole { role, source }: &SourcedRole| RoleRow {
        collection: role.name.clone(),
        href: format!("/collections/{}/members", role.collection_id.0),
        role: role.role.as_str(),
        source: parts::role_source(source.as_ref(), now_us),
    };
    profile.roles.iter().map(row).collect()
}

fn hidden(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => "One more role is on a collection that you may not see.".to_owned(),
        count => format!("{count} more roles are on collections that you may not see."),
    }
}

/// Says what a person loses when the account is disabled.
fn loses(profile: &Profile) -> Vec<String> {
    let count = |count: usize, one, many| counted(u64::try_from(count).unwrap_or(u64::MAX), one, many);
    let mut loses = vec![
        format!("{} end at once, and no login works.", count(profile.sessions, "session", "sessions")),
        format!(
            "{} stop working until the account is enabled again.",
            count(profile.tokens, "API token", "API tokens")
        ),
        "Remembered browsers are forgotten. Roles on collections stay, and count again when the account is enabled."
            .to_owned(),
    ];
    let roles = profile.roles.iter().map(|sourced| &sourced.role);
    let alone: Vec<_> = roles.filter(|role| role.is_only_owner).map(|role| role.name.as_str()).collect();
    if !alone.is_empty() {
        loses.push(format!("Nobody else is owner of {}: make somebody else an owner first.", alone.join(", ")));
    }
    loses
}

fn link_row(link: &PersonLink, now_us: i64) -> LinkRow {
    LinkRow {
        id: link.id,
        what: match link.purpose {
            LinkPurpose::Invitation => "Invitation",
            LinkPurpose::Reset => "Reset link",
        },
        word: link_word(view::link_state(link, now_us)),
        by: link.made_by.clone(),
        made: Moment::seen(link.made_us, now_us),
        expires: Moment::seen(link.expires_us, now_us),
        is_open: link.is_open(now_us),
    }
}

/// `POST /people/{id}`: changes the role, or disables or enables the account. Only what changed is sent on.
pub(crate) async fn save(
    State(app): State<ServerState>,
    visitor: Visitor,
    Id(id): Id,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let role = pairs.find("role").filter(|role| *role != pairs.text("was-role")).map(str::to_owned);
    let disabled = pairs.find("disabled").map(|disabled| disabled == "yes");
    if role.is_some() || disabled.is_some() {
        let read_at = pairs.read_at();
        let change = people::Change { role, disabled, ..people::Change::default() };
        people::update(&app, &visitor.caller, id, read_at, change).await?;
    }
    Ok(go_to(&link::Query::default().with("saved", 1).on(&format!("/people/{id}"))))
}

/// `POST /people/{id}/link`: makes an invitation or a reset link, and shows it once.
pub(crate) async fn make_link(
    State(app): State<ServerState>,
    visitor: Visitor,
    Id(id): Id,
    headers: HeaderMap,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let made = match pairs.text("purpose") {
        "reset" => links::reset(&app, &visitor.caller, id).await?,
        _ => links::invite_again(&app, &visitor.caller, id).await?,
    };
    let made = Some(absolute(&headers, &view::link_path(&made)));
    let told = "The link was made. It works once, and is shown only now.".to_owned();
    Ok(shown(&PersonPage { told, made, ..page(&app, &visitor, id).await? }))
}

/// `POST /people/{id}/withdraw`
pub(crate) async fn withdraw(
    State(app): State<ServerState>,
    visitor: Visitor,
    Id(id): Id,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let link = pairs.text("link").parse().map_err(|_| Refused(Refusal::not_found("link")))?;
    links::withdraw(&app, &visitor.caller, id, link).await?;
    Ok(go_to(&format!("/people/{id}?saved=1")))
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let link = LinkRow {
            id: Uuid::nil(),
            what: "Invitation",
            word: link_word(LinkState::Made),
            by: "<b>".to_owned(),
            made: Moment::seen(0, 1),
            expires: Moment::seen(2, 1),
            is_open: true,
        };
        let page = |state| PersonPage {
            name: "<b>".to_owned(),
            email: "<b>".to_owned(),
            word: Some(state_word(state)),
            is_invited: state == PersonState::Invited,
            is_disabled: state == PersonState::Disabled,
            roles: vec![RoleRow {
                collection: "<b>".to_owned(),
                href: "/collections".to_owned(),
                role: "editor",
                source: parts::RoleSource::default(),
            }],
            hidden: hidden(2),
            loses: vec!["2 sessions end at once.".to_owned()],
            links: vec![link.clone()],
            made: Some("https://vault.example.com/reset#vti_1".to_owned()),
            roles_to_give: roles_up_to(vaultterm_store::InstanceRole::Owner, vaultterm_store::InstanceRole::Member),
            ..PersonPage::default()
        };
        vec![
            ("person invited", page(PersonState::Invited).render().unwrap()),
            ("person active", page(PersonState::Active).render().unwrap()),
            ("person disabled", page(PersonState::Disabled).render().unwrap()),
        ]
    }
}
