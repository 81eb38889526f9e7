//! The least-privilege policy for Vault, and the script that sets it up.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use vaultterm_hcv::{Flavor, PolicyRequest, PolicyText, policy};
use vaultterm_reconcile::{Mode, UnknownName};
use vaultterm_store::{CollectionRole, Scope};

use super::connections::place;
use crate::{
    app::App,
    caller::Caller,
    problem::Problem,
    request::{Body, Id, Parameters},
};

/// Role and policy are named so unless told.
const ROLE: &str = "vaultterm";

/// A policy, and the script that sets it up.
#[derive(Serialize, ToSchema)]
pub(crate) struct PolicyView {
    hcl: String,
    script: String,
}

impl From<PolicyText> for PolicyView {
    fn from(PolicyText { hcl, script }: PolicyText) -> Self {
        Self { hcl, script }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PolicyQuery {
    /// `vault` or `openbao`; unless told, what the connection found, else `vault`.
    flavor: Option<String>,
    /// Name of the role and the policy; `vaultterm` unless told.
    role: Option<String>,
}

/// Writes the policy that a connection needs.
#[utoipa::path(get, path = "/connections/{id}/policy", tag = "connections",
    params(("id" = Uuid, Path), PolicyQuery), responses((status = 200, body = PolicyView)))]
pub(crate) async fn of_connection(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Parameters(query): Parameters<PolicyQuery>,
) -> Result<Json<PolicyView>, Problem> {
    app.need_any_scope(&caller, &[Scope::ConnectionsWrite, Scope::RecordsRead]).await?;
    let connection = app.connection_for(&caller, id, CollectionRole::Viewer).await?.connection;
    let found = connection.identity.as_ref().map(|identity| identity.product.as_str());
    let flavor = match (query.flavor.as_deref(), found) {
        (Some(name), _) => flavor(name)?,
        (None, Some("OpenBao")) => Flavor::OpenBao,
        (None, _) => Flavor::Vault,
    };
    let role = name("role", query.role.as_deref().unwrap_or(ROLE))?;
    let text = policy(&PolicyRequest {
        mount: &connection.mount,
        path: &connection.path,
        mode: connection.options.mode,
        flavor,
        annotate: connection.options.annotate,
        role,
        auth_mount: &connection.auth_mount,
    });
    Ok(Json(text.into()))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PolicyScope {
    mount: String,
    #[serde(default)]
    path: String,
    /// `push`, `pull` or `bidirectional`.
    mode: String,
    /// `vault` (unless told) or `openbao`.
    flavor: Option<String>,
    role: Option<String>,
    auth_mount: Option<String>,
    annotate: Option<bool>,
}

/// Writes the policy for a scope, before there is a connection.
#[utoipa::path(post, path = "/connections/policy", tag = "connections", request_body = PolicyScope,
    responses((status = 200, body = PolicyView)))]
pub(crate) async fn of_scope(
    State(_app): State<App>,
    _caller: Caller,
    Body(body): Body<PolicyScope>,
) -> Result<Json<PolicyView>, Problem> {
    let text = policy(&PolicyRequest {
        mount: place("mount", &body.mount)?,
        path: if body.path.trim_matches('/').is_empty() { "" } else { place("path", &body.path)? },
        mode: mode(&body.mode)?,
        flavor: body.flavor.as_deref().map_or(Ok(Flavor::Vault), flavor)?,
        annotate: body.annotate.unwrap_or(true),
        role: name("role", body.role.as_deref().unwrap_or(ROLE))?,
        auth_mount: place("auth_mount", body.auth_mount.as_deref().unwrap_or("approle"))?,
    });
    Ok(Json(text.into()))
}

/// A name of a role: one segment of a path.
fn name<'a>(field: &str, text: &'a str) -> Result<&'a str, Problem> {
    if text.contains('/') {
        return Err(Problem::field(field, "is a name, without `/`"));
    }
    place(field, text)
}

/// Finds a mode by name.
pub(crate) fn mode(name: &str) -> Result<Mode, Problem> {
    name.parse().map_err(|error: UnknownName| Problem::field("mode", error.one_of()))
}

fn flavor(name: &str) -> Result<Flavor, Problem> {
    match name {
        "vault" => Ok(Flavor::Vault),
        "openbao" => Ok(Flavor::OpenBao),
        _ => Err(Problem::field("flavor", "expected `vault` or `openbao`")),
    }
}
