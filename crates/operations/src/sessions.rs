//! Logging in with a browser: a session that ends by itself, apart from API tokens.

use uuid::Uuid;
use vaultterm_ledger::{Actor, ActorKind};
use vaultterm_sealing::SecretText;
use vaultterm_store::{Context, NewSession, Scope, Session, SignInMethod, TokenInfo, TokenKind, User};

use crate::{
    caller::{Caller, Origin, anonymous},
    login::{Proven, Shown, prove, prove_second, spent},
    refusal::{Next, Refusal, RefusalKind},
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

/// How far a login came.
pub enum Entered {
    /// The session began.
    Whole(Begun),
    /// The password is right, and the second factor is missing: what the browser shows for ten minutes, for
    /// [`second`].
    Half(SecretText),
}

/// Begins a session of the person with this address and password, or one that waits for the second factor. `device`
/// words the browser.
///
/// # Errors
/// `LoginRefused`; `RateLimited` after too many attempts.
pub async fn log_in(services: &Services, origin: &Origin, shown: Shown, device: &str) -> Result<Entered, Refusal> {
    let email = shown.email.clone();
    match prove(services, origin, shown).await? {
        Proven::Whole { user, method, is_proved, spend } => {
            let new = NewSession { method, is_proved, spend, ..NewSession::new(user.id, device) };
            let begun = services.store.begin_session(&of(services, origin, &user), new).await;
            let (session, text) = spent(services, origin, &email, begun).await?;
            Ok(Entered::Whole(Begun { session, text }))
        }
        Proven::Half(user) => {
            let context = of(services, origin, &user);
            Ok(Entered::Half(services.store.begin_half_session(&context, user.id, device).await?))
        }
    }
}

/// Completes a login with the second factor. With `remember`, the browser is remembered for thirty days: the text for its
/// cookie comes with the session.
///
/// # Errors
/// `Unauthenticated` when the login took longer than ten minutes; `LoginRefused` for a wrong code; `RateLimited`.
pub async fn second(
    services: &Services,
    origin: &Origin,
    half: &str,
    code: &str,
    remember: bool,
) -> Result<(Begun, Option<SecretText>), Refusal> {
    let found = services.store.half_session(half, services.now_us()).await?;
    let (user, half) = found.ok_or_else(|| {
        Refusal::new(RefusalKind::Unauthenticated, "the login took too long: begin it again").then(Next::LogIn)
    })?;
    let (method, spend) = prove_second(services, origin, &user, code).await?;
    let context = of(services, origin, &user);
    let base = NewSession::new(user.id, &half.device);
    let new = NewSession { method, spend: Some(spend), half: Some(half.id), ..base };
    let (session, text) =
        spent(services, origin, &user.email, services.store.begin_session(&context, new).await).await?;
    let remembered = match remember {
        true => Some(services.store.trust_device(&context, user.id, &half.device).await?),
        false => None,
    };
    Ok((Begun { session, text }, remembered))
}

/// Returns whose login waits for the second factor.
///
/// # Errors
/// When the database fails.
pub async fn half(services: &Services, text: &str) -> Result<Option<User>, Refusal> {
    Ok(services.store.half_session(text, services.now_us()).await?.map(|(user, _)| user))
}

/// Begins a session of a person who just used a link.
///
/// # Errors
/// When the database fails.
pub async fn begin(services: &Services, origin: &Origin, user: &User, device: &str) -> Result<Begun, Refusal> {
    begin_as(services, origin, user, NewSession { method: SignInMethod::Link, ..NewSession::new(user.id, device) })
        .await
}

/// Begins a session of a person who proved who they are in another way.
pub(crate) async fn begin_as(
    services: &Services,
    origin: &Origin,
    user: &User,
    new: NewSession<'_>,
) -> Result<Begun, Refusal> {
    let (session, text) = services.store.begin_session(&of(services, origin, user), new).await?;
    Ok(Begun { session, text })
}

/// Returns the context of what a person does by logging in.
fn of(services: &Services, origin: &Origin, user: &User) -> Context {
    let actor = Actor { kind: ActorKind::User, id: user.id, name: user.email.clone() };
    Context { actor, ..anonymous(services, origin) }
}

/// Finds a session by the secret that the browser shows, and its person. Returns `None` when the session has ended.
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
        proved_us: session.proved_us,
        source_ip: session.source_ip.clone(),
    };
    Ok(Some(Visit { caller: Caller { user, credential, origin }, session }))
}

/// Finds the person of a session by the secret that the browser shows, even if the session has ended.
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
