//! Plans: what a run would do, stored so that it can be applied exactly as shown.

use uuid::Uuid;
use vaultterm_reconcile::{Around, Halt, Plan};
use vaultterm_store::{CollectionRole, Scope};
use vaultterm_sync::{Clock as _, Journal as _, StoredPlan};

use crate::{access, caller::Caller, clock::SystemClock, paths, refusal::Refusal, services::Services, traced};

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

/// Looks at both sides and stores what a run would do: everywhere, or at these paths only. Writes nothing on either
/// side.
///
/// # Errors
/// [`Refusal`].
pub async fn create(
    services: &Services,
    caller: &Caller,
    connection: Uuid,
    only: &[String],
) -> Result<Planned, Refusal> {
    access::any_scope(services, caller, &LOOK).await?;
    let id = access::connection(services, caller, connection, CollectionRole::Editor).await?;
    let only = paths::read("paths", only)?;
    let trace = traced::plan(id);
    let made = trace.around(Box::pin(services.engine.plan_for(id, &only))).await;
    trace.end(Vec::new(), made.is_err());
    Ok(planned(services, made?))
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

/// A stored plan, and what is left of it.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The plan as it was made.
    pub whole: Planned,
    /// What a run does that leaves the given paths out.
    pub left: Plan,
}

/// Finds a stored plan, and tells what is left of it without the steps at these paths. Paths without a step change
/// nothing, so an address with an old choice still shows the plan.
///
/// # Errors
/// [`Refusal`].
pub async fn without(services: &Services, caller: &Caller, id: Uuid, skip: &[String]) -> Result<Chosen, Refusal> {
    let whole = show(services, caller, id).await?;
    let skip = paths::read("skip", skip)?;
    let found = services.store.connection_summary(whole.plan.connection_id).await?;
    let connection = found.ok_or_else(|| Refusal::not_found("plan"))?.connection;
    let base = services.store.base(connection.id).await?;
    let mut left = whole.plan.plan.clone();
    let around = Around { base: &base, options: &connection.options };
    left.leave_out(&skip, around, &caller.actor().name);
    Ok(Chosen { whole, left })
}

/// Discards a stored plan: from now on nobody can apply it. It can still be looked at for a day.
///
/// # Errors
/// [`Refusal`].
pub async fn discard(services: &Services, caller: &Caller, id: Uuid) -> Result<Planned, Refusal> {
    access::any_scope(services, caller, &LOOK).await?;
    let id = access::plan(services, caller, id, CollectionRole::Editor).await?;
    Ok(planned(services, services.store.discard_plan(id, SystemClock.now()).await?))
}

fn planned(services: &Services, plan: StoredPlan) -> Planned {
    Planned { plan, license: services.engine.license_halt() }
}
