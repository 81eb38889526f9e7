//! How a record stands with Vault, in the words of the pages.

use vaultterm_operations::outline::SideOfVault;
use vaultterm_reconcile::Mode;
use vaultterm_store::{ConnectionSummary, RecordSync};
use vaultterm_sync::RecordSyncState;

use crate::web::parts::State;

/// Returns the words for the state of a record in one connection.
pub(crate) fn state(sync: &RecordSync, connection: Option<&ConnectionSummary>) -> State {
    let mode = connection.map_or(Mode::Bidirectional, |found| found.connection.options.mode);
    let paused = connection.is_some_and(|found| found.connection.paused || !found.connection.started);
    let (tone, words) = match (sync.state, mode) {
        (RecordSyncState::Conflict, _) => ("waits", "needs a decision"),
        // The newest run saw another version and did not take it over, for example because it halted.
        (RecordSyncState::InStep, _) if sync.seen.is_some() => ("waits", "Vault is ahead"),
        (RecordSyncState::Changed, _) if sync.seen.is_some() => ("waits", "changed on both sides"),
        (RecordSyncState::InStep, _) => ("good", "in step"),
        (RecordSyncState::Accepted, _) => ("off", "differs from Vault, and somebody accepted that"),
        (RecordSyncState::Unlinked, _) => ("off", "left alone: the other side was deleted"),
        (RecordSyncState::Changed, Mode::Pull) => ("waits", "differs from Vault, which this connection never writes"),
        (RecordSyncState::New, Mode::Pull) => ("off", "VaultTerm only"),
        (RecordSyncState::Changed | RecordSyncState::New, _) if paused => {
            ("off", "VaultTerm is ahead, and no run starts by itself")
        }
        (RecordSyncState::Changed | RecordSyncState::New, _) => ("off", "VaultTerm is ahead, written at the next run"),
    };
    State { tone, words }
}

/// Returns the words for the state of a record in all its connections. The most urgent state wins.
pub(crate) fn of_record(sync: &[RecordSync], connections: &[ConnectionSummary]) -> State {
    let urgency = |state: &State| match state.tone {
        "bad" => 0,
        "waits" => 1,
        "off" => 2,
        _ => 3,
    };
    let find = |one: &RecordSync| connections.iter().find(|known| known.connection.id == one.connection_id);
    let states = sync.iter().map(|one| state(one, find(one)));
    states.min_by_key(urgency).unwrap_or(State { tone: "off", words: "VaultTerm only" })
}

/// Returns where a record lives in Vault.
pub(crate) fn place(side: &SideOfVault, path: &str) -> String {
    let connection = &side.connection.connection;
    let parts = [connection.mount.as_str(), connection.path.as_str(), path];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
}
