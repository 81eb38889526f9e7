//! The table about a connection.

use std::time::Duration;

use vaultterm_contract::{AuthView, ConnectionView, moment::lasting};

use crate::table::{Table, moment};

/// Returns a table about a connection for people.
pub(super) fn facts(connection: &ConnectionView) -> Table {
    let mut table = Table::of_facts()
        .fact("name", &connection.name)
        .fact("id", connection.id.to_string())
        .fact("state", connection.state.as_str())
        .fact_if("", connection.state_detail.as_deref())
        .fact("collection", connection.collection_id.to_string())
        .fact("address", &connection.address)
        .fact_if("namespace", connection.namespace.as_deref())
        .fact("mount", &connection.mount)
        .fact("path", &connection.path)
        .fact("mode", connection.mode.as_str())
        .fact("login", login(&connection.auth))
        .fact_if("SecretID ends", connection.secret_id_expires_at.as_deref().map(moment))
        .fact_if("last verified", connection.last_verified_at.as_deref().map(moment))
        .fact_if(
            "answers",
            connection.answers_age_seconds_max.map(|age| format!("at most {} old", lasting(Duration::from_secs(age)))),
        )
        .fact_if(
            "last run",
            connection.last_run.as_ref().map(|run| format!("{} {}", run.state, moment(&run.started_at))),
        )
        .fact("open conflicts", connection.open_conflicts.to_string())
        .fact_if(
            "accepted",
            (connection.accepted_differences > 0)
                .then(|| format!("{} differ, as a person accepted", connection.accepted_differences)),
        )
        .fact_if("hints", hints(connection));
    let options = serde_json::to_value(&connection.options).unwrap_or_default();
    for (name, value) in options.as_object().into_iter().flatten() {
        table = table.fact(&format!("option {name}"), crate::field_ref::plain(value));
    }
    for warning in &connection.warnings {
        table = table.fact("warning", warning);
    }
    table
}

/// Returns which hints wait for a run, if any do.
fn hints(connection: &ConnectionView) -> Option<String> {
    match (connection.hints_waiting, connection.hinted_everything) {
        (0, false) => None,
        (paths, false) => Some(format!("{paths} paths changed in Vault, as a feed says; a run will look")),
        (_, true) => Some("a feed lost track of changes in Vault; a run will look at everything".to_owned()),
    }
}

/// Returns how a connection logs in.
fn login(auth: &AuthView) -> String {
    let namespace = auth.namespace.as_deref().map_or(String::new(), |namespace| format!(", namespace {namespace}"));
    format!("AppRole {} (mount {}{namespace})", auth.role_id, auth.mount)
}
