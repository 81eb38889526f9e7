//! The back door of a real server, for the contract suite.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{OpenBao, root::encoded};
use crate::{Backdoor, Data, Metadata};

/// The administrator's access to a prefix of a KV v2 mount. It keeps the server alive.
#[derive(Clone, Debug)]
pub struct OpenBaoBackdoor {
    server: Arc<OpenBao>,
    mount: String,
    prefix: String,
}

impl OpenBao {
    /// Returns a back door for the contract suite, at a new KV v2 mount and a prefix below it.
    #[must_use]
    pub fn backdoor(self: &Arc<Self>, mount: &str, prefix: &str) -> OpenBaoBackdoor {
        OpenBaoBackdoor::new(Arc::clone(self), mount, prefix)
    }
}

impl OpenBaoBackdoor {
    fn new(server: Arc<OpenBao>, mount: &str, prefix: &str) -> Self {
        Self { server, mount: mount.to_owned(), prefix: prefix.to_owned() }
    }

    fn below(&self, path: &str) -> String {
        encoded(&format!("{}/{path}", self.prefix))
    }

    async fn post(&self, api: &str, path: &str, body: Value) {
        let path = format!("{}/{api}/{}", self.mount, self.below(path));
        self.server.root().call("POST", &path, Some(body)).await;
    }
}

impl Backdoor for OpenBaoBackdoor {
    async fn put(&self, path: &str, data: Data) -> u64 {
        self.server.root().put(&self.mount, &self.below(path), json!(data)).await
    }

    async fn put_beside(&self, suffix: &str, data: Data) -> u64 {
        let path = encoded(&format!("{}{suffix}", self.prefix));
        self.server.root().put(&self.mount, &path, json!(data)).await
    }

    async fn get(&self, path: &str, version: u64) -> Option<Data> {
        let path = format!("{}/data/{}?version={version}", self.mount, self.below(path));
        let (status, answer) = self.server.root().try_call("GET", &path, None).await;
        let data = status.is_success().then(|| answer["data"]["data"].clone())?;
        Some(serde_json::from_value(data).expect("data are a map"))
    }

    async fn delete(&self, path: &str, version: u64) {
        self.post("delete", path, json!({"versions": [version]})).await;
    }

    async fn undelete(&self, path: &str, version: u64) {
        self.post("undelete", path, json!({"versions": [version]})).await;
    }

    async fn destroy(&self, path: &str, version: u64) {
        self.post("destroy", path, json!({"versions": [version]})).await;
    }

    async fn delete_metadata(&self, path: &str) {
        let path = format!("{}/metadata/{}", self.mount, self.below(path));
        self.server.root().call("DELETE", &path, None).await;
    }

    async fn put_metadata(&self, path: &str, metadata: Metadata) {
        let after = metadata.delete_version_after.unwrap_or_default().as_secs();
        let body = json!({
            "custom_metadata": metadata.custom,
            "delete_version_after": format!("{after}s"),
            "max_versions": metadata.versions_max,
        });
        self.post("metadata", path, body).await;
    }

    async fn custom_metadata(&self, path: &str) -> BTreeMap<String, String> {
        let metadata = self.server.root().metadata(&self.mount, &self.below(path)).await;
        let custom = metadata.map(|mut metadata| metadata["custom_metadata"].take()).unwrap_or_default();
        serde_json::from_value::<Option<_>>(custom).expect("custom metadata are texts").unwrap_or_default()
    }

    async fn let_pass(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
