//! What this process counts about runs, requests to Vaults and requests of clients. `table.rs` lists all metrics, and
//! `scrape.rs` adds those that are read when somebody asks.

pub(crate) mod sheet;
pub(crate) mod table;

use std::{fmt, time::Duration};

use prometheus::{CounterVec, HistogramVec};
use tokio::{sync::Mutex, time::Instant};
use vaultterm_hcv::{Exchange, Traffic};
use vaultterm_reconcile::{Counts, UnixNanos};
use vaultterm_sync::Run;
use vaultterm_traces::{Trace, Traces};

use self::{sheet::Sheet, table as metrics};
use crate::traced::{self, Asked};

/// What was last read from the database, and when.
pub(crate) type Kept = Mutex<Option<(Instant, Option<String>)>>;

/// What this process counts. Each node of an installation counts for itself.
pub struct Meters {
    sheet: Sheet,
    runs: CounterVec,
    run_duration: HistogramVec,
    steps: CounterVec,
    paths_left: CounterVec,
    hints: CounterVec,
    hint_gaps: CounterVec,
    vault_requests: CounterVec,
    vault_request_duration: HistogramVec,
    http_requests: CounterVec,
    http_request_duration: HistogramVec,
    pub(crate) started: UnixNanos,
    pub(crate) kept: Kept,
    pub(crate) traces: Traces,
}

impl Default for Meters {
    fn default() -> Self {
        let sheet = Sheet::default();
        Self {
            runs: sheet.counter(metrics::RUNS_TOTAL),
            run_duration: sheet.histogram(metrics::RUN_DURATION),
            steps: sheet.counter(metrics::STEPS_TOTAL),
            paths_left: sheet.counter(metrics::PATHS_LEFT_TOTAL),
            hints: sheet.counter(metrics::HINTS_TOTAL),
            hint_gaps: sheet.counter(metrics::HINT_GAPS_TOTAL),
            vault_requests: sheet.counter(metrics::VAULT_REQUESTS_TOTAL),
            vault_request_duration: sheet.histogram(metrics::VAULT_REQUEST_DURATION),
            http_requests: sheet.counter(metrics::HTTP_REQUESTS_TOTAL),
            http_request_duration: sheet.histogram(metrics::HTTP_REQUEST_DURATION),
            sheet,
            started: vaultterm_sync::system_time(),
            kept: Kept::default(),
            traces: Traces::default(),
        }
    }
}

impl Meters {
    /// Tells runs and requests in traces as well.
    #[must_use]
    pub fn traced_by(self, traces: Traces) -> Self {
        Self { traces, ..self }
    }

    /// Begins the span of a request of a client.
    #[must_use]
    pub fn request_begins(&self, asked: &Asked<'_>) -> Trace {
        traced::request(&self.traces, asked)
    }

    /// Counts a request of a client. `route` is the template of the route, never the path of the request.
    pub fn request(&self, route: &str, method: &str, status: u16, took: Duration) {
        let method = traced::known_method(method).unwrap_or("other");
        self.http_requests.with_label_values(&[route, method, class(Some(status))]).inc();
        self.http_request_duration.with_label_values(&[route]).observe(took.as_secs_f64());
    }

    /// Counts hints: their paths, and the wish to look at everything.
    pub(crate) fn hinted(&self, paths: u64, everything: bool) {
        self.hints.with_label_values::<&str>(&[]).inc_by(paths as f64);
        self.hint_gaps.with_label_values::<&str>(&[]).inc_by(if everything { 1.0 } else { 0.0 });
    }

    /// Counts a run that has ended.
    pub(crate) fn run_ended(&self, run: &Run) {
        self.runs.with_label_values(&[run.state.as_str(), run.trigger.as_str()]).inc();
        if let Some(finished) = run.finished {
            let took = Duration::from_nanos(u64::try_from(finished.0 - run.started.0).unwrap_or(0));
            self.run_duration.with_label_values::<&str>(&[]).observe(took.as_secs_f64());
        }
        for (counter, counts) in [(&self.steps, done(&run.counts)), (&self.paths_left, left(&run.counts))] {
            for (name, count) in counts.iter().filter(|(_, count)| *count > 0) {
                counter.with_label_values(&[name]).inc_by(*count as f64);
            }
        }
    }

    /// Returns what was counted, in the text format of Prometheus.
    pub(crate) fn text(&self) -> String {
        self.sheet.text()
    }
}

impl Traffic for Meters {
    fn exchanged(&self, exchange: &Exchange) {
        let operation = exchange.kind.as_str();
        self.vault_requests.with_label_values(&[operation, class(exchange.status)]).inc();
        self.vault_request_duration.with_label_values(&[operation]).observe(exchange.took.as_secs_f64());
        traced::vault_request(exchange);
    }
}

impl fmt::Debug for Meters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meters")
    }
}

/// Returns the class of a status, or `none` where no complete answer came.
const fn class(status: Option<u16>) -> &'static str {
    match status {
        None => "none",
        Some(100..200) => "1xx",
        Some(200..300) => "2xx",
        Some(300..400) => "3xx",
        Some(400..500) => "4xx",
        Some(_) => "5xx",
    }
}

/// Counts with their names.
type Named = Vec<(&'static str, u64)>;

/// Returns the steps that were carried out.
fn done(counts: &Counts) -> Named {
    vec![
        ("create_remote", counts.created_remote),
        ("update_remote", counts.updated_remote),
        ("delete_remote", counts.deleted_remote),
        ("create_local", counts.created_local),
        ("update_local", counts.updated_local),
        ("delete_local", counts.deleted_local),
        ("adopt", counts.adopted),
    ]
}

/// Returns the paths that were left as they were.
fn left(counts: &Counts) -> Named {
    vec![
        ("conflict", counts.conflicts),
        ("failed", counts.failed),
        ("stale", counts.stale),
        ("skipped", counts.skipped),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_that_a_client_made_up_is_no_label() {
        let meters = Meters::default();
        meters.request("/records/{id}", "GET", 200, Duration::from_millis(3));
        meters.request("/records/{id}", "SECRET-OF-ANN", 405, Duration::ZERO);
        let text = meters.text();
        assert!(
            text.contains(r#"vaultterm_http_requests_total{method="GET",route="/records/{id}",status="2xx"} 1"#),
            "{text}"
        );
        assert!(text.contains(r#"method="other",route="/records/{id}",status="4xx"} 1"#), "{text}");
        assert!(
            text.contains(r#"vaultterm_http_request_duration_seconds_bucket{route="/records/{id}",le="0.005"} 2"#),
            "{text}"
        );
        assert!(!text.contains("SECRET"), "{text}");
    }

    #[test]
    fn a_request_without_an_answer_has_a_class_of_its_own() {
        let meters = Meters::default();
        let kind = vaultterm_hcv::RequestKind::Write;
        let lost = Exchange {
            kind,
            method: "POST",
            attempt: 1,
            status: None,
            took: Duration::from_secs(30),
            failure: Some("timeout"),
        };
        meters.exchanged(&lost);
        meters.exchanged(&Exchange { status: Some(503), failure: None, ..lost });
        let text = meters.text();
        assert!(text.contains(r#"vaultterm_vault_requests_total{operation="write",status="none"} 1"#), "{text}");
        assert!(text.contains(r#"vaultterm_vault_requests_total{operation="write",status="5xx"} 1"#), "{text}");
    }
}
