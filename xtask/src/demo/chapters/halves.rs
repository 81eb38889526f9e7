//! Two halves of a credential that changed on different sides. They become a conflict and are never mixed.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::demo::{check::same, world::World};

/// Returns the key of the deployment with these two halves.
fn key(id: &str, secret: &str) -> Value {
    json!({"AWS_ACCESS_KEY_ID": id, "AWS_SECRET_ACCESS_KEY": secret})
}

/// The exit code of a request that the server refused.
const REFUSED: i32 = 2;

/// Tells this chapter.
pub(super) fn tell(world: &World) -> Result<()> {
    let shell = &world.shell;
    shell.narrator.say("An access key has two halves. The team keeps one for its deployments.");
    let first = key("AKIADEMOFIRST", "secret-half-one").to_string();
    shell.tell_with("vaultterm record set team/deploy --fields -", &first)?;
    shell.show("vaultterm sync run team")?;
    shell.narrator.say("Ann changes the one half here. A program changes the other one in Vault.");
    shell.tell_with("vaultterm record set team/deploy AWS_ACCESS_KEY_ID=-", "AKIADEMOSECOND")?;
    shell.tell_with("vault kv patch -mount=secret team/deploy -", r#"{"AWS_SECRET_ACCESS_KEY":"secret-half-two"}"#)?;
    shell.show_ending_with(4, "vaultterm sync run team")?;
    shell.narrator.say("Different fields, and yet a conflict: joined, they would be a key that nobody wrote.");
    world.vault().holds("team/deploy", 2, &key("AKIADEMOFIRST", "secret-half-two"))?;
    world.records().hold("team/deploy", "KEY_VALUE", &key("AKIADEMOSECOND", "secret-half-one"))?;

    let open = shell.items("vaultterm conflict ls")?;
    same("the number of open conflicts", &json!(1), &json!(open.len()))?;
    let id = open[0]["id"].as_str().context("a conflict has an id")?;
    shell.narrator.say("Nor can a person mix them by leaving one half out of a decision.");
    shell.show_ending_with(REFUSED, &format!("vaultterm conflict resolve {id} --field AWS_ACCESS_KEY_ID=local"))?;
    world.vault().holds("team/deploy", 2, &key("AKIADEMOFIRST", "secret-half-two"))?;
    shell.narrator.say("Ann takes what the program wrote, whole.");
    shell.show(&format!("vaultterm conflict resolve {id} --keep-remote --reason 'the program rotated it'"))?;
    world.vault().holds("team/deploy", 2, &key("AKIADEMOFIRST", "secret-half-two"))?;
    world.records().hold("team/deploy", "KEY_VALUE", &key("AKIADEMOFIRST", "secret-half-two"))
}
