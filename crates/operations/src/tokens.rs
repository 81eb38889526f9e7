//! API tokens, for programs.

use uuid::Uuid;
use vaultterm_sealing::SecretText;
use vaultterm_store::{NewToken, Paged, Scope, TokenInfo, TokenKind};

use crate::{
    access,
    caller::Caller,
    fresh::{Act, fresh},
    names,
    part::Part,
    refusal::Refusal,
    services::Services,
};

/// The longest that a token may hold: ten years, in seconds.
const EXPIRES_IN_SECONDS_MAX: u64 = 10 * 366 * 24 * 3_600;

/// Lists the caller's own logins and tokens.
///
/// # Errors
/// [`Refusal`].
pub async fn list(services: &Services, caller: &Caller, part: Part) -> Result<Paged<TokenInfo>, Refusal> {
    access::scope(services, caller, Scope::Admin).await?;
    Ok(services.store.tokens(Some(caller.user.id), &part.page()?).await?)
}

/// A token to create.
pub struct New {
    /// Its name.
    pub name: String,
    /// The names of its scopes: at least one, and none that the caller's credential lacks.
    pub scopes: Vec<String>,
    /// How long it holds; for ever unless told.
    pub expires_in_seconds: Option<u64>,
}

/// Creates a token that may do what its scopes say, and never more than its person. The token itself is
/// returned this once.
///
/// # Errors
/// [`Refusal`].
pub async fn create(services: &Services, caller: &Caller, new: New) -> Result<(TokenInfo, SecretText), Refusal> {
    access::scope(services, caller, Scope::Admin).await?;
    fresh(services, caller, Act::CreateToken).await?;
    let name = names::plain(&new.name)?;
    let scopes = scopes(&new.scopes)?;
    access::at_most_own_scopes(services, caller, &scopes).await?;
    let expires_us = match new.expires_in_seconds {
        None => None,
        Some(seconds @ 1..=EXPIRES_IN_SECONDS_MAX) => {
            Some(services.now_us() + i64::try_from(seconds).unwrap_or(i64::MAX / 1_000_000) * 1_000_000)
        }
        Some(_) => {
            return Err(Refusal::field("expires_in_seconds", format!("is 1 to {EXPIRES_IN_SECONDS_MAX}")));
        }
    };
    let new = NewToken { user_id: caller.user.id, kind: TokenKind::Api, name, scopes, expires_us };
    Ok(services.store.issue_token(&caller.context(services), new).await?)
}

/// Revokes a token: one's own, or as an admin of the installation anybody's.
///
/// # Errors
/// [`Refusal`]; another person's token does not exist for a member.
pub async fn revoke(services: &Services, caller: &Caller, id: Uuid) -> Result<(), Refusal> {
    access::scope(services, caller, Scope::Admin).await?;
    let id = access::token(services, caller, id).await?;
    Ok(services.store.revoke_token(&caller.context(services), id).await?)
}

fn scopes(names: &[String]) -> Result<Vec<Scope>, Refusal> {
    let known = || Scope::NAMES.join(", ");
    if names.is_empty() {
        return Err(Refusal::field("scopes", format!("name at least one of {}", known())));
    }
    let find = |(at, name): (usize, &String)| {
        name.parse().map_err(|_| Refusal::field(format!("scopes[{at}]"), format!("expected one of {}", known())))
    };
    let mut scopes = names.iter().enumerate().map(find).collect::<Result<Vec<Scope>, _>>()?;
    scopes.sort_unstable();
    scopes.dedup();
    Ok(scopes)
}

#[cfg(test)]
mod tests {
    use vaultterm_store::{AuditFilter, Page};

    use super::*;
    use crate::{refusal::RefusalKind, testing::House};

    #[tokio::test]
    async fn a_token_with_more_scopes_than_the_callers_own_is_denied_and_the_denial_is_audited() {
        let house = House::new().await;
        let caller = house.with_scopes(&house.owner, &[Scope::Admin, Scope::RecordsRead]).await;
        let new = |scopes: &[Scope]| New {
            name: "ci".to_owned(),
            scopes: scopes.iter().map(ToString::to_string).collect(),
            expires_in_seconds: None,
        };
        let services = &house.services;
        let refused = create(services, &caller, new(&[Scope::RecordsRead, Scope::RecordsReveal])).await;
        assert_eq!(refused.map(drop).map_err(|refusal| refusal.kind), Err(RefusalKind::Forbidden));
        let entries = services.store.audit_events(&AuditFilter::default(), &Page::default()).await.unwrap().items;
        let last = &entries.last().unwrap().entry.draft;
        assert_eq!((last.action.as_str(), last.detail["needs"].as_str()), ("ACCESS_DENIED", "scope records:reveal"));
        let (made, _) = create(services, &caller, new(&[Scope::RecordsRead])).await.unwrap();
        assert_eq!(made.scopes, [Scope::RecordsRead]);
    }
}
