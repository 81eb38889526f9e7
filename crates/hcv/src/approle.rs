//! AppRole: logs in, unwraps `SecretID`s, and finds out when a `SecretID` expires.

use serde::{Deserialize, Serialize};
use vaultterm_reconcile::UnixNanos;
use vaultterm_sealing::SecretText;
use vaultterm_sync::{Advice, FaultClass, RemoteFault, ToDo};
use zeroize::Zeroizing;

use crate::{
    fault::{self, Absence},
    http::{Answer, Namespace, Repetition, Request, Transport},
    redaction::Secrets,
    route::Route,
    transport::TransportError,
    wire::{self, Envelope},
};

/// The result of a login.
#[derive(Debug)]
pub(crate) struct Login {
    pub(crate) token: SecretText,
    /// The name of the role, from the metadata of the token.
    pub(crate) role: Option<String>,
    /// The number of requests that the token is good for. `None` means no limit.
    pub(crate) uses: Option<u64>,
    /// The id of the role's entity.
    pub(crate) entity: Option<String>,
}

/// Logs in.
///
/// # Errors
/// [`FaultClass::LoginRefused`] with the reason, as far as the server tells it. A token of the root policy is
/// revoked and refused.
pub(crate) async fn login(
    transport: &Transport,
    auth_mount: &str,
    role_id: &str,
    secret_id: &SecretText,
) -> Result<Login, RemoteFault> {
    #[derive(Deserialize)]
    struct Body {
        auth: Option<Auth>,
    }
    #[derive(Deserialize)]
    struct Auth {
        client_token: String,
        #[serde(default)]
        policies: Vec<String>,
        #[serde(default)]
        metadata: Option<std::collections::BTreeMap<String, String>>,
        #[serde(default)]
        num_uses: u64,
        #[serde(default)]
        entity_id: String,
    }
    let request = login_request(auth_mount, role_id, secret_id);
    let answer = transport.send(&request, None).await.map_err(|error| lost_login(&request, &error))?;
    if !answer.status.is_success() {
        return Err(in_namespace(transport, refused_login(&request, &answer, auth_mount)));
    }
    let Some(mut auth) = answer.parse::<Body>(&request.doing)?.auth else {
        return Err(fault::new(FaultClass::Protocol, format!("{}: the answer holds no token", request.doing)));
    };
    let role = auth.metadata.and_then(|mut metadata| metadata.remove("role_name"));
    let login = Login {
        token: SecretText::new(std::mem::take(&mut auth.client_token)),
        // The name appears in messages, so a text that repeats the credential is not accepted as a name.
        role: role.filter(|role| !answer.sent.repeats(role)),
        uses: (auth.num_uses > 0).then_some(auth.num_uses),
        entity: Some(auth.entity_id).filter(|id| !id.is_empty()),
    };
    if auth.policies.iter().any(|policy| policy == "root") {
        revoke(transport, &login.token).await;
        return Err(fault::hinted(
            FaultClass::LoginRefused,
            "the role's tokens have the root policy, which VaultTerm refuses to use",
            ToDo::GivePolicy,
        ));
    }
    Ok(login)
}

fn login_request(auth_mount: &str, role_id: &str, secret_id: &SecretText) -> Request {
    #[derive(Serialize)]
    struct Credentials<'a> {
        role_id: &'a str,
        secret_id: &'a str,
    }
    let json = serde_json::to_vec(&Credentials { role_id, secret_id: secret_id.expose() });
    let json = Zeroizing::new(json.expect("two texts always encode"));
    let route = Route::new(format!("auth/{}/login", auth_mount.trim_matches('/')));
    let request = Request::post(route, "logging in at", &[], Repetition::Repeatable, json);
    Request { secrets: Secrets::Body, namespace: Namespace::OfLogin, ..request }
}

/// Adds a hint to a login that was refused in a namespace: AppRole may be mounted in another namespace.
fn in_namespace(transport: &Transport, fault: RemoteFault) -> RemoteFault {
    let Some(namespace) = transport.namespaces().of_login.as_ref().and_then(|name| name.to_str().ok()) else {
        return fault;
    };
    if fault.class != FaultClass::LoginRefused {
        return fault;
    }
    let also = Advice::from(ToDo::NameAuthNamespace { namespace: namespace.to_owned() });
    let hint = match fault.hint {
        Some(hint) => Advice::Several(vec![hint, also]),
        None => also,
    };
    RemoteFault { hint: Some(hint), ..fault }
}

/// Returns the fault of a login without an answer. The login may be repeated, but it may have cost a use of
/// the `SecretID`.
fn lost_login(request: &Request, error: &TransportError) -> RemoteFault {
    let mut fault = error.fault(request);
    if matches!(error, TransportError::Timeout { connecting: false } | TransportError::Broken(_)) {
        fault.hint = Some("if the SecretID has a limited number of uses, this login may have taken one".into());
    }
    fault
}

fn refused_login(request: &Request, answer: &Answer, auth_mount: &str) -> RemoteFault {
    let fault = fault::refused(request, answer);
    let mount = auth_mount.trim_matches('/');
    match answer.status.as_u16() {
        // The server does not tell a client which of these it is.
        400 if fault.message.contains("invalid role") || fault.message.contains("invalid secret") => fault::hinted(
            FaultClass::LoginRefused,
            "login refused: the RoleID is unknown, or the SecretID is wrong, expired, used up or not valid from this address (the server does not say which)",
            ToDo::StoreSecretId,
        ),
        400 => RemoteFault { class: FaultClass::LoginRefused, ..fault },
        // The server gives this answer if there is no auth method at the path, and to a role that is locked
        // out.
        403 => fault::hinted(
            FaultClass::LoginRefused,
            format!(
                "{}: permission denied (HTTP 403): the role is locked after several refused logins (even the right SecretID is refused then), or there is no auth method at `auth/{mount}/`",
                request.doing
            ),
            format!(
                "if the AppRole mount and the namespace of the connection are right, stop logging in and wait for the lockout to end (15 minutes by default), or let an operator lift it: \
                 `vault write -f sys/locked-users/<accessor of auth/{mount}>/unlock/<RoleID>` (OpenBao: `bao write -f …`); `vault read sys/locked-users` lists who is locked"
            ),
        ),
        404 if fault::absence(answer) == Absence::NoNamespace => fault::hinted(
            FaultClass::LoginRefused,
            format!("{}: the namespace does not exist", request.doing),
            "check the namespace of the connection",
        ),
        404 => fault::hinted(
            FaultClass::LoginRefused,
            format!("{}: there is no auth method at `auth/{mount}/`", request.doing),
            "check the AppRole mount and the namespace of the connection",
        ),
        _ => fault,
    }
}

/// Refuses a wrapping token that does not wrap a `SecretID` of an AppRole mount. The lookup does not use up the
/// token. It comes before [`unwrap`], so that a token that wraps something else is not spent and a forged token is
/// not taken for a `SecretID`.
///
/// # Errors
/// [`FaultClass::LoginRefused`] when the token does not wrap a `SecretID` of this AppRole mount, or was used
/// before. In the second case another party may have the `SecretID`.
pub(crate) async fn refuse_other_wraps(
    transport: &Transport,
    auth_mount: &str,
    token: &SecretText,
) -> Result<(), RemoteFault> {
    #[derive(Serialize)]
    struct Lookup<'a> {
        token: &'a str,
    }
    #[derive(Deserialize)]
    struct Wrapped {
        creation_path: String,
    }
    let json = serde_json::to_vec(&Lookup { token: token.expose() }).expect("a text always encodes");
    let route = Route::new("sys/wrapping/lookup");
    let request = Request {
        secrets: Secrets::Body,
        namespace: Namespace::OfLogin,
        ..Request::post(route, "looking at the wrapping token,", &[], Repetition::Repeatable, Zeroizing::new(json))
    };
    let answer = transport.send(&request, None).await.map_err(|error| error.fault(&request))?;
    if !answer.status.is_success() {
        return Err(refused_unwrap(&request, &answer));
    }
    let path = answer.parse::<Envelope<Wrapped>>(&request.doing)?.data.creation_path;
    if wraps_secret_id(&path, auth_mount) {
        return Ok(());
    }
    Err(fault::hinted(
        FaultClass::LoginRefused,
        format!(
            "the wrapping token does not hold a SecretID of auth/{auth_mount}: it was made at `{}`",
            answer.sent.foreign(&path)
        ),
        "wrap the answer of auth/<mount>/role/<role>/secret-id; if this token was handed to you as one, find out who made it",
    ))
}

/// Takes the `SecretID` out of a wrapping token. The token works once. The caller must have called
/// [`refuse_other_wraps`].
///
/// # Errors
/// [`FaultClass::LoginRefused`] when the token was used before. Another party may have the `SecretID` then.
pub(crate) async fn unwrap(transport: &Transport, token: &SecretText) -> Result<SecretText, RemoteFault> {
    #[derive(Deserialize)]
    struct Issued {
        secret_id: String,
    }
    let route = Route::new("sys/wrapping/unwrap");
    let request = Request {
        namespace: Namespace::OfLogin,
        ..Request::post(route, "unwrapping the SecretID,", &[], Repetition::Once, Zeroizing::default())
    };
    let answer = transport.send(&request, Some(token)).await.map_err(|error| error.fault(&request))?;
    if !answer.status.is_success() {
        return Err(refused_unwrap(&request, &answer));
    }
    Ok(SecretText::new(answer.parse::<Envelope<Issued>>(&request.doing)?.data.secret_id))
}

fn refused_unwrap(request: &Request, answer: &Answer) -> RemoteFault {
    let fault = fault::refused(request, answer);
    if !matches!(answer.status.as_u16(), 400 | 403) {
        return fault;
    }
    fault::hinted(
        FaultClass::LoginRefused,
        "the wrapping token is not valid: it works once and only for a short time, so it was used before, or it has expired. If you never used it, somebody else may have intercepted the SecretID",
        "make a new one. If you never used this one, first destroy its SecretID by the accessor, and look into Vault's audit log who unwrapped it",
    )
}

/// Returns whether a wrapping token was made when an AppRole mount issued a `SecretID`.
fn wraps_secret_id(creation_path: &str, auth_mount: &str) -> bool {
    let role = creation_path
        .strip_prefix("auth/")
        .and_then(|rest| rest.strip_prefix(auth_mount.trim_matches('/')))
        .and_then(|rest| rest.strip_prefix("/role/"))
        .and_then(|rest| rest.strip_suffix("/secret-id").or_else(|| rest.strip_suffix("/custom-secret-id")));
    role.is_some_and(|role| !role.is_empty() && !role.contains('/'))
}

/// Returns the path at which a role can look up the expiry of its `SecretID`.
pub(crate) fn lookup_path(auth_mount: &str, role: &str) -> String {
    format!("auth/{}/role/{role}/secret-id/lookup", auth_mount.trim_matches('/'))
}

/// Builds the request for the expiry of a `SecretID`. The server silently caps the time that was requested
/// when the `SecretID` was issued, so only the server knows it.
pub(crate) fn expiry_request(auth_mount: &str, role: &str, secret_id: &SecretText) -> Request {
    #[derive(Serialize)]
    struct Lookup<'a> {
        secret_id: &'a str,
    }
    let json = serde_json::to_vec(&Lookup { secret_id: secret_id.expose() }).expect("a text always encodes");
    let route = Route::new(lookup_path(auth_mount, role));
    let request = Request::post(route, "asking", &["update"], Repetition::Repeatable, Zeroizing::new(json));
    Request { secrets: Secrets::Body, namespace: Namespace::OfLogin, ..request }
}

/// Reads the expiry of a `SecretID` from an answer. `None` means that it never expires.
pub(crate) fn read_expiry(request: &Request, answer: &Answer) -> Result<Option<UnixNanos>, RemoteFault> {
    #[derive(Deserialize)]
    struct Issued {
        expiration_time: String,
    }
    let issued = answer.parse::<Envelope<Issued>>(&request.doing)?.data;
    wire::time(&issued.expiration_time)
        .map_err(|reason| fault::new(FaultClass::Protocol, format!("{}: {reason}", request.doing)))
}

/// The path at which a token revokes itself.
pub(crate) const REVOKE_SELF: &str = "auth/token/revoke-self";

/// Builds the request that revokes the token with which it is sent.
pub(crate) fn revoke_request() -> Request {
    let route = Route::new(REVOKE_SELF);
    Request {
        timeout: Some(std::time::Duration::from_secs(5)),
        namespace: Namespace::OfLogin,
        ..Request::post(route, "revoking the token,", &["update"], Repetition::Repeatable, Zeroizing::default())
    }
}

/// Revokes a token. A failure is only logged, because the token expires soon by itself.
pub(crate) async fn revoke(transport: &Transport, token: &SecretText) {
    match transport.send(&revoke_request(), Some(token)).await {
        Ok(answer) if answer.status.is_success() => {}
        Ok(answer) => tracing::warn!(status = answer.status.as_u16(), "the token could not be revoked"),
        Err(error) => tracing::warn!(%error, "the token could not be revoked"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_secret_id_of_the_very_mount_is_unwrapped() {
        for path in ["auth/approle/role/r1/secret-id", "auth/approle/role/r1/custom-secret-id"] {
            assert!(wraps_secret_id(path, "approle"), "{path}");
        }
        assert!(wraps_secret_id("auth/team/approle/role/r1/secret-id", "team/approle"));
        for path in [
            "auth/other/role/r1/secret-id",
            "auth/approle/role//secret-id",
            "auth/approle/role/a/b/secret-id",
            "auth/approle/role/r1/secret-id/lookup",
            "secret/data/auth/approle/role/r1/secret-id",
            "sys/wrapping/wrap",
            "cubbyhole/x",
        ] {
            assert!(!wraps_secret_id(path, "approle"), "{path}");
        }
    }
}
