//! What is looked at between login and first use: the mount, the capabilities, how long the
//! `SecretID` lasts, whether reads may be stale.
//!
//! Two requests in parallel, and up to two more where they can be answered: nothing here makes a
//! failing request on every run.

use reqwest::StatusCode;
use vaultterm_reconcile::UnixNanos;
use vaultterm_sync::{Connection, FaultClass, RemoteFault};

use crate::{
    Listing, TestReport, approle,
    connector::failed,
    fault,
    http::Answer,
    needs::{Need, Ways, needs, paths},
    route::Scope,
    session::Session,
    sys::{Capabilities, Leader, Mount, Product, ask},
};

/// What the look-around found.
pub(crate) struct Findings {
    pub(crate) mount: Mount,
    pub(crate) kv_version: u32,
    pub(crate) ways: Ways,
    pub(crate) secret_id_expires: Option<UnixNanos>,
    pub(crate) consistent: bool,
}

/// A fresh session, about to look around.
pub(crate) struct Preflight<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) scope: &'a Scope,
    pub(crate) session: &'a Session,
    pub(crate) product: Product,
    /// Name of the AppRole role.
    pub(crate) role: Option<String>,
}

impl Preflight<'_> {
    /// Looks around, noting each check.
    ///
    /// # Errors
    /// The first fault that stops a run; missing capabilities are named all at once.
    pub(crate) async fn look_around(&self, listing: Listing, report: &mut TestReport) -> Result<Findings, RemoteFault> {
        let options = &self.connection.options;
        let needs = needs(self.scope, options.mode, options.annotate);
        let paths = paths(self.scope, &needs, &self.connection.auth_mount, self.role.as_deref());
        let (mount_request, question) = (Mount::request(self.scope), Capabilities::request(&paths));
        let (mount, capabilities) =
            futures_util::future::join(self.session.once(&mount_request), self.session.once(&question)).await;
        let capabilities = match capabilities.map_err(|fault| failed(report, "capabilities", fault))? {
            // A role without the default policy may be unable to ask. Then the run finds out.
            answer if answer.status == StatusCode::FORBIDDEN => None,
            // A token's last use is gone before the question is answered.
            answer if fault::is_invalid_token(&answer) => None,
            answer if answer.status.is_success() => Some(Capabilities::read(&question, &answer)?),
            answer => return Err(failed(report, "capabilities", fault::refused(&question, &answer))),
        };
        let mount = mount.and_then(|answer| self.mount(&mount_request, &answer, capabilities.as_ref()));
        let kv_version = mount.and_then(|mount| Ok((mount.kv_version(self.scope)?, mount)));
        let (kv_version, mount) = kv_version.map_err(|fault| failed(report, "mount", fault))?;
        report.pass("mount", format!("`{}/` is a KV version {kv_version} engine", self.scope.mount()));

        let ways = Ways::open(listing, self.product, capabilities.as_ref(), self.scope);
        self.judge(&needs, &ways, capabilities.as_ref(), report)?;
        let secret_id_expires = self.secret_id_expires(capabilities.as_ref()).await;
        report.secret_id_expires = secret_id_expires;
        Ok(Findings { mount, kv_version, ways, secret_id_expires, consistent: self.is_consistent(report).await })
    }

    fn mount(
        &self,
        request: &crate::http::Request,
        answer: &Answer,
        capabilities: Option<&Capabilities>,
    ) -> Result<Mount, RemoteFault> {
        let mount = self.scope.mount();
        match answer.status {
            StatusCode::OK => Mount::read(request, answer),
            // The server answers 403 to everybody who may do nothing below a mount, and to
            // everybody where there is no mount. A policy for it tells which.
            StatusCode::FORBIDDEN
                if capabilities.is_some_and(|capabilities| capabilities.any_below(&format!("{mount}/"))) =>
            {
                Err(fault::hinted(
                    FaultClass::WrongMount,
                    format!("there is no secrets engine at `{mount}/`"),
                    "check mount and namespace of the connection",
                ))
            }
            StatusCode::FORBIDDEN => Err(fault::hinted(
                FaultClass::WrongMount,
                format!("there is no secrets engine at `{mount}/`, or the role may do nothing below it"),
                "check mount and namespace of the connection, and the role's policy (`vaultterm connection policy`)",
            )),
            StatusCode::NOT_FOUND => Err(fault::not_found(request, answer, mount)),
            _ => Err(fault::refused(request, answer)),
        }
    }

    /// Compares needed and granted capabilities.
    fn judge(
        &self,
        needs: &[Need],
        ways: &Ways,
        capabilities: Option<&Capabilities>,
        report: &mut TestReport,
    ) -> Result<(), RemoteFault> {
        let Some(capabilities) = capabilities else {
            report.pass("capabilities", "not known: the role may not ask (sys/capabilities-self)");
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
        if missing.is_empty() { Ok(()) } else { Err(lacks(&missing.join(", "))) }
    }

    /// Asks how long the `SecretID` lasts, where the role may know. Its absence is no fault.
    async fn secret_id_expires(&self, capabilities: Option<&Capabilities>) -> Option<UnixNanos> {
        let (role, auth_mount) = (self.role.as_deref()?, &self.connection.auth_mount);
        if !capabilities?.allows(&approle::lookup_path(auth_mount, role), "update") {
            return None;
        }
        let request = approle::expiry_request(auth_mount, role, self.session.secret_id());
        let answer = self.session.once(&request).await.ok().filter(|answer| answer.status == StatusCode::OK)?;
        approle::read_expiry(&request, &answer).ok().flatten()
    }

    /// Finds out whether reads may be older than what the session saw: only OpenBao 2.5 and 2.6
    /// let standbys answer by themselves without telling an index.
    async fn is_consistent(&self, report: &TestReport) -> bool {
        let version = report.server.as_ref().map(|server| server.version.as_str()).unwrap_or_default();
        if self.session.transport.knows_index() || self.product == Product::Vault || !has_reading_standbys(version) {
            return true;
        }
        let request = Leader::request();
        let Ok(answer) = ask(&self.session.transport, &request).await else { return false };
        answer.parse::<Leader>(&request.doing).is_ok_and(|leader| !leader.ha_enabled)
    }
}

/// Says whether an OpenBao of this version lets standbys answer reads: since 2.5.
fn has_reading_standbys(version: &str) -> bool {
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or(u32::MAX));
    (numbers.next(), numbers.next()) >= (Some(2), Some(5))
}

fn lacks(what: &str) -> RemoteFault {
    fault::hinted(
        FaultClass::Denied,
        format!("the role lacks {what}"),
        "add it to the role's policy: `vaultterm connection policy` prints all that is needed",
    )
}

#[cfg(test)]
mod tests {
    use super::has_reading_standbys;

    #[test]
    fn standbys_answer_reads_since_openbao_2_5() {
        for version in ["2.5.0", "2.7.2", "3.0.0", "2.10.1", "unknown"] {
            assert!(has_reading_standbys(version), "{version}");
        }
        for version in ["2.4.4", "2.0.0", "1.19.0"] {
            assert!(!has_reading_standbys(version), "{version}");
        }
    }
}
