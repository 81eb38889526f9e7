//! The fourth step: what the role needs, and what it was granted.

use askama::Template;
use axum::{extract::State, response::Response};
use uuid::Uuid;
use vaultterm_contract::shell::word;
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
        command: format!("vaultterm connection test {}", word(&name)),
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
        (true, _) if report.checks.iter().any(|check| check.name == "capabilities") => {
            "Nothing failed. The role may not ask which rights it has, so the first run finds out.".to_owned()
        }
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
        row.state.words = match row.state.tone {
            "good" => "granted",
            "bad" => "needed, not granted",
            _ => "optional, not granted",
        };
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
    fn a_right_is_granted_needed_or_optional_and_another_check_passes_or_fails() {
        let words = |name: &str, ok, lacks_optional| {
            let failed = vaultterm_hcv::Check::failed(name, "");
            check_row(vaultterm_hcv::Check { ok, lacks_optional, ..failed }).state.words
        };
        let right = |ok, lacks_optional| words("read on kv/data/*", ok, lacks_optional);
        assert_eq!(right(true, false), "granted");
        assert_eq!(right(false, false), "needed, not granted");
        assert_eq!(right(true, true), "optional, not granted");
        assert_eq!([words("login", true, false), words("login", false, false)], ["passed", "failed"]);
        assert_eq!(words("capabilities", true, true), "not known");
    }
}
