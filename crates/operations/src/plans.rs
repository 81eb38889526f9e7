//! Plans: what a run would do, stored so that it can be applied exactly as shown.

use uuid::Uuid;
use vaultterm_reconcile::Halt;
use vaultterm_store::{CollectionRole, Scope};
use vaultterm_sync::StoredPlan;

use crate::{access, caller::Caller, refusal::Refusal, services::Services};

/// The scopes of which each may make and look at plans.
const LOOK: [Scope; 2] = [Scope::SyncPlan, Scope::SyncRun];

/// A stored plan, and the license as it is now: it may be another one than when the plan was made.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The plan.
    pub plan: StoredPlan,
    /// The halt that the license means at this moment.
    pub license: Option<Halt>,
}

/// Looks at both sides and stores what a run would do. Writes nothing on either side.
///
/// # Errors
/// [`Refusal`].
pub async fn create(services: &Services, caller: &Caller, connection: Uuid) -> Result<Planned, Refusal> {
    access::any_scope(services, caller, &LOOK).await?;
    let id = access::connection(services, caller, connection, CollectionRole::Editor).await?;
    Ok(planned(services, services.engine.plan(id).await?))
}

/// Finds a stored plan.
///
/// # Errors
/// [`Refusal`].
pub async fn show(services: &Services, caller: &Caller, id: Uuid) -> Result<Planned, Refusal> {
    access::any_scope(services, caller, &LOOK).await?;
    let id = access::plan(services, caller, id, CollectionRole::Viewer).await?;
    let plan = services.store.stored_plan(id).await?.ok_or_else(|| Refusal::not_found("plan"))?;
    Ok(planned(services, plan))
}

fn planned(services: &Services, plan: StoredPlan) -> Planned {
    Planned { plan, license: services.engine.license_halt() }
}
