//! Whether the server lives, is ready, and how its parts are.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    RootKeeper,
    app::App,
    caller::Caller,
    problem::{Kind, Problem},
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
pub(crate) async fn readyz(State(app): State<App>) -> Result<Json<StatusView>, Problem> {
    if app.closing.is_cancelled() {
        return Err(Problem::new(Kind::Unavailable, "the server is shutting down"));
    }
    app.store.ping().await.map_err(|error| {
        tracing::error!(%error, "the database does not answer");
        Problem::new(Kind::Unavailable, "the database does not answer")
    })?;
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

/// How the root key is kept, and whether the running server can still have it opened.
async fn keys(app: &App) -> ComponentView {
    let keeper = &app.keys.keeper;
    let (ok, detail) = match keeper {
        RootKeeper::Transit { transit, .. } => match transit.check().await {
            Ok(()) => (true, keeper.as_str().to_owned()),
            Err(why) => (false, format!("{}: the next start could not open the root key: {why}", keeper.as_str())),
        },
        RootKeeper::File(_) | RootKeeper::Given(_) => (true, keeper.as_str().to_owned()),
    };
    ComponentView { name: "keys".to_owned(), ok, detail: Some(detail) }
}

/// How the parts are.
#[utoipa::path(get, path = "/health", tag = "health", responses((status = 200, body = HealthView)))]
pub(crate) async fn health(State(app): State<App>, _caller: Caller) -> Json<HealthView> {
    let database = app.store.ping().await;
    let component = |name: &str, ok, detail| ComponentView { name: name.to_owned(), ok, detail };
    let mut components = vec![
        component("database", database.is_ok(), database.err().map(|error| error.to_string())),
        keys(&app).await,
        component("scheduler", !app.closing.is_cancelled(), None),
    ];
    for anchor in app.anchors.health(&app).await {
        components.push(component(&format!("anchor:{}", anchor.name), anchor.ok, Some(anchor.detail)));
    }
    let status = if components.iter().all(|component| component.ok) { "ok" } else { "degraded" };
    Json(HealthView { status, version: env!("CARGO_PKG_VERSION"), components })
}
