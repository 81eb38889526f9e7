//! Plans and runs.

use uuid::Uuid;
use vaultterm_ledger::{Action, Actor, ActorKind, ObjectKind, Outcome};
use vaultterm_reconcile::UnixNanos;
use vaultterm_sealing::{Place, Purpose};
use vaultterm_sync::{ConnectionId, PlanId, Run, RunId, RunState, StoredPlan, Trigger};

use crate::{
    Context, Page, Paged, Store, StoreError,
    audit::{about, with},
    revisions::sealed,
    sql::{Row, Tx, args, json},
};

impl Store {
    /// Finds a run.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn run(&self, id: RunId) -> Result<Option<Run>, StoreError> {
        self.db.one("SELECT * FROM runs WHERE id = $1", args![id.0]).await?.map(|row| read(&row)).transpose()
    }

    /// Lists the runs of a connection, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn runs(&self, connection_id: ConnectionId, page: &Page) -> Result<Paged<Run>, StoreError> {
        let before = page.cursor.clone().unwrap_or_else(|| "~".to_owned());
        let sql = "SELECT * FROM runs WHERE connection_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
        let rows = self.db.all(sql, args![connection_id.0, before, page.fetch()]).await?;
        page.cut(rows, read, |run| run.id.to_string())
    }

    /// Finds a plan, expired or not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn stored_plan(&self, id: PlanId) -> Result<Option<StoredPlan>, StoreError> {
        let Some(row) = self.db.one("SELECT * FROM plans WHERE id = $1", args![id.0]).await? else { return Ok(None) };
        let body = self.keyring.unseal(&place(id), &sealed(&row, "")?)?;
        serde_json::from_slice(body.expose()).map(Some).map_err(|_| StoreError::Malformed("plan"))
    }

    /// Stores a plan and drops those of the connection that expired.
    pub(crate) async fn insert_plan(&self, plan: &StoredPlan) -> Result<(), StoreError> {
        let sealed = self.keyring.seal(&place(plan.id), json(plan).as_bytes())?;
        let mut tx = self.db.write().await?;
        tx.run(
            "DELETE FROM plans WHERE connection_id = $1 AND expires < $2",
            args![plan.connection_id.0, plan.created.0],
        )
        .await?;
        tx.run(
            "INSERT INTO plans (id, connection_id, created, expires, key_id, wrapped_key, ciphertext)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            args![
                plan.id.0,
                plan.connection_id.0,
                plan.created.0,
                plan.expires.0,
                sealed.key_id,
                sealed.wrapped_key,
                sealed.ciphertext,
            ],
        )
        .await?;
        tx.commit().await
    }

    pub(crate) async fn insert_run(&self, tx: &mut Tx, run: &Run) -> Result<(), StoreError> {
        tx.run(
            "UPDATE runs SET state = 'failed', finished = $2 WHERE connection_id = $1 AND state = 'running'",
            args![run.connection_id.0, run.started.0],
        )
        .await?;
        tx.run(
            "INSERT INTO runs (id, connection_id, plan_id, state, trigger_kind, actor_kind, actor_id, actor_name, counts, halts, problems, requests, started)
             VALUES ($1, $2, $3, 'running', $4, $5, $6, $7, $8, '[]', '[]', 0, $9)",
            args![
                run.id.0,
                run.connection_id.0,
                run.plan_id.map(|id| id.0),
                trigger(run.trigger),
                actor_kind(run.actor.kind),
                run.actor.id,
                run.actor.name.as_str(),
                json(&run.counts),
                run.started.0,
            ],
        )
        .await?;
        if run.trigger == Trigger::Manual {
            tx.run("UPDATE connections SET started = 1 WHERE id = $1", args![run.connection_id.0]).await?;
        }
        let context = context(run, run.started);
        let draft = context.draft(Action::HcvSyncStarted, ObjectKind::Run, run.id.0, None);
        let draft = about(draft, ObjectKind::Connection, run.connection_id.0);
        self.log.append(tx, [with(draft, "trigger", trigger(run.trigger))]).await
    }

    /// Writes what a run did so far, or how it ended. Says whether it was still recorded as running.
    pub(crate) async fn write_run(&self, tx: &mut Tx, run: &Run) -> Result<bool, StoreError> {
        let rows = tx
            .run(
                "UPDATE runs SET state = $2, counts = $3, halts = $4, problems = $5, requests = $6, finished = $7
                 WHERE id = $1 AND state = 'running'",
                args![
                    run.id.0,
                    state(run.state),
                    json(&run.counts),
                    json(&run.halts),
                    json(&run.problems),
                    run.requests,
                    run.finished.map(|nanos| nanos.0),
                ],
            )
            .await?;
        Ok(rows == 1)
    }

    pub(crate) async fn close_run(&self, run: &Run) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        if !self.write_run(&mut tx, run).await? {
            return Ok(());
        }
        let context = context(run, run.finished.unwrap_or(run.started));
        let action = if run.state == RunState::Halted { Action::HcvSyncHalted } else { Action::HcvSyncFinished };
        let draft = context.draft(action, ObjectKind::Run, run.id.0, None);
        let mut draft = about(draft, ObjectKind::Connection, run.connection_id.0);
        if run.state == RunState::Failed {
            draft.outcome = Outcome::Failure;
        }
        let draft = with(with(draft, "state", state(run.state)), "counts", json(&run.counts));
        self.log.append(&mut tx, [draft]).await?;
        tx.commit().await
    }
}

fn context(run: &Run, at: UnixNanos) -> Context {
    Context { actor: run.actor.clone(), source_ip: None, request_id: None, now_us: at.0 / 1_000 }
}

const fn place(id: PlanId) -> Place {
    Place { purpose: Purpose::Plan, collection: Uuid::nil(), object: id.0, revision: 0 }
}

const fn state(state: RunState) -> &'static str {
    match state {
        RunState::Running => "running",
        RunState::Succeeded => "succeeded",
        RunState::Partial => "partial",
        RunState::Halted => "halted",
        RunState::Failed => "failed",
        RunState::Cancelled => "cancelled",
    }
}

const fn trigger(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Manual => "manual",
        Trigger::Interval => "interval",
        Trigger::Change => "change",
        Trigger::Resolution => "resolution",
    }
}

const ACTORS: [ActorKind; 4] = [ActorKind::User, ActorKind::Token, ActorKind::System, ActorKind::Anonymous];

const fn actor_kind(kind: ActorKind) -> &'static str {
    match kind {
        ActorKind::User => "user",
        ActorKind::Token => "token",
        ActorKind::System => "system",
        ActorKind::Anonymous => "anonymous",
    }
}

pub(crate) fn actor(row: &Row) -> Result<Actor, StoreError> {
    let kind = row.text("actor_kind")?;
    let kind = ACTORS.into_iter().find(|one| actor_kind(*one) == kind).ok_or(StoreError::Malformed("actor"))?;
    Ok(Actor { kind, id: row.id("actor_id")?, name: row.text("actor_name")? })
}

/// `VaultTerm` itself.
pub(crate) fn system() -> Actor {
    Actor { kind: ActorKind::System, id: Uuid::nil(), name: "vaultterm".to_owned() }
}

pub(crate) fn read(row: &Row) -> Result<Run, StoreError> {
    let (kind, name) = (row.text("trigger_kind")?, row.text("state")?);
    let triggers = [Trigger::Manual, Trigger::Interval, Trigger::Change, Trigger::Resolution];
    let states = [
        RunState::Running,
        RunState::Succeeded,
        RunState::Partial,
        RunState::Halted,
        RunState::Failed,
        RunState::Cancelled,
    ];
    let plan_id = row.maybe_text("plan_id")?.map(|id| id.parse().map(PlanId)).transpose();
    Ok(Run {
        id: RunId(row.id("id")?),
        connection_id: ConnectionId(row.id("connection_id")?),
        plan_id: plan_id.map_err(|_| StoreError::Malformed("plan id"))?,
        state: states.into_iter().find(|one| state(*one) == name).ok_or(StoreError::Malformed("run state"))?,
        trigger: triggers.into_iter().find(|one| trigger(*one) == kind).ok_or(StoreError::Malformed("trigger"))?,
        actor: actor(row)?,
        counts: row.json("counts")?,
        halts: row.json("halts")?,
        problems: row.json("problems")?,
        started: UnixNanos(row.int("started")?),
        finished: row.maybe_int("finished")?.map(UnixNanos),
        requests: row.count("requests")?,
    })
}
