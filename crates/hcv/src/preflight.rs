//! The checks between login and first use: the mount, the capabilities, the expiry of the `SecretID`, and
//! whether reads can be stale.
//!
//! The checks send two requests in parallel, and a few more if the server supports them. On a regular run the
//! server refuses none of them, with one exception: a standby that forwards proves it by a refusal.

use reqwest::StatusCode;
use vaultterm_reconcile::UnixNanos;
use vaultterm_sync::{Connection, FaultClass, Freshness, RemoteFault, ToDo};

use crate::{
    Listing, TestReport, approle,
    check::failed,
    fault, freshness,
    http::{Answer, Namespace, Request},
    needs::{Login, Need, Optional, Ways, needs, optional, paths, revoking},
    route::Scope,
    session::Session,
    sys::{Capabilities, Mount, Product},
};

/// The results of the checks.
pub(crate) struct Findings {
    pub(crate) mount: Mount,
    pub(crate) kv_version: u32,
    pub(crate) ways: Ways,
    pub(crate) secret_id_expires: Option<UnixNanos>,
    pub(crate) freshness: Freshness,
}

/// A fresh session before its checks.
pub(crate) struct Preflight<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) scope: &'a Scope,
    pub(crate) session: &'a Session,
    pub(crate) product: Product,
    /// Whether the cluster replicates from another cluster.
    pub(crate) secondary: bool,
    /// The name of the AppRole role.
    pub(crate) role: Option<String>,
}

impl Preflight<'_> {
    /// Makes all checks and reports each.
    ///
    /// # Errors
    /// The first fault that stops a run. Missing capabilities are named all at once.
    pub(crate) async fn look_around(&self, listing: Listing, report: &mut TestReport) -> Result<Findings, RemoteFault> {
        let options = &self.connection.options;
        let needs = needs(self.scope, options.mode, options.annotate);
        let login = Login { mount: &self.connection.auth_mount, role: self.role.as_deref() };
        let optional = optional(self.scope, options.mode, self.product, login);
        let paths = paths(self.scope, &needs, &optional);
        let (mount_request, question) = (Mount::request(self.scope), Capabilities::request(&paths));
        let (mount, capabilities) =
            futures_util::future::join(self.session.once(&mount_request), self.session.once(&question)).await;
        let capabilities = match capabilities.map_err(|fault| failed(report, "capabilities", fault))? {
            // A role without the default policy may be unable to ask. The run then finds out which
            // capabilities are missing.
            answer if answer.status == StatusCode::FORBIDDEN => None,
            // The server takes the last use of a token before it answers the question.
            answer if fault::is_invalid_token(&answer) => None,
            answer if answer.status.is_success() => Some(Capabilities::read(&question, &answer)?),
            answer => return Err(failed(report, "capabilities", fault::refused(&question, &answer))),
        };
        let capabilities = match capabilities {
            Some(capabilities) => Some(self.with_those_of_the_login(capabilities, &optional).await?),
            None => None,
        };
        let mount = match mount {
            Ok(answer) => self.mount(&mount_request, &answer, capabilities.as_ref()).await,
            Err(fault) => Err(fault),
        };
        let kv_version = mount.and_then(|mount| Ok((mount.kv_version(self.scope)?, mount)));
        let (kv_version, mount) = kv_version.map_err(|fault| failed(report, "mount", fault))?;
        report.pass("mount", format!("`{}/` is a KV version {kv_version} engine", self.scope.mount()));

        let ways = Ways::open(listing, self.product, capabilities.as_ref(), self.scope);
        self.judge(&needs, &optional, &ways, capabilities.as_ref(), report)?;
        let secret_id_expires = self.secret_id_expires(capabilities.as_ref()).await;
        report.secret_id_expires = secret_id_expires;
        let freshness = freshness::find(self.session, self.scope, self.secondary).await;
        report.pass("freshness", described(freshness));
        Ok(Findings { mount, kv_version, ways, secret_id_expires, freshness })
    }

    /// Asks for the capabilities on `auth/` paths in the namespace of the login, if it differs from that of
    /// the secrets. In the namespace of the secrets the answer would be about other paths of the same name.
    async fn with_those_of_the_login(
        &self,
        capabilities: Capabilities,
        optional: &[Optional],
    ) -> Result<Capabilities, RemoteFault> {
        if !self.session.transport.namespaces().differ() {
            return Ok(capabilities);
        }
        let paths = paths(self.scope, &[], optional).into_iter().filter(|path| path.starts_with("auth/")).collect();
        let question = Request { namespace: Namespace::OfLogin, ..Capabilities::request(&paths) };
        let answer = self.session.once(&question).await?;
        let there = if answer.status.is_success() { Some(Capabilities::read(&question, &answer)?) } else { None };
        Ok(capabilities.with(&paths, there))
    }

    async fn mount(
        &self,
        request: &Request,
        answer: &Answer,
        capabilities: Option<&Capabilities>,
    ) -> Result<Mount, RemoteFault> {
        let mount = self.scope.mount();
        match answer.status {
            StatusCode::OK => Mount::read(request, answer),
            // The server answers 403 to a token without any grant below a mount, and to every token where
            // there is no mount. A grant in the policy below the mount tells the two cases apart.
            StatusCode::FORBIDDEN
                if capabilities.is_some_and(|capabilities| capabilities.any_below(&format!("{mount}/"))) =>
            {
                Err(fault::hinted(
                    FaultClass::WrongMount,
                    format!("there is no secrets engine at `{mount}/`"),
                    "check mount and namespace of the connection",
                ))
            }
            StatusCode::FORBIDDEN if capabilities.is_none() && self.is_bound_elsewhere().await => Err(fault::hinted(
                FaultClass::LoginRefused,
                "the login succeeded, but the server refuses everything to its token: the token is not valid from the address of this server (token_bound_cidrs of the role), or its entity is disabled",
                "add the address from which VaultTerm reaches the server to token_bound_cidrs of the role, as a proxy in between may show it",
            )),
            StatusCode::FORBIDDEN => Err(fault::hinted(
                FaultClass::WrongMount,
                format!("there is no secrets engine at `{mount}/`, or the role may do nothing below it"),
                ToDo::CheckMountAndPolicy,
            )),
            StatusCode::NOT_FOUND => Err(fault::not_found(request, answer, mount)),
            _ => Err(fault::refused(request, answer)),
        }
    }

    /// Returns whether the server refuses the token itself. Every live token may list the visible mounts,
    /// even one without any grant.
    async fn is_bound_elsewhere(&self) -> bool {
        let request = Mount::request_all();
        self.session.once(&request).await.is_ok_and(|answer| answer.status == StatusCode::FORBIDDEN)
    }

    /// Compares the needed capabilities with the granted ones.
    fn judge(
        &self,
        needs: &[Need],
        optional: &[Optional],
        ways: &Ways,
        capabilities: Option<&Capabilities>,
        report: &mut TestReport,
    ) -> Result<(), RemoteFault> {
        let Some(capabilities) = capabilities else {
            // Without an answer, nothing is known of any right.
            report.lack_optional("capabilities", "not known: the role may not ask (sys/capabilities-self)");
            return Ok(());
        };
        let mut missing = Vec::new();
        for Need { capability, path } in needs {
            let name = format!("{capability} on {path}");
            if capabilities.allows(path, capability) {
                report.pass(name, "granted");
            } else {
                let granted = capabilities.granted(path);
                failed(report, &name, lacks(&format!("`{capability}` on {path} (it has {granted})")));
                missing.push(format!("`{capability}` on {path}"));
            }
        }
        match ways.missing(self.product, self.scope) {
            Some(Need { capability, path }) => {
                failed(report, &format!("{capability} on {path}"), lacks(&format!("`{capability}` on {path}")));
                missing.push(format!("`{capability}` on {path}"));
            }
            None => report.pass("listing", ways.describe()),
        }
        for Optional { need: Need { capability, path }, without } in optional {
            let name = format!("{capability} on {path}");
            if capabilities.allows(path, capability) {
                report.pass(name, "granted");
            } else {
                report.lack_optional(name, format!("not granted, and optional: {without}"));
            }
        }
        if self.role.is_none() {
            let path = approle::lookup_path(&self.connection.auth_mount, "ROLE");
            let detail = "not asked for, because the server did not name the role: VaultTerm cannot warn before the SecretID expires";
            report.lack_optional(format!("update on {path}"), detail);
        }
        // A run works without it, and reports each time that its token stays alive.
        let Need { capability, path } = revoking();
        if capabilities.allows(&path, capability) {
            report.pass(format!("{capability} on {path}"), "granted");
        } else {
            failed(report, &format!("{capability} on {path}"), lacks(&format!("`{capability}` on {path}")));
        }
        if missing.is_empty() { Ok(()) } else { Err(lacks(&missing.join(", "))) }
    }

    /// Returns the expiry of the `SecretID`, if the role may look it up. It is not an error if the role may not.
    async fn secret_id_expires(&self, capabilities: Option<&Capabilities>) -> Option<UnixNanos> {
        let (role, auth_mount) = (self.role.as_deref()?, &self.connection.auth_mount);
        if !capabilities?.allows(&approle::lookup_path(auth_mount, role), "update") {
            return None;
        }
        let request = approle::expiry_request(auth_mount, role, self.session.secret_id());
        let answer = self.session.once(&request).await.ok().filter(|answer| answer.status == StatusCode::OK)?;
        approle::read_expiry(&request, &answer).ok().flatten()
    }
}

/// Returns a description of the freshness of answers for people.
const fn described(freshness: Freshness) -> &'static str {
    match freshness {
        Freshness::Index => "known: the server sends its state index, and answers are never older than that",
        Freshness::Active => "known: the active node answers",
        Freshness::Forwarded => {
            "known: the node that answers is a standby that forwards every request to the active node"
        }
        Freshness::Unknown => {
            "not known: a standby may answer with an old state. What is missing in Vault counts as deleted only when two runs found it so"
        }
    }
}

fn lacks(what: &str) -> RemoteFault {
    fault::hinted(FaultClass::Denied, format!("the role lacks {what}"), ToDo::AddAllToPolicy)
}
