//! Policies. Vault has no `scan` capability, and does not allow a block to set a key twice.

use super::message::{Answer, Request};

/// Refuses a policy that grants `scan` or repeats a key.
pub(super) fn refusal(request: &Request) -> Option<Answer> {
    let writes = matches!(request.method.as_str(), "PUT" | "POST");
    let policies = ["sys/policies/acl/", "sys/policy/"];
    if !writes || !policies.iter().any(|prefix| request.path().starts_with(prefix)) {
        return None;
    }
    let body = request.json();
    let hcl = body["policy"].as_str().or(body["rules"].as_str())?;
    let says = match (repeated_key(hcl), path_with_scan(hcl)) {
        (Some((line, column)), _) => format!(
            "The argument \"capabilities\" at {line}:{column} was already set. Each argument can only be defined once"
        ),
        (None, Some(path)) => format!("path \"{path}\": invalid capability \"scan\""),
        (None, None) => return None,
    };
    Some(Answer::refusal(400, &[&format!("failed to parse policy: {says}")]))
}

/// The key in a block whose value lists the capabilities.
const KEY: &str = "capabilities";

/// Returns the line and column, counted from 1, of a second list of capabilities in the same block.
fn repeated_key(hcl: &str) -> Option<(usize, usize)> {
    let mut seen = false;
    for (number, line) in hcl.lines().enumerate() {
        let code = line.split('#').next().unwrap_or_default();
        if code.trim_start().starts_with("path ") {
            seen = false;
        }
        let set = |at: &usize| code[at + KEY.len()..].trim_start().starts_with('=');
        if let Some(column) = code.match_indices(KEY).map(|(at, _)| at).find(set) {
            if seen {
                return Some((number + 1, column + 1));
            }
            seen = true;
        }
    }
    None
}

/// Returns the path whose capabilities contain `scan`.
fn path_with_scan(hcl: &str) -> Option<String> {
    let text: String = hcl.lines().filter(|line| !line.trim_start().starts_with('#')).collect::<Vec<_>>().join("\n");
    text.split("path ").skip(1).find_map(|block| {
        let (_, list) = block.split_once("capabilities")?.1.split_once('[')?;
        let mut names = list.split(']').next()?.split('"').skip(1).step_by(2);
        let path = block.split('"').nth(1)?;
        names.any(|name| name == "scan").then(|| path.to_owned())
    })
}
