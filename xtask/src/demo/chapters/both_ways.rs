//! Bidirectional: each side creates, then both edit one secret, in different fields.

use anyhow::Result;
use serde_json::json;

use crate::demo::world::World;

/// Tells this chapter.
pub(super) fn tell(world: &World) -> Result<()> {
    let shell = &world.shell;
    shell.narrator.say("The team's secrets are edited by people and by programs. Two of each begin.");
    shell.tell("vaultterm collection create team")?;
    let wiki = r#"{"username":"team","password":"first-password","url":"http://wiki","owner":"ann"}"#;
    shell.tell_with("vaultterm record set team/wiki --fields -", wiki)?;
    shell.tell_with("vaultterm record set team/vpn --fields -", r#"{"username":"team","password":"v"}"#)?;
    world.put("team/ci/registry", r#"{"username":"ci","password":"r1"}"#)?;
    world.put("team/ci/cache", r#"{"value":"10GB"}"#)?;
    world.connect("team", "bidirectional")?;
    shell.show("vaultterm sync run team")?;
    world.records().last_run_did("team", &[("created_remote", 2), ("created_local", 2)])?;
    world.vault().holds("team/wiki", 1, &serde_json::from_str(wiki)?)?;
    world.vault().holds("team/vpn", 1, &json!({"username": "team", "password": "v"}))?;
    world.records().hold("team/ci/registry", "PASSWORD", &json!({"username": "ci", "password": "r1"}))?;
    world.records().hold("team/ci/cache", "ENV_VAR", &json!({"value": "10GB"}))?;

    shell.narrator.say("Ann changes the wiki's url. At the same time, a program in Vault changes its owner.");
    shell.tell_with("vaultterm record set team/wiki url=-", "https://wiki.example.com")?;
    shell.tell_with("vault kv patch -mount=secret team/wiki -", r#"{"owner":"ben"}"#)?;
    shell.show("vaultterm sync plan team")?;
    shell.show("vaultterm sync run team")?;
    shell.narrator.say("Different fields: both edits stay, on both sides.");
    let merged = json!({
        "username": "team", "password": "first-password", "url": "https://wiki.example.com", "owner": "ben",
    });
    world.vault().holds("team/wiki", 3, &merged)?;
    world.records().hold("team/wiki", "PASSWORD", &merged)
}
