//! Reads the audit log of a server, which shows the requests that reached it.

use std::{
    fs::{self, OpenOptions},
    io::{BufRead as _, BufReader},
    path::Path,
};

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

/// How many requests a server answered in a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// All of them.
    pub requests: u64,
    /// Those that asked for the values of a KV v2 secret.
    pub values_asked: u64,
    /// Those that wrote a version of a KV v2 secret.
    pub values_written: u64,
    /// Those that the server refused.
    pub refused: u64,
}

impl Answered {
    fn count(&mut self, line: &Line) {
        self.requests += 1;
        if !line.error.is_empty() {
            self.refused += 1;
        } else if line.request.path.split('/').nth(1) == Some("data") {
            match line.request.operation.as_str() {
                "read" => self.values_asked += 1,
                "create" | "update" | "patch" => self.values_written += 1,
                _ => {}
            }
        }
    }
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

/// Counts the answers in a log, and empties it. The server appends to the file, so it goes on at the beginning.
pub(super) fn take(log: &Path) -> Answered {
    let file = OpenOptions::new().read(true).write(true).open(log).expect("the server has an audit log");
    let mut answered = Answered::default();
    let mut lines = BufReader::new(&file);
    let mut text = String::new();
    while lines.read_line(&mut text).expect("the log is text") > 0 {
        let line: Line = serde_json::from_str(&text).expect("no request is in flight, so each line is whole");
        if line.kind == "response" {
            answered.count(&line);
        }
        text.clear();
    }
    file.set_len(0).expect("the log can be emptied");
    answered
}
