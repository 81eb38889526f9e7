//! The version and the kind of node that the stand-in imitates.

/// The version of Vault that the stand-in imitates.
pub const VERSION: &str = "1.21.4";

/// The kind of node that the stand-in imitates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// The active node, or the only one.
    Active,
    /// A standby of Vault Community. It forwards every request to the active node.
    Standby,
    /// A performance standby of Vault Enterprise. It answers reads by itself, and may lag.
    PerformanceStandby,
}
