//! Reads the audit log of a server, which shows the requests that reached it.

use std::{fs, path::Path};

use serde::Deserialize;

/// A request from the audit log. The server hashes the values in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditedRequest {
    /// `read`, `list`, `scan`, `create`, `update`, `patch`, `delete` …
    pub operation: String,
    /// The path as policies name it: `kv/data/team/a`.
    pub path: String,
    /// The name of the AppRole role whose token sent the request. Empty for other tokens.
    pub role: String,
    /// Whether the server refused the request.
    pub failed: bool,
}

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    auth: Option<Auth>,
    request: Request,
    #[serde(default)]
    error: String,
}

#[derive(Deserialize)]
struct Auth {
    #[serde(default)]
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    role_name: String,
}

#[derive(Deserialize)]
struct Request {
    #[serde(default)]
    operation: String,
    #[serde(default)]
    path: String,
}

/// Reads a log. The last line may be incomplete; its request has no answer yet in that case.
pub(super) fn read(log: &Path) -> Vec<AuditedRequest> {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    lines
        .map(|line| serde_json::from_str::<Line>(line).expect("OpenBao writes JSON lines"))
        .filter(|line| line.kind == "response")
        .map(|line| AuditedRequest {
            operation: line.request.operation,
            path: line.request.path,
            role: line.auth.and_then(|auth| auth.metadata).map(|metadata| metadata.role_name).unwrap_or_default(),
            failed: !line.error.is_empty(),
        })
        .collect()
}
