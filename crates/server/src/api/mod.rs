//! The routes, one file a resource. Each handler carries its own description, from which the
//! OpenAPI document is made.

pub(crate) mod audit;
mod audit_log;
mod auth;
mod collections;
mod conflicts;
mod connections;
mod exports;
mod factors;
mod generated;
mod health;
mod hints;
mod imports;
mod keys;
mod license;
mod links;
mod list;
mod members;
pub(crate) mod plans;
mod policy;
mod record_moves;
mod record_search;
mod records;
mod revised;
pub(crate) mod runs;
mod sessions;
pub(crate) mod setup;
mod tokens;
mod users;
mod webhooks;

use axum::{Json, Router, extract::DefaultBodyLimit, middleware, routing::get};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        ContentBuilder, PathItem, Ref, RefOr, ResponseBuilder, Responses,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouterExt as _},
    routes,
};

pub(crate) use health::livez;

use crate::{
    carry_out, gate, idempotency,
    problem::{MEDIA_TYPE as PROBLEM, Problem},
    request::UPLOAD_BYTES_MAX,
    state::ServerState,
    web,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "VaultTerm",
        description = "Self-hosted credential vault in two-way sync with HashiCorp Vault and OpenBao. \
                       Errors are problem documents (RFC 9457). Updates need `If-Match: \"<revision>\"`. \
                       `POST` accepts `Idempotency-Key`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    modifiers(&BearerToken),
    components(schemas(Problem)),
    security(("bearer" = [])),
)]
struct Description;

struct BearerToken;

impl Modify for BearerToken {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// What needs no token.
fn open_routes() -> OpenApiRouter<ServerState> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(auth::login))
        .routes(routes!(setup::spend))
        .routes(routes!(links::open))
        .routes(routes!(links::accept))
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
}

/// What does.
fn routes() -> OpenApiRouter<ServerState> {
    OpenApiRouter::new()
        .routes(routes!(auth::logout))
        .routes(routes!(auth::me))
        .routes(routes!(auth::step_up))
        .routes(routes!(factors::show))
        .routes(routes!(factors::begin_otp, factors::remove_otp))
        .routes(routes!(factors::confirm_otp))
        .routes(routes!(factors::new_recovery_codes))
        .routes(routes!(factors::type_back))
        .routes(routes!(sessions::list, sessions::end_others))
        .routes(routes!(sessions::end))
        .routes(routes!(links::profile))
        .routes(routes!(links::invite))
        .routes(routes!(links::invite_again))
        .routes(routes!(links::reset))
        .routes(routes!(links::list))
        .routes(routes!(links::withdraw))
        .routes(routes!(users::list, users::create))
        .routes(routes!(users::show, users::update, users::delete))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::revoke))
        .routes(routes!(collections::list, collections::create))
        .routes(routes!(collections::show, collections::update, collections::delete))
        .routes(routes!(members::list))
        .routes(routes!(members::show, members::grant, members::revoke))
        .routes(routes!(records::list, records::create))
        .routes(routes!(record_search::everywhere, record_moves::change))
        .routes(routes!(record_moves::preview, record_moves::relocate))
        .routes(routes!(record_moves::who))
        .routes(routes!(record_moves::reveal))
        .routes(routes!(generated::recent, generated::generate))
        .routes(routes!(generated::reveal))
        .routes(routes!(records::show, records::update, records::trash))
        .routes(routes!(records::reveal))
        .routes(routes!(records::inject))
        .routes(routes!(records::revisions))
        .routes(routes!(records::restore))
        .routes(routes!(records::otp))
        .routes(routes!(connections::list, connections::create))
        .routes(routes!(connections::show, connections::update, connections::delete))
        .routes(routes!(connections::reach))
        .routes(routes!(connections::test))
        .routes(routes!(connections::rotate_secret_id))
        .routes(routes!(connections::accepted::list, connections::accepted::reopen))
        .routes(routes!(connections::ignored::list, connections::ignored::accept, connections::ignored::take_back))
        .routes(routes!(connections::pause))
        .routes(routes!(connections::resume))
        .routes(routes!(policy::of_connection))
        .routes(routes!(policy::of_scope))
        .routes(routes!(imports::upload, imports::list).layer(DefaultBodyLimit::max(UPLOAD_BYTES_MAX)))
        .routes(routes!(imports::show, imports::discard))
        .routes(routes!(imports::items))
        .routes(routes!(imports::commit))
        .routes(routes!(imports::undo))
        .routes(routes!(exports::review))
        .routes(routes!(exports::export))
        .routes(routes!(plans::create))
        .routes(routes!(plans::show))
        .routes(routes!(plans::discard))
        .routes(routes!(runs::list, runs::start))
        .routes(routes!(runs::recent))
        .routes(routes!(runs::show))
        .routes(routes!(runs::cancel))
        .routes(routes!(runs::events))
        .routes(routes!(hints::add))
        .routes(routes!(hints::scopes))
        .routes(routes!(conflicts::list))
        .routes(routes!(conflicts::show))
        .routes(routes!(conflicts::reveal))
        .routes(routes!(conflicts::resolve))
        .routes(routes!(conflicts::plan_alike))
        .routes(routes!(audit::events))
        .routes(routes!(audit::event))
        .routes(routes!(audit::export))
        .routes(routes!(audit::verify))
        .routes(routes!(audit_log::checkpoints))
        .routes(routes!(audit_log::keys))
        .routes(routes!(audit_log::prune))
        .routes(routes!(webhooks::list, webhooks::create))
        .routes(routes!(webhooks::show, webhooks::update, webhooks::delete))
        .routes(routes!(webhooks::reship))
        .routes(routes!(webhooks::test))
        .routes(routes!(keys::show))
        .routes(routes!(keys::rotate))
        .routes(routes!(license::show, license::install))
        .routes(routes!(license::evaluate))
        .routes(routes!(health::health))
}

/// Describes the API: OpenAPI 3.1, from the handlers themselves.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    let nested = OpenApiRouter::with_openapi(Description::openapi());
    let mut described = nested.nest("/api/v1", open_routes().merge(routes())).into_openapi();
    for item in described.paths.paths.values_mut() {
        let PathItem { get, put, post, delete, patch, .. } = item;
        for operation in [get, put, post, delete, patch].into_iter().flatten() {
            describe_problems(&mut operation.responses);
        }
    }
    described
}

/// Every refusal is a problem document, whether a handler names its status or not.
fn describe_problems(responses: &mut Responses) {
    let document = || ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let answer = || ResponseBuilder::new().description("A problem").content(PROBLEM, document()).build();
    for (status, response) in &mut responses.responses {
        if status.starts_with(['4', '5']) {
            *response = RefOr::T(answer());
        }
    }
    responses.responses.insert("default".to_owned(), RefOr::T(answer()));
}

/// Puts all routes together.
pub(crate) fn router(app: ServerState) -> Router {
    let document = openapi();
    let protected = routes().layer(middleware::from_fn_with_state(app.clone(), idempotency::once));
    let (api, _) = OpenApiRouter::new().nest("/api/v1", open_routes().merge(protected)).split_for_parts();
    api.route("/api/v1/openapi.json", get(move || async move { Json(document) }))
        // Where orchestrators look for them.
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .merge(web::router(&app))
        .fallback(gate::nothing_here)
        .layer(DefaultBodyLimit::max(crate::request::BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(app.services.tasks.clone(), carry_out::to_its_end))
        .layer(CatchPanicLayer::new())
        .layer(middleware::from_fn(gate::pass))
        .with_state(app)
}
