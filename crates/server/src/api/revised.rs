//! Answers about an object that has revisions.

use axum::{
    Json,
    http::header,
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// An object as JSON, with its revision as `ETag`: an update sends it back in `If-Match`.
pub(crate) struct Revised<T> {
    /// The revision of the object.
    pub(crate) revision: u64,
    /// The object.
    pub(crate) body: T,
}

impl<T> Revised<T> {
    /// Makes the answer.
    pub(crate) fn at(revision: u64, body: T) -> Self {
        Self { revision, body }
    }
}

impl<T: Serialize> IntoResponse for Revised<T> {
    fn into_response(self) -> Response {
        ([(header::ETAG, format!("\"{}\"", self.revision))], Json(self.body)).into_response()
    }
}
