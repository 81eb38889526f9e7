//! `/me/sessions`: where the person is logged in, and which browsers are remembered.

use askama::Template;
use axum::{
    extract::{Query, State},
    response::Response,
};
use serde::Deserialize;
use uuid::Uuid;
use vaultterm_operations::{Refusal, my_sessions, my_sessions::LoggedInAt};
use vaultterm_store::{SignInMethod, TrustedDevice};

use crate::{
    state::ServerState,
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
#[template(path = "me/sessions.html")]
pub(crate) struct SessionsPage {
    frame: Frame,
    told: String,
    sessions: Vec<SessionRow>,
    devices: Vec<DeviceRow>,
    others: bool,
    command: &'static str,
}

/// A session in the list.
#[derive(Clone, Debug)]
struct SessionRow {
    id: Uuid,
    device: String,
    how: &'static str,
    from: String,
    began: Moment,
    seen: Moment,
    ends: Moment,
    is_this: bool,
}

/// A remembered browser in the list.
#[derive(Clone, Debug)]
struct DeviceRow {
    id: Uuid,
    device: String,
    from: String,
    began: Moment,
    ends: Moment,
}

#[derive(Deserialize)]
pub(crate) struct Asked {
    ended: Option<u64>,
}

/// `GET /me/sessions`
pub(crate) async fn show(
    State(app): State<ServerState>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    let (mine, now_us) = (my_sessions::list(&app, &visitor.caller).await?, app.now_us());
    let sessions: Vec<_> = mine.sessions.iter().map(|session| row(session, now_us)).collect();
    let ended = asked.ended.map(|count| format!("Ended {}.", counted(count, "session", "sessions")));
    Ok(shown(&SessionsPage {
        frame: Frame::around(&app, &visitor, Here::Me).await?,
        told: ended.unwrap_or_default(),
        others: sessions.len() > 1,
        sessions,
        devices: mine.devices.iter().map(|device| device_row(device, now_us)).collect(),
        command: "vaultterm session ls",
    }))
}

fn row(session: &LoggedInAt, now_us: i64) -> SessionRow {
    SessionRow {
        id: session.id,
        device: session.device.clone(),
        how: how(session.method),
        from: session.source_ip.clone().unwrap_or_else(|| "an unknown address".to_owned()),
        began: Moment::seen(session.began_us, now_us),
        seen: Moment::seen(session.seen_us, now_us),
        ends: Moment::seen(session.ends_us, now_us),
        is_this: session.is_this,
    }
}

/// Returns the words for the way in which a person proved who they are.
const fn how(method: Option<SignInMethod>) -> &'static str {
    match method {
        None => "login",
        Some(SignInMethod::Password) => "password",
        Some(SignInMethod::Otp) => "password and code",
        Some(SignInMethod::RecoveryCode) => "password and recovery code",
        Some(SignInMethod::KnownDevice) => "password on a remembered browser",
        Some(SignInMethod::Passkey) => "passkey",
        Some(SignInMethod::Link) => "link",
    }
}

fn device_row(device: &TrustedDevice, now_us: i64) -> DeviceRow {
    DeviceRow {
        id: device.id,
        device: device.device.clone(),
        from: device.source_ip.clone().unwrap_or_else(|| "an unknown address".to_owned()),
        began: Moment::seen(device.began_us, now_us),
        ends: Moment::seen(device.ends_us, now_us),
    }
}

/// `POST /me/sessions/end`
pub(crate) async fn end(State(app): State<ServerState>, visitor: Visitor, pairs: Pairs) -> Result<Response, Refused> {
    let id = pairs.text("id").parse().map_err(|_| Refused(Refusal::not_found("session")))?;
    my_sessions::end(&app, &visitor.caller, id).await?;
    Ok(go_to("/me/sessions?ended=1"))
}

/// `POST /me/sessions/end-others`
pub(crate) async fn end_others(State(app): State<ServerState>, visitor: Visitor) -> Result<Response, Refused> {
    let ended = my_sessions::end_others(&app, &visitor.caller).await?;
    Ok(go_to(&link::Query::default().with("ended", ended).on("/me/sessions")))
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let session = |n: u128, method| LoggedInAt {
            id: Uuid::from_u128(n),
            device: "<b>".to_owned(),
            source_ip: Some("192.0.2.1".to_owned()),
            method,
            began_us: 0,
            seen_us: 1,
            ends_us: 2,
            is_this: n == 1,
        };
        let device =
            TrustedDevice { id: Uuid::nil(), device: "<b>".to_owned(), source_ip: None, began_us: 0, ends_us: 1 };
        let page = SessionsPage {
            sessions: vec![row(&session(1, Some(SignInMethod::Otp)), 5), row(&session(2, None), 5)],
            devices: vec![device_row(&device, 5)],
            others: true,
            ..SessionsPage::default()
        };
        vec![("sessions", page.render().unwrap()), ("sessions empty", SessionsPage::default().render().unwrap())]
    }
}
