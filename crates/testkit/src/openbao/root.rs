//! The administrator of a test server. Every method panics if the server does not do what it should, because
//! a test cannot go on then.

use std::collections::BTreeMap;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::OpenBao;

/// The administrator, in one namespace.
#[derive(Clone, Debug)]
pub struct Root<'a> {
    server: &'a OpenBao,
    /// The namespace. Empty for the root namespace.
    namespace: String,
}

/// An AppRole role to create. The defaults are those of the script that `connection policy` prints.
#[derive(Clone, Debug)]
pub struct AppRole<'a> {
    /// The name of the role.
    pub name: &'a str,
    /// The policy of the role, in HCL.
    pub policy: &'a str,
    /// Additional settings of the role (`token_ttl` …), with the names of the API.
    pub more: Value,
}

/// The credentials of a login.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The `RoleID`.
    pub role_id: String,
    /// The `SecretID`.
    pub secret_id: String,
}

impl OpenBao {
    /// Returns the administrator, in the root namespace.
    #[must_use]
    pub fn root(&self) -> Root<'_> {
        Root::new(self, String::new())
    }

    /// Returns the administrator, in a namespace.
    #[must_use]
    pub fn root_in(&self, namespace: &str) -> Root<'_> {
        Root::new(self, namespace.to_owned())
    }
}

impl<'a> Root<'a> {
    fn new(server: &'a OpenBao, namespace: String) -> Self {
        Self { server, namespace }
    }

    /// Sends a request and expects success. `path` must be encoded already. Returns `data` if the answer has
    /// it, else the whole answer.
    pub async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.try_call(method, path, body).await;
        assert!(status.is_success(), "{method} {path}: HTTP {status}: {answer}");
        match answer.get("data") {
            Some(Value::Null) | None => answer,
            Some(data) => data.clone(),
        }
    }

    /// Sends a request and returns its status and answer.
    pub async fn try_call(&self, method: &str, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        self.send(method, path, body, None).await
    }

    async fn send(&self, method: &str, path: &str, body: Option<Value>, wrap: Option<&str>) -> (StatusCode, Value) {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let url = format!("{}/v1/{path}", self.server.address());
        let mut request =
            self.server.http.request(method.clone(), url).header("X-Vault-Token", self.server.root_token());
        if !self.namespace.is_empty() {
            request = request.header("X-Vault-Namespace", &self.namespace);
        }
        if let Some(ttl) = wrap {
            request = request.header("X-Vault-Wrap-TTL", ttl);
        }
        if let Some(body) = body {
            let kind = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
            request = request.header("Content-Type", kind).body(body.to_string());
        }
        let answer = request.send().await.expect("the server answers");
        let status = answer.status();
        let text = answer.text().await.expect("the answer comes whole");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Creates a namespace.
    pub async fn make_namespace(&self, name: &str) {
        self.call("POST", &format!("sys/namespaces/{name}"), None).await;
    }

    /// Mounts a KV engine.
    pub async fn mount_kv(&self, mount: &str, version: u32) {
        let body = json!({"type": "kv", "options": {"version": version.to_string()}});
        self.call("POST", &format!("sys/mounts/{mount}"), Some(body)).await;
        if version == 2 {
            self.wait_for_upgrade(mount).await;
        }
    }

    /// Waits until a fresh v2 mount has upgraded itself. It refuses requests for a moment until then.
    async fn wait_for_upgrade(&self, mount: &str) {
        let began = std::time::Instant::now();
        while began.elapsed() < super::PATIENCE {
            if self.try_call("GET", &format!("{mount}/config"), None).await.0.is_success() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("the mount {mount} did not become ready");
    }

    /// Unmounts an engine and so removes all its content.
    pub async fn unmount(&self, mount: &str) {
        self.call("DELETE", &format!("sys/mounts/{mount}"), None).await;
    }

    /// Writes a version and returns its number. `path` is relative to the mount, and encoded.
    pub async fn put(&self, mount: &str, path: &str, data: Value) -> u64 {
        let answer = self.call("POST", &format!("{mount}/data/{path}"), Some(json!({ "data": data }))).await;
        answer["version"].as_u64().expect("a write answers its version")
    }

    /// Reads the newest version. Returns `None` if it is not live.
    pub async fn value(&self, mount: &str, path: &str) -> Option<Value> {
        let (status, answer) = self.try_call("GET", &format!("{mount}/data/{path}"), None).await;
        status.is_success().then(|| answer["data"]["data"].clone())
    }

    /// Reads the metadata of a key. Returns `None` if the key does not exist.
    pub async fn metadata(&self, mount: &str, path: &str) -> Option<Value> {
        let (status, answer) = self.try_call("GET", &format!("{mount}/metadata/{path}"), None).await;
        status.is_success().then(|| answer["data"].clone())
    }

    /// Reads the metadata of every key below a folder. Returns a map from the paths below the folder. It
    /// needs a single request on OpenBao, and one for each folder and key on Vault.
    ///
    /// # Panics
    /// If the server refuses a request.
    pub async fn metadata_below(&self, mount: &str, folder: &str) -> BTreeMap<String, Value> {
        if self.server.flavor() == "openbao" {
            let path = format!("{mount}/detailed-metadata/{folder}/?scan=true");
            let (_, mut answer) = self.try_call("GET", &path, None).await;
            // An empty listing is a 404, or an answer without keys.
            let keys = serde_json::from_value::<Option<_>>(answer["data"]["key_info"].take());
            return keys.expect("metadata by path").unwrap_or_default();
        }
        let mut found = BTreeMap::new();
        let mut folders = vec![String::new()];
        while let Some(below) = folders.pop() {
            let path = format!("{mount}/metadata/{}", encoded(&format!("{folder}/{below}")));
            let (status, answer) = self.try_call("LIST", &path, None).await;
            assert!(status.is_success() || status == 404, "LIST {path}: HTTP {status}: {answer}");
            for name in answer["data"]["keys"].as_array().into_iter().flatten() {
                let path = format!("{below}{}", name.as_str().expect("a name is a text"));
                if path.ends_with('/') {
                    folders.push(path);
                } else if let Some(metadata) = self.metadata(mount, &encoded(&format!("{folder}/{path}"))).await {
                    found.insert(path, metadata);
                }
            }
        }
        found
    }

    /// Writes a policy.
    pub async fn write_policy(&self, name: &str, hcl: &str) {
        self.call("PUT", &format!("sys/policies/acl/{name}"), Some(json!({ "policy": hcl }))).await;
    }

    /// Creates a role with exactly one policy, which has the same name, and issues a `SecretID`. Mounts
    /// AppRole at `approle` if it is not mounted yet.
    pub async fn make_role(&self, role: AppRole<'_>) -> Credentials {
        let (status, answer) = self.try_call("POST", "sys/auth/approle", Some(json!({"type": "approle"}))).await;
        let there = answer.to_string().contains("path is already in use");
        assert!(status.is_success() || there, "AppRole cannot be mounted: HTTP {status}: {answer}");
        self.write_policy(role.name, role.policy).await;
        let mut body = json!({"token_policies": [role.name], "token_no_default_policy": true, "token_ttl": "20m"});
        let fields = body.as_object_mut().expect("the literal is an object");
        fields.extend(role.more.as_object().cloned().unwrap_or_default());
        let path = format!("auth/approle/role/{}", role.name);
        self.call("POST", &path, Some(body)).await;
        let role_id = self.call("GET", &format!("{path}/role-id"), None).await;
        let role_id = role_id["role_id"].as_str().expect("a RoleID").to_owned();
        Credentials { role_id, secret_id: self.issue_secret_id(role.name).await }
    }

    /// Issues another `SecretID`.
    pub async fn issue_secret_id(&self, role: &str) -> String {
        let answer = self.call("POST", &format!("auth/approle/role/{role}/secret-id"), None).await;
        answer["secret_id"].as_str().expect("a SecretID").to_owned()
    }

    /// Issues a `SecretID` in a wrapping token.
    pub async fn wrap_secret_id(&self, role: &str) -> String {
        self.wrapped("POST", &format!("auth/approle/role/{role}/secret-id")).await
    }

    /// Wraps the answer to a request and returns the wrapping token.
    pub async fn wrapped(&self, method: &str, path: &str) -> String {
        let (status, answer) = self.send(method, path, None, Some("5m")).await;
        assert!(status.is_success(), "{method} {path}: HTTP {status}: {answer}");
        answer["wrap_info"]["token"].as_str().expect("a wrapping token").to_owned()
    }
}

/// Encodes a path for a URL. It does not use the code of the client, because the tests would then not notice
/// a mistake in it.
pub(super) fn encoded(path: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(byte);
    path.bytes().map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
