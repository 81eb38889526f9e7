//! Push: records of every type travel to Vault.

use anyhow::Result;
use serde_json::Value;

use crate::demo::{shell::word, world::World};

/// The path, the type and the fields of each record. None of these values is a credential of a real system.
const RECORDS: [(&str, &str, &str); 11] = [
    ("shop/database", "PASSWORD", r#"{"username":"shop","password":"tulip-4417-anchor","url":"postgres://db/shop"}"#),
    ("shop/database/replica", "PASSWORD", r#"{"username":"reader","password":"marble-2093-fox"}"#),
    ("shop/payments/api", "API_KEY", r#"{"key_id":"pk_demo","key":"sk_demo_9f1c27"}"#),
    ("shop/deploy", "SSH_KEY", r#"{"private_key":"not a real key\nof two lines\n","public_key":"ssh-ed25519 demo"}"#),
    ("shop/LOG_LEVEL", "ENV_VAR", r#"{"value":"info"}"#),
    ("shop/on call", "SECURE_NOTE", r#"{"note":"Two short rings: a page. Then call Ben ☎"}"#),
    ("shop/bank/otp", "TOTP", r#"{"totp_secret":"JBSWY3DPEHPK3PXP","issuer":"Bank"}"#),
    ("shop/card", "PAYMENT_CARD", r#"{"card_number":"4111111111111111","expiry":"12/29","cvc":"123"}"#),
    ("shop/ben", "IDENTITY", r#"{"first_name":"Ben","last_name":"Ito","email":"ben@example.com"}"#),
    ("shop/passkey", "PASSKEY", r#"{"credential_id":"c2hvcA","rp_id":"shop.example.com"}"#),
    ("shop/50% off?", "KEY_VALUE", r#"{"regions":["eu","us"],"limits":{"rate":2.5},"until":null,"text":""}"#),
];

/// Tells this chapter.
pub(super) fn tell(world: &World) -> Result<()> {
    let shell = &world.shell;
    shell.narrator.say(
        "Ann keeps the shop's credentials in a collection. There are ten types of record; names may\n\
         hold spaces and signs, values any JSON. Values go through stdin, never the command line.",
    );
    shell.tell("vaultterm collection create shop")?;
    for (record, record_type, fields) in RECORDS {
        shell.tell_with(&format!("vaultterm record set {} --type {record_type} --fields -", word(record)), fields)?;
    }
    shell.narrator.say("Values are masked unless she asks, which the audit records.");
    shell.show("vaultterm record get shop/database")?;

    shell.narrator.say(
        "VaultTerm reaches Vault through an AppRole role with as few rights as the mode needs. It\n\
         prints the policy, and a script that sets the role up; Vault's administrator runs it.",
    );
    let flavor = world.remote.product.flavor();
    shell.show(&format!(
        "vaultterm connection policy --mount secret --path shop --mode push --role shop --flavor {flavor}"
    ))?;
    world.connect("shop", "push")?;

    shell.narrator.say("Is everything in place? What would a run do? Then the run itself.");
    shell.show("vaultterm connection test shop")?;
    shell.show("vaultterm sync plan shop")?;
    shell.show("vaultterm sync run shop")?;
    world.records().last_run_did("shop", &[("created_remote", RECORDS.len() as u64)])?;

    shell.narrator.say("Now Vault itself is asked, by its own administrator:");
    for (record, record_type, fields) in RECORDS {
        let fields: Value = serde_json::from_str(fields)?;
        world.vault().holds(record, 1, &fields)?;
        world.vault().is_marked(record, record_type)?;
    }
    shell.narrator.checked("each is marked in its custom metadata: managed by VaultTerm, and its type");
    Ok(())
}
