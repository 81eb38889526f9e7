//! What several commands about records need.

use vaultterm_contract::RecordView;

use crate::{
    client::{Client, Reply},
    failure::Failure,
    lookup::{LiveOrTrashed, RecordRef, no_record},
    printable::printable,
    shell,
    table::{Table, moment},
};

/// Finds the live record at a path, or else the one in the trash.
pub(super) async fn standing_or_trashed(client: &Client, reference: &RecordRef) -> Result<Reply<RecordView>, Failure> {
    let RecordRef::Place { collection, path } = reference else { return client.record(reference).await };
    let (id, path) = client.place(collection, path).await?;
    for standing in [LiveOrTrashed::Live, LiveOrTrashed::Trashed] {
        if let Some(record) = client.record_at(id, &path, standing).await? {
            return Ok(record);
        }
    }
    Err(no_record(collection, &path))
}

/// Returns the name of a record for a suggested command.
pub(super) fn name_of(reference: &RecordRef, record: &RecordView) -> String {
    match reference {
        RecordRef::Id(id) => id.to_string(),
        // The place names a connection, and the record's path is not the rest of it.
        RecordRef::Place { collection, .. } if collection.contains(':') => record.id.to_string(),
        RecordRef::Place { collection, .. } => shell::word(&format!("{collection}/{}", record.path)).into_owned(),
    }
}

/// Returns a table about a record for people, without its values.
pub(super) fn facts(record: &RecordView) -> Table {
    let table = Table::of_facts()
        .fact("path", &record.path)
        .fact("id", record.id.to_string())
        .fact("collection", record.collection_id.to_string())
        .fact("type", record.record_type.as_str())
        .fact("revision", record.revision.to_string())
        .fact("created", moment(&record.created_at))
        .fact("updated", moment(&record.updated_at))
        .fact_if("deleted", record.deleted_at.as_deref().map(moment))
        .fact_if("tags", (!record.tags.is_empty()).then(|| record.tags.join(" ")))
        .fact_if("inject only", record.inject_only.then_some("yes"))
        .fact_if("asks again", record.ask_again.then_some("before each look at a value"));
    record.sync.iter().fold(table, |table, sync| {
        let by = |writer: &Option<String>| {
            writer.as_deref().map_or_else(String::new, |name| format!(" by {}", printable(name)))
        };
        let version = sync
            .remote_version
            .map_or_else(String::new, |version| format!(", version {version} in Vault{}", by(&sync.remote_writer)));
        let ahead = sync.seen.as_ref().map_or_else(String::new, |seen| match (seen.version, seen.deleted) {
            (Some(version), false) => format!("; Vault holds version {version}{}", by(&seen.writer)),
            (_, _) => format!("; deleted in Vault{}", by(&seen.writer)),
        });
        let state = match (&sync.accepted_by, &sync.accepted_at) {
            (Some(by), Some(at)) => format!("differs, accepted by {by} on {}", moment(at)),
            _ => sync.state.to_string(),
        };
        table.fact("sync", format!("{state}{version}{ahead} (connection {})", printable(&sync.connection)))
    })
}
