//! The actor of what the server does by itself.

use uuid::Uuid;
use vaultterm_ledger::{Actor, ActorKind};

/// Returns the actor that the audit log names for what no caller asked for.
#[must_use]
pub fn scheduler() -> Actor {
    Actor { kind: ActorKind::System, id: Uuid::nil(), name: "scheduler".to_owned() }
}
