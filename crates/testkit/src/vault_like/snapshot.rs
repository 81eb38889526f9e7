//! The secrets of a server at a moment, which a lagging standby shows.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use serde_json::{Value, json};

use super::message::{Answer, Request};

/// The maximum number of folders to read. A test has few.
const FOLDERS_MAX: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Snapshot {
    /// The answers by `LIST ` or `GET `, followed by the path below `/v1/`.
    answers: BTreeMap<String, Answer>,
    /// The KV v2 mounts, with `/` at the end.
    mounts: BTreeSet<String>,
}

impl Snapshot {
    /// Reads every KV v2 mount of a server.
    pub(super) async fn take(upstream: u16, root: &str) -> io::Result<Self> {
        let ask =
            async |method: &str, path: &str| Request::new(method, path, root, &Value::Null).forward(upstream).await;
        let mut snapshot = Self::default();
        let mounts = ask("GET", "sys/mounts").await?.json();
        for (mount, info) in mounts["data"].as_object().into_iter().flatten() {
            if info["type"] == "kv" && info["options"]["version"] == "2" {
                snapshot.mounts.insert(mount.clone());
            }
        }
        let mut folders: Vec<String> = snapshot.mounts.iter().map(|mount| format!("{mount}metadata/")).collect();
        for _ in 0..FOLDERS_MAX {
            let Some(folder) = folders.pop() else { break };
            let list = ask("LIST", &folder).await?;
            let names = list.json()["data"]["keys"].take();
            snapshot.answers.insert(format!("LIST {}", folder.trim_end_matches('/')), list);
            for name in names.as_array().into_iter().flatten().filter_map(Value::as_str) {
                let path = format!("{folder}{name}");
                if name.ends_with('/') {
                    folders.push(path);
                    continue;
                }
                let data = path.replacen("/metadata/", "/data/", 1);
                for path in [path, data] {
                    snapshot.answers.insert(format!("GET {path}"), ask("GET", &path).await?);
                }
            }
        }
        Ok(snapshot)
    }

    /// Returns the old answer to a read, or `None` for requests that a snapshot does not answer.
    pub(super) fn answer(&self, request: &Request) -> Option<Answer> {
        let path = request.path();
        let mount = self.mounts.iter().find(|mount| path.starts_with(mount.as_str()))?;
        let below = &path[mount.len()..];
        let known = below.starts_with("metadata") || below.starts_with("data/");
        if !known || !(request.method == "GET" || request.lists()) {
            return None;
        }
        let method = if request.lists() { "LIST" } else { "GET" };
        let old = self.answers.get(&format!("{method} {}", path.trim_end_matches('/')));
        let Some(old) = old else { return Some(Answer::refusal(404, &[])) };
        let wanted: Option<u64> =
            request.query().find(|(name, _)| *name == "version").and_then(|(_, value)| value.parse().ok());
        let newest = old.json()["data"]["metadata"]["version"].clone();
        match wanted {
            // This version existed at that moment, and a version never changes.
            Some(wanted) if newest.as_u64().is_some_and(|newest| wanted < newest) && wanted > 0 => None,
            Some(wanted) if wanted > 0 && newest != json!(wanted) => Some(Answer::refusal(404, &[])),
            _ => Some(old.clone()),
        }
    }
}
