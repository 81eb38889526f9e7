//! `/setup`: the first owner, by the link that `vaultterm init` printed. The link carries its token behind `#`, which
//! no server and no log sees; a script moves it into the form, or a person pastes it.

use askama::Template;
use axum::{
    Form,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;
use vaultterm_operations::{Origin, RefusalKind, login, sessions};
use zeroize::Zeroizing;

use super::{
    assets, device,
    form::TYPED_APART,
    login::with_session,
    page::{go_to, show, show_as},
    parts,
    refused::{Refused, sentence},
};
use crate::state::ServerState;

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "setup.html")]
pub(crate) struct SetupPage {
    token: String,
    email: String,
    name: String,
    wrong: Option<String>,
}

/// `GET /setup`: the form.
pub(crate) async fn form() -> Response {
    show(&SetupPage::default())
}

#[derive(Deserialize)]
pub(crate) struct Filled {
    token: String,
    email: String,
    name: String,
    password: Zeroizing<String>,
    #[serde(default)]
    again: Option<Zeroizing<String>>,
}

/// `POST /setup`: spends the link, and logs the first owner in.
pub(crate) async fn submit(
    State(app): State<ServerState>,
    origin: Origin,
    headers: HeaderMap,
    Form(filled): Form<Filled>,
) -> Result<Response, Refused> {
    let Filled { token, email, name, password, again } = filled;
    if again.is_some_and(|again| again != password) {
        let page = SetupPage { token, email, name, wrong: Some(TYPED_APART.to_owned()) };
        return Ok(show_as(StatusCode::UNPROCESSABLE_ENTITY, &page));
    }
    let owner = login::FirstOwner {
        token: token.trim().to_owned(),
        email: email.clone(),
        name: Some(name.clone()).filter(|name| !name.trim().is_empty()),
        password,
    };
    match login::set_up(&app.services, &origin, owner).await {
        Ok(user) => {
            let begun = sessions::begin(&app.services, &origin, &user, &device::of(&headers)).await?;
            Ok(with_session(go_to("/"), &headers, begun.text.expose()))
        }
        Err(refusal) if matches!(refusal.kind, RefusalKind::Invalid | RefusalKind::Refused) => {
            let wrong = match refusal.fields.first() {
                Some(field) => sentence(&format!("{}: {}", field.field, field.message)),
                None => sentence(&refusal.detail),
            };
            let status = match refusal.kind {
                RefusalKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
                _ => StatusCode::CONFLICT,
            };
            Ok(show_as(status, &SetupPage { token, email, name, wrong: Some(wrong) }))
        }
        Err(refusal) => Err(Refused(refusal)),
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let wrong = Some("Password: a password has at least 12 characters.".to_owned());
        vec![
            ("setup", SetupPage::default().render().unwrap()),
            (
                "setup refused",
                SetupPage { wrong, name: "\"Ann\"".to_owned(), ..SetupPage::default() }.render().unwrap(),
            ),
        ]
    }
}
