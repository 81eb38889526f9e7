//! The report behind `POST /connections/{id}/test`.

use vaultterm_reconcile::UnixNanos;
use vaultterm_sync::{Advice, RemoteFault};

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was checked: `address`, `tls`, `health`, `namespace`, `login`, `mount`, `listing`, `freshness`,
    /// `token` (its revocation at the end), `answers` (fails when the server is too slow or an answer cannot be
    /// read), or a capability with its path, as in `read on kv/data/team/*`.
    pub name: String,
    /// Whether the check passed. A right that is missing and optional is no failure.
    pub ok: bool,
    /// Whether the right is optional, and was not granted or could not be asked for.
    pub lacks_optional: bool,
    /// What the check found.
    pub detail: String,
    /// What the operator can do if the check failed.
    pub hint: Option<Advice>,
}

impl Check {
    /// Returns a check that failed.
    pub fn failed(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { name: name.into(), ok: false, lacks_optional: false, detail: detail.into(), hint: None }
    }
}

/// The server that answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// `Vault` or `OpenBao`.
    pub product: String,
    /// The version of the server.
    pub version: String,
}

/// The results of a connection test in the order of the checks. The test ends at the first failed check
/// without which the later checks make no sense.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestReport {
    /// Whether every check passed.
    pub ok: bool,
    /// The results of the checks.
    pub checks: Vec<Check>,
    /// The server, if it answered.
    pub server: Option<Server>,
    /// The expiry of the `SecretID`, if the role may look it up.
    pub secret_id_expires: Option<UnixNanos>,
}

impl TestReport {
    /// Records a check that passed.
    pub(crate) fn pass(&mut self, name: impl Into<String>, detail: impl Into<String>) {
        self.checks.push(Check { ok: true, ..Check::failed(name, detail) });
    }

    /// Records that a right is missing or not known, and that a run can do without it.
    pub(crate) fn lack_optional(&mut self, name: impl Into<String>, detail: impl Into<String>) {
        self.checks.push(Check { ok: true, lacks_optional: true, ..Check::failed(name, detail) });
    }

    /// Records a check that failed.
    pub(crate) fn fail(&mut self, name: impl Into<String>, fault: &RemoteFault) {
        self.checks.push(Check { hint: fault.hint.clone(), ..Check::failed(name, fault.message.clone()) });
    }
}

/// Reports a failed check and returns its fault.
pub(crate) fn failed(report: &mut TestReport, name: &str, fault: RemoteFault) -> RemoteFault {
    report.fail(name, &fault);
    fault
}
