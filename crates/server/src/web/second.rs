//! `/login/code`: the second factor, after the password was right. Until then the cookie opens nothing.

use askama::Template;
use axum::{
    Form,
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use serde::Deserialize;
use uuid::Uuid;
use vaultterm_operations::{Origin, Refusal, RefusalKind, sessions};
use vaultterm_store::SignInMethod;
use zeroize::Zeroizing;

use super::{
    assets, cookie,
    login::{after, with_session},
    page::{go_to, show, show_as},
    parts,
    refused::{Refused, sentence},
};
use crate::state::ServerState;

/// How far two clocks may differ before it is told, in seconds.
const SAME_SECONDS: i64 = 5;

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "code.html")]
pub(crate) struct CodePage {
    next: String,
    kept: Option<Uuid>,
    remember: bool,
    wrong: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    next: String,
    kept: Option<Uuid>,
}

/// `GET /login/code`
pub(crate) async fn form(
    State(app): State<ServerState>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    let waits = match cookie::read(&headers) {
        Some(text) => sessions::half(&app.services, text).await?.is_some(),
        None => false,
    };
    if !waits {
        return Ok(go_to("/login"));
    }
    Ok(show(&CodePage { next: asked.next, kept: asked.kept, ..CodePage::default() }))
}

#[derive(Deserialize)]
pub(crate) struct Filled {
    code: Zeroizing<String>,
    #[serde(default)]
    next: String,
    kept: Option<Uuid>,
    remember: Option<String>,
    /// The time of the person's device, in milliseconds since the Unix epoch. A script fills it in.
    #[serde(default)]
    clock: String,
}

/// `POST /login/code`: completes the login.
pub(crate) async fn submit(
    State(app): State<ServerState>,
    origin: Origin,
    headers: HeaderMap,
    Form(filled): Form<Filled>,
) -> Result<Response, Refused> {
    let Some(half) = cookie::read(&headers) else { return Ok(go_to("/login")) };
    let remember = filled.remember.is_some();
    match sessions::second(&app.services, &origin, half, &filled.code, remember).await {
        Ok((begun, remembered)) => {
            let by_recovery = begun.session.method == SignInMethod::RecoveryCode && filled.kept.is_none();
            let next = if by_recovery { "/me/factors?recovered=1" } else { &filled.next };
            let mut response =
                with_session(go_to(&after(&app, &begun, filled.kept, next).await?), &headers, begun.text.expose());
            if let Some(value) = remembered.and_then(|text| cookie::set_device(&headers, text.expose())) {
                response.headers_mut().append(header::SET_COOKIE, value);
            }
            Ok(response)
        }
        Err(refusal) if refusal.kind == RefusalKind::Unauthenticated => Ok(go_to("/login")),
        Err(refusal) => {
            let drift = drift(&filled.clock, app.now_us());
            let page = CodePage { next: filled.next, kept: filled.kept, remember, wrong: None };
            again(page, refusal, drift)
        }
    }
}

/// Shows the form again, with what was wrong.
fn again(page: CodePage, refusal: Refusal, drift: Option<String>) -> Result<Response, Refused> {
    let (status, wrong) = told(refusal, drift)?;
    let mut response = show_as(status.0, &CodePage { wrong: Some(wrong), ..page });
    if let Some(seconds) = status.1 {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    Ok(response)
}

/// Words the refusal of a proof for the form that asked for it, with the status of the answer and how long to wait.
pub(super) fn told(refusal: Refusal, drift: Option<String>) -> Result<((StatusCode, Option<u64>), String), Refused> {
    let status = match refusal.kind {
        RefusalKind::LoginRefused => StatusCode::UNAUTHORIZED,
        RefusalKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        RefusalKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        _ => return Err(Refused(refusal)),
    };
    let wait = refusal.retry_after_seconds;
    let mut wrong = match refusal.fields.first() {
        Some(field) => sentence(&format!("the {} {}", field.field, field.message)),
        None => sentence(&refusal.detail),
    };
    if let Some(seconds) = wait {
        wrong.push_str(&format!(" Wait {seconds} s, then try again."));
    } else if let Some(drift) = drift {
        wrong.push_str(&format!(" {drift}"));
    }
    Ok(((status, wait), wrong))
}

/// Returns a sentence that says how far the clock of the person's device is from that of the server.
pub(super) fn drift(clock: &str, now_us: i64) -> Option<String> {
    let ahead = (clock.parse::<i64>().ok()? - now_us / 1_000) / 1_000;
    Some(match ahead {
        _ if ahead.abs() <= SAME_SECONDS => "The clock of this device agrees with it.".to_owned(),
        1.. => format!("The clock of this device is {ahead} s ahead of it."),
        _ => format!("The clock of this device is {} s behind it.", -ahead),
    })
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let wrong = Some("The code is wrong.".to_owned());
        vec![
            ("code", CodePage::default().render().unwrap()),
            (
                "code refused",
                CodePage { wrong, kept: Some(Uuid::nil()), next: "<b>".to_owned(), remember: true }.render().unwrap(),
            ),
        ]
    }

    #[test]
    fn the_clock_of_a_device_is_compared_with_that_of_the_server() {
        let now_us = 1_800_000_000_000_000;
        assert_eq!(drift("1800000004000", now_us).unwrap(), "The clock of this device agrees with it.");
        assert_eq!(drift("1800000095000", now_us).unwrap(), "The clock of this device is 95 s ahead of it.");
        assert_eq!(drift("1799999940000", now_us).unwrap(), "The clock of this device is 60 s behind it.");
        assert_eq!(drift("", now_us), None);
    }
}
