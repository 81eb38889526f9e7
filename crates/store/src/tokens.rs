//! Login tokens and API tokens. A token has 256 bits, and only its keyed digest is stored.

use uuid::Uuid;
use vaultterm_ledger::{AuditAction, ObjectKind};
use vaultterm_reconcile::UnknownName;
use vaultterm_sealing::SecretText;
use vaultterm_sync::{Scope, TokenKind};

use crate::{
    Context, Page, Paged, Store, StoreError, User,
    context::Facts as _,
    factors::{self, Spend},
    sql::{Row, Select, args, json},
    users,
};

/// A token to issue.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// The person to whom the token belongs.
    pub user_id: Uuid,
    /// The kind.
    pub kind: TokenKind,
    /// The name for people.
    pub name: String,
    /// The permissions.
    pub scopes: Vec<Scope>,
    /// The expiry, in microseconds. `None` means that it never expires.
    pub expires_us: Option<i64>,
}

/// A token in a list.
#[derive(Clone, Debug)]
pub struct TokenInfo {
    /// The id.
    pub id: Uuid,
    /// The person to whom the token belongs.
    pub user_id: Uuid,
    /// The kind.
    pub kind: TokenKind,
    /// The name for people.
    pub name: String,
    /// The permissions.
    pub scopes: Vec<Scope>,
    /// The time of creation, in microseconds.
    pub created_us: i64,
    /// The expiry, in microseconds.
    pub expires_us: Option<i64>,
    /// The time of the last use, in microseconds. It is coarse, because it is recorded at most once a minute.
    pub last_used_us: Option<i64>,
    /// When the person of a login last proved who they are, with the second factor if they have one, in microseconds;
    /// 0 for an API token.
    pub proved_us: i64,
    /// The address that a login came from.
    pub source_ip: Option<String>,
}

/// The sender of a request.
#[derive(Clone, Debug)]
pub struct TokenHolder {
    /// The person.
    pub user: User,
    /// The token of the request.
    pub token: TokenInfo,
}

/// The minimum time between two recorded uses of a token, in microseconds.
const USED_EVERY_US: i64 = 60_000_000;

impl Store {
    /// Issues a token. Its text is not stored. Writes `LOGIN_SUCCEEDED`, which also clears the back-off, or
    /// `API_TOKEN_CREATED`.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn issue_token(&self, context: &Context, new: NewToken) -> Result<(TokenInfo, SecretText), StoreError> {
        self.issue(context, new, None).await
    }

    /// Issues the token of a login, and uses up the code that it was given for in the same transaction.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when the code was used already.
    pub async fn issue_login(
        &self,
        context: &Context,
        new: NewToken,
        spend: &Spend,
    ) -> Result<(TokenInfo, SecretText), StoreError> {
        self.issue(context, new, Some(spend)).await
    }

    async fn issue(
        &self,
        context: &Context,
        new: NewToken,
        spend: Option<&Spend>,
    ) -> Result<(TokenInfo, SecretText), StoreError> {
        let text = SecretText::draw("vtt_")?;
        let mut scopes = new.scopes;
        scopes.sort_unstable();
        scopes.dedup();
        let token = TokenInfo {
            id: vaultterm_sync::new_id(),
            user_id: new.user_id,
            kind: new.kind,
            name: new.name,
            scopes,
            created_us: context.now_us,
            expires_us: new.expires_us,
            last_used_us: None,
            proved_us: if new.kind == TokenKind::Login { context.now_us } else { 0 },
            source_ip: context.source_ip.clone(),
        };
        let names: Vec<&str> = token.scopes.iter().map(|scope| scope.as_str()).collect();
        // A login holds every scope, whatever its row names. During an upgrade, an older server reads the row too, and would
        // refuse a name that it does not know.
        let is_newer = |name: &&str| token.kind == TokenKind::Login && *name == Scope::SyncHint.as_str();
        let stored: Vec<&str> = names.iter().copied().filter(|name| !is_newer(name)).collect();
        let mut tx = self.db.write().await?;
        let sql = "SELECT email FROM users WHERE id = $1";
        let user = tx.one(sql, args![token.user_id]).await?.ok_or(StoreError::NotFound("user"))?;
        let email = user.text("email")?;
        if let Some(spend) = spend {
            factors::spend(&mut tx, context, token.user_id, spend).await?;
        }
        // The expired tokens of a person are deleted when a new one comes, so that they do not pile up.
        let sql = "DELETE FROM tokens WHERE user_id = $1 AND expires_us <= $2";
        tx.run(sql, args![token.user_id, context.now_us]).await?;
        tx.run(
            "INSERT INTO tokens (id, user_id, kind, name, scopes, digest, created_us, expires_us, last_used_us, proved_us,
                                 source_ip)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, NULL, $9, $10)",
            args![
                token.id,
                token.user_id,
                token.kind.as_str(),
                token.name.as_str(),
                json(&stored),
                self.keyring.token_digest(text.expose()),
                token.created_us,
                token.expires_us,
                token.proved_us,
                token.source_ip.as_deref(),
            ],
        )
        .await?;
        let draft = match token.kind {
            TokenKind::Login => {
                let sql = "UPDATE users SET failures = 0, locked_until_us = 0 WHERE id = $1";
                tx.run(sql, args![token.user_id]).await?;
                context.draft(AuditAction::LoginSucceeded, ObjectKind::User, token.user_id, Some(&email))
            }
            TokenKind::Api => context
                .draft(AuditAction::ApiTokenCreated, ObjectKind::Token, token.id, Some(&token.name))
                .about(ObjectKind::User, token.user_id)
                .with("scopes", names.join(" ")),
        };
        tx.audit(draft);
        tx.commit().await?;
        Ok((token, text))
    }

    /// Returns the caller to whom a token belongs. Returns `None` if the token is unknown, expired or
    /// revoked, or its person is disabled. Writes nothing: the use of the token is noted for
    /// [`Store::write_last_uses`].
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn authenticate(&self, token: &str, now_us: i64) -> Result<Option<TokenHolder>, StoreError> {
        let digest = self.keyring.token_digest(token);
        let sql = "SELECT tokens.*, instance.keyring_generation FROM tokens CROSS JOIN instance
                   WHERE digest = $1 AND (expires_us IS NULL OR expires_us > $2)";
        let Some(row) = self.db.one(sql, args![digest, now_us]).await? else { return Ok(None) };
        self.follow_keyring(&row).await?;
        let mut token = self.with_last_use(token_info(&row)?)?;
        let sql = "SELECT * FROM users WHERE id = $1 AND disabled = 0";
        let Some(row) = self.db.one(sql, args![token.user_id]).await? else { return Ok(None) };
        let user = users::user(&row)?;
        let before = now_us - USED_EVERY_US;
        if token.last_used_us.is_none_or(|used| used < before) {
            // The use is only noted, because a request that reads must not wait for the only writer.
            self.last_uses.note(token.id, now_us);
            token.last_used_us = Some(now_us);
        }
        Ok(Some(TokenHolder { user, token }))
    }

    /// Notes that the person of a login proved who they are, and gives the login a new token (`IDENTITY_CONFIRMED`).
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for a login that has ended; [`StoreError::Refused`] for a code that was used already.
    pub async fn prove_login(
        &self,
        context: &Context,
        id: Uuid,
        spend: Option<&Spend>,
    ) -> Result<SecretText, StoreError> {
        let text = SecretText::draw("vtt_")?;
        let mut tx = self.db.write().await?;
        let sql = "UPDATE tokens SET digest = $2, proved_us = $3 WHERE id = $1 AND kind = 'login' RETURNING user_id";
        let row = tx.one(sql, args![id, self.keyring.token_digest(text.expose()), context.now_us]).await?;
        let user_id = row.ok_or(StoreError::NotFound("login"))?.id("user_id")?;
        if let Some(spend) = spend {
            factors::spend(&mut tx, context, user_id, spend).await?;
        }
        let draft = context.draft(AuditAction::IdentityConfirmed, ObjectKind::User, user_id, None);
        tx.audit(draft.with("login", id));
        tx.commit().await?;
        Ok(text)
    }

    /// Lists the tokens of a person, the newest first, or all tokens with `None`.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn tokens(&self, user_id: Option<Uuid>, page: &Page) -> Result<Paged<TokenInfo>, StoreError> {
        let mut select = Select::new("SELECT * FROM tokens WHERE 1 = 1", args![]);
        select.and_maybe("user_id = ?", user_id);
        let pager = self.pager("tokens", page);
        select.and_maybe("id < ?", pager.id()?);
        let rows = self.db.select(select.order("id DESC", pager.fetch())).await?;
        pager.cut(rows, |row| self.with_last_use(token_info(row)?), |token| token.id.to_string())
    }

    /// Finds a token.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn token(&self, id: Uuid) -> Result<Option<TokenInfo>, StoreError> {
        let row = self.db.one("SELECT * FROM tokens WHERE id = $1", args![id]).await?;
        row.map(|row| self.with_last_use(token_info(&row)?)).transpose()
    }

    /// Adds the last use that is noted and not written yet.
    fn with_last_use(&self, token: TokenInfo) -> Result<TokenInfo, StoreError> {
        let last_used_us = token.last_used_us.max(self.last_uses.of(token.id));
        Ok(TokenInfo { last_used_us, ..token })
    }

    /// Revokes a token (`API_TOKEN_REVOKED`, `LOGGED_OUT`).
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn revoke_token(&self, context: &Context, id: Uuid) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        let row = tx.one("DELETE FROM tokens WHERE id = $1 RETURNING *", args![id]).await?;
        let token = token_info(&row.ok_or(StoreError::NotFound("token"))?)?;
        let action = match token.kind {
            TokenKind::Login => AuditAction::LoggedOut,
            TokenKind::Api => AuditAction::ApiTokenRevoked,
        };
        let draft = context.draft(action, ObjectKind::Token, id, Some(&token.name));
        tx.audit(draft.about(ObjectKind::User, token.user_id));
        tx.commit().await
    }
}

fn token_info(row: &Row) -> Result<TokenInfo, StoreError> {
    let kind = row.named("kind")?;
    let names: Vec<String> = row.json("scopes")?;
    let named = names.iter().map(|name| name.parse().map_err(|error: UnknownName| StoreError::Malformed(error.what)));
    let named: Vec<Scope> = named.collect::<Result<_, _>>()?;
    Ok(TokenInfo {
        id: row.id("id")?,
        user_id: row.id("user_id")?,
        kind,
        name: row.text("name")?,
        scopes: if kind == TokenKind::Login { Scope::ALL.to_vec() } else { named },
        created_us: row.int("created_us")?,
        expires_us: row.maybe_int("expires_us")?,
        last_used_us: row.maybe_int("last_used_us")?,
        proved_us: row.int("proved_us")?,
        source_ip: row.maybe_text("source_ip")?,
    })
}

impl Store {
    /// Writes the noted times to the database. This is not audited, because the requests that use a token are
    /// audited themselves.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails. The times stay noted in that case.
    pub async fn write_last_uses(&self) -> Result<(), StoreError> {
        let mut noted: Vec<_> = self.last_uses.noted().iter().map(|(token, used)| (*token, *used)).collect();
        if noted.is_empty() {
            return Ok(());
        }
        // Servers that write the same tokens at once lock them in the same order, so that they wait for each other once.
        noted.sort_unstable();
        let mut tx = self.db.touch().await?;
        // An id is that of a token or of a session. Another server may have noted a later use.
        for (token, used) in &noted {
            let sql =
                "UPDATE tokens SET last_used_us = $2 WHERE id = $1 AND (last_used_us IS NULL OR last_used_us < $2)";
            tx.run(sql, args![*token, *used]).await?;
        }
        for (session, used) in &noted {
            tx.run("UPDATE sessions SET seen_us = $2 WHERE id = $1 AND seen_us < $2", args![*session, *used]).await?;
        }
        tx.commit().await?;
        // A token that was used again meanwhile stays noted.
        let mut left = self.last_uses.noted();
        for (token, used) in noted {
            if left.get(&token) == Some(&used) {
                left.remove(&token);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{NewToken, Scope, TokenKind};
    use crate::{
        InstanceRole, Page, UserUpdate,
        sql::args,
        testing::{House, NOW_US, new_user},
    };

    fn new_token(house: &House, expires_us: Option<i64>) -> NewToken {
        NewToken {
            user_id: house.owner.id,
            kind: TokenKind::Api,
            name: "ci".to_owned(),
            scopes: vec![Scope::SyncRun, Scope::RecordsRead, Scope::SyncRun],
            expires_us,
        }
    }

    #[tokio::test]
    async fn a_token_opens_until_it_expires_or_is_revoked() {
        let house = House::new().await;
        let store = &house.store;
        let (token, text) = store.issue_token(&house.ann(), new_token(&house, Some(NOW_US + 10))).await.unwrap();
        assert_eq!(text.expose().len(), 4 + 64);
        let caller = store.authenticate(text.expose(), NOW_US).await.unwrap().unwrap();
        assert_eq!((caller.user.id, caller.token.id), (house.owner.id, token.id));
        assert_eq!(caller.token.scopes, [Scope::RecordsRead, Scope::SyncRun]);
        assert!(store.authenticate(text.expose(), NOW_US + 10).await.unwrap().is_none());
        assert!(store.authenticate(&text.expose()[..67], NOW_US).await.unwrap().is_none());
        store.revoke_token(&house.ann(), token.id).await.unwrap();
        assert!(store.authenticate(text.expose(), NOW_US).await.unwrap().is_none());
        assert!(store.revoke_token(&house.ann(), token.id).await.is_err());
    }

    #[tokio::test]
    async fn a_login_holds_every_scope_and_its_row_names_none_that_an_older_server_would_refuse() {
        let house = House::new().await;
        let new = NewToken { kind: TokenKind::Login, scopes: Scope::ALL.to_vec(), ..new_token(&house, None) };
        let (_, text) = house.store.issue_token(&house.ann(), new).await.unwrap();
        let caller = house.store.authenticate(text.expose(), NOW_US).await.unwrap().unwrap();
        assert_eq!(caller.token.scopes, Scope::ALL);
        let sql = "SELECT scopes FROM tokens WHERE kind = 'login'";
        let row = house.store.db.one(sql, args![]).await.unwrap().unwrap();
        let stored = row.text("scopes").unwrap();
        assert!(stored.contains("sync:run") && !stored.contains("sync:hint"), "{stored}");
        let new = NewToken { scopes: vec![Scope::SyncHint], ..new_token(&house, None) };
        let (_, text) = house.store.issue_token(&house.ann(), new).await.unwrap();
        let caller = house.store.authenticate(text.expose(), NOW_US).await.unwrap().unwrap();
        assert_eq!(caller.token.scopes, [Scope::SyncHint]);
    }

    #[tokio::test]
    async fn a_disabled_person_has_no_tokens_that_work() {
        let house = House::new().await;
        let store = &house.store;
        let bob = store.create_user(&house.ann(), new_user("bob@example.com", InstanceRole::Member)).await.unwrap();
        let new = NewToken { user_id: bob.id, ..new_token(&house, None) };
        let (_, text) = store.issue_token(&house.ann(), new).await.unwrap();
        let disable = UserUpdate { disabled: Some(true), ..UserUpdate::default() };
        store.update_user(&house.ann(), bob.id, 1, disable).await.unwrap();
        assert!(store.authenticate(text.expose(), NOW_US).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn the_last_use_is_recorded_once_a_minute() {
        let house = House::new().await;
        let (token, text) = house.store.issue_token(&house.ann(), new_token(&house, None)).await.unwrap();
        for (seconds, recorded) in [(0, 0), (30, 0), (60, 0), (61, 61)] {
            house.store.authenticate(text.expose(), NOW_US + seconds * 1_000_000).await.unwrap().unwrap();
            let used = house.store.token(token.id).await.unwrap().unwrap().last_used_us;
            assert_eq!(used, Some(NOW_US + recorded * 1_000_000), "after {seconds} s");
        }
    }

    #[tokio::test]
    async fn ended_tokens_go_when_a_new_one_comes() {
        let house = House::new().await;
        let store = &house.store;
        store.issue_token(&house.ann(), new_token(&house, Some(NOW_US + 1))).await.unwrap();
        house.pass(1);
        let (kept, _) = store.issue_token(&house.ann(), new_token(&house, None)).await.unwrap();
        let (newest, _) = store.issue_token(&house.ann(), new_token(&house, None)).await.unwrap();
        let listed = store.tokens(Some(house.owner.id), &Page::default()).await.unwrap().items;
        assert_eq!(listed.iter().map(|token| token.id).collect::<Vec<_>>(), [newest.id, kept.id]);
    }
}
