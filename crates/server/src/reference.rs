//! The reference of the API, made from the routes and the problem types, and the test that holds
//! it. `UPDATE_DOCS=1 cargo test -p vaultterm-server reference` rewrites it.

use std::{collections::BTreeMap, fmt::Write, fs, path::PathBuf};

use serde_json::Value;
use vaultterm_sync::{FaultClass, RemoteFault};

use crate::problem::{Problem, ProblemKind};

#[test]
fn the_page_about_the_api_is_up_to_date() {
    let mut page = String::from(
        "# HTTP API\n\n\
         Made from the code: `UPDATE_DOCS=1 cargo test -p vaultterm-server reference` rewrites it. The whole\n\
         description, with every shape, is OpenAPI 3.1: `vaultterm openapi`, or `/api/v1/openapi.json` of a server.\n\n\
         Send `Authorization: Bearer <token>`: a login's, or an API token's. Lists take `?limit=` (500 at most) and\n\
         `&cursor=`, the `next_cursor` of the page before. An update needs `If-Match: \"<revision>\"`. A `POST` with\n\
         `Idempotency-Key` is done once and answered twice alike, for 24 hours; values are revealed, and audited,\n\
         each time. Times are RFC 3339, UTC.\n\n\
         What a request other than `GET` began runs to its end on the server, even if the client hangs up: look at\n\
         the object again. One request to Vault may take `VAULTTERM_VAULT_TIMEOUT_SECONDS`; a plan, a decision or\n\
         the reveal of a conflict 10 minutes in all, after which nothing new is started, what was in flight is\n\
         finished, and the answer is `vault-unknown`. A client is answered after 14 minutes at the latest\n\
         (`unfinished`). A run has no limit: it can be followed and cancelled.\n\n\
         A cursor holds in the list that gave it. A name that stands twice in a JSON object is refused, at every\n\
         depth, and so are more than 100 objects and arrays inside one another, and NUL characters outside of the\n\
         values of records.\n",
    );
    routes(&mut page);
    problems(&mut page);
    hold(&page);
}

fn routes(page: &mut String) {
    let described = serde_json::to_value(crate::openapi()).expect("JSON");
    let mut resources: BTreeMap<&str, String> = BTreeMap::new();
    for (path, methods) in described["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let tag = operation["tags"][0].as_str().expect("a tag");
            let says = operation["summary"].as_str().or(operation["description"].as_str()).unwrap_or_default();
            let says = says.replace('\n', " ");
            let rows = resources.entry(tag).or_default();
            let _ = writeln!(rows, "| `{} {path}` | {says} |", method.to_uppercase());
        }
    }
    for (tag, rows) in resources {
        let _ = write!(page, "\n## {tag}\n\n| route | what it does |\n|---|---|\n{rows}");
    }
}

fn problems(page: &mut String) {
    page.push_str(
        "\n## Problems\n\n\
         Every error is `application/problem+json` (RFC 9457): `type`, `title`, `status`, `detail`, `instance` (the\n\
         request's id, as in the log and in `X-Request-Id`), `retryable`, where they help `hint` and `errors`\n\
         (field, message). Never a secret. The types, each after `urn:vaultterm:problem:`:\n\n\
         | type | status | title |\n|---|---|---|\n",
    );
    let ours = ProblemKind::ALL.iter().map(|kind| Problem::new(*kind, ""));
    let vault = FaultClass::ALL.iter().map(|class| {
        Problem::from(RemoteFault { class: *class, message: String::new(), hint: None, retry_after: None })
    });
    for problem in ours.chain(vault) {
        let problem = serde_json::to_value(problem).expect("JSON");
        let text = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
        let kind = text("type").rsplit(':').next().unwrap_or_default().to_owned();
        let _ = writeln!(page, "| `{kind}` | {} | {} |", problem["status"], text("title"));
    }
}

fn hold(wanted: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/api.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, wanted).expect("written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "docs/reference/api.md is not up to date: UPDATE_DOCS=1 cargo test -p vaultterm-server reference"
    );
}

#[test]
fn no_reference_in_the_description_leads_nowhere() {
    let described = serde_json::to_value(crate::openapi()).expect("JSON");
    assert_eq!(described["openapi"], "3.1.0");
    let mut open = vec![&described];
    let mut seen = 0;
    while let Some(value) = open.pop() {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(reference)) = map.get("$ref") {
                    let pointer = reference.strip_prefix('#').expect("a local reference");
                    assert!(described.pointer(pointer).is_some(), "{reference}");
                    seen += 1;
                }
                open.extend(map.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    assert!(seen > 50, "{seen} references");
}
