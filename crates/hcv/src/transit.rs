//! Transit: seals a root key under a key that never leaves Vault.
//!
//! A ciphertext is bound to its purpose. Under a derived key, Transit's `context` does this, because it is
//! part of the key. Under any other key, `associated_data` does it. `rewrap` does not support
//! `associated_data`, so such a ciphertext is opened and sealed again. Transit silently ignores `context`
//! under a key that is not derived. Therefore each ciphertext is also opened with a wrong context on purpose,
//! and refused if that works.
//!
//! This module never creates a key. `encrypt` would create a key with a mistyped name if the policy allows
//! it. `decrypt` never does, so it is called first to find out whether the key exists.

use std::{collections::BTreeSet, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::Deserialize;
use vaultterm_sealing::{SecretBytes, SecretText};
use vaultterm_sync::{Advice, FaultClass, RemoteFault, Tls, ToDo};
use zeroize::Zeroizing;

use crate::{
    ConnectorOptions, VaultAddress, approle, connector, fault,
    helping::RefusedHeaders,
    http::{Answer, Namespaces, Repetition, Request, Transport},
    namespaces,
    redaction::Secrets,
    route::{Route, Scope},
    session,
    sys::{Capabilities, Health},
    tls,
    wire::Envelope,
};

/// The settings of a Transit key: its name and the way to reach it.
#[derive(Debug)]
pub struct TransitSettings {
    /// `https://host:port`.
    pub address: String,
    /// The namespace. `None` is the root namespace.
    pub namespace: Option<String>,
    /// The CA certificates to trust instead of those of the system, in PEM.
    pub ca_pem: Option<String>,
    /// The login.
    pub auth: TransitAuth,
    /// The path at which the engine is mounted.
    pub mount: String,
    /// The name of the key.
    pub key: String,
}

/// The login for Transit.
#[derive(Debug)]
pub enum TransitAuth {
    /// With a token that the operator renews.
    Token(SecretText),
    /// With AppRole. The token is revoked after each use.
    AppRole {
        /// The path at which AppRole is mounted.
        mount: String,
        /// The `RoleID`.
        role_id: String,
        /// The `SecretID`.
        secret_id: SecretText,
    },
}

/// The parameter that binds a ciphertext to its purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// `context`, under a derived key.
    Context,
    /// `associated_data`, under any other key.
    AssociatedData,
}

/// A plaintext that Transit encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransitCiphertext {
    /// `vault:v1:…`.
    pub text: String,
    /// The parameter that binds it.
    pub binding: Binding,
}

/// The properties of a Transit key.
#[derive(Clone, Debug, Deserialize)]
pub struct TransitKeyFacts {
    /// The newest version. New ciphertexts are made with it.
    pub latest_version: u32,
    /// The oldest version whose ciphertexts can be opened.
    pub min_decryption_version: u32,
    /// Whether the key is derived.
    #[serde(default)]
    pub derived: bool,
    /// Whether the key can be exported from Vault.
    #[serde(default)]
    pub exportable: bool,
    /// Whether the key can leave Vault in a plaintext backup.
    #[serde(default)]
    pub allow_plaintext_backup: bool,
    /// Whether the key can be deleted, which would make every ciphertext useless.
    #[serde(default)]
    pub deletion_allowed: bool,
}

/// What can be found out about the key and the policy without changing anything.
#[derive(Clone, Debug)]
pub struct TransitReport {
    /// The properties of the key. `None` if the policy does not let them be read.
    pub facts: Option<TransitKeyFacts>,
    /// Whether the policy would let a key with a mistyped name be created. `None` if the role may not ask.
    pub may_create: Option<bool>,
}

/// A Transit key. Clones are cheap. It holds no connection and no token.
#[derive(Clone, Debug)]
pub struct Transit {
    settings: Arc<TransitSettings>,
    options: ConnectorOptions,
    refused_headers: Arc<RefusedHeaders>,
}

impl Binding {
    /// Both parameters.
    pub const ALL: [Self; 2] = [Self::Context, Self::AssociatedData];

    /// Returns the name of the parameter.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Context => "context",
            Self::AssociatedData => "associated_data",
        }
    }
}

impl TransitCiphertext {
    /// Returns the version of the key that sealed this: the number in `vault:v1:…`.
    #[must_use]
    pub fn key_version(&self) -> Option<u32> {
        self.text.strip_prefix("vault:v")?.split_once(':')?.0.parse().ok()
    }
}

impl Transit {
    /// Returns a handle on a key. Sends no request.
    #[must_use]
    pub fn new(settings: TransitSettings, options: ConnectorOptions) -> Self {
        Self { settings: Arc::new(settings), options, refused_headers: Arc::default() }
    }

    /// Returns a description of the key for people: `transit/keys/name at https://host:port`.
    #[must_use]
    pub fn describe(&self) -> String {
        let TransitSettings { address, mount, key, .. } = &*self.settings;
        format!("{mount}/keys/{key} at {address}")
    }

    /// Returns whether another handle logs in at the same place with the same credential.
    #[must_use]
    pub fn logs_in_like(&self, other: &Self) -> bool {
        let auth = match (&self.settings.auth, &other.settings.auth) {
            (TransitAuth::Token(one), TransitAuth::Token(other)) => one.expose() == other.expose(),
            (
                TransitAuth::AppRole { mount, role_id, secret_id },
                TransitAuth::AppRole { mount: other_mount, role_id: other_role, secret_id: other_secret },
            ) => mount == other_mount && role_id == other_role && secret_id.expose() == other_secret.expose(),
            _ => false,
        };
        auth && self.settings.address == other.settings.address && self.settings.namespace == other.settings.namespace
    }

    /// Seals a plaintext and proves that the result opens with its context and with no other.
    ///
    /// # Errors
    /// [`RemoteFault`]; [`FaultClass::Misconfigured`] if the key does not exist, or does not bind ciphertexts
    /// to their context.
    pub async fn seal(&self, plaintext: &SecretBytes, context: &[u8]) -> Result<TransitCiphertext, RemoteFault> {
        let session = self.session().await?;
        let sealed = session.seal_and_prove(plaintext, context).await;
        session.close().await;
        sealed
    }

    /// Opens a ciphertext, and proves that it does not open with another context.
    ///
    /// # Errors
    /// [`RemoteFault`]; [`FaultClass::Misconfigured`] if the ciphertext belongs to another key or context, or
    /// to a version that the key no longer opens.
    pub async fn open(&self, sealed: &TransitCiphertext, context: &[u8]) -> Result<SecretBytes, RemoteFault> {
        let session = self.session().await?;
        let opened = session.open_and_prove(sealed, context).await;
        session.close().await;
        opened
    }

    /// Seals a ciphertext again under the newest version of the key, and proves that it opens to the same
    /// plaintext. Under a derived key the rewrap itself happens within Vault.
    ///
    /// # Errors
    /// Those of [`Self::open`].
    pub async fn reseal(&self, sealed: &TransitCiphertext, context: &[u8]) -> Result<TransitCiphertext, RemoteFault> {
        let session = self.session().await?;
        let resealed = session.reseal(sealed, context).await;
        session.close().await;
        resealed
    }

    /// Asks for the properties of the key and of the policy.
    ///
    /// # Errors
    /// [`RemoteFault`] if nothing can be found out; [`FaultClass::Misconfigured`] if the key does not exist.
    pub async fn examine(&self) -> Result<TransitReport, RemoteFault> {
        let session = self.session().await?;
        let report = session.examine().await;
        session.close().await;
        report
    }

    async fn session(&self) -> Result<TransitSession<'_>, RemoteFault> {
        let TransitSettings { address, namespace, ca_pem, auth, mount, key } = &*self.settings;
        let misconfigured = |message: String| fault::new(FaultClass::Misconfigured, message);
        let scope = Scope::new(mount, key).map_err(misconfigured)?;
        let address = VaultAddress::parse(address, self.options.allow_plaintext).map_err(|error| {
            let hint = "write it as https://host:8200; plain http is for loopback addresses";
            fault::hinted(FaultClass::Misconfigured, error.to_string(), hint)
        })?;
        let trust = Tls { ca_pem: ca_pem.clone(), ..Tls::default() };
        let (client, _) = tls::client(&address, &trust, None, &self.options).map_err(|error| {
            let hint = error.hint();
            RemoteFault { hint, ..misconfigured(error.to_string()) }
        })?;
        let of_secrets = connector::namespace(namespace.as_deref())?;
        let namespaces = Namespaces { of_login: of_secrets.clone(), of_secrets };
        let transport = Transport::new(client, address.base(None), namespaces, Arc::clone(&self.refused_headers));
        let request = Health::request();
        let answer = transport.send(&request, None).await.map_err(|error| error.fault(&request))?;
        namespaces::prove(&transport, &Health::read(&request, &answer)?).await?;
        let token = match auth {
            TransitAuth::Token(token) => token.duplicate(),
            TransitAuth::AppRole { mount, role_id, secret_id } => {
                approle::login(&transport, mount, role_id, secret_id).await?.token
            }
        };
        let revoke = matches!(auth, TransitAuth::AppRole { .. });
        Ok(TransitSession { transport, scope, key, token, revoke })
    }
}

/// A login for the duration of an operation.
struct TransitSession<'a> {
    transport: Transport,
    scope: Scope,
    key: &'a str,
    token: SecretText,
    revoke: bool,
}

impl TransitSession<'_> {
    async fn seal_and_prove(&self, plaintext: &SecretBytes, context: &[u8]) -> Result<TransitCiphertext, RemoteFault> {
        let binding = self.binding().await?;
        let text = self.encrypt(plaintext, binding, context).await?;
        let sealed = TransitCiphertext { text, binding };
        let opened = self.open_and_prove(&sealed, context).await?;
        if opened.expose() != plaintext.expose() {
            return Err(self.misconfigured("does not decrypt to the root key that it encrypted"));
        }
        Ok(sealed)
    }

    async fn open_and_prove(&self, sealed: &TransitCiphertext, context: &[u8]) -> Result<SecretBytes, RemoteFault> {
        let opened = self.decrypt(sealed, context).await?;
        let mut other = context.to_vec();
        other.extend(b" of another installation");
        match self.decrypt(sealed, &other).await {
            Ok(_) => {
                Err(self.misconfigured("does not bind ciphertexts to their context: it decrypts them with any context"))
            }
            // Only a refusal by the cipher itself proves that the context is bound.
            Err(fault) if fault.class == FaultClass::Misconfigured => Ok(opened),
            Err(fault) => Err(fault),
        }
    }

    async fn reseal(&self, sealed: &TransitCiphertext, context: &[u8]) -> Result<TransitCiphertext, RemoteFault> {
        let before = self.open_and_prove(sealed, context).await?;
        let text = match sealed.binding {
            Binding::Context => {
                let body = serde_json::json!({ "ciphertext": sealed.text, "context": BASE64.encode(context) });
                let answer = self.post("rewrap", "re-sealing with", body.to_string().into_bytes()).await?;
                ciphertext(&answer)?
            }
            Binding::AssociatedData => self.encrypt(&before, sealed.binding, context).await?,
        };
        let resealed = TransitCiphertext { text, binding: sealed.binding };
        let after = self.open_and_prove(&resealed, context).await?;
        if before.expose() != after.expose() {
            return Err(self.misconfigured("does not decrypt to the same root key after sealing it again"));
        }
        Ok(resealed)
    }

    /// Finds out that the key exists and how it binds. It sends a text that is not a ciphertext, and the
    /// message of the refusal tells three cases apart.
    async fn binding(&self) -> Result<Binding, RemoteFault> {
        let nothing = TransitCiphertext {
            text: format!("vault:v1:{}", BASE64.encode([0; 64])),
            binding: Binding::AssociatedData,
        };
        match self.decrypt(&nothing, b"is there a key?").await {
            Ok(_) => Err(self.misconfigured("opens a text that it never sealed")),
            Err(fault) if fault.message.contains("missing 'context'") => Ok(Binding::Context),
            Err(fault) if fault.class == FaultClass::Misconfigured && !is_missing_key(&fault.message) => {
                Ok(Binding::AssociatedData)
            }
            Err(fault) => Err(fault),
        }
    }

    async fn encrypt(&self, plaintext: &SecretBytes, binding: Binding, context: &[u8]) -> Result<String, RemoteFault> {
        let plaintext = Zeroizing::new(BASE64.encode(plaintext.expose()));
        let body = Zeroizing::new(format!(
            r#"{{"plaintext":"{}","{}":"{}"}}"#,
            *plaintext,
            binding.as_str(),
            BASE64.encode(context)
        ));
        ciphertext(&self.post("encrypt", "sealing with", body.as_bytes().to_vec()).await?)
    }

    async fn decrypt(&self, sealed: &TransitCiphertext, context: &[u8]) -> Result<SecretBytes, RemoteFault> {
        #[derive(Deserialize)]
        struct Opened<'a> {
            #[serde(borrow)]
            plaintext: &'a str,
        }
        let body = serde_json::json!({ "ciphertext": sealed.text, sealed.binding.as_str(): BASE64.encode(context) });
        let answer = self.post("decrypt", "opening with", body.to_string().into_bytes()).await?;
        // Base64 has no characters that JSON escapes, so the text is borrowed and not copied.
        let opened = answer.parse::<Envelope<Opened<'_>>>("opening")?.data;
        let plaintext = BASE64.decode(opened.plaintext);
        plaintext
            .map(SecretBytes::new)
            .map_err(|_| fault::new(FaultClass::Protocol, "opening: the plaintext is not base64"))
    }

    async fn post(&self, operation: &str, doing: &str, json: Vec<u8>) -> Result<Answer, RemoteFault> {
        let route = Route::new(format!("{}/{operation}/{}", self.scope.mount(), self.key));
        // Only a body for `encrypt` holds the plaintext. A ciphertext and its context are not secrets.
        let secrets = if operation == "encrypt" { Secrets::Body } else { Secrets::None };
        let request = Request::post(route, doing, &["update"], Repetition::Repeatable, Zeroizing::new(json));
        let request = Request { secrets, ..request };
        let answer = self.send(&request).await?;
        match answer.status.as_u16() {
            200 => Ok(answer),
            403 => Err(self.denied(&request, &answer).await),
            400 => Err(explained(fault::refused(&request, &answer))),
            404 => Err(fault::hinted(
                FaultClass::Misconfigured,
                format!("{}: there is no Transit engine at `{}/`", request.doing, self.scope.mount()),
                "check KEY_HCV_TRANSIT_MOUNT and KEY_HCV_NAMESPACE",
            )),
            _ => Err(fault::refused(&request, &answer)),
        }
    }

    /// Finds out whether a capability is missing or the token is dead.
    async fn denied(&self, request: &Request, answer: &Answer) -> RemoteFault {
        let refused = fault::refused(request, answer);
        match self.capabilities(request.route.as_str()).await {
            Ok(Some(capabilities)) => fault::hinted(
                FaultClass::Denied,
                session::denied(request, &capabilities).message,
                "add it to the policy, or check KEY_HCV_TRANSIT_KEY; `create` must stay away: it makes a key of a mistyped name",
            ),
            Ok(None) => fault::hinted(
                FaultClass::Denied,
                refused.message,
                "check that the token is valid (KEY_HCV_TOKEN) and that its policy has `update` on this path",
            ),
            Err(fault) => fault,
        }
    }

    /// Asks for the capabilities of the token on a path. Returns `None` if the token may not ask.
    async fn capabilities(&self, path: &str) -> Result<Option<Capabilities>, RemoteFault> {
        let question = Capabilities::request(&BTreeSet::from([path.to_owned()]));
        let answer = self.send(&question).await?;
        if answer.status.is_success() { Capabilities::read(&question, &answer).map(Some) } else { Ok(None) }
    }

    async fn examine(&self) -> Result<TransitReport, RemoteFault> {
        self.binding().await?;
        let mount = self.scope.mount();
        let request = Request::get(Route::new(format!("{mount}/keys/{}", self.key)), "reading", &["read"]);
        let answer = self.send(&request).await?;
        let facts = match answer.status.as_u16() {
            200 => Some(answer.parse::<Envelope<TransitKeyFacts>>(&request.doing)?.data),
            403 => None,
            _ => return Err(fault::refused(&request, &answer)),
        };
        let path = format!("{mount}/encrypt/{}", self.key);
        let may_create = self.capabilities(&path).await?.map(|granted| granted.allows(&path, "create"));
        Ok(TransitReport { facts, may_create })
    }

    async fn send(&self, request: &Request) -> Result<Answer, RemoteFault> {
        self.transport.send(request, Some(&self.token)).await.map_err(|error| error.fault(request))
    }

    async fn close(&self) {
        if self.revoke {
            approle::revoke(&self.transport, &self.token).await;
        }
    }

    fn misconfigured(&self, what: &str) -> RemoteFault {
        fault::hinted(
            FaultClass::Misconfigured,
            format!("the Transit key `{}` {what}", self.key),
            "use an aes256-gcm96 key made with derived=true for VaultTerm alone",
        )
    }
}

fn ciphertext(answer: &Answer) -> Result<String, RemoteFault> {
    #[derive(Deserialize)]
    struct Sealed {
        ciphertext: String,
    }
    Ok(answer.parse::<Envelope<Sealed>>("sealing")?.data.ciphertext)
}

fn is_missing_key(message: &str) -> bool {
    message.contains("encryption key not found")
}

/// Explains Transit's refusal of a ciphertext in the terms of a root key.
fn explained(fault: RemoteFault) -> RemoteFault {
    let said = &fault.message;
    let hint: Advice = if is_missing_key(said) {
        "there is no Transit key of this name: check KEY_HCV_TRANSIT_KEY; if it was deleted, restore it from a Vault backup, or continue with the local copy of the root key".into()
    } else if said.contains("too old") {
        ToDo::ResealRootKey.into()
    } else if said.contains("message authentication failed") || said.contains("invalid ciphertext") {
        "the sealed root key is of another Transit key or another installation: check KEY_HCV_TRANSIT_KEY and MASTER_KEY_CIPHERTEXT".into()
    } else if said.contains("missing 'context'") {
        "the Transit key is derived, but the sealed root key was not sealed under a derived key: check KEY_HCV_TRANSIT_KEY".into()
    } else {
        return fault;
    };
    RemoteFault { class: FaultClass::Misconfigured, hint: Some(hint), ..fault }
}

#[cfg(test)]
mod tests {
    use super::{Binding, TransitCiphertext};

    #[test]
    fn a_ciphertext_says_which_version_of_the_key_sealed_it() {
        let version = |text: &str| TransitCiphertext { text: text.to_owned(), binding: Binding::Context }.key_version();
        assert_eq!(version("vault:v12:abc="), Some(12));
        assert_eq!(version("vault:vx:abc="), None);
        assert_eq!(version("abc"), None);
    }
}
