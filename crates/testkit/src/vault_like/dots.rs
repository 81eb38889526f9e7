//! A percent-encoded `..` in a path. Vault 1.21 follows it: `a/%2e%2e/b` is the key `b`. At the top of
//! an engine, Vault takes it for a normal name. OpenBao refuses it everywhere. The stand-in therefore
//! follows it before OpenBao sees it, and gives it another name at the top.

use serde_json::Value;

use super::message::{Answer, Request};

/// The name of a `..` on OpenBao.
const HIDDEN: &str = "%2e%2e";

/// The same name, encoded for a path.
const HIDDEN_ENCODED: &str = "%252e%252e";

/// Follows the encoded dots in a request, and replaces those at the top of an engine by the other name.
pub(super) fn hide(request: &mut Request) {
    let dots = |segment: &str| segment.contains('%') && segment.to_ascii_lowercase().replace("%2e", ".") == "..";
    if !request.path().split('/').any(dots) {
        return;
    }
    let mut path: Vec<&str> = Vec::new();
    // The first two segments are the mount, and `data` or `metadata`. Dots never lead out of them.
    let top = 2;
    for segment in request.path().split('/') {
        match segment {
            _ if !dots(segment) => path.push(segment),
            _ if path.len() > top && path.last() != Some(&HIDDEN_ENCODED) => drop(path.pop()),
            _ => path.push(HIDDEN_ENCODED),
        }
    }
    let path: Vec<String> = path.into_iter().map(str::to_owned).collect();
    let query: Vec<_> = request.query().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    request.set_target(&path.join("/"), &query);
}

/// Puts the original names back into a list.
pub(super) fn show(request: &Request, answer: &mut Answer) {
    if !request.lists() || answer.status != 200 {
        return;
    }
    let mut body = answer.json();
    let Some(keys) = body["data"]["keys"].as_array_mut() else { return };
    let mut changed = false;
    for key in keys {
        let shown = match key.as_str() {
            Some(name) if name.trim_end_matches('/') == HIDDEN => name.replace(HIDDEN, ".."),
            _ => continue,
        };
        *key = Value::String(shown);
        changed = true;
    }
    if changed {
        answer.set_json(&body);
    }
}
