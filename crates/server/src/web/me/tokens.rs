//! `/me/tokens`: the API tokens of the person, for programs.

use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};
use uuid::Uuid;
use vaultterm_operations::{Part, Refusal, RefusalKind, tokens};
use vaultterm_store::{Scope, TokenInfo, TokenKind};

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
        words::{Moment, scope_words},
    },
};

/// How long a token may hold, as the form offers it: seconds and words. Nothing means for ever.
const LASTS: [(&str, &str); 4] =
    [("2592000", "30 days"), ("7776000", "90 days"), ("31536000", "a year"), ("", "until it is revoked")];

/// The page.
#[derive(Default, Template)]
#[template(path = "me/tokens.html")]
pub(crate) struct TokensPage {
    frame: Frame,
    told: &'static str,
    /// A new token, shown once.
    made: Option<String>,
    tokens: Vec<TokenRow>,
    name: String,
    scopes: Vec<ScopeRow>,
    lasts: Vec<(&'static str, &'static str, bool)>,
    wrong: Option<String>,
    command: &'static str,
}

/// A token in the list.
struct TokenRow {
    id: Uuid,
    name: String,
    scopes: Vec<&'static str>,
    made: Moment,
    used: Option<Moment>,
    ends: Option<Moment>,
}

/// A scope in the form.
struct ScopeRow {
    name: &'static str,
    words: &'static str,
    chosen: bool,
}

/// `GET /me/tokens`
pub(crate) async fn show(State(app): State<ServerState>, visitor: Visitor) -> Result<Response, Refused> {
    Ok(shown(&page(&app, &visitor, &Pairs::of(&[])).await?))
}

async fn page(app: &ServerState, visitor: &Visitor, typed: &Pairs) -> Result<TokensPage, Refused> {
    let mut found = Vec::new();
    let mut part = Part::default();
    loop {
        let page = tokens::list(app, &visitor.caller, part).await?;
        found.extend(page.items.into_iter().filter(|token| token.kind == TokenKind::Api));
        match page.next_cursor {
            Some(cursor) => part = Part { cursor: Some(cursor), ..Part::default() },
            None => break,
        }
    }
    let now_us = app.now_us();
    let lasts = typed.find("lasts").unwrap_or(LASTS[0].0);
    Ok(TokensPage {
        frame: Frame::around(app, visitor, Here::Me).await?,
        tokens: found.iter().map(|token| row(token, now_us)).collect(),
        name: typed.text("name").to_owned(),
        scopes: scopes(typed),
        lasts: LASTS.iter().map(|(seconds, words)| (*seconds, *words, *seconds == lasts)).collect(),
        command: "vaultterm token ls",
        ..TokensPage::default()
    })
}

fn scopes(typed: &Pairs) -> Vec<ScopeRow> {
    let row = |scope: &Scope| ScopeRow {
        name: scope.as_str(),
        words: scope_words(*scope),
        chosen: typed.all("scope").any(|chosen| chosen == scope.as_str()),
    };
    Scope::ALL.iter().map(row).collect()
}

fn row(token: &TokenInfo, now_us: i64) -> TokenRow {
    TokenRow {
        id: token.id,
        name: token.name.clone(),
        scopes: token.scopes.iter().copied().map(scope_words).collect(),
        made: Moment::seen(token.created_us, now_us),
        used: token.last_used_us.map(|us| Moment::seen(us, now_us)),
        ends: token.expires_us.map(|us| Moment::seen(us, now_us)),
    }
}

/// `POST /me/tokens`: makes a token, and shows it once.
pub(crate) async fn create(
    State(app): State<ServerState>,
    visitor: Visitor,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let new = tokens::New {
        name: pairs.text("name").to_owned(),
        scopes: pairs.all("scope").map(str::to_owned).collect(),
        expires_in_seconds: pairs.text("lasts").parse().ok(),
    };
    match tokens::create(&app, &visitor.caller, new).await {
        Ok((_, text)) => {
            let page = page(&app, &visitor, &Pairs::of(&[])).await?;
            let told = "The token was made. It is shown this once: copy it now.";
            Ok(shown(&TokensPage { made: Some(text.expose().to_owned()), told, ..page }))
        }
        Err(refusal) if refusal.kind == RefusalKind::Invalid => {
            let wrong = refusal.fields.first().map(|wrong| sentence(&format!("{}: {}", wrong.field, wrong.message)));
            let page = page(&app, &visitor, &pairs).await?;
            Ok(show_as(StatusCode::UNPROCESSABLE_ENTITY, &TokensPage { wrong, ..page }))
        }
        Err(refusal) => Err(Refused(refusal)),
    }
}

/// `POST /me/tokens/revoke`
pub(crate) async fn revoke(
    State(app): State<ServerState>,
    visitor: Visitor,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let id = pairs.text("id").parse().map_err(|_| Refused(Refusal::not_found("token")))?;
    tokens::revoke(&app, &visitor.caller, id).await?;
    Ok(go_to("/me/tokens"))
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let token = TokenRow {
            id: Uuid::nil(),
            name: "<b>".to_owned(),
            scopes: vec![scope_words(Scope::RecordsRead)],
            made: Moment::seen(0, 5),
            used: None,
            ends: Some(Moment::seen(9, 5)),
        };
        let page = TokensPage {
            made: Some("vtt_1".to_owned()),
            tokens: vec![token],
            name: "<b>".to_owned(),
            scopes: scopes(&Pairs::of(&[("scope", "admin")])),
            lasts: vec![("", "until it is revoked", true)],
            wrong: Some("Name: has 1 to 200 printable characters.".to_owned()),
            ..TokensPage::default()
        };
        vec![("tokens", page.render().unwrap()), ("tokens empty", TokensPage::default().render().unwrap())]
    }
}
