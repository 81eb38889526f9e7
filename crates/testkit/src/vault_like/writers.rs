//! The writers of secrets. Vault's KV v2 names in the metadata of a key its last writer, and for each version
//! who created and who deleted it.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::{
    message::{Answer, Request},
    tokens::{Holder, Tokens},
};

#[derive(Debug, Default)]
pub(super) struct Writers {
    /// The writers of each key, by mount and path.
    keys: HashMap<(String, String), Key>,
}

#[derive(Debug, Default)]
struct Key {
    updated: Value,
    versions: BTreeMap<u64, Version>,
}

#[derive(Debug, Default)]
struct Version {
    created: Value,
    deleted: Value,
}

impl Writers {
    /// Learns from a change that succeeded.
    pub(super) fn learn(&mut self, request: &Request, answer: &Answer, tokens: &Tokens) {
        if !matches!(answer.status, 200 | 204) {
            return;
        }
        let Some((mount, api, path)) = taken_apart(request.path()) else { return };
        let by = |operation: &str| attribution(&tokens.holder(request.token()), operation);
        let at = (mount, path);
        match (request.method.as_str(), api) {
            ("POST" | "PUT" | "PATCH", "data") => {
                let Some(version) = answer.json()["data"]["version"].as_u64() else { return };
                let patch = request.method == "PATCH";
                let writer = by(if patch {
                    "patch"
                } else if version == 1 {
                    "create"
                } else {
                    "update"
                });
                let key = self.keys.entry(at).or_default();
                key.updated = writer.clone();
                key.versions.insert(version, Version { created: writer, deleted: Value::Null });
            }
            ("DELETE", "data") => {
                let Some(key) = self.keys.get_mut(&at) else { return };
                key.updated = by("delete");
                if let Some((_, newest)) = key.versions.iter_mut().next_back() {
                    newest.deleted = key.updated.clone();
                }
            }
            ("POST" | "PUT", "delete") => self.mark(at, request, &by("update"), true),
            ("POST" | "PUT", "undelete") => self.mark(at, request, &by("undelete"), false),
            ("DELETE", "metadata") => drop(self.keys.remove(&at)),
            _ => {}
        }
    }

    /// Marks the versions that a request names as deleted or as no longer deleted.
    fn mark(&mut self, at: (String, String), request: &Request, by: &Value, deleted: bool) {
        let Some(key) = self.keys.get_mut(&at) else { return };
        key.updated = by.clone();
        let numbers = request.json()["versions"].as_array().cloned().unwrap_or_default();
        for number in numbers.iter().filter_map(Value::as_u64) {
            if let Some(version) = key.versions.get_mut(&number) {
                version.deleted = if deleted { by.clone() } else { Value::Null };
            }
        }
    }

    /// Adds the writers to the metadata of a key, and removes the fields that only OpenBao has.
    pub(super) fn amend(&self, request: &Request, answer: &mut Answer) {
        let Some((mount, "metadata", path)) = taken_apart(request.path()) else { return };
        if request.method != "GET" || request.lists() || answer.status != 200 {
            return;
        }
        let mut body = answer.json();
        let Some(data) = body["data"].as_object_mut().filter(|data| data.contains_key("current_version")) else {
            return;
        };
        data.remove("current_metadata_version");
        data.remove("metadata_cas_required");
        let key = self.keys.get(&(mount, path));
        data.insert("last_updated_by".to_owned(), key.map(|key| key.updated.clone()).unwrap_or_default());
        for (number, version) in data["versions"].as_object_mut().into_iter().flatten() {
            let known = number.parse().ok().and_then(|number: u64| key?.versions.get(&number));
            version["created_by"] = known.map(|known| known.created.clone()).unwrap_or_default();
            version["deleted_by"] = known.map(|known| known.deleted.clone()).unwrap_or_default();
        }
        answer.set_json(&body);
    }
}

/// Splits a KV v2 path into the mount, the API and the decoded path below it.
fn taken_apart(path: &str) -> Option<(String, &'static str, String)> {
    const APIS: [&str; 5] = ["data", "metadata", "delete", "undelete", "destroy"];
    let found = APIS.iter().filter_map(|api| Some((path.find(&format!("/{api}/"))?, *api))).min()?;
    let (mount, rest) = path.split_at(found.0);
    let below = rest.get(found.1.len() + 2..)?;
    Some((mount.to_owned(), found.1, decoded(below)))
}

/// Decodes percent-encoding.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| byte == b'%') {
            Some(code) => {
                bytes.push(code);
                rest = &after[2..];
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns Vault's description of a writer.
fn attribution(holder: &Holder, operation: &str) -> Value {
    let mut attribution = json!({"actor": holder.actor, "operation": operation, "client_id": holder.client_id()});
    if !holder.entity_id.is_empty() {
        attribution["entity_id"] = json!(holder.entity_id);
    }
    attribution
}
