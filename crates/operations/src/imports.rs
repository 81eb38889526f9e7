//! Imports: a file of another program becomes records, after a person saw what it holds, what is lost and where it goes.
//!
//! [`read`] has the file parsed (`parser.rs`), and keeps what was found, sealed, for a week (`kept.rs`). [`review`] tells what
//! would happen now (`reviewing.rs`). [`commit`] does exactly what the person saw, or nothing; [`going`] tells how far it is
//! (`going.rs`). [`undo`] takes it back for a day.

mod going;
mod kept;
mod parser;
mod reviewing;

use std::time::Duration;

use tokio::sync::oneshot;
use tracing::Instrument as _;
use uuid::Uuid;
use vaultterm_exchange::{Duplicates, Errand, Fate, Format, ImportState, Item, source_key};
use vaultterm_reconcile::{SecretPath, UnknownName};
pub use vaultterm_store::Undone;
use vaultterm_store::{CollectionRole, Import, ImportOutcome, ImportStep, NewImport, Scope};
use zeroize::Zeroizing;

pub use going::Progress;
pub use kept::Head;
pub use parser::Parser;
pub use reviewing::Review;

use crate::{
    access,
    caller::Caller,
    refusal::{Next, Refusal, RefusalKind},
    services::Services,
};

/// A file that a person brings.
pub struct Upload {
    /// The collection that it goes to.
    pub collection: Uuid,
    /// The path below which its items go.
    pub prefix: Option<String>,
    /// Its format, by name; recognised unless told.
    pub format: Option<String>,
    /// Its name.
    pub file_name: Option<String>,
    /// What it holds.
    pub bytes: Zeroizing<Vec<u8>>,
    /// The password of a protected file.
    pub password: Option<Zeroizing<String>>,
    /// The key file of a KeePass database.
    pub key_file: Option<Zeroizing<Vec<u8>>>,
    /// LastPass: `&amp;` stands for `&`.
    pub decode_entities: bool,
    /// Vault: an object is a value and no folder.
    pub keep_nested: bool,
}

/// The characters of a file name that are kept.
const FILE_NAME_CHARS_MAX: usize = 200;

/// Has a file parsed, and keeps what was found for a week, for the caller alone. Nothing is imported yet.
///
/// # Errors
/// `Invalid`, which names what is wrong with the file and where; `Unavailable` if this server cannot parse files.
pub async fn read(services: &Services, caller: &Caller, upload: Upload) -> Result<Review, Refusal> {
    access::scope(services, caller, Scope::RecordsWrite).await?;
    let collection_id = access::collection(services, caller, upload.collection, CollectionRole::Editor).await?;
    if upload.bytes.is_empty() {
        return Err(Refusal::field("file", "is empty, or none was chosen"));
    }
    let prefix = upload.prefix.filter(|prefix| !prefix.trim_matches('/').is_empty());
    let prefix = prefix.map(|prefix| below(prefix.trim_matches('/'))).transpose()?;
    let format = upload.format.as_deref().map(str::parse::<Format>).transpose();
    let format = format.map_err(|unknown: UnknownName| Refusal::field("format", unknown.one_of()))?;
    let file_name = upload.file_name.map(|name| name.chars().take(FILE_NAME_CHARS_MAX).collect::<String>());
    let errand = Errand {
        format,
        file_name: file_name.clone(),
        password: upload.password.filter(|password| !password.is_empty()),
        key_file: upload.key_file.filter(|file| !file.is_empty()),
        decode_entities: upload.decode_entities,
        keep_nested: upload.keep_nested,
    };
    let found = services.imports.parse(errand, upload.bytes).await?;
    let (format, count) = (found.format, (found.items.len() + found.refused.len()) as u64);
    let parts = kept::parts(Head { file_name, prefix }, found);
    let new = NewImport { user_id: caller.user.id, collection_id, format, found: count, parts };
    let import = services.store.keep_import(&caller.context(services), new).await?;
    reviewing::of(services, import, Duplicates::Skip).await
}

/// Lists the caller's imports of the last week, the newest first, each with what is known of its file.
///
/// # Errors
/// [`Refusal`].
pub async fn list(services: &Services, caller: &Caller) -> Result<Vec<(Import, Head)>, Refusal> {
    access::scope(services, caller, Scope::RecordsRead).await?;
    let mut listed = Vec::new();
    for import in services.store.imports(caller.user.id, services.now_us()).await? {
        let (head, _) = kept::head(services, &import).await?;
        listed.push((import, head));
    }
    Ok(listed)
}

/// Tells what would happen to each item now, or what happened to it.
///
/// # Errors
/// `NotFound` for an import of somebody else, or one whose week is over.
pub async fn review(services: &Services, caller: &Caller, id: Uuid, duplicates: Duplicates) -> Result<Review, Refusal> {
    let import = found(services, caller, id, Scope::RecordsRead).await?;
    reviewing::of(services, import, duplicates).await
}

/// Tells how far an import is that stores records at this server.
#[must_use]
pub fn progress(services: &Services, id: Uuid) -> Option<Progress> {
    services.imports.going.progress(id)
}

/// An import that goes on at this server, or that failed there when nobody waited for it any more.
pub enum Going {
    /// It goes on.
    On {
        /// How far it is.
        progress: Progress,
        /// What is known of the file.
        head: Head,
        /// The collection that it goes to.
        collection: Uuid,
    },
    /// It failed, for this reason, and nothing was stored. The reason is told once.
    Failed(String),
}

/// Tells whether an import goes on, or failed lately. Neither computes what it would do.
///
/// # Errors
/// `NotFound` for an import of somebody else, or one whose week is over.
pub async fn going(services: &Services, caller: &Caller, id: Uuid) -> Result<Option<Going>, Refusal> {
    let import = found(services, caller, id, Scope::RecordsRead).await?;
    if let Some(progress) = progress(services, id) {
        let (head, _) = kept::head(services, &import).await?;
        return Ok(Some(Going::On { progress, head, collection: import.collection_id.0 }));
    }
    Ok(services.imports.going.take_failure(id).map(Going::Failed))
}

/// Imports what the caller saw, as [`commit`] does, and waits for it no longer than this. `false` if it goes on: [`going`]
/// tells how far it is.
///
/// # Errors
/// Those of [`commit`], as long as the caller waits.
pub async fn commit_within(
    services: &Services,
    caller: &Caller,
    id: Uuid,
    duplicates: Duplicates,
    expect: &str,
    patience: Duration,
) -> Result<bool, Refusal> {
    let (import, going) = begun(services, caller, id).await?;
    let (tell, told) = oneshot::channel();
    let work = {
        let (services, caller, expect) = (services.clone(), caller.clone(), expect.to_owned());
        async move {
            let done = carried_out(&services, &caller, import, &going, duplicates, &expect).await;
            // Nobody waits any more: the next look tells why nothing was stored.
            if let Err(Err(refusal)) = tell.send(done) {
                services.imports.going.fail(id, refusal.detail);
            }
            drop(going);
        }
    };
    services.tasks.spawn(vaultterm_traces::in_current(work).in_current_span());
    if patience.is_zero() {
        // A timer waits for a part of a millisecond, in which the work may end.
        return Ok(false);
    }
    match tokio::time::timeout(patience, told).await {
        Ok(Ok(done)) => done.map(|()| true),
        // The task ended without an answer.
        Ok(Err(lost)) => Err(Refusal::internal(&lost)),
        Err(_) => Ok(false),
    }
}

/// Imports what the caller saw, in one transaction.
///
/// # Errors
/// `Stale` if something else would happen now than the caller saw (`expect` is [`Review::plan`]); `Refused` if the import is
/// done already, or goes on.
pub async fn commit(
    services: &Services,
    caller: &Caller,
    id: Uuid,
    duplicates: Duplicates,
    expect: &str,
) -> Result<Review, Refusal> {
    let (import, going) = begun(services, caller, id).await?;
    carried_out(services, caller, import, &going, duplicates, expect).await?;
    drop(going);
    let import = found(services, caller, id, Scope::RecordsWrite).await?;
    reviewing::of(services, import, duplicates).await
}

/// Begins an import that a person confirmed. It goes on until the second result is dropped.
async fn begun(services: &Services, caller: &Caller, id: Uuid) -> Result<(Import, going::Going), Refusal> {
    let refused = |why: &str| Refusal::new(RefusalKind::Refused, why);
    let import = found(services, caller, id, Scope::RecordsWrite).await?;
    if import.state != ImportState::Reviewed {
        return Err(refused("this import is done already"));
    }
    let going = services.imports.going.begin(id);
    Ok((import, going.ok_or_else(|| refused("this import goes on already: wait for its end"))?))
}

/// Does what the person saw, in one transaction.
async fn carried_out(
    services: &Services,
    caller: &Caller,
    import: Import,
    going: &going::Going,
    duplicates: Duplicates,
    expect: &str,
) -> Result<(), Refusal> {
    let id = import.id;
    let review = reviewing::of(services, import, duplicates).await?;
    if review.plan != expect {
        return Err(moved());
    }
    let steps: Vec<_> =
        review.items.iter().zip(&review.fates).filter_map(|(item, fate)| step(&review, item, fate)).collect();
    let bytes = kept::fates(duplicates, &review.fates);
    let told = ImportOutcome { counts: review.counts, part: kept::FATES, bytes: &bytes };
    going.expect(steps.len() as u64);
    let (context, progress) = (caller.context(services), |done| going.set(done));
    let committed = services.store.commit_import(&context, id, &steps, told, &progress);
    committed.await.map_err(|error| match error.class() {
        vaultterm_store::ErrorClass::Exists | vaultterm_store::ErrorClass::Stale => moved(),
        _ => error.into(),
    })
}

/// Takes an import back, as far as nobody changed its records since: those that it made go to the trash, and those that it
/// changed get their earlier values again.
///
/// # Errors
/// `Refused` if the import is not done, or its day is over.
pub async fn undo(services: &Services, caller: &Caller, id: Uuid) -> Result<Undone, Refusal> {
    let import = found(services, caller, id, Scope::RecordsWrite).await?;
    let fates = match import.state {
        ImportState::Done => kept::told(services, &import).await?.fates,
        ImportState::Reviewed | ImportState::Undone => Vec::new(),
    };
    let changed = fates.iter().filter_map(|fate| match fate {
        Fate::Update { record, revision, .. } => Some((*record, *revision)),
        Fate::Create { .. } | Fate::Skip { .. } | Fate::Refuse { .. } => None,
    });
    let changed: Vec<_> = changed.collect();
    Ok(services.store.undo_import(&caller.context(services), id, &changed).await?)
}

/// Removes what is kept of a file. Records that it made stay.
///
/// # Errors
/// `NotFound`.
pub async fn discard(services: &Services, caller: &Caller, id: Uuid) -> Result<(), Refusal> {
    found(services, caller, id, Scope::RecordsWrite).await?;
    Ok(services.store.discard_import(id).await?)
}

/// Finds an import of the caller, who must still be allowed to change the collection.
async fn found(services: &Services, caller: &Caller, id: Uuid, scope: Scope) -> Result<Import, Refusal> {
    access::scope(services, caller, scope).await?;
    let import = services.store.import(id, services.now_us()).await?;
    let import = import.filter(|import| import.user_id == caller.user.id);
    let import = import.ok_or_else(|| {
        let why = "there is no such import of yours: its week is over, or it was never there";
        Refusal::new(RefusalKind::NotFound, why)
    })?;
    access::collection(services, caller, import.collection_id.0, CollectionRole::Editor).await?;
    Ok(import)
}

fn below(prefix: &str) -> Result<SecretPath, Refusal> {
    SecretPath::new(prefix).map_err(|error| Refusal::field("prefix", error.to_string()))
}

fn moved() -> Refusal {
    let why = "the records here changed since you looked: something else would happen now; nothing was imported";
    Refusal::new(RefusalKind::Stale, why).then(Next::Text("look at the import again, then confirm it".to_owned()))
}

/// Returns what the store does for an item.
fn step<'a>(review: &Review, item: &'a Item, fate: &Fate) -> Option<ImportStep<'a>> {
    let source = source_key(review.import.format, item);
    match fate {
        Fate::Create { path, .. } => Some(ImportStep::Create {
            path: SecretPath::clone(path),
            record_type: item.record_type,
            fields: &item.fields,
            tags: &item.tags,
            ask_again: item.ask_again,
            is_trashed: item.is_trashed,
            history: &item.history,
            created_us: item.created_us,
            updated_us: item.updated_us,
            source,
        }),
        Fate::Update { record, revision, .. } => Some(ImportStep::Update {
            record: *record,
            revision: *revision,
            fields: &item.fields,
            tags: &item.tags,
            source,
        }),
        Fate::Skip { .. } | Fate::Refuse { .. } => None,
    }
}

#[cfg(test)]
mod tests;
