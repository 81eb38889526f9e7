//! `vaultterm sync …`.

mod follow;
pub(crate) mod picture;
mod runs;

use clap::Subcommand;
use serde_json::json;
use vaultterm_contract::{ConnectionView, HaltView, PlanBody, PlanView, RunStart, RunView};
use vaultterm_reconcile::HaltKind;
use vaultterm_sync::RunState;

use crate::{
    app::App,
    client::{Client, Patience, Query, Reply},
    failure::{Exit, Failure},
    shell,
    table::{Table, moment},
};

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Show what a run would do, and store it as a plan; writes nothing on either side
    Plan {
        /// Name or id of the connection
        connection: String,
        /// Only this path; repeat for several. Both sides are looked at as a whole all the same
        #[arg(long, value_name = "PATH")]
        path: Vec<String>,
        /// Exit with 5 if the plan has a halt, else with 3 if it has changes, else with 4 if it has conflicts
        #[arg(long)]
        detailed_exitcode: bool,
    },
    /// Carry out a stored plan exactly as shown
    Apply {
        /// Id of the plan
        plan: uuid::Uuid,
        /// A path of the plan to leave out of this run; repeat for several. The next run plans it again
        #[arg(long, value_name = "PATH")]
        skip: Vec<String>,
        #[command(flatten)]
        how: RunArgs,
    },
    /// Discard a stored plan, so that nobody applies it any more
    Discard {
        /// Id of the plan
        plan: uuid::Uuid,
    },
    /// Plan and carry out, and follow to the end
    Run {
        /// Name or id of the connection
        connection: String,
        /// Look only at this path, in a handful of requests; repeat for several. Nothing is concluded about others
        #[arg(long, value_name = "PATH")]
        path: Vec<String>,
        #[command(flatten)]
        how: RunArgs,
    },
    /// Show the state of every connection
    Status {
        /// Only this connection, by name or id
        connection: Option<String>,
    },
    /// List the runs of a connection, or of all, newest first
    Runs {
        /// Name or id of the connection
        connection: Option<String>,
        #[command(flatten)]
        which: runs::Which,
        /// How many at most
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Show a run, or a stored plan
    Show {
        /// Id of the run or plan, or name of a connection for its newest run
        run: String,
    },
    /// Ask a run to stop; what it did stays
    Cancel {
        /// Id of the run, or name of the connection that it runs on
        run: String,
    },
}

#[derive(clap::Args, Debug)]
pub(crate) struct RunArgs {
    /// A halt that you looked into and accept, for example mass_deletion; repeat for several
    #[arg(long, value_name = "HALT", value_delimiter = ',')]
    acknowledge: Vec<String>,
    /// Do not wait for the end
    #[arg(long)]
    no_wait: bool,
}

/// Runs the command.
pub(crate) async fn run(command: Command, app: &App) -> Result<Exit, Failure> {
    let client = app.client()?;
    match command {
        Command::Plan { connection, path, detailed_exitcode } => {
            plan(&client, app, &connection, path, detailed_exitcode).await
        }
        Command::Apply { plan, skip, how } => {
            let stored: Reply<PlanView> = client.get(&format!("/plans/{plan}")).await?;
            let connection_id = stored.data.connection_id;
            let asked = RunStart { plan_id: Some(plan), skip, acknowledge: how.acknowledge, ..RunStart::default() };
            let name = name_of(&client, connection_id).await;
            start(&client, app, (connection_id, &name), &asked, how.no_wait).await
        }
        Command::Discard { plan } => discard(&client, app, plan).await,
        Command::Run { connection, path, how } => {
            let found = client.connection(&connection).await?.data;
            let asked = RunStart { paths: path, acknowledge: how.acknowledge, ..RunStart::default() };
            start(&client, app, (found.id, &found.name), &asked, how.no_wait).await
        }
        Command::Status { connection } => status(&client, app, connection.as_deref()).await,
        Command::Runs { connection, which, limit } => {
            runs::list(&client, app, connection.as_deref(), which, limit).await
        }
        Command::Show { run } => show(&client, app, client.run(&run).await?).await,
        Command::Cancel { run } => cancel(&client, app, &run).await,
    }
}

async fn plan(client: &Client, app: &App, name: &str, paths: Vec<String>, detailed: bool) -> Result<Exit, Failure> {
    let connection = client.connection(name).await?.data;
    let path = format!("/connections/{}/plans", connection.id);
    let plan: Reply<PlanView> = client.post(&path, &json!(PlanBody { paths }), Patience::Vault).await?;
    app.console.answer_text(&plan.json, || picture::plan(&app.console, &plan.data))?;
    let PlanView { id, steps, conflicts, halts, .. } = &plan.data;
    if !steps.is_empty() {
        if needs_license(halts) {
            app.console.next(INSTALL);
        }
        app.console.next(&format!("vaultterm sync apply {id}{}", acknowledging(halts)));
    } else if !conflicts.is_empty() {
        app.console.next(&format!("vaultterm sync run {}, to store the conflicts", shell::word(name)));
    }
    Ok(if detailed { exit_of_plan(&plan.data) } else { Exit::Done })
}

/// Returns the exit code for a plan. A halt comes first, because nothing of the plan is carried out while it
/// stands.
fn exit_of_plan(plan: &PlanView) -> Exit {
    match (plan.halts.is_empty(), plan.steps.is_empty(), plan.conflicts.is_empty()) {
        (false, ..) => Exit::Halted,
        (true, false, _) => Exit::PlanHasChanges,
        (true, true, false) => Exit::Conflicts,
        (true, true, true) => Exit::Done,
    }
}

/// Starts a run and follows it. `name` is the name of the connection in suggested commands.
async fn start(
    client: &Client,
    app: &App,
    (connection_id, name): (uuid::Uuid, &str),
    asked: &RunStart,
    no_wait: bool,
) -> Result<Exit, Failure> {
    let path = format!("/connections/{connection_id}/runs");
    let run: Reply<RunView> = client.post(&path, &json!(asked), Patience::Usual).await?;
    if no_wait {
        app.console.answer_text(&run.json, || format!("{}\n", run.data.id))?;
        app.console.next(&format!("vaultterm sync show {}", run.data.id));
        return Ok(Exit::Done);
    }
    let ended = follow::follow(client, app, run.data.id).await?;
    app.console.answer_text(&ended.run.json, || picture::run(&app.console, &ended.run.data))?;
    tell_next(app, &ended.run.data, &shell::word(name));
    if ended.interrupted { Ok(Exit::Interrupted) } else { exit_of(&ended.run.data) }
}

/// Returns the exit code for a finished run. The result that needs a person most comes first. A state that
/// this version does not know never counts as success.
fn exit_of(run: &RunView) -> Result<Exit, Failure> {
    Ok(match run.state {
        RunState::Halted => Exit::Halted,
        RunState::Failed => Exit::Server,
        RunState::Cancelled => Exit::Interrupted,
        RunState::Partial => Exit::Partial,
        RunState::Succeeded if run.counts.conflicts > 0 => Exit::Conflicts,
        RunState::Succeeded => Exit::Done,
        RunState::Running => {
            return Err(Failure::server("the run is still in progress, although the server reported its end")
                .hint(format!("look at it with `vaultterm sync show {}`", run.id)));
        }
    })
}

fn tell_next(app: &App, run: &RunView, connection: &str) {
    if run.state == RunState::Halted {
        if needs_license(&run.halts) {
            app.console.next(INSTALL);
        }
        if run.halts.iter().any(|halt| halt.kind == HaltKind::NamespaceIgnored) {
            app.console.next(&format!("vaultterm connection update {connection} --namespace '', or another address"));
            return;
        }
        let kinds = acknowledging(&run.halts);
        app.console.next(&format!("vaultterm sync plan {connection}, then vaultterm sync run {connection}{kinds}"));
    } else if run.counts.conflicts > 0 {
        app.console.next(&format!("vaultterm conflict ls --connection {connection}"));
    } else if matches!(run.state, RunState::Partial | RunState::Cancelled) {
        app.console.next(&format!("vaultterm sync run {connection}, to do what is left"));
    }
}

/// The suggested command for a missing license, which no person can acknowledge.
const INSTALL: &str = "vaultterm license install FILE";

fn needs_license(halts: &[HaltView]) -> bool {
    halts.iter().any(|halt| halt.kind == HaltKind::License)
}

/// Returns the flags that acknowledge these halts.
fn acknowledging(halts: &[HaltView]) -> String {
    let acceptable = halts.iter().filter(|halt| halt.kind.can_be_acknowledged());
    acceptable.map(|halt| format!(" --acknowledge {}", halt.kind)).collect()
}

/// Returns the name of a connection, or its id if the name cannot be read.
async fn name_of(client: &Client, id: uuid::Uuid) -> String {
    let found = client.get::<ConnectionView>(&format!("/connections/{id}")).await;
    found.map_or_else(|_| id.to_string(), |found| found.data.name)
}

async fn discard(client: &Client, app: &App, id: uuid::Uuid) -> Result<Exit, Failure> {
    let plan: Reply<PlanView> = client.post(&format!("/plans/{id}/discard"), &json!({}), Patience::Usual).await?;
    app.console.answer_text(&plan.json, || format!("Discarded: nobody can apply the plan {id} any more\n"))?;
    let name = name_of(client, plan.data.connection_id).await;
    app.console.next(&format!("vaultterm sync plan {}", shell::word(&name)));
    Ok(Exit::Done)
}

async fn status(client: &Client, app: &App, name: Option<&str>) -> Result<Exit, Failure> {
    if let Some(name) = name {
        let found = client.connection(name).await?;
        app.console.answer(&found.json, || status_table(std::slice::from_ref(&found.data)))?;
        return Ok(Exit::Done);
    }
    let list: Reply<Vec<ConnectionView>> = client.list("/connections", &Query::default(), None).await?;
    app.console.answer(&list.json, || status_table(&list.data))?;
    Ok(Exit::Done)
}

fn status_table(connections: &[ConnectionView]) -> Table {
    let table = Table::new(&["CONNECTION", "MODE", "STATE", "LAST RUN", "CONFLICTS", "DETAIL"], "no connections");
    connections.iter().fold(table, |table, connection| {
        let last_run = connection.last_run.as_ref();
        table.row([
            connection.name.clone(),
            connection.mode.to_string(),
            connection.state.to_string(),
            last_run.map_or("never".into(), |run| format!("{} {}", run.state, moment(&run.started_at))),
            connection.open_conflicts.to_string(),
            connection.state_detail.clone().unwrap_or_default(),
        ])
    })
}

async fn show(client: &Client, app: &App, id: uuid::Uuid) -> Result<Exit, Failure> {
    match client.get::<RunView>(&format!("/runs/{id}")).await {
        Ok(run) => app.console.answer_text(&run.json, || picture::run(&app.console, &run.data))?,
        Err(failure) if failure.status == Some(404) => {
            let plan: Reply<PlanView> = client.get(&format!("/plans/{id}")).await.map_err(|failure| {
                if failure.status == Some(404) {
                    Failure::server(format!("there is no run and no plan {id}"))
                } else {
                    failure
                }
            })?;
            app.console.answer_text(&plan.json, || picture::plan(&app.console, &plan.data))?;
        }
        Err(failure) => return Err(failure),
    }
    Ok(Exit::Done)
}

async fn cancel(client: &Client, app: &App, wanted: &str) -> Result<Exit, Failure> {
    let id = match uuid::Uuid::parse_str(wanted) {
        Ok(id) => id,
        Err(_) => running(client, wanted).await?,
    };
    let run: Reply<RunView> = client.post(&format!("/runs/{id}/cancel"), &json!({}), Patience::Usual).await?;
    app.console.answer_text(&run.json, || picture::run(&app.console, &run.data))?;
    app.console.next(&format!("vaultterm sync show {id}"));
    Ok(Exit::Done)
}

/// Returns the id of the active run of a connection.
async fn running(client: &Client, name: &str) -> Result<uuid::Uuid, Failure> {
    let connection = client.connection(name).await?.data;
    let path = format!("/connections/{}/runs", connection.id);
    let list: Reply<Vec<RunView>> = client.list(&path, &Query::default(), Some(1)).await?;
    match list.data.first() {
        Some(run) if run.state == RunState::Running => Ok(run.id),
        _ => Err(Failure::server(format!("there is no run in progress on the connection `{}`", connection.name))),
    }
}

#[cfg(test)]
mod tests {
    use vaultterm_contract::{CountsView, ExpectView, PlannedConflictView, StepView};
    use vaultterm_reconcile::{ActionName, ConflictKind};
    use vaultterm_sync::Trigger;

    use super::*;

    fn run(state: RunState, conflicts: u64) -> RunView {
        RunView {
            id: uuid::Uuid::nil(),
            connection_id: uuid::Uuid::nil(),
            plan_id: None,
            state,
            trigger: Trigger::Manual,
            actor: String::new(),
            counts: CountsView { conflicts, ..CountsView::default() },
            halts: Vec::new(),
            problems: Vec::new(),
            started_at: String::new(),
            finished_at: None,
            requests: 0,
            left_out: Vec::new(),
            only: Vec::new(),
        }
    }

    #[test]
    fn the_exit_code_tells_how_a_run_ended() {
        let exit = |state, conflicts| exit_of(&run(state, conflicts)).expect("it ended");
        assert_eq!(exit(RunState::Succeeded, 0), Exit::Done);
        assert_eq!(exit(RunState::Succeeded, 2), Exit::Conflicts);
        assert_eq!(exit(RunState::Partial, 2), Exit::Partial);
        assert_eq!(exit(RunState::Halted, 2), Exit::Halted);
        assert_eq!(exit(RunState::Failed, 0), Exit::Server);
        assert_eq!(exit(RunState::Cancelled, 0), Exit::Interrupted);
        assert_eq!(exit_of(&run(RunState::Running, 0)).expect_err("it goes on").exit, Exit::Server);
    }

    fn step() -> StepView {
        StepView {
            path: "a".to_owned(),
            action: ActionName::Merge,
            reason: String::new(),
            from: None,
            fields: Vec::new(),
            expect: ExpectView { local_revision: None, remote_version: None },
            versions_kept_first: Vec::new(),
            remote_writer: None,
        }
    }

    fn conflict() -> PlannedConflictView {
        PlannedConflictView { path: "b".to_owned(), kind: ConflictKind::BothChanged, fields: Vec::new() }
    }

    #[test]
    fn the_exit_code_of_a_plan_tells_of_a_halt_first() {
        let plan = |halts: &[HaltKind], steps: usize, conflicts: usize| PlanView {
            id: uuid::Uuid::nil(),
            connection_id: uuid::Uuid::nil(),
            counts: CountsView::default(),
            steps: (0..steps).map(|_| step()).collect(),
            conflicts: (0..conflicts).map(|_| conflict()).collect(),
            skips: Vec::new(),
            accepted: Vec::new(),
            halts: halts.iter().map(|kind| HaltView { kind: *kind, detail: String::new() }).collect(),
            warnings: Vec::new(),
            created_at: String::new(),
            expires_at: String::new(),
            restricted: None,
            decisions: Vec::new(),
        };
        assert_eq!(exit_of_plan(&plan(&[HaltKind::MassDeletion], 3, 1)), Exit::Halted);
        assert_eq!(exit_of_plan(&plan(&[HaltKind::License], 0, 0)), Exit::Halted);
        assert_eq!(exit_of_plan(&plan(&[], 3, 1)), Exit::PlanHasChanges);
        assert_eq!(exit_of_plan(&plan(&[], 0, 1)), Exit::Conflicts);
        assert_eq!(exit_of_plan(&plan(&[], 0, 0)), Exit::Done);
    }
}
