//! What the stand-in knows about tokens: the holder of each, from the answers to logins, and a root token
//! that can look up the others.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::message::{Answer, Request};

/// The holder of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    /// The display name. For AppRole logins it is the path of the auth mount.
    pub(super) actor: String,
    /// The id of the entity. Empty for a token without an entity.
    pub(super) entity_id: String,
}

impl Holder {
    /// Returns the id of the client. It is the entity, or a hash of the policies of a token without an
    /// entity. The stand-in uses the hash of root's policies for every such token.
    pub(super) fn client_id(&self) -> &str {
        if self.entity_id.is_empty() { "0DHqvq2D77kL2/JTPSZkTMJbkFVmUu0TzMi0jiXcFy8=" } else { &self.entity_id }
    }
}

#[derive(Debug, Default)]
pub(super) struct Tokens {
    root: String,
    holders: HashMap<String, Holder>,
}

impl Tokens {
    /// Remembers a root token.
    pub(super) fn trust(&mut self, root: &str) {
        root.clone_into(&mut self.root);
    }

    /// Returns the root token. Empty if none is known.
    pub(super) fn root(&self) -> &str {
        &self.root
    }

    /// Returns the holder of a token. A token without a known login was created by another token.
    pub(super) fn holder(&self, token: &str) -> Holder {
        let actor = if token == self.root { "root" } else { "token" };
        let nobody = || Holder { actor: actor.to_owned(), entity_id: String::new() };
        self.holders.get(token).cloned().unwrap_or_else(nobody)
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

/// Returns the display name of a login: the mount, followed by the user name if there is one.
fn display_name(login: &str, metadata: &Value) -> String {
    let mount = login.split("/login").next().unwrap_or_default().replace('/', "-");
    metadata["username"].as_str().map_or(mount.clone(), |name| format!("{mount}-{name}"))
}

/// Returns the request that finds out whether a refused token is invalid or lacks a right. Returns `None` if
/// the answer does not depend on that, or if no root token is known.
pub(super) fn question(request: &Request, answer: &Answer, root: &str) -> Option<Request> {
    let token = request.token();
    if root.is_empty() || token.is_empty() || !answer.says(403, &["permission denied"]) {
        return None;
    }
    Some(Request::new("POST", "auth/token/lookup", root, &json!({ "token": token })))
}

/// Returns the answer for a token that is invalid or has ended.
pub(super) fn invalid() -> Answer {
    Answer::refusal(403, &["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"])
}
