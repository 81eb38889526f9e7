//! What the stand-in knows of tokens: whose each is, from the answers to logins that pass, and one
//! that may look up the others.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::message::{Answer, Request};

/// Whom a token belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    /// The display name: the auth mount's path for every AppRole login.
    pub(super) actor: String,
    /// Empty for a token without an entity.
    pub(super) entity_id: String,
}

#[derive(Debug, Default)]
pub(super) struct Tokens {
    root: String,
    holders: HashMap<String, Holder>,
}

impl Tokens {
    /// Keeps a token that may do everything.
    pub(super) fn trust(&mut self, root: &str) {
        root.clone_into(&mut self.root);
    }

    /// Returns the token that may do everything; empty for none.
    pub(super) fn root(&self) -> &str {
        &self.root
    }

    /// Returns whom a token belongs to. Nobody logged in for a token that the root token made.
    pub(super) fn holder(&self, token: &str) -> Holder {
        let token_of_root = || Holder { actor: "token".to_owned(), entity_id: String::new() };
        self.holders.get(token).cloned().unwrap_or_else(token_of_root)
    }

    /// Learns from the answer to `sys/init` or to a login.
    pub(super) fn learn(&mut self, request: &Request, answer: &Answer) {
        if answer.status != 200 {
            return;
        }
        if request.path() == "sys/init"
            && let Some(token) = answer.json()["root_token"].as_str()
        {
            self.trust(token);
        }
        let Some(login) = request.path().strip_prefix("auth/").filter(|path| path.contains("/login")) else { return };
        let auth = &answer.json()["auth"];
        if let Some(token) = auth["client_token"].as_str() {
            let holder = Holder {
                actor: display_name(login, &auth["metadata"]),
                entity_id: auth["entity_id"].as_str().unwrap_or_default().to_owned(),
            };
            self.holders.insert(token.to_owned(), holder);
        }
    }
}

/// Builds the display name of a login: the mount, and the name of a person where there is one.
fn display_name(login: &str, metadata: &Value) -> String {
    let mount = login.split("/login").next().unwrap_or_default().replace('/', "-");
    metadata["username"].as_str().map_or(mount.clone(), |name| format!("{mount}-{name}"))
}

/// Makes the request that tells a token which is no token from one that may not do something.
/// `None` where the answer does not depend on it, or nobody is known who may ask.
pub(super) fn question(request: &Request, answer: &Answer, root: &str) -> Option<Request> {
    let token = request.token();
    if root.is_empty() || token.is_empty() || !answer.says(403, &["permission denied"]) {
        return None;
    }
    Some(Request::new("POST", "auth/token/lookup", root, &json!({ "token": token })))
}

/// Answers a token that is none, or that ended.
pub(super) fn invalid() -> Answer {
    Answer::refusal(403, &["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"])
}
