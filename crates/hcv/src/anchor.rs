//! One secret of a KV v2 mount in which a text of VaultTerm's own is kept, outside of every
//! synchronized scope: the newest checkpoint of its audit log.
//!
//! It is written with check-and-set on the version that was read, so that two who write never
//! overwrite one another unseen.

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

/// The one field of the secret.
const FIELD: &str = "checkpoint";

/// A logged-in session on one secret.
#[derive(Debug)]
pub struct AnchorSession {
    session: Session,
    scope: Scope,
    path: SecretPath,
}

/// What stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchored {
    /// The text, if there is one.
    pub text: Option<String>,
    /// The newest version, 0 for none: what the next write names.
    pub version: u64,
}

impl VaultConnector {
    /// Logs in with a connection's credential, for the secret at a path below its mount.
    ///
    /// # Errors
    /// [`RemoteFault`]; [`FaultClass::Misconfigured`] for a path that the connection synchronizes.
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
        // To the server, version 0 is the newest.
        let request = kv2::read_request(&self.scope, &self.path, Version::NONE);
        let answer = self.session.call(&request).await?;
        if answer.status == StatusCode::NOT_FOUND {
            match fault::absence(&answer) {
                Absence::Nothing => return Ok(Anchored { text: None, version: 0 }),
                // Deleted: its version is still the one that a write has to name.
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

    /// Writes a text, if the newest version is still the one that was read.
    ///
    /// # Errors
    /// [`FaultClass::Stale`] when it is another one.
    pub async fn write(&self, text: &str, version: u64) -> Result<(), RemoteFault> {
        let fields = SecretFields::from_trusted([(FIELD.to_owned(), Value::from(text))].into());
        let cas = Version(version);
        let request = kv2::write_request(&self.scope, &self.path, &fields, cas);
        let answer = self.session.call(&request).await?;
        kv2::read_write(&request, &answer, cas, self.scope.mount()).map(drop)
    }

    /// Revokes the token, best effort: a failure is logged.
    pub async fn close(&self) {
        self.session.abandon().await;
    }
}

/// Says whether a path lies in a prefix, in either way: neither may hold the other.
fn covers(prefix: &str, path: &str) -> bool {
    let below = |outer: &str, inner: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| outer.is_empty() || rest.is_empty() || rest.starts_with('/'))
    };
    let prefix = prefix.trim_matches('/');
    below(prefix, path) || below(path, prefix)
}

/// Writes what the policy of a role needs beside that of its connection, for the anchor.
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
