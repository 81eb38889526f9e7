//! `/license`: what synchronization may do and why, every license that is kept, and how to get one: install a file, or
//! begin the evaluation.

use askama::Template;
use axum::{extract::State, response::Response};
use vaultterm_contract::LicenseStanding;
use vaultterm_license::Tier;
use vaultterm_operations::{LicenseEntry, LicenseReport, Refusal, license};
use vaultterm_store::InstanceRole;

use crate::{
    state::ServerState,
    web::{
        assets,
        form::Pairs,
        frame::{Frame, Here},
        page::{show as shown, show_as},
        parts::{self, State as Word},
        refused::{Refused, advice, sentence},
        visitor::Visitor,
        words::Moment,
    },
};

/// A license that is kept.
#[derive(Debug)]
pub(crate) struct Row {
    tier: &'static str,
    licensee: String,
    state: Word,
    from: String,
    until: String,
    source: &'static str,
    detail: String,
}

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "house/license.html")]
pub(crate) struct LicensePage {
    frame: Frame,
    told: String,
    /// Why a license that was sent is not accepted.
    wrong: Option<String>,
    sync: Option<Word>,
    why: String,
    ends: Option<Moment>,
    rows: Vec<Row>,
    refused: Vec<String>,
    may_evaluate: bool,
    is_owner: bool,
}

/// `GET /license`
pub(crate) async fn show(State(app): State<ServerState>, visitor: Visitor) -> Result<Response, Refused> {
    Ok(shown(&page(&app, &visitor).await?))
}

/// `POST /license`: installs the license whose text was pasted.
pub(crate) async fn install(
    State(app): State<ServerState>,
    visitor: Visitor,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let installed = license::install(&app, &visitor.caller, pairs.text("license")).await;
    answer(&app, &visitor, installed.map(|(_, notice)| notice.unwrap_or_default())).await
}

/// `POST /license/evaluate`: begins the evaluation.
pub(crate) async fn evaluate(State(app): State<ServerState>, visitor: Visitor) -> Result<Response, Refused> {
    let begun = license::evaluate(&app, &visitor.caller).await;
    answer(&app, &visitor, begun.map(|(_, notice)| notice)).await
}

async fn answer(app: &ServerState, visitor: &Visitor, done: Result<String, Refusal>) -> Result<Response, Refused> {
    match done {
        Ok(notice) => {
            let told = sentence(&notice);
            Ok(shown(&LicensePage { told, ..page(app, visitor).await? }))
        }
        Err(refusal) if refusal.kind == vaultterm_operations::RefusalKind::LicenseRefused => {
            let next = refusal.next.as_ref().and_then(advice).map(|text| sentence(&text)).unwrap_or_default();
            let wrong = Some(format!("{} {next}", sentence(&refusal.detail)));
            let page = LicensePage { wrong, ..page(app, visitor).await? };
            Ok(show_as(axum::http::StatusCode::UNPROCESSABLE_ENTITY, &page))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

async fn page(app: &ServerState, visitor: &Visitor) -> Result<LicensePage, Refused> {
    let frame = Frame::around(app, visitor, Here::License).await?;
    let report = license::show(app, &visitor.caller);
    let is_owner = visitor.caller.user.role >= InstanceRole::Owner;
    Ok(of(&report, frame, is_owner, app.now_us()))
}

fn of(report: &LicenseReport, frame: Frame, is_owner: bool, now_us: i64) -> LicensePage {
    let included = report.missing.is_none();
    let counts = report.best().filter(|entry| entry.counts);
    LicensePage {
        frame,
        told: String::new(),
        wrong: None,
        sync: Some(if included {
            Word { tone: "good", words: "synchronization is included" }
        } else {
            Word { tone: "waits", words: "synchronization is plan-only" }
        }),
        why: report.sentence().map(|text| sentence(&text)).unwrap_or_default(),
        ends: counts.map(|entry| Moment::seen(entry.license.expires.as_microsecond(), now_us)),
        rows: report.entries.iter().map(row).collect(),
        refused: report.refused.iter().map(|text| sentence(text)).collect(),
        may_evaluate: report.may_evaluate,
        is_owner,
    }
}

fn row(entry: &LicenseEntry) -> Row {
    let license = &entry.license;
    let day = |moment: jiff::Timestamp| moment.strftime("%-d %b %Y").to_string();
    let (tone, words) = match entry.word() {
        LicenseStanding::Valid if entry.counts => ("good", "counts"),
        LicenseStanding::Valid => ("off", "valid; another one counts"),
        LicenseStanding::Grace if entry.counts => ("waits", "counts, in its days of grace"),
        LicenseStanding::Grace => ("off", "in its days of grace"),
        LicenseStanding::NotYetValid => ("off", "waits for its first day"),
        LicenseStanding::Expired => ("off", "has ended"),
        LicenseStanding::RolledBack => ("bad", "older than one that was seen here"),
        LicenseStanding::None | LicenseStanding::Refused => ("bad", "cannot be used"),
    };
    Row {
        tier: license.tier.as_str(),
        licensee: license.licensee.clone(),
        state: Word { tone, words },
        from: day(license.not_before),
        until: day(license.expires),
        source: match (license.tier, entry.by_file) {
            (Tier::Evaluation, _) => "issued by this installation to itself",
            (_, true) => "a file at LICENSE_PATH",
            (_, false) => "installed here",
        },
        detail: entry.detail().map(|text| sentence(&text)).unwrap_or_default(),
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let row = Row {
            tier: "enterprise",
            licensee: "<b>".to_owned(),
            state: Word { tone: "good", words: "counts" },
            from: "1 Jan 2026".to_owned(),
            until: "31 Dec 2026".to_owned(),
            source: "installed here",
            detail: "<b>".to_owned(),
        };
        let page = LicensePage {
            wrong: Some("<b>".to_owned()),
            sync: Some(Word { tone: "waits", words: "synchronization is plan-only" }),
            why: "<b>".to_owned(),
            ends: Some(Moment::seen(0, 1)),
            rows: vec![row],
            refused: vec!["<b>".to_owned()],
            may_evaluate: true,
            is_owner: true,
            ..LicensePage::default()
        };
        let bare = LicensePage { may_evaluate: true, ..LicensePage::default() };
        vec![("license", page.render().unwrap()), ("license of a member", bare.render().unwrap())]
    }
}
