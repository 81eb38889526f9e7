//! What would happen to each item of a file now, or what happened to it.

use vaultterm_exchange::{Duplicates, Fate, Found, ImportState, Item, fates, plan_digest, source_key, wanted_path};
use vaultterm_store::{Import, StepCounts};

use super::kept::{self, Head};
use crate::{refusal::Refusal, services::Services};

/// An import as a person sees it.
pub struct Review {
    /// How far it is.
    pub import: Import,
    /// What is known of the file.
    pub head: Head,
    /// What is lost of the file as a whole, which items cannot come over, and what only the person can decide. Without items.
    pub report: Found,
    /// The items, in the order of the file.
    pub items: Vec<Item>,
    /// What happens to each of them.
    pub fates: Vec<Fate>,
    /// How many items become what.
    pub counts: StepCounts,
    /// What is done with duplicates.
    pub duplicates: Duplicates,
    /// The digest of what happens, by which a person confirms it.
    pub plan: String,
}

/// Looks at an import. One that is done tells what happened.
pub(super) async fn of(services: &Services, import: Import, duplicates: Duplicates) -> Result<Review, Refusal> {
    let (head, report) = kept::head(services, &import).await?;
    let count = usize::try_from(import.found).unwrap_or(usize::MAX).saturating_sub(report.refused.len());
    let items = kept::items(services, &import, count).await?;
    let (duplicates, fates) = if import.state == ImportState::Reviewed {
        (duplicates, planned(services, &import, &head, &items, duplicates).await?)
    } else {
        let told = kept::told(services, &import).await?;
        (told.duplicates, told.fates)
    };
    let mut counts = StepCounts { refused: report.refused.len() as u64, ..StepCounts::default() };
    for fate in &fates {
        match fate {
            Fate::Create { .. } => counts.created += 1,
            Fate::Update { .. } => counts.updated += 1,
            Fate::Skip { .. } => counts.skipped += 1,
            Fate::Refuse { .. } => counts.refused += 1,
        }
    }
    let plan = plan_digest(&fates);
    Ok(Review { import, head, report, items, fates, counts, duplicates, plan })
}

async fn planned(
    services: &Services,
    import: &Import,
    head: &Head,
    items: &[Item],
    duplicates: Duplicates,
) -> Result<Vec<Fate>, Refusal> {
    let prefix = head.prefix.as_ref();
    let wanted = items.iter().filter_map(|item| wanted_path(item, prefix).ok()).map(|(path, _)| path).collect();
    let sources: Vec<_> = items.iter().filter_map(|item| source_key(import.format, item)).collect();
    let world = services.store.import_world(import.collection_id, &wanted, &sources).await?;
    Ok(fates(import.format, items, prefix, &world, duplicates))
}
