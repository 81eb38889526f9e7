//! The report behind `POST /connections/{id}/test`.

use vaultterm_reconcile::UnixNanos;
use vaultterm_sync::RemoteFault;

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What: `address`, `tls`, `health`, `namespace`, `login`, `mount`, `listing`, `freshness`, `token`
    /// (revoked at the end), or a capability and its path, as in `read on kv/data/team/*`.
    pub name: String,
    /// Whether it is as it must be.
    pub ok: bool,
    /// What was found.
    pub detail: String,
    /// What to do, when it is not.
    pub hint: Option<String>,
}

/// What answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// `Vault` or `OpenBao`.
    pub product: String,
    /// Its version.
    pub version: String,
}

/// What a test of a connection found, in the order it was found. It ends at the first check
/// without which later ones make no sense.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestReport {
    /// Whether every check passed.
    pub ok: bool,
    /// The checks.
    pub checks: Vec<Check>,
    /// What answered, once it did.
    pub server: Option<Server>,
    /// When the `SecretID` expires, where the role may know.
    pub secret_id_expires: Option<UnixNanos>,
}

impl TestReport {
    /// Notes that something is as it must be.
    pub(crate) fn pass(&mut self, name: impl Into<String>, detail: impl Into<String>) {
        self.checks.push(Check { name: name.into(), ok: true, detail: detail.into(), hint: None });
    }

    /// Notes that something is not as it must be.
    pub(crate) fn fail(&mut self, name: impl Into<String>, fault: &RemoteFault) {
        let (detail, hint) = (fault.message.clone(), fault.hint.clone());
        self.checks.push(Check { name: name.into(), ok: false, detail, hint });
    }
}
