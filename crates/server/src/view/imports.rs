//! Imports, as the API says them.

use std::collections::BTreeMap;

use vaultterm_contract::{
    CHANGES_ELSEWHERE, ImportCountsView, ImportItemView, ImportSummaryView, ImportView, ItemFate, LossView, moment,
    skipped_because,
};
use vaultterm_exchange::{Fate, Item, Loss, is_elsewhere};
use vaultterm_operations::{
    Services,
    imports::{self, Head, Review},
};
use vaultterm_reconcile::SecretPath;
use vaultterm_store::Import;

pub(crate) fn summary(services: &Services, import: &Import, head: &Head) -> ImportSummaryView {
    ImportSummaryView {
        id: import.id,
        collection_id: import.collection_id.0,
        prefix: head.prefix.as_ref().map(|prefix| prefix.as_str().to_owned()),
        file_name: head.file_name.clone(),
        format: import.format,
        state: import.state,
        found: import.found,
        created_at: moment::of_us(import.created_us),
        expires_at: moment::of_us(import.expires_us()),
        progress: stored(services, import),
    }
}

fn stored(services: &Services, import: &Import) -> Option<u64> {
    imports::progress(services, import.id).map(|progress| progress.done)
}

pub(crate) fn import(services: &Services, review: &Review) -> ImportView {
    let Review { import, head, report, counts, duplicates, plan, .. } = review;
    ImportView {
        id: import.id,
        collection_id: import.collection_id.0,
        prefix: head.prefix.as_ref().map(|prefix| prefix.as_str().to_owned()),
        file_name: head.file_name.clone(),
        format: import.format,
        state: import.state,
        duplicates: *duplicates,
        counts: ImportCountsView {
            found: import.found,
            created: counts.created,
            updated: counts.updated,
            skipped: counts.skipped,
            refused: counts.refused,
        },
        elsewhere: elsewhere(review),
        plan: plan.clone(),
        losses: losses(review).iter().map(LossView::from).collect(),
        refused: report.refused.iter().map(Into::into).collect(),
        questions: report.questions.clone(),
        created_at: moment::of_us(import.created_us),
        expires_at: moment::of_us(import.expires_us()),
        done_at: import.done_us.map(moment::of_us),
        undo_until: import.undo_until_us().map(moment::of_us),
        undone_at: import.undone_us.map(moment::of_us),
        progress: stored(services, import),
    }
}

/// Counts the records that change and do not lie below the prefix of the import.
pub(crate) fn elsewhere(review: &Review) -> u64 {
    let prefix = review.head.prefix.as_ref();
    let changes = review.fates.iter().filter(|fate| matches!(fate, Fate::Update { .. }));
    changes.filter(|fate| is_elsewhere(fate, prefix)).count() as u64
}

/// Sums up what is lost, of the file and of all items together. Attachments stay apart by name and size.
pub(crate) fn losses(review: &Review) -> Vec<Loss> {
    let mut sums: BTreeMap<_, Loss> = BTreeMap::new();
    for loss in review.report.losses.iter().chain(review.items.iter().flat_map(|item| &item.losses)) {
        let sum = sums.entry((loss.what, loss.name.clone(), loss.bytes));
        sum.and_modify(|sum| sum.count += loss.count).or_insert_with(|| loss.clone());
    }
    sums.into_values().collect()
}

pub(crate) fn item(item: &Item, fate: &Fate, prefix: Option<&SecretPath>) -> ImportItemView {
    let is_elsewhere = is_elsewhere(fate, prefix);
    let (word, path, renamed, reason) = match fate {
        Fate::Create { path, is_renamed } => (ItemFate::Create, Some(path), *is_renamed, None),
        Fate::Update { path, .. } => {
            (ItemFate::Update, Some(path), false, is_elsewhere.then(|| CHANGES_ELSEWHERE.to_owned()))
        }
        Fate::Skip { reason, path } => {
            (ItemFate::Skip, Some(path), false, Some(skipped_because(*reason, is_elsewhere).to_owned()))
        }
        Fate::Refuse { why } => (ItemFate::Refuse, None, false, Some(why.clone())),
    };
    ImportItemView {
        place: item.place.to_string(),
        name: named(item),
        record_type: item.record_type,
        fate: word,
        path: path.map(|path| path.as_str().to_owned()),
        renamed,
        trashed: item.is_trashed,
        reason,
        field_names: item.fields.names().map(str::to_owned).collect(),
        tags: item.tags.clone(),
        past: item.history.len() as u64,
        losses: item.losses.iter().map(LossView::from).collect(),
    }
}

/// Returns the name of an item in its file, with its folders.
fn named(item: &Item) -> String {
    let parts: Vec<_> = item.folder.iter().chain([&item.name]).map(String::as_str).collect();
    parts.join(" / ")
}
