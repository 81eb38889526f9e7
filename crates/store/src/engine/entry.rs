//! An entry of the audit log, as the engines need it.

/// An entry of the audit log, by which a change can be told from others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AuditEntry {
    pub(crate) seq: u64,
    pub(crate) hash: [u8; 32],
}
