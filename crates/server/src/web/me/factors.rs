//! `/me/factors`: one-time codes and recovery codes.

use askama::Template;
use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::Response,
};
use serde::Deserialize;
use vaultterm_operations::{RefusalKind, factors, factors::NewOtp, passkeys};
use vaultterm_store::Factors;

use super::{
    passkeys::{PasskeyRow, row},
    qr::{self, Qr},
};
use crate::{
    state::ServerState,
    web::{
        assets,
        form::Pairs,
        frame::{Frame, Here},
        page::{go_to, show as shown, show_as},
        parts,
        refused::{Refused, sentence},
        visitor::Visitor,
        words::{Moment, counted},
    },
};

/// Which command does the same.
const COMMAND: &str = "vaultterm factor show";

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "me/factors.html")]
pub(crate) struct FactorsPage {
    frame: Frame,
    told: String,
    since: Option<Moment>,
    /// Such as `3 of 10 left`.
    codes: String,
    codes_made: Option<Moment>,
    few: bool,
    kept: bool,
    passkeys: Vec<PasskeyRow>,
    command: &'static str,
}

/// The page that shows a new secret.
#[derive(Default, Template)]
#[template(path = "me/otp.html")]
pub(crate) struct OtpPage {
    frame: Frame,
    qr: Option<Qr>,
    /// In groups of four.
    secret: String,
    url: String,
    wrong: Option<String>,
    command: &'static str,
}

/// The page that shows recovery codes, once, and asks for one of them.
#[derive(Default, Template)]
#[template(path = "me/codes.html")]
pub(crate) struct CodesPage {
    frame: Frame,
    told: &'static str,
    codes: Vec<String>,
    wrong: Option<String>,
    command: &'static str,
}

#[derive(Deserialize)]
pub(crate) struct Asked {
    recovered: Option<String>,
    kept: Option<String>,
    removed: Option<String>,
    passkey: Option<String>,
}

/// `GET /me/factors`
pub(crate) async fn show(
    State(app): State<ServerState>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    let found = factors::show(&app, &visitor.caller).await?;
    let frame = Frame::around(&app, &visitor, Here::Factors).await?;
    let keys = passkeys::list(&app, &visitor.caller).await?.into_iter().map(|one| row(one, app.now_us())).collect();
    let told = told(&found, &asked);
    Ok(shown(&FactorsPage { told, passkeys: keys, ..page(&found, frame, app.now_us()) }))
}

fn page(found: &Factors, frame: Frame, now_us: i64) -> FactorsPage {
    FactorsPage {
        since: found.otp_since_us.map(|us| Moment::seen(us, now_us)),
        codes: format!("{} of 10 left", found.codes_left),
        codes_made: found.codes_made_us.map(|us| Moment::seen(us, now_us)),
        few: found.codes_left <= 3,
        kept: found.codes_typed_back,
        command: COMMAND,
        frame,
        ..FactorsPage::default()
    }
}

fn told(found: &Factors, asked: &Asked) -> String {
    if asked.recovered.is_some() {
        let left = counted(found.codes_left.into(), "recovery code is", "recovery codes are");
        return format!("You logged in with a recovery code. {left} left, of ten.");
    }
    if asked.kept.is_some() {
        return "A login asks for a code from now on, and you have your recovery codes.".to_owned();
    }
    if asked.passkey.is_some() {
        return "The passkey was made. You can log in with it.".to_owned();
    }
    if asked.removed.is_some() {
        return "A login no longer asks for a code.".to_owned();
    }
    String::new()
}

/// `POST /me/factors/otp`: draws a secret and shows it. A login asks for a code only after the first right one.
pub(crate) async fn begin(State(app): State<ServerState>, visitor: Visitor) -> Result<Response, Refused> {
    let drawn = factors::begin_otp(&app, &visitor.caller).await?;
    let frame = Frame::around(&app, &visitor, Here::Factors).await?;
    Ok(shown(&otp_page(&drawn, frame, None)))
}

fn otp_page(drawn: &NewOtp, frame: Frame, wrong: Option<String>) -> OtpPage {
    let secret: Vec<char> = drawn.secret.expose().chars().collect();
    OtpPage {
        qr: qr::draw(drawn.url.expose(), "The secret as a QR code for your authenticator app"),
        secret: secret.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" "),
        url: drawn.url.expose().to_owned(),
        command: "vaultterm factor add",
        frame,
        wrong,
    }
}

/// `POST /me/factors/otp/confirm`: switches codes on, and shows the recovery codes.
pub(crate) async fn confirm(
    State(app): State<ServerState>,
    visitor: Visitor,
    pairs: Pairs,
) -> Result<Response, Refused> {
    match factors::confirm_otp(&app, &visitor.caller, pairs.text("code")).await {
        Ok(codes) => codes_page(&app, &visitor, codes).await,
        Err(refusal) if refusal.kind == RefusalKind::Invalid => {
            let waiting = factors::waiting_otp(&app, &visitor.caller).await?;
            let frame = Frame::around(&app, &visitor, Here::Factors).await?;
            let wrong = refusal.fields.first().map(|field| sentence(&format!("the code {}", field.message)));
            Ok(show_as(StatusCode::UNPROCESSABLE_ENTITY, &otp_page(&waiting, frame, wrong)))
        }
        Err(refusal) => Err(Refused(refusal)),
    }
}

/// `POST /me/factors/otp/remove`
pub(crate) async fn remove(State(app): State<ServerState>, visitor: Visitor) -> Result<Response, Refused> {
    factors::remove_otp(&app, &visitor.caller).await?;
    Ok(go_to("/me/factors?removed=1"))
}

/// `POST /me/recovery-codes`
pub(crate) async fn new_codes(State(app): State<ServerState>, visitor: Visitor) -> Result<Response, Refused> {
    let codes = factors::new_recovery_codes(&app, &visitor.caller).await?;
    codes_page(&app, &visitor, codes).await
}

async fn codes_page(
    app: &ServerState,
    visitor: &Visitor,
    codes: Vec<zeroize::Zeroizing<String>>,
) -> Result<Response, Refused> {
    Ok(shown(&CodesPage {
        frame: Frame::around(app, visitor, Here::Factors).await?,
        told: "Each code lets you in once instead of a code of your app. They are not shown again.",
        codes: codes.iter().map(|code| code.to_string()).collect(),
        wrong: None,
        command: "vaultterm factor recovery-codes",
    }))
}

/// `POST /me/recovery-codes/confirm`
pub(crate) async fn type_back(
    State(app): State<ServerState>,
    visitor: Visitor,
    pairs: Pairs,
) -> Result<Response, Refused> {
    match factors::type_back(&app, &visitor.caller, pairs.text("code")).await {
        Ok(()) => Ok(go_to("/me/factors?kept=1")),
        Err(refusal) if refusal.kind == RefusalKind::Invalid => {
            let page = CodesPage {
                frame: Frame::around(&app, &visitor, Here::Factors).await?,
                told: "The codes are not shown again. If you do not have them, make new ones.",
                wrong: refusal.fields.first().map(|field| sentence(&format!("this {}", field.message))),
                command: "vaultterm factor recovery-codes",
                ..CodesPage::default()
            };
            Ok(show_as(StatusCode::UNPROCESSABLE_ENTITY, &page))
        }
        Err(refusal) => Err(Refused(refusal)),
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let on = Factors { otp_since_us: Some(0), codes_left: 3, codes_made_us: Some(0), codes_typed_back: false };
        let otp = OtpPage {
            qr: qr::draw("otpauth://totp/x?secret=GEZDGNBV", "a code"),
            secret: "GEZD GNBV".to_owned(),
            url: "otpauth://totp/<b>?secret=GEZDGNBV".to_owned(),
            wrong: Some("The code does not fit.".to_owned()),
            ..OtpPage::default()
        };
        let codes = CodesPage { codes: vec!["7k3m-92qx-0000-zzzz".to_owned()], ..CodesPage::default() };
        let wrong = CodesPage { wrong: Some("This is none of yours.".to_owned()), ..CodesPage::default() };
        let key = PasskeyRow {
            id: uuid::Uuid::nil(),
            name: "<b>".to_owned(),
            host: "vault.example.com".to_owned(),
            made: Moment::seen(0, 1),
            used: None,
        };
        let on_with_key = FactorsPage { passkeys: vec![key], ..page(&on, Frame::default(), 1) };
        vec![
            ("factors with a passkey", on_with_key.render().unwrap()),
            ("factors on", page(&on, Frame::default(), 1).render().unwrap()),
            ("factors off", page(&Factors::default(), Frame::default(), 1).render().unwrap()),
            ("one-time codes", otp.render().unwrap()),
            ("recovery codes", codes.render().unwrap()),
            ("recovery codes wrong", wrong.render().unwrap()),
        ]
    }
}
