//! The form in which a file that was read is kept: a head, what became of the items, and the items, each in parts that are
//! sealed by themselves.

use serde::{Deserialize, Serialize};
use vaultterm_exchange::{Duplicates, Fate, Found, Item, from_pipe, to_pipe};
use vaultterm_reconcile::SecretPath;
use vaultterm_sealing::SecretBytes;
use vaultterm_store::{Import, StoreError};

use crate::{refusal::Refusal, services::Services};

/// The part that holds the head.
const HEAD: u64 = 0;
/// The part that holds what became of the items, after the import is done.
pub(super) const FATES: u64 = 1;
/// The first part that holds items.
const ITEMS: u64 = 2;
/// The items of a part.
const ITEMS_OF_PART: usize = 200;

/// What is known of a file beside its items.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Head {
    /// Its name.
    pub file_name: Option<String>,
    /// The path below which its items go.
    pub prefix: Option<SecretPath>,
}

/// What became of the items.
#[derive(Serialize, Deserialize)]
pub(super) struct Fates {
    /// What was done with duplicates.
    pub(super) duplicates: Duplicates,
    /// The fate of each item, in the order of the file.
    pub(super) fates: Vec<Fate>,
}

/// Puts what was found into parts.
pub(super) fn parts(head: Head, found: Found) -> Vec<(u64, SecretBytes)> {
    let Found { format, items, refused, losses, questions } = found;
    let report = Found { refused, losses, questions, ..Found::new(format) };
    let mut bytes = serde_json::to_vec(&head).expect("a head has only text keys");
    bytes.push(b'\n');
    written(report, &mut bytes);
    let mut parts = vec![(HEAD, SecretBytes::new(bytes))];
    let mut items = items.into_iter().peekable();
    while items.peek().is_some() {
        let mut bytes = Vec::new();
        let some = Found { items: items.by_ref().take(ITEMS_OF_PART).collect(), ..Found::new(format) };
        written(some, &mut bytes);
        parts.push((ITEMS + parts.len() as u64 - 1, SecretBytes::new(bytes)));
    }
    parts
}

fn written(found: Found, bytes: &mut Vec<u8>) {
    to_pipe(Ok(found), bytes).expect("memory takes all that is written");
}

/// Puts what became of the items into a part.
pub(super) fn fates(duplicates: Duplicates, fates: &[Fate]) -> SecretBytes {
    let fates = Fates { duplicates, fates: fates.to_vec() };
    SecretBytes::new(serde_json::to_vec(&fates).expect("fates have only text keys"))
}

/// Opens the head and the report.
pub(super) async fn head(services: &Services, import: &Import) -> Result<(Head, Found), Refusal> {
    let bytes = services.store.import_part(import.id, HEAD).await?;
    let end = bytes.expose().iter().position(|byte| *byte == b'\n').ok_or_else(malformed)?;
    let head = serde_json::from_slice(&bytes.expose()[..end]).map_err(|_| malformed())?;
    Ok((head, from_pipe(&bytes.expose()[end + 1..]).map_err(|_| malformed())?))
}

/// Opens the items.
pub(super) async fn items(services: &Services, import: &Import, count: usize) -> Result<Vec<Item>, Refusal> {
    let mut items = Vec::with_capacity(count);
    for part in ITEMS.. {
        if items.len() >= count {
            break;
        }
        let bytes = services.store.import_part(import.id, part).await?;
        let some = from_pipe(bytes.expose()).map_err(|_| malformed())?.items;
        if some.is_empty() {
            return Err(malformed());
        }
        items.extend(some);
    }
    Ok(items)
}

/// Opens what became of the items.
pub(super) async fn told(services: &Services, import: &Import) -> Result<Fates, Refusal> {
    let bytes = services.store.import_part(import.id, FATES).await?;
    serde_json::from_slice(bytes.expose()).map_err(|_| malformed())
}

fn malformed() -> Refusal {
    StoreError::Malformed("import").into()
}
