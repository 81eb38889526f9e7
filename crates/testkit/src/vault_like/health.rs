//! `sys/health`, `sys/leader` and `sys/seal-status`, in which a server describes itself.

use serde_json::{Value, json};

use super::{
    message::{Answer, Request},
    node::{Node, VERSION},
};

/// Adds the fields in which Vault describes itself.
pub(super) fn amend(request: &Request, answer: &mut Answer, node: Node) {
    match request.path() {
        "sys/health" => health(answer, node),
        "sys/leader" => leader(answer, node),
        "sys/seal-status" => seal_status(answer),
        _ => {}
    }
}

/// Changes the health. A standby also has another status. `enterprise` tells the Community edition from
/// Enterprise, and both from OpenBao, which does not have that field.
fn health(answer: &mut Answer, node: Node) {
    let mut body = answer.json();
    let Some(fields) = body.as_object_mut() else { return };
    if !fields.contains_key("initialized") {
        return;
    }
    let performance = node == Node::PerformanceStandby;
    let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    set("version", json!(VERSION));
    set("enterprise", json!(performance));
    set("performance_standby", json!(performance));
    set("echo_duration_ms", json!(0));
    set("clock_skew_ms", json!(0));
    set("replication_primary_canary_age_ms", json!(0));
    if node != Node::Active && answer.status == 200 {
        set("standby", json!(true));
        set("ha_connection_healthy", json!(true));
        set("replication_performance_mode", json!("unknown"));
        set("replication_dr_mode", json!("unknown"));
        set("last_request_forwarding_heartbeat_ms", json!(1));
        answer.set_status(if performance { 473 } else { 429 });
    }
    answer.set_json(&body);
}

/// Changes the answer about the leader. Without HA, OpenBao leaves out the fields that are false on Vault.
fn leader(answer: &mut Answer, node: Node) {
    let mut body = answer.json();
    let Some(fields) = body.as_object_mut().filter(|_| answer.status == 200) else { return };
    let alone = [
        ("is_self", json!(false)),
        ("active_time", json!("0001-01-01T00:00:00Z")),
        ("leader_address", json!("")),
        ("leader_cluster_address", json!("")),
        ("performance_standby", json!(false)),
        ("performance_standby_last_remote_wal", json!(0)),
    ];
    for (name, value) in alone {
        fields.entry(name).or_insert(value);
    }
    if node != Node::Active {
        fields.insert("ha_enabled".to_owned(), json!(true));
        fields.insert("is_self".to_owned(), json!(false));
        fields.insert("performance_standby".to_owned(), json!(node == Node::PerformanceStandby));
    }
    answer.set_json(&body);
}

fn seal_status(answer: &mut Answer) {
    let mut body = answer.json();
    if let Some(fields) = body.as_object_mut().filter(|fields| fields.contains_key("version")) {
        fields.insert("version".to_owned(), json!(VERSION));
        if let Some(date) = fields.remove("commit_date") {
            fields.insert("build_date".to_owned(), date);
        }
        answer.set_json(&body);
    }
}
