//! Another run that changes nothing, and the audit log of the whole story.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::demo::{check::same, servers::any_file_contains, world::World};

/// The secret values of the story, in all their forms. None of them may appear in a log or in the database.
const VALUES: [&str; 8] = [
    "tulip-4417-anchor",
    "sk_demo_9f1c27",
    "cobalt-7751-heron",
    "password-of-ann",
    "password-of-the-program",
    "Two short",
    "secret-half-one",
    "secret-half-two",
];

/// Tells of the run that changes nothing.
pub(super) fn tell(world: &World) -> Result<()> {
    let shell = &world.shell;
    shell.narrator.say("Everything is in step. A further run asks Vault a few questions and writes nothing.");
    let before = world.vault().everything()?;
    for connection in ["shop", "mail", "team"] {
        shell.show(&format!("vaultterm sync run {connection}"))?;
        world.records().last_run_did(connection, &[])?;
    }
    let after = world.vault().everything()?;
    same("everything in Vault", &json!(before), &json!(after))?;
    shell
        .narrator
        .checked(&format!("vault kv metadata get: not one of {} secrets has a new version or mark", after.len()));
    Ok(())
}

/// The exit code of `audit verify` for an altered entry.
const ALTERED: i32 = 21;

/// Tells of the audit log.
pub(super) fn tell_of_the_audit(world: &World) -> Result<()> {
    let shell = &world.shell;
    shell.narrator.say("Every step is in a log whose entries are chained by their hashes. Both decisions:");
    shell.show("vaultterm audit ls --action HCV_CONFLICT_RESOLVED")?;
    let resolved = shell.items("vaultterm audit ls --action HCV_CONFLICT_RESOLVED")?;
    same("the number of resolved conflicts in the audit", &json!(2), &json!(resolved.len()))?;
    let reason = |reason: &str| resolved.iter().any(|entry| entry["detail"]["reason"] == reason);
    for given in ["rotated on purpose", "the program rotated it"] {
        same(&format!("whether the audit has the reason `{given}`"), &json!(true), &json!(reason(given)))?;
    }

    shell.narrator.say("Its last ten entries:");
    let events = shell.items("vaultterm audit ls --limit 1000")?;
    let last = events.iter().filter_map(|event| event["seq"].as_u64()).max().context("the log has entries")?;
    shell.show(&format!("vaultterm audit ls --after {}", last.saturating_sub(10)))?;
    same("the number of entries", &json!(last), &json!(events.len()))?;
    for action in ["RECORD_CREATED", "HCV_CONNECTION_CREATED", "HCV_SECRET_SYNCED", "HCV_CONFLICT_DETECTED"] {
        let found = events.iter().any(|event| event["action"] == action);
        same(&format!("whether the audit has {action}"), &json!(true), &json!(found))?;
    }
    let synced = events.iter().filter(|event| event["action"] == "HCV_SECRET_SYNCED").collect::<Vec<_>>();
    let traced = synced.iter().all(|event| event["remote"]["path"].is_string());
    same("whether the audit says where each secret went", &json!(true), &json!(traced))?;
    shell.narrator.checked(&format!("{last} entries without a gap, {} of them a secret that travelled", synced.len()));

    shell.narrator.say("An auditor who kept the log's key can check a copy of the log anywhere, without a server:");
    shell.show("vaultterm audit key > log.key")?;
    shell.show("vaultterm audit export -o audit.jsonl")?;
    shell.show("vaultterm audit verify audit.jsonl --vkey \"$(cat log.key)\"")?;
    shell.narrator.say("And finds out when somebody puts another name into it:");
    shell.show("sed 's/ann@example.com/eve@example.com/' audit.jsonl > forged.jsonl")?;
    let verify = "vaultterm audit verify forged.jsonl --vkey \"$(cat log.key)\"";
    shell.show_ending_with(ALTERED, &format!("{verify} 2>/dev/null"))?;
    shell.narrator.checked("the copy fits, and the forged one does not");
    shell.show("vaultterm doctor")?;
    no_value_leaked(world, &json!(events))
}

/// Fails when a secret value of the story appears in the audit log, in the server's log or in its database.
fn no_value_leaked(world: &World, events: &Value) -> Result<()> {
    let (events, log) = (events.to_string(), world.vaultterm.log());
    let export = world.shell.quietly("cat audit.jsonl")?;
    for value in VALUES {
        for (place, text) in [("the audit", &events), ("the audit's export", &export), ("the server's log", &log)] {
            ensure!(!text.contains(value), "{place} shows a value: {value}");
        }
        ensure!(!any_file_contains(&world.data, value)?, "a file of VaultTerm shows a value: {value}");
    }
    world.shell.narrator.checked("no value of this story is readable in audit, log or database files");
    Ok(())
}
