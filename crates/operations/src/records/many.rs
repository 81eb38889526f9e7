//! Many records at once: tagged, moved to another collection, moved to the trash, or shown; all of them or none.

use uuid::Uuid;
use vaultterm_reconcile::Revision;
use vaultterm_sealing::SecretFields;
use vaultterm_store::{ChangeOfMany, CollectionRole, ReadRecord, Record, Scope};

use super::found;
use crate::{
    access,
    caller::Caller,
    fresh::{Act, fresh, proving, shown},
    refusal::Refusal,
    services::Services,
};

/// Records that one request changes at most.
pub const MANY_MAX: usize = 500;

/// One change of many records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Many {
    /// Adds labels and removes others.
    Tag {
        /// The labels to add.
        add: Vec<String>,
        /// The labels to remove.
        remove: Vec<String>,
    },
    /// Moves the records to the trash.
    Trash,
    /// Moves the records to this collection.
    Move(Uuid),
}

/// A record, with the revision that the caller read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadOne {
    /// The record.
    pub id: Uuid,
    /// The revision.
    pub revision: u64,
}

/// Changes many records in one transaction.
///
/// # Errors
/// `NotFound` and `Forbidden` as for each record by itself; `Refused`, which names the first record that cannot be
/// changed so; `Invalid` for none or too many records.
pub async fn change(
    services: &Services,
    caller: &Caller,
    records: &[ReadOne],
    many: Many,
) -> Result<Vec<Record>, Refusal> {
    access::scope(services, caller, Scope::RecordsWrite).await?;
    let change = permitted(services, caller, records.iter().map(|one| one.id), many).await?;
    let records: Vec<_> = records
        .iter()
        .map(|one| ReadRecord { id: vaultterm_reconcile::RecordId(one.id), revision: Revision(one.revision) })
        .collect();
    Ok(services.store.change_records(&caller.context(services), &records, &change).await?)
}

/// Finds the records that a change would be about, as they are now, after the same checks as [`change`].
///
/// # Errors
/// As [`change`].
pub async fn review(services: &Services, caller: &Caller, ids: &[Uuid], many: Many) -> Result<Vec<Record>, Refusal> {
    access::scope(services, caller, Scope::RecordsRead).await?;
    permitted(services, caller, ids.iter().copied(), many).await?;
    let mut records = Vec::new();
    for id in ids {
        records.push(found(services, vaultterm_reconcile::RecordId(*id)).await?);
    }
    Ok(records)
}

/// Records whose values one request shows at most.
pub const REVEAL_MAX: usize = 100;

/// A record that was shown together with others.
#[derive(Debug)]
pub struct Shown {
    /// The record.
    pub record: Record,
    /// Its values. `None` for a record that programs alone may get.
    pub fields: Option<SecretFields>,
}

/// Takes out the values of many records to be shown together. Each has its own audit entry, and all are committed before
/// the values are returned.
///
/// # Errors
/// `StepUp` without a fresh proof; `NotFound` as for each record by itself; `Invalid` for none or too many records.
pub async fn reveal(
    services: &Services,
    caller: &Caller,
    ids: &[Uuid],
    reason: Option<&str>,
) -> Result<Vec<Shown>, Refusal> {
    access::scope(services, caller, Scope::RecordsReveal).await?;
    if ids.is_empty() || ids.len() > REVEAL_MAX {
        return Err(Refusal::field("records", format!("name 1 to {REVEAL_MAX} records")));
    }
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        found.push(access::record(services, caller, *id, CollectionRole::Viewer).await?);
    }
    fresh(services, caller, Act::ShowMany).await?;
    let context = caller.context(services);
    let taken = services.store.reveal_records(&context, &found, reason, proving(services, caller)).await;
    let taken = shown(services, caller, taken).await?;
    Ok(taken.into_iter().map(|(record, fields)| Shown { record, fields }).collect())
}

/// Checks that the caller may change every record so.
async fn permitted(
    services: &Services,
    caller: &Caller,
    ids: impl ExactSizeIterator<Item = Uuid>,
    many: Many,
) -> Result<ChangeOfMany, Refusal> {
    if ids.len() == 0 || ids.len() > MANY_MAX {
        return Err(Refusal::field("records", format!("name 1 to {MANY_MAX} records")));
    }
    let role = if matches!(many, Many::Tag { .. }) { CollectionRole::Editor } else { CollectionRole::Admin };
    for id in ids {
        access::record(services, caller, id, role).await?;
    }
    Ok(match many {
        Many::Tag { add, remove } if add.is_empty() && remove.is_empty() => {
            return Err(Refusal::field("tags", "name a tag to add or to remove"));
        }
        Many::Tag { add, remove } => ChangeOfMany::Tag { add, remove },
        Many::Trash => ChangeOfMany::Trash,
        Many::Move(to) => ChangeOfMany::Move(access::collection(services, caller, to, CollectionRole::Editor).await?),
    })
}
