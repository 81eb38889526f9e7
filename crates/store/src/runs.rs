//! Plans and runs: stores, finds and closes them.

use uuid::Uuid;
use vaultterm_ledger::{Actor, ActorKind, AuditAction, AuditOutcome, Draft, ObjectKind};
use vaultterm_reconcile::{SecretPath, UnixNanos};
use vaultterm_sealing::{Place, Purpose};
use vaultterm_sync::{
    CollectionId, ConnectionId, EngineProblem, FaultClass, PlanId, Run, RunId, RunProblem, RunState, StoredPlan,
    Trigger,
};

use crate::{
    Context, NodeId, Page, Paged, Store, StoreError,
    context::Facts as _,
    leases::now_ns,
    sealed::{open_json, seal_json},
    sql::{Row, Select, Tx, args, json},
};

/// A selection of runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Only runs of this connection.
    pub connection_id: Option<ConnectionId>,
    /// Only runs in this state.
    pub state: Option<RunState>,
    /// Only runs that this started.
    pub trigger: Option<Trigger>,
    /// Only runs of this person, and of the person's programs.
    pub actor: Option<Uuid>,
    /// Only runs that began at this moment or later, in microseconds.
    pub since_us: Option<i64>,
}

impl Store {
    /// Finds a run.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn run(&self, id: RunId) -> Result<Option<Run>, StoreError> {
        let row = self.db.one("SELECT * FROM runs WHERE id = $1", args![id]).await?;
        row.map(|row| run(&row)).transpose()
    }

    /// Lists runs of the connections of some collections, newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn runs(
        &self,
        collections: &[CollectionId],
        filter: &RunFilter,
        page: &Page,
    ) -> Result<Paged<Run>, StoreError> {
        let mut connections = Select::new("SELECT id FROM connections WHERE 1 = 1", args![]);
        connections.and_any("collection_id", collections.iter().map(|id| id.0));
        connections.and_maybe("id = ?", filter.connection_id);
        let rows = self.db.select(connections.all()).await?;
        let connections = rows.iter().map(|row| row.id("id")).collect::<Result<Vec<_>, _>>()?;
        let mut select = Select::new("SELECT * FROM runs WHERE 1 = 1", args![]);
        select.and_any("connection_id", connections);
        select.and_maybe("state = ?", filter.state.map(RunState::as_str));
        select.and_maybe("cause = ?", filter.trigger.map(Trigger::as_str));
        select.and_maybe("actor_id = ?", filter.actor);
        select.and_maybe("started >= ?", filter.since_us.map(|us| us.saturating_mul(1_000)));
        let pager = self.pager(format_args!("runs {filter:?}"), page);
        select.and_maybe("id < ?", pager.id()?);
        let rows = self.db.select(select.order("id DESC", pager.fetch())).await?;
        pager.cut(rows, run, |run| run.id.to_string())
    }

    /// Finds a plan, whether expired or not.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn stored_plan(&self, id: PlanId) -> Result<Option<StoredPlan>, StoreError> {
        let row = self.db.one("SELECT * FROM plans WHERE id = $1", args![id]).await?;
        row.map(|row| open_json(&self.keyring, &plan_place(id), &row, "plan")).transpose()
    }

    /// Ends the time in which a plan can be applied. A plan that has expired stays as it is. Returns the plan.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such plan.
    pub async fn discard_plan(&self, id: PlanId, now: UnixNanos) -> Result<StoredPlan, StoreError> {
        let plan = self.stored_plan(id).await?.ok_or(StoreError::NotFound("plan"))?;
        if plan.expires <= now {
            return Ok(plan);
        }
        let plan = StoredPlan { expires: now, ..plan };
        let mut tx = self.db.write().await?;
        let [key_id, wrapped_key, ciphertext] = seal_json(&mut tx, &self.keyring, &plan_place(id), &plan).await?;
        let sql = "UPDATE plans SET expires = $2, key_id = $3, wrapped_key = $4, ciphertext = $5 WHERE id = $1";
        tx.run(sql, args![id, plan.expires, key_id, wrapped_key, ciphertext]).await?;
        tx.commit().await?;
        Ok(plan)
    }

    /// Marks runs that a crash left `running` as failed, after their lease is over. Returns their number.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn fail_abandoned_runs(&self, actor: &Actor, now_us: i64) -> Result<u64, StoreError> {
        // The holder of a lease is the id of its run.
        let sql = format!(
            "SELECT r.* FROM runs r
             LEFT JOIN leases l ON l.connection_id = r.connection_id AND l.holder = r.id AND l.expires > {}
             WHERE r.state = 'running' AND l.fence IS NULL",
            now_ns("$1")
        );
        // Every server asks this each second, and nearly always there is nothing to change.
        if self.db.all(&sql, args![self.given_now()]).await?.is_empty() {
            return Ok(0);
        }
        let mut tx = self.db.write().await?;
        let rows = tx.all(&sql, args![self.given_now()]).await?;
        let context = Context { actor: actor.clone(), source_ip: None, request_id: None, now_us };
        fail(&mut tx, &context, &rows).await?;
        let failed = rows.len() as u64;
        tx.commit().await?;
        Ok(failed)
    }

    /// Stores a plan, and deletes plans that can no longer be applied.
    pub(crate) async fn insert_plan(&self, plan: &StoredPlan) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        let [key_id, wrapped_key, ciphertext] = seal_json(&mut tx, &self.keyring, &plan_place(plan.id), plan).await?;
        // A plan is kept for a day after it expires, so that a late request still shows what it was.
        let kept = plan.created.0.saturating_sub(PLAN_KEPT_NS);
        tx.run("DELETE FROM plans WHERE expires < $1", args![kept]).await?;
        let sql = "INSERT INTO plans (id, connection_id, expires, key_id, wrapped_key, ciphertext, change_number)
                   VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let number = plan.change_number;
        let args = args![plan.id, plan.connection_id, plan.expires, key_id, wrapped_key, ciphertext, number];
        tx.run(sql, args).await?;
        tx.commit().await
    }
}

const PLAN_KEPT_NS: i64 = 24 * 3_600 * 1_000_000_000;

/// Records that a run began, and that older runs of its connection which lost their lease failed. On a paused
/// connection only a person's decision on a conflict may begin.
pub(crate) async fn begin(tx: &mut Tx, context: &Context, run: &Run, node: NodeId) -> Result<(), StoreError> {
    let sql = "SELECT id FROM connections WHERE id = $1 AND paused = 1";
    if run.trigger != Trigger::Resolution && tx.one(sql, args![run.connection_id]).await?.is_some() {
        return Err(StoreError::Paused);
    }
    let sql = "SELECT * FROM runs WHERE connection_id = $1 AND state = 'running'";
    let older = tx.all(sql, args![run.connection_id]).await?;
    fail(tx, context, &older).await?;
    let change_number = change_number_of(tx, run).await?;
    tx.run(
        "INSERT INTO runs (id, connection_id, plan_id, state, cause, actor_kind, actor_id, actor_name, counts, halts,
                           problems, requests, started, finished, change_number, part, node_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        args![
            run.id,
            run.connection_id,
            run.plan_id,
            run.state.as_str(),
            run.trigger.as_str(),
            run.actor.kind as u32,
            run.actor.id,
            run.actor.name.as_str(),
            json(&run.counts),
            json(&run.halts),
            json(&run.problems),
            run.requests,
            run.started,
            run.finished,
            change_number,
            json(&run.part),
            node.0,
        ],
    )
    .await?;
    // Nobody has looked at a plan of the whole connection before a run for some paths.
    if run.trigger == Trigger::Manual && run.part.only.is_empty() {
        tx.run("UPDATE connections SET started = 1 WHERE id = $1", args![run.connection_id]).await?;
    }
    let draft = about(context, AuditAction::HcvSyncStarted, run).with("trigger", run.trigger.as_str());
    let draft = draft.with_maybe("plan", run.plan_id).with_maybe("only", listed(&run.part.only));
    tx.audit(draft.with_maybe("left_out", listed(&run.part.left_out)));
    Ok(())
}

/// The number of paths that an audit entry names in full.
const PATHS_NAMED: usize = 100;

/// Returns paths as JSON, or `None` without any. Long lists are cut, and say how long they are.
fn listed(paths: &[SecretPath]) -> Option<String> {
    let named = &paths[..paths.len().min(PATHS_NAMED)];
    let more = paths.len() - named.len();
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    (!paths.is_empty()).then(|| format!("{}{more}", json(&named)))
}

/// Returns the change number up to which a run sees changes: the current one, or that of the plan that it
/// applies.
async fn change_number_of(tx: &mut Tx, run: &Run) -> Result<u64, StoreError> {
    if let Some(plan_id) = run.plan_id
        && let Some(row) = tx.one("SELECT change_number FROM plans WHERE id = $1", args![plan_id]).await?
    {
        return row.count("change_number");
    }
    let sql = "SELECT o.change_number FROM collections o JOIN connections c ON c.collection_id = o.id WHERE c.id = $1";
    tx.one(sql, args![run.connection_id]).await?.map_or(Ok(0), |row| row.count("change_number"))
}

/// Records the progress of a run, if it is still recorded as running. Returns whether it was.
pub(crate) async fn write(tx: &mut Tx, run: &Run) -> Result<bool, StoreError> {
    let sql = "UPDATE runs SET state = $2, counts = $3, halts = $4, problems = $5, requests = $6, finished = $7
               WHERE id = $1 AND state = 'running'";
    let args = args![
        run.id,
        run.state.as_str(),
        json(&run.counts),
        json(&run.halts),
        json(&run.problems),
        run.requests,
        run.finished,
    ];
    Ok(tx.run(sql, args).await? == 1)
}

/// Records the end of a run, unless another run has closed it already.
pub(crate) async fn finish(tx: &mut Tx, context: &Context, run: &Run) -> Result<(), StoreError> {
    if !write(tx, run).await? {
        return Ok(());
    }
    // After this commit, a client that sees the end of the run can begin the next one.
    let sql = "UPDATE leases SET holder = NULL, expires = 0 WHERE connection_id = $1 AND holder = $2";
    tx.run(sql, args![run.connection_id, run.id]).await?;
    note_login(tx, run).await?;
    let action = if run.state == RunState::Halted { AuditAction::HcvSyncHalted } else { AuditAction::HcvSyncFinished };
    let halts: Vec<&str> = run.halts.iter().map(|halt| halt.kind.as_str()).collect();
    let draft = about(context, action, run).with("state", run.state.as_str()).with("counts", json(&run.counts));
    let draft = draft.with_maybe("halts", (!halts.is_empty()).then(|| halts.join(" ")));
    let outcome = if run.state == RunState::Failed { AuditOutcome::Failure } else { AuditOutcome::Success };
    tx.audit(Draft { outcome, ..draft });
    Ok(())
}

/// Returns whether a run ended because Vault refused its login.
pub(crate) fn refused_at_login(run: &Run) -> bool {
    let refused = FaultClass::LoginRefused.into();
    run.problems.iter().any(|problem| problem.path.is_empty() && problem.class == refused)
}

/// Counts consecutive refused logins for the schedule. A run that failed or was cancelled for another reason
/// may never have tried to log in, so it changes nothing.
async fn note_login(tx: &mut Tx, run: &Run) -> Result<(), StoreError> {
    let sql = if refused_at_login(run) {
        "UPDATE connections SET logins_refused = logins_refused + 1 WHERE id = $1"
    } else if matches!(run.state, RunState::Succeeded | RunState::Partial | RunState::Halted) {
        "UPDATE connections SET logins_refused = 0 WHERE id = $1 AND logins_refused > 0"
    } else {
        return Ok(());
    };
    tx.run(sql, args![run.connection_id]).await.map(drop)
}

/// Closes runs that were cut off.
pub(crate) async fn fail(tx: &mut Tx, context: &Context, rows: &[Row]) -> Result<(), StoreError> {
    for row in rows {
        let mut run = run(row)?;
        run.state = RunState::Failed;
        run.finished = Some(UnixNanos(context.now_us.saturating_mul(1_000)));
        run.problems.push(RunProblem {
            path: String::new(),
            class: EngineProblem::LeaseLost.into(),
            detail: "the run was cut off: the server that carried it out stopped or lost the database".to_owned(),
            hint: Some("the next run continues where it ended".into()),
        });
        finish(tx, context, &run).await?;
    }
    Ok(())
}

fn about(context: &Context, action: AuditAction, run: &Run) -> Draft {
    context.draft(action, ObjectKind::Run, run.id.0, None).about(ObjectKind::Connection, run.connection_id.0)
}

const fn plan_place(id: PlanId) -> Place {
    Place { purpose: Purpose::Plan, collection: Uuid::nil(), object: id.0, revision: 0 }
}

/// Reads who started a run.
pub(crate) fn actor(row: &Row) -> Result<Actor, StoreError> {
    let kind = row.int("actor_kind")?;
    let kind = ActorKind::ALL.iter().copied().find(|one| *one as i64 == kind).ok_or(StoreError::Malformed("actor"))?;
    Ok(Actor { kind, id: row.id("actor_id")?, name: row.text("actor_name")? })
}

/// Reads a run.
pub(crate) fn run(row: &Row) -> Result<Run, StoreError> {
    Ok(Run {
        id: RunId(row.id("id")?),
        connection_id: ConnectionId(row.id("connection_id")?),
        plan_id: row.maybe_id("plan_id")?.map(PlanId),
        state: row.named("state")?,
        // The column has another name than the type, because `trigger` is a keyword of SQL.
        trigger: row.named("cause")?,
        actor: actor(row)?,
        counts: row.json("counts")?,
        halts: row.json("halts")?,
        problems: row.json("problems")?,
        started: row.nanos("started")?,
        finished: row.maybe_int("finished")?.map(UnixNanos),
        requests: row.count("requests")?,
        part: row.json("part")?,
    })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;
    use vaultterm_ledger::{Actor, AuditAction};
    use vaultterm_reconcile::Mode;
    use vaultterm_sync::{RunState, Trigger};

    use crate::{Page, RunFilter, StoreError, sql::args, testing::House};

    #[tokio::test]
    async fn a_run_is_abandoned_when_its_lease_is_over_and_only_then() {
        let house = House::new().await;
        let made = house.connect("prod", Mode::Push, "team").await.unwrap();
        let (_, run) = house.begin(made.id, Trigger::Interval).await;
        let vaultterm = Actor::vaultterm();
        let fail = async || house.store.fail_abandoned_runs(&vaultterm, house.ann().now_us).await.unwrap();
        assert_eq!(fail().await, 0);
        house.pass(60);
        assert_eq!(fail().await, 1);
        let closed = house.store.run(run.id).await.unwrap().unwrap();
        assert_eq!((closed.state, closed.problems[0].class.as_str()), (RunState::Failed, "lease_lost"));
        assert_eq!(fail().await, 0);
        assert_eq!(house.audited().await.last(), Some(&AuditAction::HcvSyncFinished));
    }

    #[tokio::test]
    async fn a_name_that_this_version_does_not_know_is_an_error() {
        let house = House::new().await;
        let made = house.connect("prod", Mode::Push, "team").await.unwrap();
        let (_, run) = house.begin(made.id, Trigger::Manual).await;
        for (column, name, what) in [("state", "paused", "run state"), ("cause", "tide", "trigger")] {
            let mut tx = house.store.db.write().await.unwrap();
            let sql = format!("UPDATE runs SET {column} = $2 WHERE id = $1");
            tx.run(&sql, args![run.id, name]).await.unwrap();
            tx.commit().await.unwrap();
            let error = house.store.run(run.id).await.unwrap_err();
            assert!(matches!(error, StoreError::Malformed(named) if named == what), "{error}");
            let mut tx = house.store.db.write().await.unwrap();
            tx.run(&sql, args![run.id, if column == "state" { "running" } else { "manual" }]).await.unwrap();
            tx.commit().await.unwrap();
        }
        house.store.run(run.id).await.unwrap();
    }

    #[tokio::test]
    async fn runs_are_listed_newest_first() {
        let house = House::new().await;
        let made = house.connect("prod", Mode::Push, "team").await.unwrap();
        let mut begun = Vec::new();
        for state in [RunState::Succeeded, RunState::Halted, RunState::Cancelled] {
            let run = house.begin(made.id, Trigger::Manual).await;
            begun.insert(0, run.1.id);
            house.end(run, state).await;
        }
        let (here, of) = ([house.collection], RunFilter { connection_id: Some(made.id), ..RunFilter::default() });
        let first = house.store.runs(&here, &of, &Page { limit: 2, cursor: None }).await.unwrap();
        let page = Page { limit: 2, cursor: first.next_cursor.clone() };
        let second = house.store.runs(&here, &of, &page).await.unwrap();
        let listed: Vec<_> = first.items.iter().chain(&second.items).map(|run| run.id).collect();
        assert_eq!((listed, second.next_cursor), (begun, None));
        assert_eq!(house.audited().await.iter().filter(|action| **action == AuditAction::HcvSyncHalted).count(), 1);
    }

    #[tokio::test]
    async fn runs_are_found_by_state_trigger_person_and_moment_page_by_page() {
        let house = House::new().await;
        let made = house.connect("prod", Mode::Push, "").await.unwrap();
        for (trigger, state) in [
            (Trigger::Manual, RunState::Succeeded),
            (Trigger::Interval, RunState::Halted),
            (Trigger::Interval, RunState::Succeeded),
        ] {
            house.pass(60);
            let run = house.begin(made.id, trigger).await;
            house.end(run, state).await;
        }
        let here = [house.collection];
        let count = async |filter: RunFilter| -> usize {
            let found = house.store.runs(&here, &filter, &Page::default()).await.unwrap();
            found.items.len()
        };
        let any = RunFilter::default;
        assert_eq!(count(any()).await, 3);
        assert_eq!(count(RunFilter { state: Some(RunState::Succeeded), ..any() }).await, 2);
        assert_eq!(count(RunFilter { trigger: Some(Trigger::Interval), ..any() }).await, 2);
        let both = RunFilter { trigger: Some(Trigger::Interval), state: Some(RunState::Halted), ..any() };
        assert_eq!(count(both.clone()).await, 1);
        assert_eq!(count(RunFilter { actor: Some(house.ann().actor.id), ..any() }).await, 3);
        assert_eq!(count(RunFilter { actor: Some(Uuid::from_u128(9)), ..any() }).await, 0);
        let newest = house.store.runs(&here, &any(), &Page { limit: 1, cursor: None }).await.unwrap();
        let since_us = Some(newest.items[0].started.0 / 1_000);
        assert_eq!(count(RunFilter { since_us, ..any() }).await, 1);
        assert!(house.store.runs(&[], &any(), &Page::default()).await.unwrap().items.is_empty());
        // A cursor belongs to the list that it came from.
        let elsewhere = Page { limit: 1, cursor: newest.next_cursor };
        assert!(house.store.runs(&here, &both, &elsewhere).await.is_err());
    }
}
