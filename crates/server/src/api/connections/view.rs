//! A connection as it is answered: its settings, and how it stands.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_reconcile::{HaltKind, UnixNanos};
use vaultterm_store::ConnectionSummary;
use vaultterm_sync::{Connection, FaultClass, Problem, ProblemClass, Run, RunState, Unlicensed, schedule};

use crate::{api::runs::RunView, moment};

/// A connection.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConnectionView {
    id: Uuid,
    name: String,
    collection_id: Uuid,
    address: String,
    namespace: Option<String>,
    tls: TlsView,
    auth: AuthView,
    mount: String,
    path: String,
    mode: &'static str,
    options: OptionsView,
    /// What the options risk. Nothing is stopped by it.
    warnings: Vec<&'static str>,
    /// `new`, `ready`, `running`, `conflicts`, `halted`, `auth_failed`, `unreachable`,
    /// `remote_sealed`, `failed`, `partial`, `paused` or `unlicensed`.
    state: &'static str,
    /// Why, where the state alone does not say it.
    state_detail: Option<String>,
    /// After refused logins: before this moment the schedule does not log in again.
    next_login_at: Option<String>,
    last_run: Option<RunView>,
    /// When a test or run last talked to the server with success.
    last_verified_at: Option<String>,
    open_conflicts: u64,
    /// Paths whose sides differ because a person accepted that.
    accepted_differences: u64,
    secret_id_expires_at: Option<String>,
    revision: u64,
    created_at: String,
    updated_at: String,
}

/// TLS, without the key.
#[derive(Serialize, ToSchema)]
pub(crate) struct TlsView {
    ca_pem: Option<String>,
    server_name: Option<String>,
    client_cert_pem: Option<String>,
}

/// The login, without the `SecretID`.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuthView {
    method: &'static str,
    mount: String,
    /// The namespace of the login; null for that of the secrets.
    namespace: Option<String>,
    role_id: String,
}

/// How it behaves.
#[derive(Serialize, ToSchema)]
pub(crate) struct OptionsView {
    merge: &'static str,
    deletions: &'static str,
    expired: &'static str,
    initial: &'static str,
    on_drift: &'static str,
    annotate: bool,
    interval_seconds: u32,
    on_change: bool,
    max_delete_percent: u32,
    max_delete_count: u32,
    concurrency_max: u32,
}

impl OptionsView {
    fn of(connection: &Connection) -> Self {
        let options = &connection.options;
        Self {
            merge: options.merge.as_str(),
            deletions: options.deletions.as_str(),
            expired: options.expired.as_str(),
            initial: options.initial.as_str(),
            on_drift: options.on_drift.as_str(),
            annotate: options.annotate,
            interval_seconds: connection.schedule.interval_seconds,
            on_change: connection.schedule.on_change,
            max_delete_percent: options.max_delete_percent,
            max_delete_count: options.max_delete_count,
            concurrency_max: connection.concurrency_max,
        }
    }
}

impl ConnectionView {
    pub(super) fn of(summary: &ConnectionSummary, unlicensed: Option<&Unlicensed>) -> Self {
        let connection = &summary.connection;
        let (state, state_detail) = standing(summary, unlicensed);
        Self {
            id: connection.id.0,
            name: connection.name.clone(),
            collection_id: connection.collection_id.0,
            address: connection.address.clone(),
            namespace: connection.namespace.clone(),
            tls: TlsView {
                ca_pem: connection.tls.ca_pem.clone(),
                server_name: connection.tls.server_name.clone(),
                client_cert_pem: connection.tls.client_cert_pem.clone(),
            },
            auth: AuthView {
                method: "approle",
                mount: connection.auth_mount.clone(),
                namespace: connection.auth_namespace.clone(),
                role_id: connection.role_id.clone(),
            },
            mount: connection.mount.clone(),
            path: connection.path.clone(),
            mode: connection.options.mode.as_str(),
            options: OptionsView::of(connection),
            warnings: connection.options.risk().into_iter().collect(),
            state,
            state_detail,
            next_login_at: next_login(summary).map(moment::of),
            last_run: summary.last_run.as_ref().map(RunView::of),
            last_verified_at: summary.last_verified_us.map(moment::of_us),
            open_conflicts: summary.open_conflicts,
            accepted_differences: summary.accepted_paths,
            secret_id_expires_at: summary.secret_id_expires_us.map(moment::of_us),
            revision: connection.revision,
            created_at: moment::of_us(summary.created_us),
            updated_at: moment::of_us(summary.updated_us),
        }
    }
}

/// How a connection stands, and why. What a person must know first wins.
fn standing(summary: &ConnectionSummary, unlicensed: Option<&Unlicensed>) -> (&'static str, Option<String>) {
    if summary.running {
        return ("running", None);
    }
    if summary.connection.paused {
        return ("paused", Some("no run starts until it is resumed".to_owned()));
    }
    if let Some(unlicensed) = unlicensed {
        return ("unlicensed", Some(unlicensed.to_string()));
    }
    if let Some(reason) = &summary.connection.guarded {
        return ("halted", Some(format!("{reason}: look at the plan, then run it with `rewound` acknowledged")));
    }
    let Some(run) = &summary.last_run else {
        return ("new", Some("nothing runs by itself until a person ran or applied its first plan".to_owned()));
    };
    match run.state {
        RunState::Running => ("running", None),
        RunState::Halted if run.halts.iter().any(|halt| halt.kind == HaltKind::License) => {
            ("halted", Some("there was no license when it last ran: the next run goes on where it was".to_owned()))
        }
        RunState::Halted => ("halted", run.halts.first().map(|halt| halt.detail.clone())),
        RunState::Failed => rested(summary, failed(run)),
        // What stopped it half-way stops the next run too, until somebody mends it.
        RunState::Partial if stopped_by(run).is_some() => rested(summary, failed(run)),
        _ if summary.open_conflicts > 0 => ("conflicts", Some(format!("{} wait for a person", summary.open_conflicts))),
        RunState::Partial => (
            "partial",
            run.problems.first().map(|problem| match problem.path.as_str() {
                "" => problem.detail.clone(),
                path => format!("{path}: {}", problem.detail),
            }),
        ),
        RunState::Cancelled => ("partial", Some("the last run was cancelled".to_owned())),
        RunState::Succeeded => ("ready", None),
    }
}

/// The problem that no path can be blamed for.
fn stopped_by(run: &Run) -> Option<&Problem> {
    let stops = |problem: &&Problem| problem.path.is_empty() && problem.class.0 != ProblemClass::TOKEN_NOT_REVOKED;
    run.problems.iter().find(stops)
}

/// What a run that was stopped says about the connection.
fn failed(run: &Run) -> (&'static str, Option<String>) {
    let Some(problem) = stopped_by(run).or(run.problems.first()) else { return ("failed", None) };
    let is = |class: FaultClass| problem.class.0 == class.as_str();
    let state = if is(FaultClass::LoginRefused) || is(FaultClass::Denied) {
        "auth_failed"
    } else if is(FaultClass::Unavailable) || is(FaultClass::Unknown) || is(FaultClass::Misconfigured) {
        "unreachable"
    } else if is(FaultClass::Sealed) {
        "remote_sealed"
    } else {
        "failed"
    };
    (state, Some(problem.detail.clone()))
}

/// Tells before which moment the schedule does not log in again, after Vault refused logins.
fn next_login(summary: &ConnectionSummary) -> Option<UnixNanos> {
    let finished = summary.last_run.as_ref().and_then(|run| run.finished)?;
    let rest = i64::try_from(schedule::login_rest(summary.logins_refused).as_nanos()).unwrap_or(i64::MAX);
    (summary.logins_refused > 0).then(|| UnixNanos(finished.0.saturating_add(rest)))
}

/// Adds when the schedule tries a refused login again, and what ends the wait.
fn rested(summary: &ConnectionSummary, failed: (&'static str, Option<String>)) -> (&'static str, Option<String>) {
    let (Some(next), (state @ "auth_failed", Some(detail))) = (next_login(summary), &failed) else { return failed };
    let next = moment::of(next);
    let wait = format!(
        "the schedule does not log in before {next}, because Vault locks a role after several refused logins, and may have \
         done so; a new SecretID, a successful test or a run ends the wait: {detail}"
    );
    (state, Some(wait))
}

#[cfg(test)]
mod tests;
