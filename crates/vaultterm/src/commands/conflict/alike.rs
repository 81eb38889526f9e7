//! `vaultterm conflict resolve … --all-like`: one answer for all conflicts of a kind, as a plan to look at first.

use vaultterm_contract::{PlanView, ResolveAlike};
use vaultterm_sync::ResolutionName;

use crate::{
    app::App,
    client::{Client, Patience, Reply},
    commands::sync::picture,
    failure::{Exit, Failure},
};

/// Makes the plan, shows it, and suggests how to apply it.
pub(super) async fn plan(
    client: &Client,
    app: &App,
    conflict: &str,
    keep_remote: bool,
    reason: Option<String>,
) -> Result<Exit, Failure> {
    let resolution = if keep_remote { ResolutionName::KeepRemote } else { ResolutionName::KeepLocal };
    let body = ResolveAlike { resolution: resolution.to_string(), reason };
    let plan: Reply<PlanView> = client.post(&format!("{conflict}/plans"), &body, Patience::Vault).await?;
    app.console.answer_text(&plan.json, || picture::plan(&app.console, &plan.data))?;
    let id = plan.data.id;
    app.console.next(&format!("vaultterm sync apply {id} (with --skip PATH to decide one apart)"));
    Ok(Exit::Done)
}
