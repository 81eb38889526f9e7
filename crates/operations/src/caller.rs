//! Who asks.

use std::net::IpAddr;

use uuid::Uuid;
use vaultterm_ledger::{Actor, ActorKind};
use vaultterm_store::{Context, TokenInfo, TokenKind, User};

use crate::{
    refusal::{Next, Refusal, RefusalKind},
    services::Services,
};

/// Where a request came from, and what it is called.
#[derive(Clone, Debug)]
pub struct Origin {
    /// A `UUIDv7`; the log, the audit log and every answer name it.
    pub request_id: String,
    /// The address of the client, if it is known.
    pub source_ip: Option<IpAddr>,
}

/// A person, or a program of theirs, with a valid credential.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The person.
    pub user: User,
    /// What they showed: a login or an API token.
    pub credential: TokenInfo,
    /// Where the request came from.
    pub origin: Origin,
}

impl Caller {
    /// Returns whom the audit log names.
    #[must_use]
    pub fn actor(&self) -> Actor {
        match self.credential.kind {
            TokenKind::Login => Actor { kind: ActorKind::User, id: self.user.id, name: self.user.email.clone() },
            TokenKind::Api => Actor {
                kind: ActorKind::Token,
                id: self.user.id,
                name: format!("{} ({})", self.user.email, self.credential.name),
            },
        }
    }

    /// Returns who changes something, and when: at this moment.
    #[must_use]
    pub fn context(&self, services: &Services) -> Context {
        context(services, &self.origin, self.actor())
    }
}

/// Finds the caller that a token belongs to.
///
/// # Errors
/// `Unauthenticated`, when the token is unknown, has expired or was revoked, or its person is disabled.
pub async fn authenticate(services: &Services, token: &str, origin: Origin) -> Result<Caller, Refusal> {
    let found = services.store.authenticate(token, services.now_us()).await?.ok_or_else(|| {
        let why = "the token is not valid, or has expired or been revoked";
        Refusal::new(RefusalKind::Unauthenticated, why).then(Next::LogIn)
    })?;
    Ok(Caller { user: found.user, credential: found.token, origin })
}

/// Returns the context of a request without a credential.
#[must_use]
pub fn anonymous(services: &Services, origin: &Origin) -> Context {
    let actor = Actor { kind: ActorKind::Anonymous, id: Uuid::nil(), name: "anonymous".to_owned() };
    context(services, origin, actor)
}

/// Returns the context of a request by an actor, at this moment.
fn context(services: &Services, origin: &Origin, actor: Actor) -> Context {
    Context {
        actor,
        source_ip: origin.source_ip.map(|ip| ip.to_string()),
        request_id: Some(origin.request_id.clone()),
        now_us: services.now_us(),
    }
}
