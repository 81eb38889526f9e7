//! Ways of listing that only OpenBao has: `SCAN`, `scan=true`, `detailed-metadata`, and pages.

use serde_json::{Value, json};

use super::message::{Answer, Request};

/// The parameters of a list that Vault does not know.
const PAGES: [&str; 2] = ["after", "limit"];

/// Refuses a method that Vault does not know.
pub(super) fn refusal(request: &Request) -> Option<Answer> {
    (request.method == "SCAN").then(|| Answer::refusal(405, &[]))
}

/// Removes the parameters that Vault ignores from a request. Returns their names, sorted.
pub(super) fn take_unknown_parameters(request: &mut Request) -> Vec<String> {
    let lists = request.lists();
    let unknown = |name: &str| name == "scan" || lists && PAGES.contains(&name);
    let mut ignored: Vec<String> =
        request.query().map(|(name, _)| name.to_owned()).filter(|name| lists && unknown(name)).collect();
    ignored.sort();
    let left: Vec<_> = request.query().filter(|(name, _)| !unknown(name)).collect();
    let left: Vec<_> = left.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    if left.len() < request.query().count() {
        let path = String::from(request.path());
        request.set_target(&path, &left);
    }
    ignored
}

/// Answers 404 for a path that Vault does not have, and warns of ignored parameters.
pub(super) fn amend(request: &Request, answer: &mut Answer, ignored: &[String]) {
    // A refusal for another reason stays.
    let nothing = answer.says(404, &[]) || answer.status == 405;
    if below_detailed(request.path()) && (answer.status == 200 || nothing) {
        *answer = no_such_path(request);
        return;
    }
    if !ignored.is_empty() && answer.status == 200 {
        let mut body = answer.json();
        body["warnings"] = json!([format!("Endpoint ignored these unrecognized parameters: [{}]", ignored.join(" "))]);
        answer.set_json(&body);
    }
}

fn below_detailed(path: &str) -> bool {
    path.contains("/detailed-metadata/") || path.ends_with("/detailed-metadata")
}

/// Returns a 404 whose body contains only a warning.
fn no_such_path(request: &Request) -> Answer {
    let command = match request.method.as_str() {
        _ if request.lists() => "list",
        "POST" | "PUT" => "put",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => "get",
    };
    let warning = format!(
        "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. \
         If using the Vault CLI, use 'vault kv {command}' for this operation."
    );
    let body = json!({
        "request_id": vaultterm_sync::new_id(),
        "lease_id": "", "renewable": false, "lease_duration": 0,
        "data": Value::Null, "wrap_info": Value::Null, "warnings": [warning], "auth": Value::Null,
    });
    Answer::new(404, &body)
}
