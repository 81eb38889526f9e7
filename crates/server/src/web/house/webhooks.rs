//! `/webhooks`: where the audit log is pushed to, how far each receiver got, and what to do about one that fails.

use askama::Template;
use axum::{extract::State, response::Response};
use uuid::Uuid;
use vaultterm_operations::{
    Part, Refusal, RefusalKind,
    webhooks::{self, Change, New},
};
use vaultterm_store::Webhook;
use zeroize::Zeroizing;

use crate::{
    request::Id,
    state::ServerState,
    web::{
        assets,
        form::Pairs,
        frame::{Frame, Here},
        page::{go_to, show as shown, show_as},
        parts::{self, State as Word},
        refused::{Refused, sentence},
        visitor::Visitor,
        words::{Moment, counted},
    },
};

/// A webhook.
#[derive(Debug)]
pub(crate) struct Row {
    id: Uuid,
    revision: u64,
    name: String,
    url: String,
    state: Word,
    why: String,
    sends: String,
    delivered: String,
    last: Option<Moment>,
    paused: bool,
}

/// A webhook that was created just now, with its secret.
pub(crate) struct Made {
    name: String,
    secret: Zeroizing<String>,
}

/// The page.
#[derive(Default, Template)]
#[template(path = "house/webhooks.html")]
pub(crate) struct WebhooksPage {
    frame: Frame,
    told: String,
    made: Option<Made>,
    wrong: Option<String>,
    name: String,
    url: String,
    rows: Vec<Row>,
    more: bool,
}

/// `GET /webhooks`
pub(crate) async fn list(State(app): State<ServerState>, visitor: Visitor) -> Result<Response, Refused> {
    Ok(shown(&page(&app, &visitor).await?))
}

async fn page(app: &ServerState, visitor: &Visitor) -> Result<WebhooksPage, Refused> {
    let found = webhooks::list(app, &visitor.caller, Part::default()).await?;
    let now_us = app.now_us();
    Ok(WebhooksPage {
        frame: Frame::around(app, visitor, Here::Webhooks).await?,
        rows: found.items.iter().map(|webhook| row(webhook, now_us)).collect(),
        more: found.next_cursor.is_some(),
        ..WebhooksPage::default()
    })
}

fn row(webhook: &Webhook, now_us: i64) -> Row {
    let error = webhook.last_error.clone().unwrap_or_default();
    let (state, why) = if webhook.paused {
        (Word { tone: "off", words: "paused" }, "Nothing is sent. What is written meanwhile waits.".to_owned())
    } else if webhook.failures > 0 {
        let again = match webhook.next_attempt_us {
            us if us > now_us => format!("It is tried again {}.", Moment::seen(us, now_us).words),
            _ => "It is tried again at once.".to_owned(),
        };
        let failed = counted(webhook.failures.into(), "attempt failed", "attempts failed");
        (Word { tone: "bad", words: "not taken" }, format!("{failed}: {error}. {again}"))
    } else {
        (Word { tone: "good", words: "delivers" }, String::new())
    };
    Row {
        id: webhook.id,
        revision: webhook.revision,
        name: webhook.name.clone(),
        url: webhook.url.clone(),
        state,
        why,
        sends: match &webhook.actions {
            None => "every entry".to_owned(),
            Some(actions) => actions.iter().map(vaultterm_ledger::AuditAction::as_str).collect::<Vec<_>>().join(", "),
        },
        delivered: format!("up to entry {}", webhook.delivered_seq),
        last: webhook.last_delivered_us.map(|us| Moment::seen(us, now_us)),
        paused: webhook.paused,
    }
}

/// `POST /webhooks`: creates one, and shows its secret this once.
pub(crate) async fn create(
    State(app): State<ServerState>,
    visitor: Visitor,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let (name, url) = (pairs.text("name").trim().to_owned(), pairs.text("url").trim().to_owned());
    let new = New { name, url, secret: None, actions: None, paused: false, from_seq: None };
    let (name, url) = (new.name.clone(), new.url.clone());
    match webhooks::create(&app, &visitor.caller, new).await {
        Ok(made) => {
            let made = made.secret.map(|secret| Made { name: made.webhook.name, secret });
            Ok(shown(&WebhooksPage { made, ..page(&app, &visitor).await? }))
        }
        Err(refusal) if matches!(refusal.kind, RefusalKind::Invalid | RefusalKind::Exists) => {
            let wrong = Some(sentence(&refusal.detail));
            let page = WebhooksPage { wrong, name, url, ..page(&app, &visitor).await? };
            Ok(show_as(axum::http::StatusCode::UNPROCESSABLE_ENTITY, &page))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// `POST /webhooks/{id}/test`: sends a message that only shows whether messages arrive.
pub(crate) async fn test(State(app): State<ServerState>, visitor: Visitor, Id(id): Id) -> Result<Response, Refused> {
    let tried = webhooks::test(&app, &visitor.caller, id).await?;
    let told = match (tried.ok, tried.detail) {
        (true, detail) => format!("The test message was taken: {detail}."),
        (false, detail) => format!("The test message was not taken: {detail}."),
    };
    Ok(shown(&WebhooksPage { told, ..page(&app, &visitor).await? }))
}

/// `POST /webhooks/{id}/pause`
pub(crate) async fn pause(
    app: State<ServerState>,
    visitor: Visitor,
    id: Id,
    pairs: Pairs,
) -> Result<Response, Refused> {
    Ok(set_paused(&app, &visitor, id.0, &pairs, true).await?)
}

/// `POST /webhooks/{id}/resume`
pub(crate) async fn resume(
    app: State<ServerState>,
    visitor: Visitor,
    id: Id,
    pairs: Pairs,
) -> Result<Response, Refused> {
    Ok(set_paused(&app, &visitor, id.0, &pairs, false).await?)
}

async fn set_paused(
    app: &ServerState,
    visitor: &Visitor,
    id: Uuid,
    pairs: &Pairs,
    paused: bool,
) -> Result<Response, Refusal> {
    let change = Change { paused: Some(paused), ..Change::default() };
    webhooks::update(app, &visitor.caller, id, pairs.read_at(), change).await?;
    Ok(go_to("/webhooks"))
}

/// `POST /webhooks/{id}/delete`
pub(crate) async fn delete(
    State(app): State<ServerState>,
    visitor: Visitor,
    Id(id): Id,
    pairs: Pairs,
) -> Result<Response, Refused> {
    webhooks::delete(&app, &visitor.caller, id, pairs.read_at()).await?;
    Ok(go_to("/webhooks"))
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let row = |paused| Row {
            id: Uuid::nil(),
            revision: 1,
            name: "<b>".to_owned(),
            url: "https://<b>".to_owned(),
            state: Word { tone: "bad", words: "not taken" },
            why: "<b>".to_owned(),
            sends: "every entry".to_owned(),
            delivered: "up to entry 7".to_owned(),
            last: Some(Moment::seen(0, 1)),
            paused,
        };
        let page = WebhooksPage {
            made: Some(Made { name: "<b>".to_owned(), secret: "whsec_<b>".to_owned().into() }),
            wrong: Some("<b>".to_owned()),
            name: "<b>".to_owned(),
            rows: vec![row(false), row(true)],
            more: true,
            ..WebhooksPage::default()
        };
        vec![("webhooks", page.render().unwrap()), ("no webhooks", WebhooksPage::default().render().unwrap())]
    }
}
