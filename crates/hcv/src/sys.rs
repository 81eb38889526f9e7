//! What a server tells about itself, its mounts and the capabilities of a token.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use vaultterm_sync::{FaultClass, RemoteFault};
use zeroize::Zeroizing;

use crate::{
    fault,
    http::{Answer, Namespace, Repetition, Request, Transport},
    route::{Route, Scope},
    wire::{self, Envelope},
};

/// The answer to `GET sys/health`.
#[derive(Debug, Deserialize)]
pub(crate) struct Health {
    pub(crate) initialized: bool,
    pub(crate) sealed: bool,
    pub(crate) version: String,
    #[serde(default)]
    pub(crate) cluster_id: Option<String>,
    /// Vault says here whether it is the Enterprise edition. OpenBao has no such key.
    #[serde(default)]
    enterprise: Option<serde_json::Value>,
    /// `primary`, `secondary` or `disabled`.
    #[serde(default)]
    replication_performance_mode: Option<String>,
    /// Like `enterprise`, only Vault has this key.
    #[serde(default)]
    clock_skew_ms: Option<serde::de::IgnoredAny>,
}

impl Health {
    /// Returns the request. It exists only in the root namespace and needs no token. Standbys answer it with
    /// 200 too, because they forward what they must.
    pub(crate) fn request() -> Request {
        Request { namespace: Namespace::Root, ..Request::get(Route::new("sys/health"), "asking", &[]) }
            .query("standbyok=true&perfstandbyok=true".to_owned())
    }

    /// Reads the answer. The body repeats what the status says.
    pub(crate) fn read(request: &Request, answer: &Answer) -> Result<Self, RemoteFault> {
        let health: Self = match serde_json::from_slice::<Self>(&answer.body) {
            Ok(health) => Self { version: wire::printable(&health.version), ..health },
            Err(_) if !answer.status.is_success() => return Err(fault::refused(request, answer)),
            Err(_) => {
                return Err(fault::hinted(
                    FaultClass::Protocol,
                    "the server at this address is not a Vault (its answer to sys/health has another form)",
                    "check host and port of the address",
                ));
            }
        };
        let state = match answer.status.as_u16() {
            _ if !health.initialized => Some(("not initialized", "initialize the server, then unseal it")),
            _ if health.sealed => Some(("sealed", "unseal the server")),
            472 => Some(("a disaster-recovery standby", "use the address of the primary cluster")),
            _ => None,
        };
        match state {
            Some((state, hint)) => Err(fault::hinted(FaultClass::Sealed, format!("the server is {state}"), hint)),
            None => Ok(health),
        }
    }

    /// Returns whether the server calls itself the Community edition of Vault.
    pub(crate) fn is_community(&self) -> bool {
        self.enterprise == Some(serde_json::Value::Bool(false))
    }

    /// Returns whether the cluster replicates from another cluster. Even its active node can then be behind.
    pub(crate) fn is_secondary(&self) -> bool {
        self.replication_performance_mode.as_deref() == Some("secondary")
    }

    /// Returns the product, as far as its health tells. Vault has sent these additional keys since 1.17, and
    /// every Vault of version 2 or later sends them.
    pub(crate) fn product(&self) -> Product {
        let says_more = self.enterprise.is_some() || self.clock_skew_ms.is_some();
        let major = self.version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        if !says_more && major.is_some_and(|major| major >= 2) { Product::OpenBao } else { Product::Vault }
    }
}

/// The two products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    Vault,
    OpenBao,
}

impl Product {
    /// Returns the product's name.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Vault => "Vault",
            Self::OpenBao => "OpenBao",
        }
    }
}

/// The answer to `GET sys/leader`, as far as it is used here. The request needs no token.
#[derive(Debug, Deserialize)]
pub(crate) struct Leader {
    pub(crate) ha_enabled: bool,
    /// Has no meaning without HA.
    #[serde(default)]
    pub(crate) is_self: bool,
    /// Whether the node answers reads by itself, which only Vault Enterprise does.
    #[serde(default)]
    pub(crate) performance_standby: bool,
}

impl Leader {
    pub(crate) fn request() -> Request {
        Request { namespace: Namespace::Root, ..Request::get(Route::new("sys/leader"), "asking", &[]) }
    }
}

/// The answer to `GET sys/internal/ui/mounts/<mount>`. Every token with any grant below the mount gets an
/// answer, without a grant for this path.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Mount {
    path: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    options: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub(crate) accessor: String,
    #[serde(default)]
    pub(crate) uuid: Option<String>,
}

impl Mount {
    pub(crate) fn request(scope: &Scope) -> Request {
        Request::get(Route::new(format!("sys/internal/ui/mounts/{}", scope.mount())), "asking for", &[])
    }

    /// Returns the request for all mounts that the caller may see. Every live token gets an answer, with or
    /// without grants, and so does a caller without a token.
    pub(crate) fn request_all() -> Request {
        Request::get(Route::new("sys/internal/ui/mounts"), "asking for", &[])
    }

    /// Reads a mount from a 200 answer.
    pub(crate) fn read(request: &Request, answer: &Answer) -> Result<Self, RemoteFault> {
        let mount = answer.parse::<Envelope<Self>>(&request.doing)?.data;
        // The mount is compared and kept, so it must not repeat anything that was sent.
        let clean = |text: &str| answer.sent.foreign(text);
        let uuid = mount.uuid.as_deref().map(clean);
        Ok(Self { kind: clean(&mount.kind), accessor: clean(&mount.accessor), uuid, ..mount })
    }

    /// Returns the version of the KV engine.
    ///
    /// # Errors
    /// [`FaultClass::WrongMount`] if it is not 2. A v1 mount would answer 204 to a v2 write and ignore `cas`,
    /// so no other request may be sent there.
    pub(crate) fn kv_version(&self, scope: &Scope) -> Result<u32, RemoteFault> {
        let wrong = |message, hint: String| Err(fault::hinted(FaultClass::WrongMount, message, hint));
        let (mount, found) = (scope.mount(), self.path.trim_end_matches('/'));
        if found != mount {
            let found = wire::printable(found);
            return wrong(
                format!("`{mount}/` is not a mount: it lies below the mount `{found}/`"),
                format!("give `{found}` as mount and the rest as path"),
            );
        }
        if !matches!(self.kind.as_str(), "kv" | "generic") {
            return wrong(
                format!("`{mount}/` is a secrets engine of type `{}`, not kv", self.kind),
                "give the mount of a KV version 2 engine".to_owned(),
            );
        }
        let version = self.options.as_ref().and_then(|options| options.get("version")).map_or("1", String::as_str);
        if version == "2" {
            return Ok(2);
        }
        let version = wire::printable(version);
        wrong(
            format!("`{mount}/` is a KV version {version} engine; version 2 is needed"),
            format!("upgrade it (kv enable-versioning {mount}/), or give another mount"),
        )
    }
}

/// The capabilities of a token by path, as `sys/capabilities-self` returns them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Capabilities(BTreeMap<String, BTreeSet<String>>);

/// The path at which a token asks for its capabilities.
pub(crate) const CAPABILITIES_SELF: &str = "sys/capabilities-self";

impl Capabilities {
    /// Returns a single request for all paths.
    pub(crate) fn request(paths: &BTreeSet<String>) -> Request {
        let json = Zeroizing::new(
            serde_json::to_vec(&serde_json::json!({ "paths": paths })).expect("a list of texts always encodes"),
        );
        Request::post(Route::new(CAPABILITIES_SELF), "asking", &[], Repetition::Repeatable, json)
    }

    /// Reads capabilities from a 200 answer.
    pub(crate) fn read(request: &Request, answer: &Answer) -> Result<Self, RemoteFault> {
        let mut told: BTreeMap<String, BTreeSet<String>> = answer.parse::<Envelope<_>>(&request.doing)?.data;
        // The names appear in messages, so texts that do not have the form of a capability are dropped.
        let named = |name: &String| name.len() <= 32 && name.bytes().all(|byte| byte.is_ascii_lowercase());
        told.values_mut().for_each(|names| names.retain(named));
        Ok(Self(told))
    }

    /// Replaces the capabilities on some paths by those from another answer. If that answer is `None`, they
    /// are removed.
    pub(crate) fn with(mut self, paths: &BTreeSet<String>, elsewhere: Option<Self>) -> Self {
        self.0.retain(|path, _| !paths.contains(path));
        self.0.extend(elsewhere.unwrap_or_default().0);
        self
    }

    /// Returns whether a capability is granted on a path that was asked for.
    pub(crate) fn allows(&self, path: &str, capability: &str) -> bool {
        self.0.get(path).is_some_and(|granted| granted.contains(capability) || granted.contains("root"))
    }

    /// Returns whether any capability is granted on a path that begins with `start`.
    pub(crate) fn any_below(&self, start: &str) -> bool {
        let below = self.0.iter().filter(|(path, _)| path.starts_with(start));
        below.flat_map(|(_, granted)| granted).any(|capability| capability != "deny")
    }

    /// Returns the capabilities on a path for people.
    pub(crate) fn granted(&self, path: &str) -> String {
        match self.0.get(path) {
            Some(granted) if !granted.contains("deny") && !granted.is_empty() => {
                granted.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
            }
            _ => "nothing".to_owned(),
        }
    }
}

/// Sends a request that needs no token, and returns its successful answer.
pub(crate) async fn ask(transport: &Transport, request: &Request) -> Result<Answer, RemoteFault> {
    let answer = transport.send(request, None).await.map_err(|error| error.fault(request))?;
    if answer.status.is_success() { Ok(answer) } else { Err(fault::refused(request, &answer)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Recorded from OpenBao 2.7.2.
    const MOUNT: &str = r#"{"accessor":"kv_a3a24eac","config":{"default_lease_ttl":0},"deprecation_status":"supported","local":false,"options":{"version":"2"},"path":"secret/","running_plugin_version":"v2.7.2+builtin.bao","type":"kv","uuid":"35d37e72-79d4-7bfb-e46a-4593d06a6a0a"}"#;

    fn mount(from: &str, to: &str) -> Result<u32, RemoteFault> {
        let mount: Mount = serde_json::from_str(&MOUNT.replace(from, to)).expect("a mount");
        mount.kv_version(&Scope::new("secret", "team").expect("a scope"))
    }

    #[test]
    fn only_the_very_mount_with_kv_version_2_is_accepted() {
        assert_eq!(mount("", "").expect("accepted"), 2);
        for (from, to, said) in [
            (r#"{"version":"2"}"#, r#"{"version":"1"}"#, "KV version 1"),
            (r#"{"version":"2"}"#, "{}", "KV version 1"),
            (r#"{"version":"2"}"#, "null", "KV version 1"),
            (r#""type":"kv""#, r#""type":"pki""#, "type `pki`"),
            (r#""path":"secret/""#, r#""path":"s/""#, "below the mount `s/`"),
        ] {
            let fault = mount(from, to).expect_err("refused");
            assert_eq!(fault.class, FaultClass::WrongMount);
            assert!(fault.message.contains(said), "{}", fault.message);
        }
    }

    #[test]
    fn openbao_and_vault_are_told_apart_by_what_health_says() {
        let product = |json: &str| serde_json::from_str::<Health>(json).expect("health").product();
        let openbao = r#"{"initialized":true,"sealed":false,"standby":false,"version":"2.7.2"}"#;
        assert_eq!(product(openbao), Product::OpenBao);
        // Shapes from Vault's API documentation.
        let old = r#"{"initialized":true,"sealed":false,"standby":false,"version":"1.13.0"}"#;
        assert_eq!(product(old), Product::Vault);
        let new = r#"{"initialized":true,"sealed":false,"version":"2.0.0","enterprise":false,"clock_skew_ms":0}"#;
        assert_eq!(product(new), Product::Vault);
    }

    #[test]
    fn capabilities_are_read_from_one_answer_for_many_paths() {
        // Recorded from OpenBao 2.7.2.
        let json = r#"{"secret/metadata/team/":["deny"],"secret/data/team/*":["create","read","update"]}"#;
        let capabilities = Capabilities(serde_json::from_str(json).expect("capabilities"));
        assert!(capabilities.allows("secret/data/team/*", "read"));
        assert!(!capabilities.allows("secret/metadata/team/", "list"));
        assert!(!capabilities.allows("secret/other", "list"));
        assert!(capabilities.any_below("secret/") && !capabilities.any_below("secret/metadata/"));
        assert_eq!(capabilities.granted("secret/data/team/*"), "create, read, update");
        assert_eq!(capabilities.granted("secret/metadata/team/"), "nothing");
    }
}
