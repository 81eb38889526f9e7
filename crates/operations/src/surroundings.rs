//! What surrounds every page for one person: their collections, and what waits for them.

use vaultterm_store::{Collection, Page, PersonLink, Waiting};

use crate::{access::Roles, caller::Caller, refusal::Refusal, services::Services};

/// Collections that are named beside a page; a person with more of them searches.
const COLLECTIONS_MAX: u32 = 60;

/// What surrounds a page.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The person's collections, by name, the first sixty.
    pub collections: Vec<Collection>,
    /// The person's roles on all collections.
    pub roles: Roles,
    /// What waits in them.
    pub waiting: Waiting,
    /// The person has recovery codes and never typed one of them back.
    pub codes_unconfirmed: bool,
    /// Reset links that were used before this session began, and of which no earlier login told.
    pub resets: Vec<PersonLink>,
}

/// Finds what surrounds a page for a caller.
///
/// # Errors
/// When the database fails.
pub async fn of(services: &Services, caller: &Caller) -> Result<Surroundings, Refusal> {
    let page = Page { limit: COLLECTIONS_MAX, cursor: None };
    let collections = services.store.collections(Some(caller.user.id), &page).await?.items;
    let factors = services.store.factors(caller.user.id).await?;
    Ok(Surroundings {
        collections,
        roles: Roles::of(services, caller).await?,
        waiting: services.store.waiting(caller.user.id).await?,
        resets: services.store.resets_told_at(caller.user.id, caller.credential.created_us).await?,
        codes_unconfirmed: factors.asked_for() && !factors.codes_typed_back,
    })
}
