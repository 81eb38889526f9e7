//! Pull: secrets that existed in Vault before become records.

use anyhow::Result;
use serde_json::Value;

use crate::demo::world::World;

/// The path of each secret, the type that follows from its field names, and its fields.
const SECRETS: [(&str, &str, &str); 4] = [
    ("mail/smtp", "PASSWORD", r#"{"username":"relay","password":"cobalt-7751-heron"}"#),
    ("mail/smtp/port", "ENV_VAR", r#"{"value":"587"}"#),
    ("mail/api", "API_KEY", r#"{"key_id":"mk_demo","key":"ms_demo_51ab"}"#),
    ("mail/limits", "KEY_VALUE", r#"{"per_hour":500,"burst":{"size":20,"hosts":["a","b"]}}"#),
];

/// Tells this chapter.
pub(super) fn tell(world: &World) -> Result<()> {
    let shell = &world.shell;
    shell.narrator.say("The mail team keeps its secrets in Vault, and has for years.");
    for (path, _, fields) in SECRETS {
        world.put(path, fields)?;
    }
    shell.narrator.say("People get to see them as records. The role may only read.");
    shell.tell("vaultterm collection create mail")?;
    world.connect("mail", "pull")?;
    shell.show("vaultterm sync run mail")?;
    shell.show("vaultterm record ls mail")?;
    world.records().last_run_did("mail", &[("created_local", SECRETS.len() as u64)])?;
    shell.narrator.say("The types were told by the names of the fields. Are the values right?");
    for (path, record_type, fields) in SECRETS {
        let fields: Value = serde_json::from_str(fields)?;
        world.records().hold(path, record_type, &fields)?;
        world.vault().is_untouched(path)?;
    }
    shell.narrator.checked("vault kv metadata get: each secret is still at version 1, without any mark");
    Ok(())
}
