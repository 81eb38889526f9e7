//! Logging in with a browser: a session that ends by itself, apart from API tokens.

use uuid::Uuid;
use vaultterm_ledger::{Actor, ActorKind};
use vaultterm_sealing::SecretText;
use vaultterm_store::{Scope, Session, TokenInfo, TokenKind, User};
use zeroize::Zeroizing;

use crate::{
    caller::{Caller, Origin, anonymous},
    login::prove,
    refusal::Refusal,
    services::Services,
};

/// A session that began.
pub struct Begun {
    /// The session.
    pub session: Session,
    /// What the browser shows from now on. It is stored nowhere.
    pub text: SecretText,
}

/// A person with a session that holds.
#[derive(Clone, Debug)]
pub struct Visit {
    /// The person, who may do everything that their roles allow.
    pub caller: Caller,
    /// The session.
    pub session: Session,
}

/// Begins a session of the person with this address and password. `device` words the browser.
///
/// # Errors
/// `LoginRefused`; `RateLimited` after too many attempts.
pub async fn log_in(
    services: &Services,
    origin: &Origin,
    email: &str,
    password: Zeroizing<String>,
    device: &str,
) -> Result<Begun, Refusal> {
    let user = prove(services, origin, email, password).await?;
    begin(services, origin, &user, device).await
}

/// Begins a session of a person who just proved who they are.
///
/// # Errors
/// When the database fails.
pub async fn begin(services: &Services, origin: &Origin, user: &User, device: &str) -> Result<Begun, Refusal> {
    let mut context = anonymous(services, origin);
    context.actor = Actor { kind: ActorKind::User, id: user.id, name: user.email.clone() };
    let (session, text) = services.store.begin_session(&context, user.id, device).await?;
    Ok(Begun { session, text })
}

/// Finds the person whose session a text is; nobody when the session has ended.
///
/// # Errors
/// When the database fails.
pub async fn resume(services: &Services, text: &str, origin: Origin) -> Result<Option<Visit>, Refusal> {
    let Some((user, session)) = services.store.session(text, services.now_us()).await? else { return Ok(None) };
    let credential = TokenInfo {
        id: session.id,
        user_id: user.id,
        kind: TokenKind::Login,
        name: "session".to_owned(),
        scopes: Scope::ALL.to_vec(),
        created_us: session.began_us,
        expires_us: Some(session.ends_us),
        last_used_us: Some(session.seen_us),
    };
    Ok(Some(Visit { caller: Caller { user, credential, origin }, session }))
}

/// Finds whose session a text is or was.
///
/// # Errors
/// When the database fails.
pub async fn owner(services: &Services, text: &str) -> Result<Option<User>, Refusal> {
    let Some(id) = services.store.session_owner(text).await? else { return Ok(None) };
    Ok(services.store.user(id).await?)
}

/// Ends a session.
///
/// # Errors
/// When the database fails.
pub async fn log_out(services: &Services, visit: &Visit) -> Result<(), Refusal> {
    Ok(services.store.end_session(&visit.caller.context(services), visit.session.id).await?)
}

impl Visit {
    /// Returns the id of the person.
    #[must_use]
    pub fn person(&self) -> Uuid {
        self.caller.user.id
    }
}
