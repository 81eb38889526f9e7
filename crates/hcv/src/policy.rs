//! The policy a role needs, and the script that sets it up. Pure text.

use vaultterm_reconcile::Mode;

/// Whose command line and capabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    /// HashiCorp Vault: `vault`, no `scan` capability.
    Vault,
    /// OpenBao: `bao`.
    OpenBao,
}

/// What a policy is for.
#[derive(Clone, Debug)]
pub struct PolicyRequest<'a> {
    /// The KV v2 mount.
    pub mount: &'a str,
    /// The path prefix below it; empty for the whole mount.
    pub path: &'a str,
    /// Which way credentials travel.
    pub mode: Mode,
    /// Whose language.
    pub flavor: Flavor,
    /// Whether secrets are marked as managed by VaultTerm.
    pub annotate: bool,
    /// Name of the AppRole role, and of the policy.
    pub role: &'a str,
    /// Where AppRole is mounted.
    pub auth_mount: &'a str,
}

/// A policy, and the script that sets it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyText {
    /// The policy, in HCL.
    pub hcl: String,
    /// A POSIX shell script that writes the policy, creates the role and prints RoleID and `SecretID`.
    pub script: String,
}

/// Writes the least-privilege policy for a mode.
#[must_use]
pub fn policy(request: &PolicyRequest<'_>) -> PolicyText {
    let _ = request;
    todo!()
}
