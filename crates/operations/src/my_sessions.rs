//! Where a person is logged in: browsers, command lines, and browsers that are remembered. Each can be ended.

use uuid::Uuid;
use vaultterm_store::{Page, Session, SignInMethod, TokenInfo, TokenKind, TrustedDevice};

use crate::{
    caller::Caller,
    fresh,
    refusal::{Refusal, RefusalKind},
    services::Services,
};

/// A place where a person is logged in.
#[derive(Clone, Debug)]
pub struct LoggedInAt {
    /// Id.
    pub id: Uuid,
    /// The browser and the system, in words, or the command line.
    pub device: String,
    /// The address that the login came from.
    pub source_ip: Option<String>,
    /// How the person proved who they are; nothing for the command line, which does not record it.
    pub method: Option<SignInMethod>,
    /// Microseconds.
    pub began_us: i64,
    /// When the last request came, in microseconds; up to a minute old.
    pub seen_us: i64,
    /// When it ends, in microseconds.
    pub ends_us: i64,
    /// Whether it is the one that asks.
    pub is_this: bool,
}

/// Where a person is logged in, and what is remembered.
#[derive(Clone, Debug, Default)]
pub struct MySessions {
    /// Sessions of browsers and logins of command lines, the newest first.
    pub sessions: Vec<LoggedInAt>,
    /// Browsers on which a login does not ask for the second factor.
    pub devices: Vec<TrustedDevice>,
}

/// Lists where the caller is logged in.
///
/// # Errors
/// `Forbidden` for an API token.
pub async fn list(services: &Services, caller: &Caller) -> Result<MySessions, Refusal> {
    fresh::person(services, caller).await?;
    let (own, now_us) = (caller.credential.id, services.now_us());
    let browsers = services.store.sessions(caller.user.id, now_us).await?;
    let mut sessions: Vec<_> = browsers.into_iter().map(|session| of_browser(session, own)).collect();
    let tokens = logins(services, caller).await?;
    sessions.extend(tokens.into_iter().filter_map(|token| of_login(token, own, now_us)));
    sessions.sort_by_key(|session| (!session.is_this, std::cmp::Reverse(session.seen_us)));
    Ok(MySessions { sessions, devices: services.store.trusted_devices(caller.user.id, now_us).await? })
}

/// Ends one of the caller's sessions or logins, or forgets one of their browsers.
///
/// # Errors
/// `NotFound` when the caller has no session, login or browser with this id; `Forbidden` for an API token.
pub async fn end(services: &Services, caller: &Caller, id: Uuid) -> Result<(), Refusal> {
    let mine = list(services, caller).await?;
    let context = caller.context(services);
    if mine.sessions.iter().any(|session| session.id == id) {
        return end_one(services, caller, id).await;
    }
    if services.store.forget_device(&context, caller.user.id, id).await? {
        return Ok(());
    }
    Err(Refusal::new(RefusalKind::NotFound, "you have no such session and no such browser"))
}

/// Ends all of the caller's sessions and logins except the one that sends this request. Returns how many it ended.
///
/// # Errors
/// `Forbidden` for an API token.
pub async fn end_others(services: &Services, caller: &Caller) -> Result<usize, Refusal> {
    let mine = list(services, caller).await?;
    let others: Vec<_> = mine.sessions.iter().filter(|session| !session.is_this).collect();
    for session in &others {
        end_one(services, caller, session.id).await?;
    }
    Ok(others.len())
}

async fn end_one(services: &Services, caller: &Caller, id: Uuid) -> Result<(), Refusal> {
    let context = caller.context(services);
    // An id is that of a session or of a login.
    if services.store.token(id).await?.is_some() {
        return Ok(services.store.revoke_token(&context, id).await?);
    }
    Ok(services.store.end_session(&context, id).await?)
}

/// Finds all logins of command lines of the caller.
async fn logins(services: &Services, caller: &Caller) -> Result<Vec<TokenInfo>, Refusal> {
    let mut found = Vec::new();
    let mut page = Page { limit: 500, cursor: None };
    loop {
        let part = services.store.tokens(Some(caller.user.id), &page).await?;
        found.extend(part.items.into_iter().filter(|token| token.kind == TokenKind::Login));
        match part.next_cursor {
            Some(cursor) => page.cursor = Some(cursor),
            None => return Ok(found),
        }
    }
}

fn of_browser(session: Session, own: Uuid) -> LoggedInAt {
    LoggedInAt {
        id: session.id,
        ends_us: session.ends_idle_us(),
        device: session.device,
        source_ip: session.source_ip,
        method: Some(session.method),
        began_us: session.began_us,
        seen_us: session.seen_us,
        is_this: session.id == own,
    }
}

fn of_login(token: TokenInfo, own: Uuid, now_us: i64) -> Option<LoggedInAt> {
    let ends_us = token.expires_us.filter(|ends_us| *ends_us > now_us)?;
    Some(LoggedInAt {
        id: token.id,
        device: "the command line".to_owned(),
        source_ip: token.source_ip,
        method: None,
        began_us: token.created_us,
        seen_us: token.last_used_us.unwrap_or(token.created_us),
        ends_us,
        is_this: token.id == own,
    })
}
