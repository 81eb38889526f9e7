//! The least-privilege policy for Vault, and the script that sets it up.

use uuid::Uuid;
use vaultterm_hcv::{Flavor, PolicyRequest, PolicyText, policy};
use vaultterm_store::{CollectionRole, Scope};

use super::checks::{mode, place};
use crate::{access, caller::Caller, refusal::Refusal, services::Services};

/// The name of the role and of the policy, unless told.
const ROLE: &str = "vaultterm";

/// Writes the policy that a connection needs. `flavor` is `vault` or `openbao`: unless told, what the
/// connection found, else `vault`.
///
/// # Errors
/// [`Refusal`].
pub async fn of_connection(
    services: &Services,
    caller: &Caller,
    id: Uuid,
    flavor: Option<&str>,
    role: Option<&str>,
) -> Result<PolicyText, Refusal> {
    access::any_scope(services, caller, &[Scope::ConnectionsWrite, Scope::RecordsRead]).await?;
    let id = access::connection(services, caller, id, CollectionRole::Viewer).await?;
    let found = services.store.connection_summary(id).await?;
    let connection = found.ok_or_else(|| Refusal::not_found("connection"))?.connection;
    let product = connection.identity.as_ref().map(|identity| identity.product.as_str());
    let flavor = match (flavor, product) {
        (Some(name), _) => self::flavor(name)?,
        (None, Some("OpenBao")) => Flavor::OpenBao,
        (None, _) => Flavor::Vault,
    };
    Ok(policy(&PolicyRequest {
        mount: &connection.mount,
        path: &connection.path,
        mode: connection.options.mode,
        flavor,
        annotate: connection.options.annotate,
        role: name("role", role.unwrap_or(ROLE))?,
        auth_mount: &connection.auth_mount,
    }))
}

/// A scope in Vault that there is no connection for yet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place<'a> {
    /// The KV v2 mount.
    pub mount: &'a str,
    /// The path prefix below it.
    pub path: &'a str,
    /// `push`, `pull` or `bidirectional`.
    pub mode: &'a str,
    /// `vault` (unless told) or `openbao`.
    pub flavor: Option<&'a str>,
    /// The name of the role and of the policy.
    pub role: Option<&'a str>,
    /// Where AppRole is mounted; `approle` unless told.
    pub auth_mount: Option<&'a str>,
    /// Whether secrets are marked; they are unless told.
    pub annotate: Option<bool>,
}

/// Writes the policy for a scope, before there is a connection. Every caller may ask for it.
///
/// # Errors
/// `Invalid`.
pub fn of_scope(_: &Caller, asked: &Place<'_>) -> Result<PolicyText, Refusal> {
    Ok(policy(&PolicyRequest {
        mount: place("mount", asked.mount)?,
        path: if asked.path.trim_matches('/').is_empty() { "" } else { place("path", asked.path)? },
        mode: mode(asked.mode)?,
        flavor: asked.flavor.map_or(Ok(Flavor::Vault), flavor)?,
        annotate: asked.annotate.unwrap_or(true),
        role: name("role", asked.role.unwrap_or(ROLE))?,
        auth_mount: place("auth_mount", asked.auth_mount.unwrap_or("approle"))?,
    }))
}

/// Checks the name of a role: one segment of a path.
fn name<'a>(field: &str, text: &'a str) -> Result<&'a str, Refusal> {
    if text.contains('/') {
        return Err(Refusal::field(field, "is a name, without `/`"));
    }
    place(field, text)
}

fn flavor(name: &str) -> Result<Flavor, Refusal> {
    match name {
        "vault" => Ok(Flavor::Vault),
        "openbao" => Ok(Flavor::OpenBao),
        _ => Err(Refusal::field("flavor", "expected `vault` or `openbao`")),
    }
}
