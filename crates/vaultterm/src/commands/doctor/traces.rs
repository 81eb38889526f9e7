//! Asks the collector of traces whether it takes them. It sends a request without spans.

use vaultterm_traces::Unanswered;

use crate::server_config::ServerConfig;

/// What the collector says.
pub(super) struct Answer {
    pub(super) ok: bool,
    pub(super) detail: String,
    pub(super) hint: Option<String>,
}

/// Asks the collector, if one is named.
pub(super) async fn ask(config: &ServerConfig) -> Option<Answer> {
    let traces = config.traces.as_ref()?;
    let collector = traces.collector.origin();
    Some(match traces.collector.ask(&traces.identity(uuid::Uuid::nil())).await {
        Ok(()) => Answer { ok: true, detail: format!("{collector} takes them"), hint: None },
        Err(unanswered) => {
            let detail = format!("{collector} does not take them: {unanswered}");
            Answer { ok: false, detail, hint: Some(hint(&unanswered)) }
        }
    })
}

fn hint(unanswered: &Unanswered) -> String {
    match unanswered.status {
        None => "start the collector, or set VAULTTERM_TRACES_ENDPOINT to its address, or to off; runs and requests go on without it",
        Some(401 | 403) => "give the headers that it asks for: VAULTTERM_TRACES_HEADERS, or VAULTTERM_TRACES_HEADERS_FILE",
        Some(404 | 405 | 415) => "check the path of VAULTTERM_TRACES_ENDPOINT: a collector takes traces over HTTP, usually at port 4318 and /v1/traces",
        Some(_) => "the log of the collector says why",
    }
    .to_owned()
}
