//! The traces of a server that synchronizes with a real Vault, as they arrive at a collector: what they tell, and what they
//! never tell. The collector answers in a thread of its own, because commands and the end of a server block the thread of the test.

use std::collections::{BTreeMap, BTreeSet};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value as Told},
    trace::v1::Span,
};
use prost::Message as _;
use serde_json::{Value, json};
use vaultterm_testkit::openbao::{Between, Meddling};

use crate::{
    house::{House, OWNER, PASSWORD},
    receiver::Receiver,
    town::{MOUNT, PREFIX, Town, did},
};

/// A text in every name that people choose.
const MARK: &str = "mark7d2";

/// The attributes of spans. None of them can hold a path, a name, a value, an address or a person.
const ATTRIBUTES: [&str; 28] = [
    "vaultterm.run.id",
    "vaultterm.connection.id",
    "vaultterm.run.mode",
    "vaultterm.run.trigger",
    "vaultterm.run.dry_run",
    "vaultterm.node.id",
    "vaultterm.run.outcome",
    "vaultterm.run.requests",
    "vaultterm.run.created_remote",
    "vaultterm.run.updated_remote",
    "vaultterm.run.deleted_remote",
    "vaultterm.run.created_local",
    "vaultterm.run.updated_local",
    "vaultterm.run.deleted_local",
    "vaultterm.run.adopted",
    "vaultterm.run.unchanged",
    "vaultterm.run.accepted",
    "vaultterm.run.conflicts",
    "vaultterm.run.skipped",
    "vaultterm.run.failed",
    "vaultterm.run.stale",
    "vaultterm.vault.operation",
    "vaultterm.vault.attempt",
    "http.request.method",
    "http.route",
    "http.response.status_code",
    "vaultterm.request.id",
    "error.type",
];

/// Returns the address of a receiver, as that of a collector.
fn collector(receiver: &Receiver) -> String {
    format!("{}/v1/traces", receiver.url())
}

/// Returns everything that arrived, in the form of the protocol.
fn arrived(receiver: &Receiver) -> Vec<ExportTraceServiceRequest> {
    let read = |body: Vec<u8>| ExportTraceServiceRequest::decode(body.as_slice()).expect("the form of the protocol");
    receiver.messages().into_iter().map(|message| read(message.body)).collect()
}

fn spans(receiver: &Receiver) -> Vec<Span> {
    let scopes = arrived(receiver).into_iter().flat_map(|request| request.resource_spans);
    scopes.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
}

fn attributes(list: &[KeyValue]) -> BTreeMap<String, String> {
    let told = |attribute: &KeyValue| match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Told::StringValue(text)) => text.clone(),
        Some(Told::IntValue(number)) => number.to_string(),
        Some(Told::BoolValue(truth)) => truth.to_string(),
        other => panic!("an attribute of another form: {other:?}"),
    };
    list.iter().map(|attribute| (attribute.key.clone(), told(attribute))).collect()
}

fn attribute(span: &Span, key: &str) -> Option<String> {
    attributes(&span.attributes).remove(key)
}

/// Returns the trace of a run: its root, and all spans with it.
fn trace_of(spans: &[Span], run: &Value) -> (Span, Vec<Span>) {
    let id = run["id"].as_str().expect("an id");
    let is_root = |span: &&Span| attribute(span, "vaultterm.run.id").as_deref() == Some(id);
    let root = spans.iter().find(is_root).unwrap_or_else(|| panic!("no root of {id}")).clone();
    let all = spans.iter().filter(|span| span.trace_id == root.trace_id).cloned().collect();
    (root, all)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns a house that sends its traces to a receiver, with more variables.
async fn house(receiver: &Receiver, more: &[(&str, &str)]) -> House {
    let url = collector(receiver);
    let mut environment = vec![("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", url.as_str()), ("VAULTTERM_LOG_FORMAT", "json")];
    environment.extend(more);
    House::configured(&environment).await
}

fn log(house: &House) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in the line {line}"));
    house.log().lines().map(parse).collect()
}

/// No run starts by itself.
fn quiet() -> Value {
    json!({"interval_seconds": 0, "on_change": false})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_one_trace_that_arrives_with_its_phases_and_its_requests_and_without_any_mark() {
    let receiver = Receiver::start().await;
    let secret = format!("{MARK}-header");
    let headers = format!("x-secret={secret}");
    let more = [("OTEL_EXPORTER_OTLP_HEADERS", headers.as_str()), ("OTEL_RESOURCE_ATTRIBUTES", "team=infra")];
    let mut town = Town::around(house(&receiver, &more), "bidirectional", quiet()).await;
    let owner = &town.house.owner;
    town.house.record(&town.collection, &format!("{MARK}-record"), json!({"v": format!("{MARK}-value")})).await;
    town.put(&format!("{MARK}-secret"), json!({"v": format!("{MARK}-there")})).await;
    town.plan().await;
    let run = town.run().await;
    did(&run, "succeeded", &[("created_remote", 1), ("created_local", 1)]);
    // What goes wrong has texts that name paths: none of them leaves.
    town.house.person(&format!("{MARK}@example.com"), "member").await;
    owner.get(&format!("/records?q={MARK}")).await;
    owner.get(&format!("/{MARK}")).await.expect(404);
    town.root().call("POST", &format!("{MOUNT}/destroy/{PREFIX}/{MARK}-secret"), Some(json!({"versions": [1]}))).await;
    town.run().await;
    let log = log(&town.house);
    town.house.stop();

    let spans = spans(&receiver);
    let (root, all) = trace_of(&spans, &run);
    assert_eq!((root.name.as_str(), root.parent_span_id.len()), ("run", 0));
    for (key, expected) in [
        ("vaultterm.connection.id", town.connection.as_str()),
        ("vaultterm.run.mode", "bidirectional"),
        ("vaultterm.run.trigger", "manual"),
        ("vaultterm.run.dry_run", "false"),
        ("vaultterm.run.outcome", "succeeded"),
        ("vaultterm.run.created_remote", "1"),
        ("vaultterm.run.created_local", "1"),
    ] {
        assert_eq!(attribute(&root, key).as_deref(), Some(expected), "{key}");
    }
    let of_root: Vec<_> = all.iter().filter(|span| span.parent_span_id == root.span_id).collect();
    let phases: Vec<_> = of_root.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(phases, ["connect", "observe", "inquire", "plan", "apply", "record"]);
    let inside = |phase: &str| -> Vec<_> {
        let phase = of_root.iter().find(|span| span.name == phase).expect("the phase");
        let requests = all.iter().filter(|span| span.parent_span_id == phase.span_id);
        requests.map(|span| span.name.as_str()).collect()
    };
    assert!(inside("connect").contains(&"vault login"));
    assert!(inside("apply").contains(&"vault write"));
    assert!(["inquire", "apply"].iter().any(|phase| inside(phase).contains(&"vault read")));
    let requests = all.iter().filter(|span| attribute(span, "vaultterm.vault.operation").is_some()).count();
    assert_eq!(requests + 7, all.len(), "a run, its phases and its requests");
    assert_eq!(attribute(&root, "vaultterm.run.requests"), Some(requests.to_string()));

    // The request that started the run is a trace of its own, and the run links to it.
    let starting: Vec<_> = root.links.iter().map(|link| link.trace_id.clone()).collect();
    let request = spans.iter().find(|span| starting.contains(&span.trace_id)).expect("the request");
    assert_eq!(request.name, "POST /api/v1/connections/{id}/runs");
    let plan = spans.iter().find(|span| span.name == "plan" && span.trace_id != root.trace_id).expect("a dry run");
    assert_eq!(attribute(plan, "vaultterm.run.dry_run").as_deref(), Some("true"));
    assert!(spans.iter().any(|span| span.parent_span_id == plan.span_id && span.name == "vault login"));

    // The lines of the log about the run have the id of its trace.
    let ended = log.iter().find(|line| line["fields"]["message"] == "run ended").expect("the line");
    assert_eq!(ended["span"]["trace_id"], hex(&root.trace_id), "{ended}");

    let bytes: Vec<u8> = receiver.messages().into_iter().flat_map(|message| message.body).collect();
    let text = String::from_utf8_lossy(&bytes);
    let credentials = &town.credentials;
    let bao = town.bao.address();
    for mark in [
        MARK,
        OWNER,
        PASSWORD,
        PREFIX,
        "kv/data",
        "kv/metadata",
        bao.trim_start_matches("http://"),
        &credentials.role_id,
        &credentials.secret_id,
        "hvs.",
    ] {
        assert!(!text.contains(mark), "a trace tells `{mark}`");
    }
    let told: BTreeSet<_> = spans.iter().flat_map(|span| attributes(&span.attributes).into_keys()).collect();
    let unknown: Vec<_> = told.iter().filter(|key| !ATTRIBUTES.contains(&key.as_str())).collect();
    assert!(unknown.is_empty() && told.len() > 12, "{told:?}");
    assert!(
        spans.iter().all(|span| span.events.is_empty() && span.status.as_ref().is_none_or(|s| s.message.is_empty()))
    );
    let resource = arrived(&receiver).into_iter().flat_map(|request| request.resource_spans).next();
    let resource = attributes(&resource.and_then(|spans| spans.resource).expect("a resource").attributes);
    assert_eq!((resource["service.name"].as_str(), resource["team"].as_str()), ("vaultterm", "infra"));

    // The header arrives at the collector and nowhere else.
    assert!(receiver.messages().iter().all(|message| message.headers["x-secret"] == secret));
    assert!(!town.house.log().contains(&secret), "the log repeats a header");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sent_unless_a_collector_is_named_or_while_the_setting_says_off() {
    let receiver = Receiver::start().await;
    let mut town = Town::around(house(&receiver, &[("VAULTTERM_TRACES_ENDPOINT", "off")]), "push", quiet()).await;
    town.house.record(&town.collection, "a", json!({"v": "1"})).await;
    did(&town.run().await, "succeeded", &[("created_remote", 1)]);
    town.house.stop();
    assert!(receiver.messages().is_empty());
    assert!(!town.house.log().contains("trace_id"), "no line names a trace that nobody can find");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_hangs_costs_spans_that_are_counted_and_neither_runs_nor_the_end_of_the_server() {
    let mut receiver = Receiver::start().await;
    let more = [("VAULTTERM_METRICS_LISTEN", "127.0.0.1:0")];
    let mut town = Town::around(house(&receiver, &more), "push", quiet()).await;
    let doctor = |town: &Town| {
        let output = town.house.cli(&["doctor", "--format", "json"]);
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let checks = report["checks"].as_array().expect("checks").clone();
        checks.into_iter().find(|check| check["name"] == "traces").expect("the check")
    };
    assert_eq!(doctor(&town)["ok"], true);
    receiver.stop().await;
    let down = doctor(&town);
    assert!(down["ok"] == false && down["hint"].as_str().is_some_and(|hint| hint.contains("collector")), "{down}");

    town.house.record(&town.collection, "a", json!({"v": "1"})).await;
    did(&town.run().await, "succeeded", &[("created_remote", 1)]);
    let told = log(&town.house).into_iter().find(|line| line["fields"]["message"] == "metrics are told");
    let metrics = told.expect("the address")["fields"]["address"].as_str().expect("text").to_owned();
    // The spans of the run come in one batch or in several.
    town.house
        .until("lost spans are counted", async || {
            let text = reqwest::get(format!("http://{metrics}/metrics")).await.ok()?.text().await.ok()?;
            let line = text.lines().find(|line| {
                line.starts_with("vaultterm_trace_spans_lost_total") && line.contains(r#"reason="unanswered""#)
            })?;
            line.rsplit(' ').next()?.parse::<f64>().ok().filter(|count| *count > 3.0)
        })
        .await;
    did(&town.run().await, "succeeded", &[]);
    receiver.hang();
    receiver.start_again().await;
    did(&town.run().await, "succeeded", &[]);
    let began = std::time::Instant::now();
    town.house.stop();
    assert!(began.elapsed().as_secs() < 9, "the server took {:?} to stop", began.elapsed());
    let warned = town.house.log().matches("traces do not reach their collector").count();
    assert_eq!(warned, 1, "one warning, not one for each batch");
}

/// What a Vault answers that has too much to do.
const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n{\"errors\":[\"Vault is sealed\"]}";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_repeated_has_a_span_for_each_attempt() {
    let receiver = Receiver::start().await;
    let mut town = Town::around(house(&receiver, &[]), "push", quiet()).await;
    let between = Between::new(town.bao.port()).await;
    let mut settings = town.settings("push");
    settings["name"] = json!("by-another-way");
    settings["address"] = json!(between.address());
    settings["options"] = quiet();
    town.house.owner.delete(&format!("/connections/{}", town.connection)).await.expect(204);
    town.connection = town.connect(settings).await.expect(201).id();
    town.house.record(&town.collection, "a", json!({"v": "1"})).await;
    between.meddle_times(1, "POST /v1/kv/data/", Meddling::Instead(BUSY));
    let run = town.run().await;
    did(&run, "succeeded", &[("created_remote", 1)]);
    town.house.stop();
    let (_, all) = trace_of(&spans(&receiver), &run);
    let told = |span: &Span, key| attribute(span, key).unwrap_or_default();
    let writes: Vec<_> = all
        .iter()
        .filter(|span| span.name == "vault write")
        .map(|span| {
            let failed = span.status.as_ref().is_some_and(|status| status.code == 2);
            (told(span, "vaultterm.vault.attempt"), told(span, "http.response.status_code"), failed)
        })
        .collect();
    let expected = [("1", "503", true), ("2", "200", false)];
    assert_eq!(writes, expected.map(|(attempt, status, failed)| (attempt.to_owned(), status.to_owned(), failed)));
}
