//! The Vault side of a house: changes by other clients, and the actual content and requests there.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use vaultterm_hcv::{Flavor, PolicyRequest, policy};
use vaultterm_reconcile::Mode;
use vaultterm_sealing::SecretText;
use vaultterm_sync::Credential;
use vaultterm_testkit::{
    Backdoor, Data,
    openbao::{AppRole, AuditedRequest, Product},
    world::data,
};

use crate::house::{House, MOUNT, PREFIX, ROLE, context};

/// The newest version of a key in Vault, as the administrator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Head {
    #[serde(rename = "current_version")]
    pub(crate) version: u64,
    /// Changes when the metadata change.
    updated_time: String,
    #[serde(default)]
    custom_metadata: Option<BTreeMap<String, String>>,
    versions: BTreeMap<u64, VersionHead>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct VersionHead {
    created_time: String,
    deletion_time: String,
    destroyed: bool,
}

impl Head {
    /// Returns whether the newest version can be read.
    pub(crate) fn is_live(&self) -> bool {
        self.versions.get(&self.version).is_some_and(|head| head.deletion_time.is_empty() && !head.destroyed)
    }

    /// Returns a mark.
    pub(crate) fn mark(&self, name: &str) -> Option<&str> {
        self.custom_metadata.as_ref()?.get(name).map(String::as_str)
    }
}

impl House {
    /// Writes a secret, as another client would.
    pub(crate) async fn put(&self, path: &str, fields: Value) -> u64 {
        self.vault.put(path, data(fields)).await
    }

    /// Soft-deletes the newest version of a secret.
    pub(crate) async fn delete(&self, path: &str) {
        self.vault.delete(path, self.head(path).await.version).await;
    }

    /// Returns the content of the newest version of a secret, if it is live.
    pub(crate) async fn secret(&self, path: &str) -> Option<Data> {
        let head = self.heads().await.remove(path)?;
        self.vault.get(path, head.version).await
    }

    /// Returns the newest version of a key.
    pub(crate) async fn head(&self, path: &str) -> Head {
        self.heads().await.remove(path).unwrap_or_else(|| panic!("no key at {path}"))
    }

    /// Returns all keys below the path of the connection.
    pub(crate) async fn heads(&self) -> BTreeMap<String, Head> {
        let all = self.server.root().metadata_below(MOUNT, PREFIX).await;
        let head = |metadata| serde_json::from_value(metadata).expect("metadata of a key");
        all.into_iter().map(|(path, metadata)| (path, head(metadata))).collect()
    }

    /// Returns the policy of the connection's role, as the product prints it.
    pub(crate) fn printed_policy(mode: Mode) -> String {
        let request = PolicyRequest {
            mount: MOUNT,
            path: PREFIX,
            mode,
            flavor: if Product::chosen().is_vault() { Flavor::Vault } else { Flavor::OpenBao },
            annotate: true,
            role: ROLE,
            auth_mount: "approle",
        };
        policy(&request).hcl
    }

    /// Creates the role of the connection again, with another policy or additional settings.
    pub(crate) async fn make_role(&self, policy: &str, more: Value) {
        self.server.root().make_role(AppRole { name: ROLE, policy, more }).await;
    }

    /// Gives the connection a `SecretID` that is still wrapped.
    pub(crate) async fn wrap_secret_id(&self) {
        let token = self.server.root().wrap_secret_id(ROLE).await;
        let credential = Credential::WrappingToken(SecretText::new(token));
        self.store.rotate_secret_id(&context(), self.connection, &credential).await.unwrap();
    }

    /// Returns the entries of OpenBao's audit log after the first `entries`, from all clients.
    pub(crate) fn asked_since(&self, entries: usize) -> Vec<AuditedRequest> {
        self.server.audited().into_iter().skip(entries).collect()
    }

    /// Returns the number of entries in OpenBao's audit log.
    pub(crate) fn asked(&self) -> usize {
        self.server.audited().len()
    }
}

/// Returns the requests that change a secret or its metadata.
pub(crate) fn writes(asked: &[AuditedRequest]) -> Vec<String> {
    let changes = |request: &&AuditedRequest| {
        let reads = matches!(request.operation.as_str(), "read" | "list" | "scan" | "help");
        request.role == ROLE && request.path.starts_with(&format!("{MOUNT}/")) && !reads
    };
    asked.iter().filter(changes).map(|request| format!("{} {}", request.operation, request.path)).collect()
}
