//! The one list of all metrics: the name, the kind, the labels and the meaning of each. The reference page is made from it,
//! and nothing can be measured that is not in it.

use vaultterm_reconcile::names;

names!(
    /// A label of a metric. No other label exists, so that no metric can tell a path, a name or a person.
    #[allow(missing_docs, reason = "the names say it all")]
    Label, "label" {
        Version = "version",
        State = "state",
        Trigger = "trigger",
        Action = "action",
        Reason = "reason",
        Connection = "connection",
        Webhook = "webhook",
        Operation = "operation",
        Route = "route",
        Method = "method",
        Status = "status",
        Pool = "pool",
    }
);

/// What a metric counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MetricKind {
    /// A number that only grows.
    Counter,
    /// A number at a moment.
    Gauge,
    /// Durations in seconds, by their size. The numbers are the upper bounds.
    Histogram(&'static [f64]),
}

/// Where a metric comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// This process counts it, from its start on.
    Process,
    /// The database, so that every node tells the same.
    Database,
}

/// A metric.
#[derive(Debug)]
pub struct Metric {
    /// The name.
    pub name: &'static str,
    /// What it counts.
    pub kind: MetricKind,
    /// Where it comes from.
    pub source: Source,
    /// The labels, in the order in which values are given.
    pub labels: &'static [Label],
    /// The meaning, one sentence without a full stop at its end.
    pub meaning: &'static str,
}

/// The bounds for requests, in seconds.
const REQUESTS: &[f64] = &[0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];
/// The bounds for runs, in seconds.
const RUNS: &[f64] = &[0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1_800.0];

macro_rules! metrics {
    ($($constant:ident = $name:literal, $kind:expr, $source:ident, [$($label:ident),*], $meaning:literal;)+) => {
        $(pub(crate) const $constant: &Metric = &Metric {
            name: $name,
            kind: $kind,
            source: Source::$source,
            labels: &[$(Label::$label),*],
            meaning: $meaning,
        };)+

        /// All metrics, in the order of the reference.
        pub const METRICS: &[&Metric] = &[$($constant),+];
    };
}

use MetricKind::{Counter, Gauge, Histogram};

metrics! {
    BUILD_INFO = "vaultterm_build_info", Gauge, Process, [Version],
        "Always 1; the label is the version of the server";
    START_TIME = "vaultterm_start_time_seconds", Gauge, Process, [],
        "When the server started, in seconds since 1970";
    SEALED = "vaultterm_sealed", Gauge, Process, [],
        "1 while the root key is not open and every request is refused, otherwise 0";

    RUNS_TOTAL = "vaultterm_runs_total", Counter, Process, [State, Trigger],
        "Runs that ended, by their result and by what started them";
    RUN_DURATION = "vaultterm_run_duration_seconds", Histogram(RUNS), Process, [],
        "How long runs took";
    STEPS_TOTAL = "vaultterm_steps_total", Counter, Process, [Action],
        "Steps that runs carried out, by what they changed";
    PATHS_LEFT_TOTAL = "vaultterm_paths_left_total", Counter, Process, [Reason],
        "Paths that runs left as they were: a conflict waits for a person, the step failed or was stale, or the path was skipped";

    HINTS_TOTAL = "vaultterm_hints_total", Counter, Process, [],
        "Paths of which somebody hinted that a secret changed in Vault";
    HINT_GAPS_TOTAL = "vaultterm_hint_gaps_total", Counter, Process, [],
        "Hints to look at everything, because somebody lost track of what changed in Vault";

    CONNECTION_STATE = "vaultterm_connection_state", Gauge, Database, [Connection, State],
        "1 for the state that a connection is in, as the list of connections shows it; no other state of it is present";
    CONNECTION_LAST_SUCCESS = "vaultterm_connection_last_success_timestamp_seconds", Gauge, Database, [Connection],
        "When the newest run of a connection that did everything ended; absent before the first one";
    CONFLICTS_OPEN = "vaultterm_conflicts_open", Gauge, Database, [Connection],
        "Conflicts that wait for a person";
    HINTS_WAITING = "vaultterm_hints_waiting", Gauge, Database, [Connection],
        "Paths at which somebody hinted that a secret changed in Vault, and no run has looked yet; absent if there is none";
    SECRET_ID_EXPIRY = "vaultterm_secret_id_expiry_timestamp_seconds", Gauge, Database, [Connection],
        "When the SecretID of a connection expires; absent if it never does, or the role may not look it up";
    API_TOKEN_EXPIRY = "vaultterm_api_token_expiry_timestamp_seconds", Gauge, Database, [],
        "When the next API token expires; absent if none does";

    VAULT_REQUESTS_TOTAL = "vaultterm_vault_requests_total", Counter, Process, [Operation, Status],
        "Requests to the Vaults of connections, by what they are for and by the class of the answer; `none` if no complete answer came";
    VAULT_REQUEST_DURATION = "vaultterm_vault_request_duration_seconds", Histogram(REQUESTS), Process, [Operation],
        "How long these requests took, with the answer";

    WEBHOOK_WAITING = "vaultterm_webhook_waiting_entries", Gauge, Database, [Webhook],
        "Audit entries that a webhook has still to pass on or to pass over";
    WEBHOOK_LAG = "vaultterm_webhook_lag_seconds", Gauge, Database, [Webhook],
        "The age of the first of these entries; 0 if none waits";
    WEBHOOK_FAILURES = "vaultterm_webhook_failures", Gauge, Database, [Webhook],
        "How often in a row the receiver did not take a message";

    AUDIT_ENTRIES_TOTAL = "vaultterm_audit_entries_total", Counter, Database, [],
        "Entries of the audit log, also those that were pruned since";
    AUDIT_UNSIGNED = "vaultterm_audit_unsigned_entries", Gauge, Database, [],
        "Entries of the audit log that no checkpoint covers yet";

    DATABASE_UP = "vaultterm_database_up", Gauge, Process, [],
        "1 if the facts of the database could be read for this answer, otherwise 0; absent while the server is sealed";
    DATABASE_CONNECTIONS = "vaultterm_database_pool_connections", Gauge, Process, [Pool, State],
        "Connections to the database, `used` and `idle`";
    DATABASE_CONNECTIONS_MAX = "vaultterm_database_pool_connections_max", Gauge, Process, [Pool],
        "The limit of these connections";
    DATABASE_WRITES_TOTAL = "vaultterm_database_writes_total", Counter, Process, [],
        "Changes that waited for their turn to write";
    DATABASE_WRITE_WAIT_TOTAL = "vaultterm_database_write_wait_seconds_total", Counter, Process, [],
        "How long these changes waited in all";

    HTTP_REQUESTS_TOTAL = "vaultterm_http_requests_total", Counter, Process, [Route, Method, Status],
        "Requests of clients, by the template of the route, the method and the class of the answer";
    HTTP_REQUEST_DURATION = "vaultterm_http_request_duration_seconds", Histogram(REQUESTS), Process, [Route],
        "How long the server took to begin its answer";

    SPANS_SENT_TOTAL = "vaultterm_trace_spans_sent_total", Counter, Process, [],
        "Spans that the collector of traces took; this and the next one are absent if none is configured";
    SPANS_LOST_TOTAL = "vaultterm_trace_spans_lost_total", Counter, Process, [Reason],
        "Spans that did not reach it: the queue was full (`queue_full`), the collector did not answer (`unanswered`) or refused them (`refused`)";

    LICENSE_EXPIRY = "vaultterm_license_expiry_timestamp_seconds", Gauge, Process, [],
        "When the license that counts expires, before its grace period; absent without one";
}

#[cfg(test)]
mod tests;
