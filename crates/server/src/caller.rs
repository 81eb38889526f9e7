//! Who is asking: `Authorization: Bearer vtt_…`, looked up once for each request.

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};
use vaultterm_operations::{Caller, Next, Origin, Refusal, RefusalKind, authenticate};

use crate::{
    problem::{Problem, ProblemKind},
    state::ServerState,
};

impl FromRequestParts<ServerState> for Origin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &ServerState) -> Result<Self, Problem> {
        let origin = parts.extensions.get::<Self>().cloned();
        origin.ok_or_else(|| Problem::new(ProblemKind::Internal, "the request did not pass the gate"))
    }
}

impl FromRequestParts<ServerState> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &ServerState) -> Result<Self, Problem> {
        if let Some(known) = parts.extensions.get::<Self>() {
            return Ok(known.clone());
        }
        let origin = Origin::from_request_parts(parts, app).await?;
        let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|text| {
            let (scheme, token) = text.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let token = token.ok_or_else(|| {
            let why = "nobody is logged in: the request carries no token (header `Authorization: Bearer <token>`)";
            Refusal::new(RefusalKind::Unauthenticated, why).then(Next::LogIn)
        })?;
        let caller = authenticate(&app.services, token, origin).await?;
        parts.extensions.insert(caller.clone());
        Ok(caller)
    }
}
