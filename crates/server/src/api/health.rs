//! Whether the server lives, is ready, and how its parts are.

use axum::{Json, extract::State};
use vaultterm_contract::{ComponentView, HealthStatus, HealthView, StatusView};

use vaultterm_operations::{
    Caller, Services,
    health::{self, Component},
};

use crate::problem::Problem;

/// The process answers.
#[utoipa::path(get, path = "/livez", tag = "health", security(()), responses((status = 200, body = StatusView)))]
pub(crate) async fn livez() -> Json<StatusView> {
    Json(StatusView { status: "ok".to_owned() })
}

/// The database answers and the keys are open.
#[utoipa::path(get, path = "/readyz", tag = "health", security(()),
    responses((status = 200, body = StatusView), (status = 503, body = Problem)))]
pub(crate) async fn readyz(State(services): State<Services>) -> Result<Json<StatusView>, Problem> {
    health::ready(&services).await?;
    Ok(Json(StatusView { status: "ready".to_owned() }))
}

/// How the parts are.
#[utoipa::path(get, path = "/health", tag = "health", responses((status = 200, body = HealthView)))]
pub(crate) async fn health(State(services): State<Services>, caller: Caller) -> Json<HealthView> {
    let found = health::components(&services, &caller).await;
    let status = if found.iter().all(|component| component.ok) { HealthStatus::Ok } else { HealthStatus::Degraded };
    let view = |Component { name, ok, detail }| ComponentView { name, ok, detail };
    let components = found.into_iter().map(view).collect();
    Json(HealthView { status, version: env!("CARGO_PKG_VERSION").to_owned(), components })
}
