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
    caller::{Caller, Origin, anonymous},
    fresh::{self, Act},
    names,
    refusal::{Next, Refusal, RefusalKind},
    services::Services,
    sessions::{self, Begun},
    throttle,
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
/// `NotFound` if the caller has no such passkey; `StepUp` without a fresh proof.
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
    throttle::attempt(services, origin.source_ip).await?;
    let asked = site.webauthn()?.start_discoverable_authentication();
    let (options, state) = asked.map_err(|error| Refusal::internal(&error))?;
    keep(services, None, site, &state, json(&options)?).await
}

/// Begins a session of the person whose passkey answered. It counts as both factors, and as a fresh proof.
///
/// # Errors
/// `Refused` for an answer that does not fit, and for a passkey that nobody here has. The audit log has both as
/// `LOGIN_FAILED`.
pub async fn log_in(
    services: &Services,
    origin: &Origin,
    site: &Site,
    question: Uuid,
    answer: &str,
    device: &str,
) -> Result<Begun, Refusal> {
    throttle::attempt(services, origin.source_ip).await?;
    let asked = taken(services, question, None, site).await?;
    let state: DiscoverableAuthentication =
        serde_json::from_str(&asked.body).map_err(|error| Refusal::internal(&error))?;
    let answer: PublicKeyCredential = serde_json::from_str(answer).map_err(|_| not_accepted())?;
    let webauthn = site.webauthn()?;
    let claimed = claimed(services, &webauthn, &answer, site).await?;
    let proved = match &claimed {
        Some((stored, _)) => proved(&webauthn, &answer, state, stored)?,
        None => None,
    };
    let (Some((stored, user)), Some(body)) = (&claimed, proved) else {
        let user = claimed.as_ref().map(|(_, user)| user);
        services.store.record_refused_passkey(&anonymous(services, origin), user).await?;
        return Err(not_accepted());
    };
    services.store.note_passkey(stored.id, &body, services.now_us()).await?;
    let new = NewSession { method: SignInMethod::Passkey, ..NewSession::new(user.id, device) };
    sessions::begin_as(services, origin, user, new).await
}

/// Finds the passkey that an answer claims to come from, and its owner. The passkey has to be bound to the host at which
/// the page was opened, and the account has to be enabled.
async fn claimed(
    services: &Services,
    webauthn: &Webauthn,
    answer: &PublicKeyCredential,
    site: &Site,
) -> Result<Option<(StoredPasskey, User)>, Refusal> {
    let Ok((_, credential)) = webauthn.identify_discoverable_authentication(answer) else { return Ok(None) };
    let found = services.store.passkey_by_credential(credential).await?.filter(|one| one.host == site.host);
    let Some(stored) = found else { return Ok(None) };
    let user = services.store.user(stored.user_id).await?.filter(|user| !user.disabled);
    Ok(user.map(|user| (stored, user)))
}

/// Checks an answer against a passkey. Returns the public part as it is after this use, or nothing if the answer does not
/// come from this passkey, or from an authenticator that did not verify its user.
fn proved(
    webauthn: &Webauthn,
    answer: &PublicKeyCredential,
    state: DiscoverableAuthentication,
    stored: &StoredPasskey,
) -> Result<Option<String>, Refusal> {
    let mut passkey = read(stored)?;
    let done = match webauthn.finish_discoverable_authentication_v2(answer, state, &passkey) {
        Ok(done) if done.user_verified() => done,
        Ok(_) => return Ok(None),
        Err(error) => {
            tracing::info!(%error, "a passkey was refused");
            return Ok(None);
        }
    };
    passkey.update_credential(&done);
    Ok(Some(serde_json::to_string(&passkey).map_err(|error| Refusal::internal(&error))?))
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

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vaultterm_ledger::{AuditAction, AuditOutcome};
    use vaultterm_store::{AuditFilter, Page};

    use super::*;
    use crate::testing::House;

    fn origin() -> Origin {
        Origin { request_id: "r".to_owned(), source_ip: Some([10, 0, 0, 7].into()) }
    }

    /// An answer of the form that browsers send, from an authenticator that nobody here has.
    fn foreign() -> String {
        let text = "AAAAAAAAAAAAAAAAAAAAAA";
        let response =
            json!({ "authenticatorData": text, "clientDataJSON": text, "signature": text, "userHandle": text });
        json!({ "id": text, "rawId": text, "response": response, "type": "public-key", "extensions": {} }).to_string()
    }

    #[tokio::test]
    async fn a_passkey_that_nobody_has_is_refused_and_audited_and_its_question_works_once() {
        let house = House::new().await;
        let (services, site) = (&house.services, Site::of("https://vault.example.com").unwrap());
        let question = ask(services, &origin(), &site).await.unwrap().id;
        let refused = log_in(services, &origin(), &site, question, &foreign(), "a browser").await.err().unwrap();
        assert_eq!(refused.kind, RefusalKind::Refused);
        let events = services.store.audit_events(&AuditFilter::default(), &Page::default()).await.unwrap().items;
        let failed = &events.last().unwrap().entry.draft;
        assert_eq!((failed.action, failed.outcome), (AuditAction::LoginFailed, AuditOutcome::Failure));
        assert_eq!(failed.source_ip.as_deref(), Some("10.0.0.7"));
        let again = log_in(services, &origin(), &site, question, &foreign(), "a browser").await.err().unwrap();
        assert!(again.detail.contains("answered already"), "{}", again.detail);
    }

    #[tokio::test]
    async fn a_question_is_answered_at_the_host_that_asked_it() {
        let house = House::new().await;
        let (services, site) = (&house.services, Site::of("https://vault.example.com").unwrap());
        let question = ask(services, &origin(), &site).await.unwrap().id;
        let other = Site::of("https://elsewhere.example.com").unwrap();
        let refused = log_in(services, &origin(), &other, question, &foreign(), "a browser").await.err().unwrap();
        assert!(refused.detail.contains("took too long"), "{}", refused.detail);
        assert!(Site::of("https://10.0.0.7").is_err(), "an address is no name of a host");
    }
}
