//! Records that leave as a file. Their values are read first, and leave only after the audit log holds who took which.

use std::collections::BTreeMap;

use vaultterm_exchange::{Format, Outgoing, Past};
use vaultterm_ledger::{AuditAction, ObjectKind};
use vaultterm_reconcile::{RecordId, Revision, SecretPath};
use vaultterm_sync::CollectionId;

use crate::{
    Context, Record, Store, StoreError,
    context::Facts as _,
    record_changes::about,
    records::record,
    revisions,
    sql::{Select, args},
};

/// Records of a collection, as they are at one moment.
pub struct Exportable {
    /// The records with their values and histories, by path.
    pub records: Vec<Outgoing>,
    /// The same records without values, in the same order.
    pub about: Vec<Record>,
    /// Records that only programs may get. They never leave.
    pub inject_only: Vec<SecretPath>,
}

/// The records whose revisions one statement reads.
const AT_ONCE: usize = 200;

impl Store {
    /// Reads the records of a collection below a prefix, with their values, to tell what a format cannot hold, or to write a
    /// file. The values must not leave before [`Store::audit_export`].
    ///
    /// # Errors
    /// [`StoreError::Sealing`] when a record does not open.
    pub async fn exportable(
        &self,
        collection: CollectionId,
        prefix: Option<&SecretPath>,
        with_trash: bool,
    ) -> Result<Exportable, StoreError> {
        let mut select = Select::new("SELECT * FROM records WHERE collection_id = $1", args![collection]);
        if !with_trash {
            select.text(" AND deleted_us IS NULL");
        }
        let mut found = Exportable { records: Vec::new(), about: Vec::new(), inject_only: Vec::new() };
        for row in self.db.select(select.all()).await? {
            let record = record(&row)?;
            if prefix.is_some_and(|prefix| !is_below(&record.path, prefix)) {
                continue;
            }
            if record.inject_only {
                found.inject_only.push(record.path);
            } else {
                found.about.push(record);
            }
        }
        found.about.sort_by(|one, other| (&one.path, one.id).cmp(&(&other.path, other.id)));
        found.inject_only.sort();
        for records in found.about.chunks(AT_ONCE) {
            let mut states = self.states(records).await?;
            for record in records {
                let mut past = states.remove(&record.id).ok_or(StoreError::NotFound("revision"))?;
                let now = past.pop().ok_or(StoreError::NotFound("revision"))?;
                found.records.push(Outgoing {
                    id: record.id.0.to_string(),
                    path: record.path.as_str().to_owned(),
                    record_type: record.record_type,
                    fields: now.fields,
                    tags: record.tags.clone(),
                    ask_again: record.ask_again,
                    is_trashed: record.deleted_us.is_some(),
                    history: past,
                    created_us: Some(record.created_us),
                    updated_us: now.at_us,
                });
            }
        }
        Ok(found)
    }

    /// Opens all revisions of some records, up to the one at which each record was read.
    async fn states(&self, records: &[Record]) -> Result<BTreeMap<RecordId, Vec<Past>>, StoreError> {
        let sql = "SELECT r.collection_id, v.record_id, v.revision, v.created_us, v.key_id, v.wrapped_key, v.ciphertext
                   FROM revisions v JOIN records r ON r.id = v.record_id WHERE 1 = 1";
        let mut select = Select::new(sql, args![]);
        select.and_any("v.record_id", records.iter().map(|record| record.id));
        select.text(" ORDER BY v.record_id, v.revision");
        let newest: BTreeMap<RecordId, Revision> = records.iter().map(|record| (record.id, record.revision)).collect();
        let mut states: BTreeMap<RecordId, Vec<Past>> = BTreeMap::new();
        for row in self.db.select(select.all()).await? {
            let (id, revision) = (RecordId(row.id("record_id")?), row.revision("revision")?);
            if newest.get(&id).is_some_and(|newest| revision <= *newest) {
                let past = Past { at_us: Some(row.int("created_us")?), fields: revisions::open(&self.keyring, &row)? };
                states.entry(id).or_default().push(past);
            }
        }
        Ok(states)
    }

    /// Tells the audit log who takes which records out as a file (`RECORD_EXPORTED` for each, `RECORDS_EXPORTED` for all).
    ///
    /// # Errors
    /// [`StoreError`] when the database fails. The values must not leave then.
    pub async fn audit_export(
        &self,
        context: &Context,
        collection: CollectionId,
        records: &[Record],
        format: Format,
        protection: &str,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        for record in records {
            tx.audit(about(context, AuditAction::RecordExported, record).with("format", format));
        }
        let draft = context.draft(AuditAction::RecordsExported, ObjectKind::Collection, collection.0, None);
        let draft = draft.with("format", format).with("records", records.len());
        tx.audit(draft.with("protection", protection));
        tx.commit().await
    }
}

/// Says whether a path is a prefix itself, or below it.
fn is_below(path: &SecretPath, prefix: &SecretPath) -> bool {
    path.as_str().strip_prefix(prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        NewRecord, RecordPatch,
        testing::{House, at, fields, new_record},
    };

    #[tokio::test]
    async fn records_leave_with_their_histories_and_those_for_programs_stay() {
        let house = House::new().await;
        let one = house.save("team/a", json!({"x": 1})).await.unwrap();
        house.save("teams/b", json!({"x": 1})).await.unwrap();
        let gone = house.save("team/gone", json!({"x": 1})).await.unwrap();
        house.store.trash_record(&house.ann(), gone.id, None).await.unwrap();
        let hidden = NewRecord { inject_only: true, ..new_record("team/hidden", json!({"x": 1})) };
        house.store.create_record(&house.ann(), house.collection, hidden).await.unwrap();
        let patch = RecordPatch { fields: Some(fields(json!({"x": 2}))), ..RecordPatch::default() };
        house.store.update_record(&house.ann(), one.id, Revision(1), patch).await.unwrap();
        let below = at("team");
        let found = house.store.exportable(house.collection, Some(&below), false).await.unwrap();
        assert_eq!(found.inject_only, [at("team/hidden")]);
        assert_eq!(found.records.iter().map(|record| record.path.as_str()).collect::<Vec<_>>(), ["team/a"]);
        let record = &found.records[0];
        assert_eq!(record.fields.to_json().expose(), br#"{"x":2}"#);
        assert_eq!(
            record.history.iter().map(|past| past.fields.to_json().expose().to_vec()).collect::<Vec<_>>(),
            [br#"{"x":1}"#.to_vec()]
        );
        let all = house.store.exportable(house.collection, None, true).await.unwrap();
        assert_eq!(all.records.iter().filter(|record| record.is_trashed).count(), 1);
        assert_eq!(all.records.len(), 3);
        house.store.audit_export(&house.ann(), house.collection, &found.about, Format::Env, "age").await.unwrap();
        let audited = house.audited().await;
        assert_eq!(audited[audited.len() - 2..], [AuditAction::RecordExported, AuditAction::RecordsExported]);
    }
}
