//! The report behind `POST /connections/{id}/test`.

use vaultterm_reconcile::UnixNanos;
use vaultterm_sealing::SecretText;

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What: `address`, `tls`, `health`, `login`, `mount`, or `capability: read on kv/data/team/*`.
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
#[derive(Debug)]
pub struct TestReport {
    /// Whether every check passed.
    pub ok: bool,
    /// The checks.
    pub checks: Vec<Check>,
    /// What answered, once it did.
    pub server: Option<Server>,
    /// When the `SecretID` expires, where the role may know.
    pub secret_id_expires: Option<UnixNanos>,
    /// The `SecretID` that a wrapping token held: must be stored, the token is spent. May be
    /// there although a later check failed.
    pub unwrapped: Option<SecretText>,
}
