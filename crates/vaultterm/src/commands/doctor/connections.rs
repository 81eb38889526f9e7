//! Reports the connections that wait for a person. That is no fault, and yet nothing moves until somebody goes on.

use vaultterm_contract::{CheckState, CheckView};
use vaultterm_reconcile::HaltKind;
use vaultterm_store::{ConnectionSummary, Page, Store};
use vaultterm_sync::RunState;

use crate::shell;

/// What a connection waits for, and how a person goes on.
#[derive(Debug, PartialEq, Eq)]
struct Waits {
    for_what: String,
    how: String,
}

/// Checks which connections wait for a person, each with the command that goes on.
pub(super) async fn examine(store: &Store) -> Vec<CheckView> {
    let mut page = Page { limit: 500, cursor: None };
    let (mut checks, mut count) = (Vec::new(), 0_u64);
    loop {
        let found = match store.connection_summaries(None, &page).await {
            Ok(found) => found,
            Err(error) => {
                checks.push(check(CheckState::Failed, "connections".to_owned(), error.to_string(), None));
                return checks;
            }
        };
        count += found.items.len() as u64;
        for summary in &found.items {
            if let Some(Waits { for_what, how }) = waits(summary) {
                let name = format!("connection {}", summary.connection.name);
                checks.push(check(CheckState::Wait, name, for_what, Some(how)));
            }
        }
        page.cursor = found.next_cursor;
        if page.cursor.is_none() {
            break;
        }
    }
    if checks.is_empty() {
        let told = match count {
            0 => "there is none yet".to_owned(),
            1 => "one, which does not wait for a person".to_owned(),
            count => format!("{count}, of which none waits for a person"),
        };
        checks.push(check(CheckState::Ok, "connections".to_owned(), told, None));
    }
    checks
}

fn check(state: CheckState, name: String, detail: String, hint: Option<String>) -> CheckView {
    CheckView { ok: state != CheckState::Failed, state, name, detail, hint }
}

/// Returns what a connection waits for. `None` if it goes on by itself, or if a person paused it.
fn waits(summary: &ConnectionSummary) -> Option<Waits> {
    let connection = &summary.connection;
    let name = shell::word(&connection.name);
    let acknowledge =
        |flags: &str| format!("look at `vaultterm sync plan {name}`, then `vaultterm sync run {name}{flags}`");
    let waits = |for_what: String, how: String| Some(Waits { for_what, how });
    if connection.paused || summary.running {
        return None;
    }
    if let Some(reason) = &connection.guarded {
        return waits(
            format!("{reason}: it is plan-only until somebody acknowledges it"),
            acknowledge(" --acknowledge rewound"),
        );
    }
    let Some(run) = summary.last_run.as_ref().filter(|_| connection.started) else {
        let how = format!("make it with `vaultterm sync plan {name}`, then apply it: `vaultterm sync apply PLAN`");
        return waits("waits for its first plan: nothing runs by itself until then".to_owned(), how);
    };
    if run.state == RunState::Halted {
        let why = run.halts.iter().map(|halt| halt.detail.as_str()).collect::<Vec<_>>().join("; ");
        let for_what = format!("halted, so nothing is written: {why}");
        let has = |kind| run.halts.iter().any(|halt| halt.kind == kind);
        if has(HaltKind::License) {
            return waits(for_what, "install a license: `vaultterm license install FILE`".to_owned());
        }
        if has(HaltKind::NamespaceIgnored) {
            let how = format!("run `vaultterm connection update {name} --namespace ''`, or give another --address");
            return waits(for_what, how);
        }
        let accepted = run.halts.iter().filter(|halt| halt.kind.can_be_acknowledged());
        let flags: String = accepted.map(|halt| format!(" --acknowledge {}", halt.kind)).collect();
        return waits(for_what, acknowledge(&flags));
    }
    match summary.open_conflicts {
        0 => None,
        1 => {
            waits("a conflict needs a decision".to_owned(), format!("see `vaultterm conflict ls --connection {name}`"))
        }
        count => waits(
            format!("{count} conflicts need a decision"),
            format!("see `vaultterm conflict ls --connection {name}`"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;
    use vaultterm_ledger::Actor;
    use vaultterm_reconcile::{Counts, Halt, Mode, Options, UnixNanos};
    use vaultterm_sync::{CollectionId, Connection, ConnectionId, Run, RunId, RunPart, Schedule, Tls, Trigger};

    use super::*;

    fn summary(state: RunState, halts: &[HaltKind]) -> ConnectionSummary {
        let connection = Connection {
            id: ConnectionId(Uuid::nil()),
            name: "prod eu".to_owned(),
            collection_id: CollectionId(Uuid::nil()),
            address: "https://vault.example.com:8200".to_owned(),
            namespace: None,
            tls: Tls::default(),
            auth_namespace: None,
            auth_mount: "approle".to_owned(),
            role_id: "role".to_owned(),
            mount: "secret".to_owned(),
            path: String::new(),
            options: Options::defaults(Mode::Push, "instance"),
            schedule: Schedule { interval_seconds: 300, on_change: true, requests_per_second_max: 0 },
            concurrency_max: 8,
            paused: false,
            started: true,
            scope_changed: false,
            guarded: None,
            identity: None,
            revision: 1,
        };
        let run = Run {
            id: RunId(Uuid::nil()),
            connection_id: connection.id,
            plan_id: None,
            state,
            trigger: Trigger::Manual,
            actor: Actor::vaultterm(),
            counts: Counts::default(),
            halts: halts.iter().map(|kind| Halt { kind: *kind, detail: "so it is".to_owned() }).collect(),
            problems: Vec::new(),
            started: UnixNanos(0),
            finished: Some(UnixNanos(0)),
            requests: 1,
            part: RunPart::default(),
        };
        ConnectionSummary {
            connection,
            last_run: Some(run),
            running: false,
            open_conflicts: 0,
            accepted_paths: 0,
            hints_waiting: 0,
            hinted_everything: false,
            last_verified_us: None,
            secret_id_expires_us: None,
            logins_refused: 0,
            created_us: 0,
            updated_us: 0,
        }
    }

    #[test]
    fn a_connection_that_waits_for_a_person_is_told_with_the_command_that_goes_on() {
        let how = |summary: &ConnectionSummary| waits(summary).map(|waits| waits.how).unwrap_or_default();
        let mut new = summary(RunState::Succeeded, &[]);
        (new.last_run, new.connection.started) = (None, false);
        assert_eq!(
            how(&new),
            "make it with `vaultterm sync plan 'prod eu'`, then apply it: `vaultterm sync apply PLAN`"
        );
        let halted = summary(RunState::Halted, &[HaltKind::SideEmptied, HaltKind::MassDeletion]);
        let accept = "vaultterm sync run 'prod eu' --acknowledge side_emptied --acknowledge mass_deletion`";
        assert!(how(&halted).ends_with(accept), "{}", how(&halted));
        assert!(how(&summary(RunState::Halted, &[HaltKind::License])).contains("license install"));
        let mut guarded = summary(RunState::Succeeded, &[]);
        guarded.connection.guarded = Some("the database was restored".to_owned());
        assert!(how(&guarded).contains("--acknowledge rewound"));
        let mut torn = summary(RunState::Succeeded, &[]);
        torn.open_conflicts = 2;
        assert!(how(&torn).contains("conflict ls --connection 'prod eu'"));
    }

    #[test]
    fn a_connection_that_goes_on_by_itself_or_was_paused_waits_for_nobody() {
        assert_eq!(waits(&summary(RunState::Succeeded, &[])), None);
        let mut paused = summary(RunState::Halted, &[HaltKind::SideEmptied]);
        paused.connection.paused = true;
        assert_eq!(waits(&paused), None);
    }
}
