//! The least-privilege policy for Vault, and the script that sets it up.

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;
use vaultterm_contract::{PolicyScope, PolicyView};
use vaultterm_hcv::PolicyText;
use vaultterm_operations::{
    Caller, Services,
    connections::policy::{self, Place},
};

use crate::{
    problem::Problem,
    request::{Body, Id, Parameters},
};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PolicyQuery {
    /// `vault` or `openbao`; unless told, what the connection found, else `vault`.
    flavor: Option<String>,
    /// Name of the role and the policy; `vaultterm` unless told.
    role: Option<String>,
}

fn view(PolicyText { hcl, script, wrapping_script }: PolicyText) -> PolicyView {
    PolicyView { hcl, script, wrapping_script }
}

/// Writes the policy that a connection needs.
#[utoipa::path(get, path = "/connections/{id}/policy", tag = "connections",
    params(("id" = Uuid, Path), PolicyQuery), responses((status = 200, body = PolicyView)))]
pub(crate) async fn of_connection(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Parameters(query): Parameters<PolicyQuery>,
) -> Result<Json<PolicyView>, Problem> {
    let PolicyQuery { flavor, role } = query;
    let text = policy::of_connection(&services, &caller, id, flavor.as_deref(), role.as_deref()).await?;
    Ok(Json(view(text)))
}

/// Writes the policy for a scope, before there is a connection.
#[utoipa::path(post, path = "/connections/policy", tag = "connections", request_body = PolicyScope,
    responses((status = 200, body = PolicyView)))]
pub(crate) async fn of_scope(caller: Caller, Body(body): Body<PolicyScope>) -> Result<Json<PolicyView>, Problem> {
    let place = Place {
        mount: &body.mount,
        path: &body.path,
        mode: &body.mode,
        flavor: body.flavor.as_deref(),
        role: body.role.as_deref(),
        auth_mount: body.auth_mount.as_deref(),
        annotate: body.annotate,
    };
    Ok(Json(view(policy::of_scope(&caller, &place)?)))
}
