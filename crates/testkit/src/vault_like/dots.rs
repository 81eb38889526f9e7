//! A percent-encoded `..` in a path. Vault 1.21 accepts it as a normal name, and OpenBao refuses it. The
//! stand-in therefore gives such a segment another name on OpenBao.

use serde_json::Value;

use super::message::{Answer, Request};

/// The name of a `..` on OpenBao.
const HIDDEN: &str = "%2e%2e";

/// The same name, encoded for a path.
const HIDDEN_ENCODED: &str = "%252e%252e";

/// Replaces encoded dots in a request by the other name.
pub(super) fn hide(request: &mut Request) {
    let dots = |segment: &str| segment.contains('%') && segment.to_ascii_lowercase().replace("%2e", ".") == "..";
    if !request.path().split('/').any(dots) {
        return;
    }
    let path: Vec<_> =
        request.path().split('/').map(|segment| if dots(segment) { HIDDEN_ENCODED } else { segment }).collect();
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
