//! `vaultterm connection test`: prints one line per check, with a hint for each failed check.

use serde_json::json;
use vaultterm_contract::{CheckState, CheckView, TestView};

use crate::{
    app::App,
    client::{Patience, Reply},
    console::Console,
    failure::{Exit, Failure},
    shell,
    table::{Table, moment},
};

/// Tests a connection. A failed check counts as an error of the server side.
pub(crate) async fn run(name: &str, app: &App) -> Result<Exit, Failure> {
    let client = app.client()?;
    let found = client.connection(name).await?.data;
    let path = format!("/connections/{}/test", found.id);
    let report: Reply<TestView> = client.post(&path, &json!({}), Patience::Vault).await?;
    app.console.answer(&report.json, || checks_table(&report.data.checks))?;
    if let Some(server) = &report.data.server {
        app.console.note(&format!("{} {} at {}", server.product, server.version, found.address));
    }
    if let Some(time) = &report.data.secret_id_expires_at {
        app.console.note(&format!("the SecretID ends {}", moment(time)));
    }
    if !report.data.ok {
        tell_hints(&app.console, &report.data.checks);
        let failed: Vec<_> = report.data.checks.iter().filter(|check| !check.ok).collect();
        let failure = Failure::server(format!("{} of {} checks failed", failed.len(), report.data.checks.len()));
        // The policy helps only if a right is missing.
        return Err(match failed.iter().any(|check| check.name.contains(" on ")) {
            true => failure.hint(format!(
                "vaultterm connection policy {} prints the policy that the role needs",
                shell::word(&found.name)
            )),
            false => failure,
        });
    }
    app.console.next(&format!("vaultterm sync plan {}", shell::word(&found.name)));
    Ok(Exit::Done)
}

/// Returns the checks with their findings as a table.
pub(crate) fn checks_table(checks: &[CheckView]) -> Table {
    checks.iter().fold(Table::new(&["", "CHECK", "FOUND"], "nothing was checked"), |table, check| {
        let mark = match check.state {
            CheckState::Failed => "FAILED",
            other => other.as_str(),
        };
        table.row([mark.to_owned(), check.name.clone(), check.detail.clone()])
    })
}

/// Prints the hints of the failed checks, and of those that wait for a person.
pub(crate) fn tell_hints(console: &Console, checks: &[CheckView]) {
    for check in checks.iter().filter(|check| matches!(check.state, CheckState::Failed | CheckState::Wait)) {
        if let Some(hint) = &check.hint {
            console.note(&format!("{}: {hint}", check.name));
        }
    }
}
