//! The conventions of Prometheus, the reference page, and the names in dashboard and alerts.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::PathBuf};

use super::*;

#[test]
fn every_metric_follows_the_conventions_of_prometheus() {
    let mut known = BTreeSet::new();
    for metric in METRICS {
        let Metric { name, kind, labels, meaning, .. } = metric;
        assert!(known.insert(name), "{name} is there twice");
        assert!(name.starts_with("vaultterm_"), "{name}");
        assert!(name.chars().all(|sign| sign.is_ascii_lowercase() || sign == '_'), "{name}");
        assert_eq!(matches!(kind, Counter), name.ends_with("_total"), "{name}");
        for unit in ["_ms", "_us", "_minutes", "_millis", "_hours", "_days"] {
            assert!(!name.contains(unit), "{name}: seconds are the unit of time");
        }
        if let Histogram(bounds) = kind {
            assert!(name.ends_with("_seconds") && bounds.is_sorted() && bounds.len() <= 10, "{name}");
        }
        let distinct: BTreeSet<_> = labels.iter().map(|label| label.as_str()).collect();
        assert_eq!(distinct.len(), labels.len(), "{name}");
        assert!(!meaning.is_empty() && !meaning.ends_with('.') && !meaning.contains('|'), "{name}: {meaning}");
    }
}

fn page() -> String {
    let mut page = String::from(
        "# Metrics\n\n\
         Made from the code: `UPDATE_DOCS=1 cargo test -p vaultterm-operations table` rewrites it.\n\n\
         `GET /metrics` on `VAULTTERM_METRICS_LISTEN` (`127.0.0.1:8251` by default) answers in the text format of Prometheus.\n\
         [Monitoring](../operations/monitor.md) says what to look at, and which alerts there are.\n\n\
         What a *process* counts begins at 0 when the server starts. What comes from the *database* is the same on every node; it is\n\
         read for an answer, and kept for five seconds. It is absent while the server is sealed or the database does not answer.\n\n\
         The labels `connection` and `webhook` are ids. No label holds a path, a name, an address or a person.\n\n\
         | metric | kind | labels | from | meaning |\n|---|---|---|---|---|\n",
    );
    for metric in METRICS {
        let kind = match metric.kind {
            Counter => "counter",
            Gauge => "gauge",
            Histogram(_) => "histogram",
        };
        let from = match metric.source {
            Source::Process => "process",
            Source::Database => "database",
        };
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let _ = writeln!(page, "| `{}` | {kind} | {} | {from} | {} |", metric.name, labels.join(" "), metric.meaning);
    }
    page
}

fn in_project(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

#[test]
fn the_page_about_metrics_is_up_to_date() {
    let (path, wanted) = (in_project("docs/reference/metrics.md"), page());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &wanted).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "{} is not up to date: UPDATE_DOCS=1 cargo test -p vaultterm-operations", path.display());
}

/// Finds the names of metrics in a text. A histogram has three series, with the endings of its name.
fn named(text: &str) -> BTreeSet<String> {
    let is_name = |sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit() || sign == '_';
    let words = text.split(|sign: char| !is_name(sign)).filter(|word| word.starts_with("vaultterm_"));
    words.map(str::to_owned).collect()
}

#[test]
fn every_metric_in_dashboard_alerts_and_manual_exists() {
    let mut series = BTreeSet::new();
    for metric in METRICS {
        match metric.kind {
            Histogram(_) => series.extend(["bucket", "sum", "count"].map(|end| format!("{}_{end}", metric.name))),
            Counter | Gauge => drop(series.insert(metric.name.to_owned())),
        }
    }
    for (path, at_least) in [
        ("deploy/monitoring/dashboard.json", 20),
        ("deploy/helm/vaultterm/alerts.yaml", 10),
        ("deploy/monitoring/alerts_test.yaml", 4),
        ("docs/operations/monitor.md", 10),
    ] {
        let names = named(&fs::read_to_string(in_project(path)).unwrap());
        let unknown: Vec<_> = names.difference(&series).collect();
        assert!(unknown.is_empty(), "{path} names metrics that do not exist: {unknown:?}");
        assert!(names.len() >= at_least, "{path} names only {names:?}");
    }
}

#[test]
fn every_alert_is_in_the_manual() {
    let alerts = fs::read_to_string(in_project("deploy/helm/vaultterm/alerts.yaml")).unwrap();
    let manual = fs::read_to_string(in_project("docs/operations/monitor.md")).unwrap();
    let alerts: Vec<_> = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() >= 10);
    for alert in alerts {
        assert!(manual.contains(&format!("`{alert}`")), "docs/operations/monitor.md says nothing about {alert}");
    }
}
