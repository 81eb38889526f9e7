//! Makes the faults that the engine receives.

use vaultterm_sync::{Advice, FaultClass, RemoteFault};

/// Returns a fault without a hint.
pub(crate) fn new(class: FaultClass, message: impl Into<String>) -> RemoteFault {
    RemoteFault { class, message: message.into(), hint: None, retry_after: None }
}

/// Returns a fault with a hint.
pub(crate) fn hinted(class: FaultClass, message: impl Into<String>, hint: impl Into<Advice>) -> RemoteFault {
    RemoteFault { hint: Some(hint.into()), ..new(class, message) }
}
