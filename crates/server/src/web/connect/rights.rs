//! The fourth step: what the role needs, and what it was granted.

use askama::Template;
use axum::{extract::State, response::Response};
use uuid::Uuid;
use vaultterm_operations::connections;

use super::steps::{Step, steps};
use crate::{
    request::Id,
    state::ServerState,
    web::{
        assets,
        frame::{Frame, Here},
        page::show as shown,
        parts,
        refused::Refused,
        sync::words::{self, CheckRow},
        visitor::Visitor,
    },
};

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "connect/rights.html")]
pub(crate) struct RightsPage {
    frame: Frame,
    steps: Vec<Step>,
    id: Uuid,
    name: String,
    told: String,
    /// Rights that the role needs and has not.
    missing: usize,
    checks: Vec<CheckRow>,
    command: String,
}

async fn page(app: &ServerState, visitor: &Visitor, id: Uuid) -> Result<RightsPage, Refused> {
    let seen = connections::show(app, &visitor.caller, id).await?;
    let name = seen.summary.connection.name;
    Ok(RightsPage {
        frame: Frame::around(app, visitor, Here::Overview).await?,
        steps: steps(3),
        id,
        command: format!("vaultterm connection test {name}"),
        name,
        ..RightsPage::default()
    })
}

/// `GET /connections/{id}/rights`
pub(crate) async fn show(State(app): State<ServerState>, visitor: Visitor, Id(id): Id) -> Result<Response, Refused> {
    Ok(shown(&page(&app, &visitor, id).await?))
}

/// `POST /connections/{id}/rights`: logs in and asks Vault what the role may do.
pub(crate) async fn check(State(app): State<ServerState>, visitor: Visitor, Id(id): Id) -> Result<Response, Refused> {
    let report = connections::test(&app, &visitor.caller, id).await?;
    let missing = report.checks.iter().filter(|check| !check.ok).count();
    let told = match (report.ok, missing) {
        (true, _) => "The role has every right that the connection needs.".to_owned(),
        (false, 1) => "One check failed. Mend it in Vault, then check again.".to_owned(),
        (false, count) => format!("{count} checks failed. Mend them in Vault, then check again."),
    };
    let checks = report.checks.into_iter().map(check_row).collect();
    Ok(shown(&RightsPage { told, missing, checks, ..page(&app, &visitor, id).await? }))
}

/// Words the result of a check of a right as needed and granted.
fn check_row(found: vaultterm_hcv::Check) -> CheckRow {
    let is_right = found.name.contains(" on ");
    let mut row = words::check(found);
    if is_right {
        row.state.words = if row.state.tone == "good" { "granted" } else { "needed, not granted" };
    }
    row
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let page = RightsPage {
            steps: steps(3),
            name: "<b>".to_owned(),
            told: "One check failed.".to_owned(),
            missing: 1,
            checks: vec![CheckRow::sample()],
            command: "<b>".to_owned(),
            ..RightsPage::default()
        };
        vec![("rights", page.render().unwrap()), ("rights, not asked", RightsPage::default().render().unwrap())]
    }

    #[test]
    fn a_right_is_granted_or_needed_and_another_check_passes_or_fails() {
        let found =
            |name: &str, ok| vaultterm_hcv::Check { name: name.to_owned(), ok, detail: String::new(), hint: None };
        let words = |name, ok| check_row(found(name, ok)).state.words;
        assert_eq!(
            [words("read on kv/data/*", true), words("read on kv/data/*", false)],
            ["granted", "needed, not granted"]
        );
        assert_eq!([words("login", true), words("login", false)], ["passed", "failed"]);
    }
}
