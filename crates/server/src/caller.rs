//! Who is asking: `Authorization: Bearer vtt_…`, looked up once for each request.

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};
use vaultterm_ledger::{Actor, ActorKind};
use vaultterm_store::{Context, TokenInfo, TokenKind, User};

use crate::{
    app::App,
    problem::{Kind, Problem},
    request::Origin,
};

/// A person, or a program of theirs, with a valid token.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) user: User,
    pub(crate) token: TokenInfo,
    pub(crate) origin: Origin,
}

impl Caller {
    /// Who the audit log names.
    pub(crate) fn actor(&self) -> Actor {
        match self.token.kind {
            TokenKind::Login => Actor { kind: ActorKind::User, id: self.user.id, name: self.user.email.clone() },
            TokenKind::Api => Actor {
                kind: ActorKind::Token,
                id: self.user.id,
                name: format!("{} ({})", self.user.email, self.token.name),
            },
        }
    }

    /// Who changes something, and when.
    pub(crate) fn context(&self, app: &App) -> Context {
        context(app, &self.origin, self.actor())
    }
}

/// Somebody without a token.
pub(crate) fn anonymous(app: &App, origin: &Origin) -> Context {
    let actor = Actor { kind: ActorKind::Anonymous, id: uuid::Uuid::nil(), name: "anonymous".to_owned() };
    context(app, origin, actor)
}

fn context(app: &App, origin: &Origin, actor: Actor) -> Context {
    Context {
        actor,
        source_ip: origin.source_ip.map(|ip| ip.to_string()),
        request_id: Some(origin.request_id.clone()),
        now_us: app.now_us(),
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        if let Some(known) = parts.extensions.get::<Self>() {
            return Ok(known.clone());
        }
        let origin = Origin::from_request_parts(parts, app).await?;
        let refused = |why| Problem::new(Kind::Unauthenticated, why).hint("log in with `vaultterm login`");
        let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|text| {
            let (scheme, token) = text.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let token = token.ok_or_else(|| refused("send the header `Authorization: Bearer <token>`"))?;
        let found = app.store.authenticate(token, app.now_us()).await?;
        let found = found.ok_or_else(|| refused("the token is not valid, or has expired or been revoked"))?;
        let caller = Self { user: found.user, token: found.token, origin };
        parts.extensions.insert(caller.clone());
        Ok(caller)
    }
}
