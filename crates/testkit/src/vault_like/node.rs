//! What is played: the version, and the place in a cluster.

/// The version of Vault that is played.
pub const VERSION: &str = "1.21.4";

/// Which node of a cluster is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// The active node, or the only one.
    Active,
    /// A standby of Vault Community: it forwards every request to the active node.
    Standby,
    /// A performance standby of Vault Enterprise: it answers reads by itself, and may be behind.
    PerformanceStandby,
}
