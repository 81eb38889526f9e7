//! Exports: records leave as a file for another program.

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use vaultterm_contract::{ExportBody, ExportPart, ExportReviewView};
use vaultterm_operations::{
    Caller, Refusal, Services,
    exports::{self, Exported, Part, Protection},
};

use crate::{idempotency::shows_values, problem::Problem, request::Body, view};

/// Tells what each format would hold and lose. No value leaves.
#[utoipa::path(post, path = "/exports/review", tag = "exports", request_body = ExportPart,
    responses((status = 200, body = ExportReviewView), (status = 404, body = Problem)))]
pub(crate) async fn review(
    State(services): State<Services>,
    caller: Caller,
    Body(body): Body<ExportPart>,
) -> Result<Json<ExportReviewView>, Problem> {
    let part = Part { collection: body.collection_id, prefix: body.prefix };
    Ok(Json(view::exports::review(&exports::review(&services, &caller, &part).await?)))
}

/// Writes a file, sealed with age unless it is asked for as plain text. The audit log holds each record before it leaves.
#[utoipa::path(post, path = "/exports", tag = "exports", request_body = ExportBody,
    responses((status = 200, description = "The file", content_type = "application/octet-stream", body = Vec<u8>),
              (status = 403, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn export(
    State(services): State<Services>,
    caller: Caller,
    Body(body): Body<ExportBody>,
) -> Result<Response, Problem> {
    let ExportBody { collection_id, prefix, format, recipients, passphrase, plain } = body;
    let protection = match (recipients.is_empty(), passphrase, plain) {
        (false, None, false) => Protection::Recipients(recipients),
        (true, Some(passphrase), false) => Protection::Passphrase(passphrase),
        (true, None, true) => Protection::Plain,
        _ => {
            let why =
                "name either `recipients`, or a `passphrase`, or send `plain: true` for a file that is not sealed";
            return Err(Refusal::field("recipients", why).into());
        }
    };
    let part = Part { collection: collection_id, prefix };
    Ok(file(exports::export(&services, &caller, &part, &format, protection).await?))
}

/// Answers with a file to be saved.
pub(crate) fn file(exported: Exported) -> Response {
    let Exported { bytes, file_name, records, .. } = exported;
    let mut response = bytes.to_vec().into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{file_name}\""));
    headers.insert(header::CONTENT_DISPOSITION, disposition.expect("names of files are ASCII"));
    headers.insert("vaultterm-records", HeaderValue::from(records));
    shows_values(response)
}
