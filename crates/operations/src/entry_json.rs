//! How an entry of the audit log is written outside of it.

use vaultterm_store::AuditEvent;

/// Writes an entry as the JSON document that lists, webhooks and syslog share.
pub type EntryJson = fn(&AuditEvent) -> String;
