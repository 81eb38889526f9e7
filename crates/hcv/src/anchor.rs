//! A secret of a KV v2 mount that holds the newest checkpoint of VaultTerm's audit log. It lies outside of
//! every synchronized scope.
//!
//! Each write is a check-and-set on the version that was read before, so that two concurrent writers notice
//! each other.

use std::collections::BTreeMap;

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use vaultterm_reconcile::{SecretPath, Version};
use vaultterm_sealing::SecretFields;
use vaultterm_sync::{Connection, ConnectionSecrets, Credential, FaultClass, RemoteFault};

use crate::{
    TestReport, VaultConnector,
    fault::{self, Absence},
    kv2, policy,
    route::Scope,
    session::Session,
    sys::Mount,
    wire::Envelope,
};

/// The only field of the secret.
const FIELD: &str = "checkpoint";

/// A logged-in session for the secret of the anchor.
#[derive(Debug)]
pub struct AnchorSession {
    session: Session,
    scope: Scope,
    path: SecretPath,
}

/// The content of the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchored {
    /// The text, or `None` if there is none.
    pub text: Option<String>,
    /// The number of the newest version, which the next write must name. 0 if there is no version.
    pub version: u64,
}

impl VaultConnector {
    /// Logs in with the credential of a connection, for the secret at `path` below its mount.
    ///
    /// # Errors
    /// [`RemoteFault`]; [`FaultClass::Misconfigured`] if the connection synchronizes this path.
    pub async fn anchor(
        &self,
        connection: &Connection,
        secrets: &ConnectionSecrets,
        path: &str,
    ) -> Result<AnchorSession, RemoteFault> {
        let misconfigured = |message: String, hint| fault::hinted(FaultClass::Misconfigured, message, hint);
        let path = SecretPath::new(path.trim_matches('/')).map_err(|error| {
            misconfigured(format!("the anchor's path `{path}` cannot be used: {error}"), "give names divided by `/`")
        })?;
        if covers(&connection.path, path.as_str()) {
            let message = format!("the anchor's path `{path}` lies in what the connection synchronizes");
            return Err(misconfigured(message, "give one outside of its prefix"));
        }
        let scope = Scope::new(&connection.mount, "")
            .map_err(|reason| misconfigured(reason, "mount and path are names divided by `/`"))?;
        let Credential::SecretId(secret_id) = &secrets.credential else {
            let hint = "test or run the connection once: the SecretID is then stored in its place";
            return Err(fault::hinted(FaultClass::LoginRefused, "the SecretID is still wrapped", hint));
        };
        let (transport, _) = self.reach(connection, secrets, &mut TestReport::default()).await?;
        let request = Mount::request(&scope);
        let secret_id = secret_id.duplicate();
        let login =
            Session::open(transport, &connection.auth_mount, &connection.role_id, secret_id, Mount::request(&scope));
        let anchor = AnchorSession { session: login.await?.0, scope, path };
        let mount = anchor.session.call(&request).await.and_then(|answer| match answer.status {
            StatusCode::NOT_FOUND => Err(fault::not_found(&request, &answer, anchor.scope.mount())),
            _ => Mount::read(&request, &answer)?.kv_version(&anchor.scope),
        });
        match mount {
            Ok(_) => Ok(anchor),
            Err(fault) => {
                anchor.close().await;
                Err(fault)
            }
        }
    }
}

impl AnchorSession {
    /// Reads the newest version.
    ///
    /// # Errors
    /// [`RemoteFault`].
    pub async fn read(&self) -> Result<Anchored, RemoteFault> {
        #[derive(Deserialize)]
        struct Secret {
            data: Option<BTreeMap<String, Value>>,
            metadata: Metadata,
        }
        #[derive(Deserialize)]
        struct Metadata {
            version: u64,
        }
        // The server takes version 0 as the newest version.
        let request = kv2::read_request(&self.scope, &self.path, Version::NONE);
        let answer = self.session.call(&request).await?;
        if answer.status == StatusCode::NOT_FOUND {
            match fault::absence(&answer) {
                Absence::Nothing => return Ok(Anchored { text: None, version: 0 }),
                // The version is deleted, but the next write must still name it.
                Absence::Deleted => {}
                _ => return Err(fault::not_found(&request, &answer, self.scope.mount())),
            }
        }
        let Secret { data, metadata } = answer.parse::<Envelope<Secret>>(&request.doing)?.data;
        let text = data.and_then(|mut fields| fields.remove(FIELD)).and_then(|value| match value {
            Value::String(text) => Some(text),
            _ => None,
        });
        Ok(Anchored { text, version: metadata.version })
    }

    /// Writes a text if `version` is still the newest version.
    ///
    /// # Errors
    /// [`RemoteFault`]; [`FaultClass::Stale`] if there is another newest version.
    pub async fn write(&self, text: &str, version: u64) -> Result<(), RemoteFault> {
        let fields = SecretFields::from_trusted([(FIELD.to_owned(), Value::from(text))].into());
        let cas = Version(version);
        let request = kv2::write_request(&self.scope, &self.path, &fields, cas);
        let answer = self.session.call(&request).await?;
        kv2::read_write(&request, &answer, cas, self.scope.mount()).map(drop)
    }

    /// Revokes the token. A failure is logged, and is not an error.
    pub async fn close(&self) {
        self.session.abandon().await;
    }
}

/// Returns whether one of the two contains the other. A synchronized prefix and the path of the anchor must
/// not.
fn covers(prefix: &str, path: &str) -> bool {
    let below = |outer: &str, inner: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| outer.is_empty() || rest.is_empty() || rest.starts_with('/'))
    };
    let prefix = prefix.trim_matches('/');
    below(prefix, path) || below(path, prefix)
}

/// Returns the additional policy that a role needs for the anchor, beside the policy of its connection.
#[must_use]
pub fn anchor_policy(mount: &str, path: &str) -> String {
    let path = policy::quoted(&format!("{}/data/{}", mount.trim_matches('/'), path.trim_matches('/')));
    format!(
        "\n# The newest checkpoint of VaultTerm's audit log: compared at its start, written with check-and-set.\n\
         path {path} {{\n  capabilities = [\"create\", \"read\", \"update\"]\n}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn an_anchor_lies_outside_of_what_is_synchronized() {
        for (prefix, path, covered) in [
            ("", "audit", true),
            ("team/app", "team/app", true),
            ("team/app", "team/app/audit", true),
            ("team/app/", "team/app/x/y", true),
            ("team/app", "team", true),
            ("team/app", "team/application", false),
            ("team/app", "team/audit", false),
            ("team/app", "audit", false),
        ] {
            assert_eq!(covers(prefix, path), covered, "{prefix} {path}");
        }
    }
}
