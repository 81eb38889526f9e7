//! The life of a login. Every request carries the token of the session, and an expired token is replaced by a
//! new login.
//!
//! Vault answers 403 both to an expired token and to a missing capability. The session tells the two apart by
//! asking for its own capabilities on the path: a live token is told its capabilities, and a dead one gets
//! 403 again. A role that may not ask this is checked in another way. Every token with any grant below the
//! mount may read the description of the mount.
//!
//! A token with a limited number of uses is counted down here and replaced before it is used up, so that of
//! many concurrent requests none is sent with a dead token.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use reqwest::StatusCode;
use tokio::sync::Mutex;
use vaultterm_sealing::SecretText;
use vaultterm_sync::{FaultClass, RemoteFault, ToDo};

use crate::{
    approle::{self, Login},
    fault,
    http::{Answer, Request, Transport},
    sys::Capabilities,
    transport::TransportError,
};

/// Why a call failed.
#[derive(Debug)]
pub(crate) enum RequestError {
    /// No complete answer came.
    Transport(TransportError),
    /// The server refused the request.
    Refused(RemoteFault),
}

impl RequestError {
    /// Returns the fault of the request.
    pub(crate) fn fault(self, request: &Request) -> RemoteFault {
        match self {
            Self::Transport(error) => error.fault(request),
            Self::Refused(fault) => fault,
        }
    }
}

impl From<TransportError> for RequestError {
    fn from(error: TransportError) -> Self {
        Self::Transport(error)
    }
}

impl From<RemoteFault> for RequestError {
    fn from(fault: RemoteFault) -> Self {
        Self::Refused(fault)
    }
}

/// A token, with the number of logins before it.
#[derive(Debug)]
struct Token {
    text: SecretText,
    generation: u64,
    /// The number of requests that the token is still good for. Requests that the server does not count are
    /// counted here too. Then some uses are left over, and expire with the token.
    uses: AtomicU64,
}

impl Token {
    fn new(login: Login, generation: u64) -> Arc<Self> {
        let uses = login.uses.unwrap_or(u64::MAX);
        Arc::new(Self { text: login.token, generation, uses: AtomicU64::new(uses) })
    }

    /// Takes one use. Returns `false` when none is left.
    fn take_use(&self) -> bool {
        self.uses.try_update(Relaxed, Relaxed, |uses| uses.checked_sub(1)).is_ok()
    }
}

/// The reason for a 403, as far as it can be found out.
enum Forbidden {
    /// The token lives and has these capabilities, but the path needs more.
    Lacks(Capabilities),
    /// The token lives, but may not ask for its capabilities.
    MayNotAsk,
    /// The token is dead, or has no grant at all.
    Dead,
}

/// A logged-in session. The token is kept only here.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) transport: Transport,
    auth_mount: String,
    role_id: String,
    secret_id: SecretText,
    /// The id of the role's entity.
    entity: Option<String>,
    /// A request that every live token of the role may send.
    sign_of_life: Request,
    token: RwLock<Arc<Token>>,
    /// Limits the session to one login at a time, however many requests found the token expired.
    login: Mutex<()>,
    /// The generation of the token that was refused everything straight after its login. Another login would
    /// change nothing in that case. 0 means that there is none; the first token always gets another try.
    refused_fresh: AtomicU64,
}

impl Session {
    /// Logs in.
    ///
    /// # Errors
    /// Those of [`approle::login`].
    pub(crate) async fn open(
        transport: Transport,
        auth_mount: &str,
        role_id: &str,
        secret_id: SecretText,
        sign_of_life: Request,
    ) -> Result<(Self, Option<String>), RemoteFault> {
        let mut login = approle::login(&transport, auth_mount, role_id, &secret_id).await?;
        let (role, entity) = (login.role.take(), login.entity.take());
        let session = Self {
            entity,
            transport,
            auth_mount: auth_mount.to_owned(),
            role_id: role_id.to_owned(),
            secret_id,
            sign_of_life,
            token: RwLock::new(Token::new(login, 0)),
            login: Mutex::new(()),
            refused_fresh: AtomicU64::new(0),
        };
        Ok((session, role))
    }

    /// Returns the id of the entity of the role with which the session logged in.
    pub(crate) fn entity(&self) -> Option<&str> {
        self.entity.as_deref()
    }

    /// Sends a request as [`Self::try_call`] does.
    ///
    /// # Errors
    /// [`RemoteFault`]. A denial names the missing capability if it can be found out.
    pub(crate) async fn call(&self, request: &Request) -> Result<Answer, RemoteFault> {
        self.try_call(request).await.map_err(|error| error.fault(request))
    }

    /// Sends a request with the token of the session, in one attempt. A second attempt follows only if the
    /// first was refused because the token had expired, after a new login. Returns a success or a 404.
    ///
    /// # Errors
    /// [`RequestError`], which tells a request without an answer from one that was refused.
    pub(crate) async fn try_call(&self, request: &Request) -> Result<Answer, RequestError> {
        let token = self.usable().await?;
        let answer = self.attempt(request, &token).await?;
        if answer.status != StatusCode::FORBIDDEN {
            return Ok(fault::judge(request, answer)?);
        }
        match self.forbidden(request, &token).await? {
            Forbidden::Lacks(capabilities) => return Err(denied(request, &capabilities).into()),
            Forbidden::MayNotAsk => return Err(fault::refused(request, &answer).into()),
            Forbidden::Dead if token.generation > 0 && self.refused_fresh.load(Relaxed) == token.generation => {
                return Err(fault::refused(request, &answer).into());
            }
            Forbidden::Dead => {}
        }
        // The server refused the request before it had any effect, so sending it again cannot apply it twice.
        let token = self.renewed(&token).await?;
        let answer = self.attempt(request, &token).await?;
        if answer.status != StatusCode::FORBIDDEN {
            return Ok(fault::judge(request, answer)?);
        }
        match self.forbidden(request, &token).await? {
            Forbidden::Lacks(capabilities) => Err(denied(request, &capabilities).into()),
            Forbidden::MayNotAsk => Err(fault::refused(request, &answer).into()),
            Forbidden::Dead => {
                self.refused_fresh.store(token.generation, Relaxed);
                Err(fault::refused(request, &answer).into())
            }
        }
    }

    /// Sends a request once and returns an answer of any status.
    ///
    /// # Errors
    /// [`RemoteFault`] when no complete answer came.
    pub(crate) async fn once(&self, request: &Request) -> Result<Answer, RemoteFault> {
        let token = self.usable().await?;
        self.attempt(request, &token).await.map_err(|error| error.fault(request))
    }

    /// Returns the `SecretID` in use.
    pub(crate) fn secret_id(&self) -> &SecretText {
        &self.secret_id
    }

    /// Revokes the token. A token that is used up or has expired needs no revocation.
    ///
    /// # Errors
    /// [`RemoteFault`] when the token stays alive or its state is unknown.
    pub(crate) async fn close(&self) -> Result<(), RemoteFault> {
        let token = self.token();
        if !token.take_use() {
            return Ok(());
        }
        let request = approle::revoke_request();
        let answer = self.attempt(&request, &token).await.map_err(|error| error.fault(&request))?;
        if answer.status.is_success() || fault::is_invalid_token(&answer) {
            return Ok(());
        }
        if answer.status != StatusCode::FORBIDDEN {
            return Err(fault::refused(&request, &answer));
        }
        match self.forbidden(&request, &token).await {
            Ok(Forbidden::Dead) => Ok(()),
            Ok(Forbidden::Lacks(capabilities)) => Err(denied(&request, &capabilities)),
            Ok(Forbidden::MayNotAsk) | Err(_) => Err(fault::hinted(
                FaultClass::Denied,
                fault::refused(&request, &answer).message,
                ToDo::AddRevocationToPolicy,
            )),
        }
    }

    /// Revokes the token after another fault. A failure is only logged, because the caller reports the other
    /// fault.
    pub(crate) async fn abandon(&self) {
        if let Err(fault) = self.close().await {
            tracing::warn!(%fault, "the token could not be revoked");
        }
    }

    fn token(&self) -> Arc<Token> {
        self.token.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Returns a token after taking one of its uses.
    async fn usable(&self) -> Result<Arc<Token>, RemoteFault> {
        let token = self.token();
        if token.take_use() { Ok(token) } else { self.renewed(&token).await }
    }

    async fn attempt(&self, request: &Request, token: &Token) -> Result<Answer, TransportError> {
        self.transport.send(request, Some(&token.text)).await
    }

    /// Finds out why a token got 403.
    async fn forbidden(&self, request: &Request, token: &Token) -> Result<Forbidden, RemoteFault> {
        let question = Capabilities::request(&BTreeSet::from([request.route.as_str().to_owned()]));
        if !token.take_use() {
            return Ok(Forbidden::Dead);
        }
        let answer = self.attempt(&question, token).await.map_err(|error| error.fault(&question))?;
        match answer.status {
            status if status.is_success() => return Capabilities::read(&question, &answer).map(Forbidden::Lacks),
            StatusCode::FORBIDDEN => {}
            // A token that ended between the check and the answer gets this status.
            StatusCode::BAD_REQUEST if fault::is_invalid_token(&answer) => return Ok(Forbidden::Dead),
            _ => return Err(fault::refused(&question, &answer)),
        }
        if !token.take_use() {
            return Ok(Forbidden::Dead);
        }
        let answer = self.attempt(&self.sign_of_life, token).await.map_err(|error| error.fault(&self.sign_of_life))?;
        Ok(if answer.status.is_success() { Forbidden::MayNotAsk } else { Forbidden::Dead })
    }

    /// Logs in again, unless another request has done so since `spent` was in use. Takes one use of the new
    /// token.
    async fn renewed(&self, spent: &Token) -> Result<Arc<Token>, RemoteFault> {
        let _one_at_a_time = self.login.lock().await;
        let current = self.token();
        if current.generation > spent.generation && current.take_use() {
            return Ok(current);
        }
        tracing::info!("the Vault token is not valid any more: logging in again");
        let login = approle::login(&self.transport, &self.auth_mount, &self.role_id, &self.secret_id).await?;
        let token = Token::new(login, current.generation + 1);
        token.take_use();
        *self.token.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::clone(&token);
        Ok(token)
    }
}

/// Returns a fault that names the missing capabilities.
pub(crate) fn denied(request: &Request, capabilities: &Capabilities) -> RemoteFault {
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
        ToDo::AddToPolicy,
    )
}
