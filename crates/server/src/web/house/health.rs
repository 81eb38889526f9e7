//! `/health`: how the parts of the server are, and what to do about one that is not well.

use askama::Template;
use axum::{extract::State, response::Response};
use vaultterm_operations::health::{self, Component};

use crate::{
    state::ServerState,
    web::{
        assets,
        frame::{Frame, Here},
        page::show as shown,
        parts::{self, State as Word},
        refused::Refused,
        visitor::Visitor,
        words::counted,
    },
};

/// A part of the server.
#[derive(Debug)]
pub(crate) struct Part {
    name: String,
    state: Word,
    detail: String,
    /// What to do, where it is not well.
    next: Option<&'static str>,
}

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "house/health.html")]
pub(crate) struct HealthPage {
    frame: Frame,
    told: String,
    parts: Vec<Part>,
    version: &'static str,
}

/// `GET /health`
pub(crate) async fn show(State(app): State<ServerState>, visitor: Visitor) -> Result<Response, Refused> {
    let parts: Vec<Part> = health::components(&app, &visitor.caller).await.into_iter().map(part).collect();
    let unwell = parts.iter().filter(|part| part.next.is_some()).count() as u64;
    Ok(shown(&HealthPage {
        frame: Frame::around(&app, &visitor, Here::Health).await?,
        told: match unwell {
            0 => "Every part does what it should.".to_owned(),
            unwell => format!("{} not well.", counted(unwell, "part is", "parts are")),
        },
        parts,
        version: env!("CARGO_PKG_VERSION"),
    }))
}

fn part(component: Component) -> Part {
    let Component { name, ok, detail } = component;
    let (words, next) = match name.as_str() {
        "database" => {
            ("The database", "Look at the space and the rights of the data directory, and at the server’s log.")
        }
        "keys" => {
            ("The root key", "Mend the way to the key before the server is started again. Until then it runs on.")
        }
        "scheduler" => ("The scheduler", "The server is shutting down. Start it again."),
        "anchor:file" => ("The anchor in a file", "Let the server write the file of VAULTTERM_AUDIT_ANCHOR_FILE."),
        "anchor:syslog" => ("The anchor at syslog", "Look at the receiver of VAULTTERM_AUDIT_SYSLOG."),
        "anchor:vault" => {
            ("The anchor in Vault", "Give the role of the connection the policy that its page prints with an anchor.")
        }
        _ => ("", "See the server’s log."),
    };
    Part {
        state: if ok { Word { tone: "good", words: "well" } } else { Word { tone: "bad", words: "not well" } },
        detail: detail.unwrap_or_default(),
        next: (!ok).then_some(next),
        name: if words.is_empty() { name } else { words.to_owned() },
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let unwell = Component { name: "anchor:<b>".to_owned(), ok: false, detail: Some("<b>".to_owned()) };
        let well = Component { name: "database".to_owned(), ok: true, detail: None };
        let page = HealthPage { parts: vec![part(unwell), part(well)], version: "1", ..HealthPage::default() };
        vec![("health", page.render().unwrap())]
    }
}
