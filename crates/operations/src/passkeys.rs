//! Passkeys: the authenticator of a person proves who they are, in place of the password and the code. It asks for a
//! finger, a face or a PIN by itself, so a passkey counts as both factors.
//!
//! A passkey is bound to the name of the host at which the page was opened. The browser offers it nowhere else, and the
//! host is compared again here, so a page of another site that passes everything on gets nowhere.

use uuid::Uuid;
use vaultterm_store::{NewPasskey, NewSession, PasskeyQuestion, SignInMethod, StoreError, StoredPasskey, User};
use webauthn_rs::prelude::{
    CredentialID, DiscoverableAuthentication, Passkey, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, Url, Webauthn, WebauthnBuilder,
};

use crate::{
    caller::{Caller, Origin},
    fresh::{self, Act},
    names,
    refusal::{Next, Refusal, RefusalKind},
    services::Services,
    sessions::{self, Begun},
};

/// Where a page was opened, as its browser says: `https://vault.example.com`.
pub struct Site {
    url: Url,
    host: String,
}

impl Site {
    /// Reads the origin of a page.
    ///
    /// # Errors
    /// `Refused` for an origin without the name of a host: browsers bind passkeys to names only.
    pub fn of(origin: &str) -> Result<Self, Refusal> {
        let url = origin.parse::<Url>().ok();
        let found = url.and_then(|url| Some(Self { host: url.domain()?.to_owned(), url }));
        found.ok_or_else(|| {
            let why = "a passkey needs a page that was opened by the name of a host";
            Refusal::new(RefusalKind::Refused, why).hint("open the page at its name, such as https://vault.example.com")
        })
    }

    fn webauthn(&self) -> Result<Webauthn, Refusal> {
        let builder = WebauthnBuilder::new(&self.host, &self.url).map_err(|error| Refusal::internal(&error))?;
        builder.rp_name("VaultTerm").build().map_err(|error| Refusal::internal(&error))
    }
}

/// A question to an authenticator.
pub struct Question {
    /// What the answer names.
    pub id: Uuid,
    /// What a script gives to the browser, as JSON.
    pub options: serde_json::Value,
}

/// Lists the caller's passkeys, the newest first.
///
/// # Errors
/// `Forbidden` for an API token.
pub async fn list(services: &Services, caller: &Caller) -> Result<Vec<StoredPasskey>, Refusal> {
    fresh::person(services, caller).await?;
    Ok(services.store.passkeys(caller.user.id).await?)
}

/// Asks for a new passkey of the caller.
///
/// # Errors
/// `StepUp` without a fresh proof; `Forbidden` for an API token.
pub async fn begin(services: &Services, caller: &Caller, site: &Site) -> Result<Question, Refusal> {
    fresh::person(services, caller).await?;
    fresh::fresh(services, caller, Act::ChangeFactors).await?;
    let user = &caller.user;
    let known = services.store.passkeys(user.id).await?;
    let known: Vec<CredentialID> = known.iter().filter_map(|one| Some(read(one).ok()?.cred_id().clone())).collect();
    let asked = site.webauthn()?.start_passkey_registration(user.id, &user.email, &user.name, Some(known));
    let (options, state) = asked.map_err(|error| Refusal::internal(&error))?;
    let mut options = json(&options)?;
    // Without it an authenticator may keep no list of its passkeys, and a login would need the e-mail address first.
    let selection = &mut options["publicKey"]["authenticatorSelection"];
    selection["residentKey"] = "required".into();
    selection["requireResidentKey"] = true.into();
    keep(services, Some(user.id), site, &state, options).await
}

/// Stores the passkey that an authenticator made. `answer` is what the browser returned, as JSON.
///
/// # Errors
/// `Refused` for an answer that does not fit the question; `StepUp` without a fresh proof.
pub async fn finish(
    services: &Services,
    caller: &Caller,
    site: &Site,
    question: Uuid,
    answer: &str,
    name: &str,
) -> Result<StoredPasskey, Refusal> {
    fresh::person(services, caller).await?;
    fresh::fresh(services, caller, Act::ChangeFactors).await?;
    let name = names::plain(name)?;
    let asked = taken(services, question, Some(caller.user.id), site).await?;
    let state: PasskeyRegistration = serde_json::from_str(&asked.body).map_err(|error| Refusal::internal(&error))?;
    let answer: RegisterPublicKeyCredential = serde_json::from_str(answer).map_err(|_| not_accepted())?;
    let made = site.webauthn()?.finish_passkey_registration(&answer, &state).map_err(|error| refused(&error))?;
    let new = NewPasskey {
        user_id: caller.user.id,
        credential: made.cred_id().clone(),
        host: site.host.clone(),
        name,
        body: serde_json::to_string(&made).map_err(|error| Refusal::internal(&error))?,
    };
    Ok(services.store.add_passkey(&caller.context(services), new).await?)
}

/// Deletes a passkey of the caller.
///
/// # Errors
/// `NotFound` when it is none of theirs; `StepUp` without a fresh proof.
pub async fn remove(services: &Services, caller: &Caller, id: Uuid) -> Result<(), Refusal> {
    fresh::person(services, caller).await?;
    fresh::fresh(services, caller, Act::ChangeFactors).await?;
    Ok(services.store.remove_passkey(&caller.context(services), caller.user.id, id).await?)
}

/// Asks any passkey of this host who is there.
///
/// # Errors
/// `RateLimited` for an address with many attempts.
pub async fn ask(services: &Services, origin: &Origin, site: &Site) -> Result<Question, Refusal> {
    services.throttle.attempt(origin.source_ip)?;
    let asked = site.webauthn()?.start_discoverable_authentication();
    let (options, state) = asked.map_err(|error| Refusal::internal(&error))?;
    keep(services, None, site, &state, json(&options)?).await
}

/// Begins a session of the person whose passkey answered. It counts as both factors, and as a fresh proof.
///
/// # Errors
/// `Refused` for an answer that does not fit, and for a passkey that nobody here has.
pub async fn log_in(
    services: &Services,
    origin: &Origin,
    site: &Site,
    question: Uuid,
    answer: &str,
    device: &str,
) -> Result<Begun, Refusal> {
    services.throttle.attempt(origin.source_ip)?;
    let asked = taken(services, question, None, site).await?;
    let state: DiscoverableAuthentication =
        serde_json::from_str(&asked.body).map_err(|error| Refusal::internal(&error))?;
    let answer: PublicKeyCredential = serde_json::from_str(answer).map_err(|_| not_accepted())?;
    let webauthn = site.webauthn()?;
    let (_, credential) = webauthn.identify_discoverable_authentication(&answer).map_err(|error| refused(&error))?;
    let (stored, user) = owner(services, credential, site).await?;
    let mut passkey = read(&stored)?;
    let done = webauthn.finish_discoverable_authentication_v2(&answer, state, &passkey);
    let done = done.map_err(|error| refused(&error))?;
    if !done.user_verified() {
        return Err(not_accepted());
    }
    passkey.update_credential(&done);
    let body = serde_json::to_string(&passkey).map_err(|error| Refusal::internal(&error))?;
    services.store.note_passkey(stored.id, &body, services.now_us()).await?;
    let new = NewSession { method: SignInMethod::Passkey, ..NewSession::new(user.id, device) };
    sessions::begin_as(services, origin, &user, new).await
}

/// Finds whose passkey answered. It has to be bound to the host at which the page was opened.
async fn owner(services: &Services, credential: &[u8], site: &Site) -> Result<(StoredPasskey, User), Refusal> {
    let found = services.store.passkey_by_credential(credential).await?.filter(|one| one.host == site.host);
    let stored = found.ok_or_else(not_accepted)?;
    let user = services.store.user(stored.user_id).await?.filter(|user| !user.disabled);
    Ok((stored, user.ok_or_else(not_accepted)?))
}

async fn keep(
    services: &Services,
    user_id: Option<Uuid>,
    site: &Site,
    state: &impl serde::Serialize,
    options: serde_json::Value,
) -> Result<Question, Refusal> {
    let body = serde_json::to_string(state).map_err(|error| Refusal::internal(&error))?;
    let question = PasskeyQuestion { user_id, host: site.host.clone(), body };
    let id = services.store.keep_question(&question, services.now_us()).await?;
    Ok(Question { id, options })
}

/// Takes the question that an answer names. It was asked of this person, at this host.
async fn taken(services: &Services, id: Uuid, user_id: Option<Uuid>, site: &Site) -> Result<PasskeyQuestion, Refusal> {
    let found = services.store.take_question(id, services.now_us()).await?;
    found.filter(|asked| asked.user_id == user_id && asked.host == site.host).ok_or_else(|| {
        let why = "the question to the passkey took too long, or was answered already";
        Refusal::new(RefusalKind::Refused, why).then(Next::TryAgain)
    })
}

fn read(stored: &StoredPasskey) -> Result<Passkey, Refusal> {
    serde_json::from_str(&stored.body).map_err(|_| StoreError::Malformed("passkey").into())
}

fn json(options: &impl serde::Serialize) -> Result<serde_json::Value, Refusal> {
    serde_json::to_value(options).map_err(|error| Refusal::internal(&error))
}

fn refused(error: &dyn std::error::Error) -> Refusal {
    tracing::info!(%error, "a passkey was refused");
    not_accepted()
}

fn not_accepted() -> Refusal {
    Refusal::new(RefusalKind::Refused, "the passkey was not accepted")
}
