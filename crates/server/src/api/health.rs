//! Whether the server lives, is ready, and how its parts are.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::Problem;
use vaultterm_operations::{
    Caller, Services,
    health::{self, Component},
};

#[derive(Serialize, ToSchema)]
pub(crate) struct StatusView {
    /// `ok` or `ready`.
    status: &'static str,
}

/// The process answers.
#[utoipa::path(get, path = "/livez", tag = "health", security(()), responses((status = 200, body = StatusView)))]
pub(crate) async fn livez() -> Json<StatusView> {
    Json(StatusView { status: "ok" })
}

/// The database answers and the keys are open.
#[utoipa::path(get, path = "/readyz", tag = "health", security(()),
    responses((status = 200, body = StatusView), (status = 503, body = Problem)))]
pub(crate) async fn readyz(State(services): State<Services>) -> Result<Json<StatusView>, Problem> {
    health::ready(&services).await?;
    Ok(Json(StatusView { status: "ready" }))
}

#[derive(Serialize, ToSchema)]
pub(crate) struct HealthView {
    /// `ok` or `degraded`.
    status: &'static str,
    version: &'static str,
    components: Vec<ComponentView>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ComponentView {
    /// `database`, `keys`, `scheduler`, and `anchor:file`, `anchor:syslog`, `anchor:vault` where
    /// the audit log is anchored there.
    name: String,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// How the parts are.
#[utoipa::path(get, path = "/health", tag = "health", responses((status = 200, body = HealthView)))]
pub(crate) async fn health(State(services): State<Services>, caller: Caller) -> Json<HealthView> {
    let found = health::components(&services, &caller).await;
    let status = if found.iter().all(|component| component.ok) { "ok" } else { "degraded" };
    let view = |Component { name, ok, detail }| ComponentView { name, ok, detail };
    let components = found.into_iter().map(view).collect();
    Json(HealthView { status, version: env!("CARGO_PKG_VERSION"), components })
}
