//! A login's life: every request carries its token; when it expired, one new login.
//!
//! Vault answers 403 to an expired token and to a missing capability alike. Asking for one's own
//! capabilities on the path tells: a live token is told what it may do there, a dead one gets
//! 403 again. One question, and both answers are needed.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use reqwest::StatusCode;
use tokio::sync::Mutex;
use vaultterm_sealing::SecretText;
use vaultterm_sync::{FaultClass, RemoteFault};

use crate::{
    approle::{self, Login},
    fault::{self, TransportError},
    http::{Answer, Request, Transport},
    sys::Capabilities,
};

/// Why a call did not succeed.
#[derive(Debug)]
pub(crate) enum CallError {
    /// No whole answer came.
    Transport(TransportError),
    /// The server said no.
    Refused(RemoteFault),
}

impl CallError {
    /// Turns it into a fault of the request.
    pub(crate) fn fault(self, request: &Request) -> RemoteFault {
        match self {
            Self::Transport(error) => error.fault(request),
            Self::Refused(fault) => fault,
        }
    }
}

impl From<TransportError> for CallError {
    fn from(error: TransportError) -> Self {
        Self::Transport(error)
    }
}

impl From<RemoteFault> for CallError {
    fn from(fault: RemoteFault) -> Self {
        Self::Refused(fault)
    }
}

/// A token and how many logins came before it.
#[derive(Debug)]
struct Token {
    text: SecretText,
    generation: u64,
}

/// A logged-in session. The token is nowhere but in here.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) transport: Transport,
    auth_mount: String,
    role_id: String,
    secret_id: SecretText,
    token: RwLock<Arc<Token>>,
    /// One login at a time, however many requests found the token expired.
    login: Mutex<()>,
    /// The role may not ask for its capabilities: then 403 after a fresh login is a denial.
    may_not_ask: AtomicBool,
}

impl Session {
    /// Logs in.
    ///
    /// # Errors
    /// As [`approle::login`].
    pub(crate) async fn open(
        transport: Transport,
        auth_mount: &str,
        role_id: &str,
        secret_id: SecretText,
    ) -> Result<(Self, Option<String>), RemoteFault> {
        let Login { token, role } = approle::login(&transport, auth_mount, role_id, &secret_id).await?;
        let session = Self {
            transport,
            auth_mount: auth_mount.to_owned(),
            role_id: role_id.to_owned(),
            secret_id,
            token: RwLock::new(Arc::new(Token { text: token, generation: 0 })),
            login: Mutex::new(()),
            may_not_ask: AtomicBool::new(false),
        };
        Ok((session, role))
    }

    /// Makes a request as [`Self::try_call`] does.
    ///
    /// # Errors
    /// [`RemoteFault`]; a denial names the missing capability where it can be learned.
    pub(crate) async fn call(&self, request: &Request) -> Result<Answer, RemoteFault> {
        self.try_call(request).await.map_err(|error| error.fault(request))
    }

    /// Makes a request with the session's token: one attempt, and a second one only after a new
    /// login, when the first was refused because the token had expired. Answers with success or
    /// 404.
    ///
    /// # Errors
    /// [`CallError`] tells a request without an answer from one that was refused.
    pub(crate) async fn try_call(&self, request: &Request) -> Result<Answer, CallError> {
        let token = self.token();
        let answer = self.attempt(request, &token).await?;
        if answer.status != StatusCode::FORBIDDEN {
            return Ok(fault::judge(request, answer)?);
        }
        match self.capabilities(request, &token).await? {
            Some(capabilities) => return Err(denied(request, &capabilities).into()),
            None if token.generation > 0 && self.may_not_ask.load(Relaxed) => {
                return Err(fault::refused(request, &answer).into());
            }
            None => {}
        }
        // Refused before it did anything: sending it again cannot do it twice.
        let token = self.login_again(&token).await?;
        let answer = self.attempt(request, &token).await?;
        if answer.status != StatusCode::FORBIDDEN {
            return Ok(fault::judge(request, answer)?);
        }
        match self.capabilities(request, &token).await? {
            Some(capabilities) => Err(denied(request, &capabilities).into()),
            None => {
                self.may_not_ask.store(true, Relaxed);
                Err(fault::refused(request, &answer).into())
            }
        }
    }

    /// Makes a request once, with the token as it is, and hands back any answer.
    ///
    /// # Errors
    /// [`RemoteFault`] when no whole answer came.
    pub(crate) async fn once(&self, request: &Request) -> Result<Answer, RemoteFault> {
        self.attempt(request, &self.token()).await.map_err(|error| error.fault(request))
    }

    /// Returns the `SecretID` in use.
    pub(crate) fn secret_id(&self) -> &SecretText {
        &self.secret_id
    }

    /// Revokes the token, best effort.
    pub(crate) async fn close(&self) {
        approle::revoke(&self.transport, &self.token().text).await;
    }

    fn token(&self) -> Arc<Token> {
        self.token.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    async fn attempt(&self, request: &Request, token: &Token) -> Result<Answer, TransportError> {
        self.transport.send(request, Some(&token.text)).await
    }

    /// Asks what the token may do at the request's path. `None` when the question is refused.
    async fn capabilities(&self, request: &Request, token: &Token) -> Result<Option<Capabilities>, RemoteFault> {
        let question = Capabilities::request(&BTreeSet::from([request.route.as_str().to_owned()]));
        let answer = self.attempt(&question, token).await.map_err(|error| error.fault(&question))?;
        match answer.status {
            StatusCode::FORBIDDEN => Ok(None),
            status if status.is_success() => Capabilities::read(&question, &answer).map(Some),
            _ => Err(fault::refused(&question, &answer)),
        }
    }

    /// Logs in again, unless another request did so since `expired` was in use.
    async fn login_again(&self, expired: &Token) -> Result<Arc<Token>, RemoteFault> {
        let _one_at_a_time = self.login.lock().await;
        let current = self.token();
        if current.generation > expired.generation {
            return Ok(current);
        }
        tracing::info!("the Vault token is not valid any more: logging in again");
        let login = approle::login(&self.transport, &self.auth_mount, &self.role_id, &self.secret_id).await?;
        let token = Arc::new(Token { text: login.token, generation: expired.generation + 1 });
        *self.token.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::clone(&token);
        Ok(token)
    }
}

/// Names what is missing.
fn denied(request: &Request, capabilities: &Capabilities) -> RemoteFault {
    let path = request.route.as_str();
    let missing: Vec<_> =
        request.needs.iter().filter(|need| !capabilities.allows(path, need)).map(|need| format!("`{need}`")).collect();
    if missing.is_empty() {
        return fault::hinted(
            FaultClass::Denied,
            format!("{}: denied, although the role has {} there", request.doing, capabilities.granted(path)),
            "look for parameter rules in the policy, address limits of the token, or a Sentinel or control-group policy",
        );
    }
    fault::hinted(
        FaultClass::Denied,
        format!("{}: the role lacks {} on {path}", request.doing, missing.join(" and ")),
        "add it to the role's policy (`vaultterm connection policy` prints what is needed)",
    )
}
